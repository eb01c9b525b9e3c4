/* answers.js - what the model said about the current picture; phrases in the colours of their
 * boxes. */
import { state, on, light, select, tell } from "./state.js";
import { byId, make } from "./dom.js";
import { paint } from "./colours.js";

const cards = new Map();   // answer -> its element
const phrases = new Map(); // phrase -> its element

function choose(phrase) {
  select(phrase.boxes.map((box) => box.id).filter((id) => state.current.boxes.some((box) => box.id === id)));
  light({ phrase });
}

function makePhrase(phrase, text) {
  if (phrase.boxes.length === 0) return make("span", { class: "nowhere", text });
  const n = phrase.boxes.length;
  const node = make("span", {
    class: "phrase", role: "button", tabindex: "0", text, title: n > 1 ? `${n} boxes` : undefined,
    on: {
      mouseenter: () => light({ phrase }), mouseleave: () => light(null),
      focus: () => light({ phrase }), blur: () => light(null),
      click: () => choose(phrase),
      keydown: (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        choose(phrase);
      },
    },
  });
  paint(node, phrase.label, state.current.boxes.map((box) => box.label));
  phrases.set(phrase, node);
  return node;
}

function words(answer) {
  const parts = [];
  let at = 0;
  for (const phrase of [...answer.phrases].sort((a, b) => a.begin - b.begin)) {
    if (phrase.begin > at) parts.push(answer.text.slice(at, phrase.begin));
    parts.push(makePhrase(phrase, answer.text.slice(Math.max(phrase.begin, at), phrase.end)));
    at = Math.max(at, phrase.end);
  }
  parts.push(answer.text.slice(at));
  return make("p", { class: "words" }, ...parts);
}

/* The question, with its boxes in the places of {1}, {2}. */
function title(answer) {
  const parts = answer.title.split(/\{(\d+)\}/).map((text, i) => {
    const phrase = i % 2 ? answer.asked[Number(text) - 1] : null;
    if (!phrase) return i % 2 ? `{${text}}` : text;
    return makePhrase(phrase, phrase.label || `box ${text}`);
  });
  return make("h3", {}, ...parts);
}

function remove(answer) {
  const picture = state.current;
  picture.answers = picture.answers.filter((other) => other !== answer);
  tell("answers");
}

/* A card is made again only while its answer grows, so that the focus stays in the others. */
function card(answer) {
  const known = cards.get(answer);
  const version = `${answer.state} ${answer.text.length} ${answer.phrases.length} ${answer.notes.length}`;
  if (known?.version === version) return known;
  const runs = answer.state === "runs";
  const node = make("li", { class: "answer" },
    make("div", { class: "head" }, title(answer),
      make("button", { type: "button", class: "plain", "aria-label": `Remove the answer to: ${answer.title}`, text: "×",
        on: { click: () => remove(answer) } })),
    answer.text ? words(answer) : make("p", { class: "quiet waits", text: runs ? "Reading the picture …" : "Stopped before the first word." }));
  if (runs && answer.text) node.lastChild.classList.add("grows");
  for (const text of new Set(answer.notes)) node.append(make("p", { class: "note", text }));
  if (answer.timing) node.append(make("p", { class: "quiet timing", text: answer.timing + (answer.state === "stopped" ? " · stopped" : "") }));
  node.version = version;
  cards.set(answer, node);
  return node;
}

function draw() {
  const answers = state.current?.answers ?? [];
  for (const answer of cards.keys()) if (!answers.includes(answer)) cards.delete(answer);
  const list = byId("answers"), wanted = answers.map(card);
  wanted.forEach((node, i) => {
    if (list.children[i] !== node) list.insertBefore(node, list.children[i] ?? null);
  });
  while (list.children.length > wanted.length) list.lastChild.remove();
  for (const node of [...list.children]) if (!wanted.includes(node)) node.remove();
  byId("no-answers").hidden = answers.length > 0;
}

export function startAnswers() {
  on("answers current", draw);
  on("lit", () => {
    for (const [phrase, node] of phrases) {
      if (!node.isConnected) phrases.delete(phrase);
      else node.classList.toggle("lit", state.lit.phrases.has(phrase));
    }
  });
}
