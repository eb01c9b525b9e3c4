/* tasks.js - asks the server and puts what it says into the picture: boxes and answers. */
import { state, tell } from "./state.js";
import { own, chat, ApiError } from "./api.js";
import { addFound, dropFound, renameBoxes } from "./edits.js";
import { fromList, toList } from "./geometry.js";
import { measure } from "./pictures.js";
import { byId, say, showError, clearErrors } from "./dom.js";

const CAPTION = "Give me a concise description of the image.";
const FINDABLE = 0.3; // least score where every match is wanted

let runs = 0;

/* ---- one answer ---- */

function newAnswer(picture, task, title) {
  const answer = { task, title, text: "", phrases: [], asked: [], notes: [], timing: "", state: "runs", began: performance.now() };
  picture.answers.unshift(answer);
  return answer;
}

/* Members that every request has. */
function common() {
  const adapter = byId("adapter").value;
  const members = state.model ? { model: state.model } : {};
  if (adapter !== "") members.lora = [{ id: Number(adapter), scale: Number(byId("scale").value) }];
  return members;
}

const seconds = (ms) => `${(ms / 1000).toFixed(ms < 1000 ? 2 : ms < 10000 ? 1 : 0)} s`;

function finish(answer, how = "done", more = []) {
  answer.state = how;
  answer.timing = [...more, seconds(performance.now() - answer.began)].join(" · ");
}

function note(answer, { notice, unlike, complete }) {
  if (notice) answer.notes.push(`${notice}.`);
  if (unlike) answer.notes.push(`This picture is unlike what the model knows (${unlike.toFixed(2)}): do not rely on the answer.`);
  if (complete === false) answer.notes.push("The answer was cut.");
}

/* Bytes of UTF-8 -> place in a string. */
function placeOf(text, bytes) {
  let at = 0;
  for (const letter of text) {
    if (bytes <= 0) break;
    const code = letter.codePointAt(0);
    bytes -= code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    at += letter.length;
  }
  return at;
}

function addRegions(picture, label, regions, step) {
  return regions.map((region) => {
    const corners = fromList(region.box);
    return { ...corners, id: addFound(picture, { ...corners, label, score: region.score }, step) };
  });
}

async function converse(picture, answer, question, boxes, step, signal) {
  let first = 0, usage = null;
  const members = { ...common(), ...(boxes.length ? { boxes: boxes.map(toList) } : {}) };
  for await (const event of chat(picture, question, members, signal)) {
    first ||= performance.now();
    if (event.text) answer.text += event.text;
    if (event.phrase) {
      const { phrase, span: [begin, end], regions } = event.phrase;
      answer.phrases.push({ begin: placeOf(answer.text, begin), end: placeOf(answer.text, end), label: phrase,
        boxes: addRegions(picture, phrase, regions, step) });
    }
    if (event.usage) usage = event.usage;
    if (event.notes) note(answer, event.notes);
    tell("answers");
  }
  const more = first ? [`first word ${seconds(first - answer.began)}`] : [];
  if (usage) more.push(`${usage.completion_tokens} tokens`);
  finish(answer, "done", more);
}

/* ---- the tasks: each gets (picture, wants, step, signal) ---- */

async function caption(picture, wants, step, signal) {
  const answer = newAnswer(picture, "caption", "Caption");
  dropFound(picture, step);
  await converse(picture, answer, CAPTION, [], step, signal);
  say(`Caption: ${answer.text}`);
}

async function ask(picture, { question, boxes }, step, signal) {
  const answer = newAnswer(picture, "ask", question);
  answer.asked = boxes.map((box) => ({ label: box.label, boxes: [box] }));
  await converse(picture, answer, question, boxes, step, signal);
  say(`Answer: ${answer.text}`);
}

/* Words of the answer "crown, 2 apples": each a phrase. */
function listPhrases(answer, items, between = ", ") {
  for (const { label, words, boxes } of items) {
    if (answer.text) answer.text += between;
    const begin = answer.text.length;
    answer.text += words;
    answer.phrases.push({ begin, end: answer.text.length, label, boxes });
  }
}

async function find(picture, { phrases, all }, step, signal) {
  const answer = newAnswer(picture, "find", `Find ${phrases.join(", ")}`);
  tell("answers");
  const found = await own("/v1/ground", picture,
    { ...common(), phrases, ...(all ? { all: true, min_score: FINDABLE } : {}) }, signal);
  dropFound(picture, step);
  listPhrases(answer, found.results.map(({ phrase, regions, present, calibrated }) => ({
    label: phrase,
    words: regions.length ? `${phrase}${regions.length > 1 ? ` (${regions.length})` : ""}`
      : `${phrase}: not found${calibrated ? ` (${Math.round(100 * present)} % likely there)` : ""}`,
    boxes: addRegions(picture, phrase, regions, step),
  })));
  note(answer, found);
  finish(answer);
  say(`${answer.text}`);
}

async function label(picture, { classes, least }, step, signal) {
  const answer = newAnswer(picture, "label", classes.length ? `Label: ${classes.join(", ")}` : "Find everything");
  tell("answers");
  const found = classes.length
    ? await own("/v1/label", picture, { ...common(), classes, conf: least }, signal)
    : await own("/v1/detect", picture, { ...common(), conf: least }, signal);
  dropFound(picture, step);
  const groups = new Map();
  for (const region of found.regions) {
    if (region.label === null) continue; // none of the classes
    const name = region.label ?? "", score = region.score * (region.label_score ?? 1);
    const boxes = addRegions(picture, name, [{ ...region, score }], step);
    groups.set(name, [...(groups.get(name) ?? []), ...boxes]);
  }
  listPhrases(answer, [...groups].map(([name, boxes]) => ({
    label: name, boxes, words: name ? `${name} (${boxes.length})` : `${boxes.length} things` })));
  if (groups.size === 0) answer.text = "Nothing was found.";
  note(answer, found);
  finish(answer);
  say(answer.text);
}

/* Also names the boxes that have no name. */
async function describe(picture, { boxes }, step, signal) {
  const answer = newAnswer(picture, "describe", boxes.length > 1 ? `Describe ${boxes.length} boxes` : "Describe a box");
  tell("answers");
  const told = await own("/v1/describe", picture, { ...common(), boxes: boxes.map(toList) }, signal);
  told.results.forEach(({ text, complete }, i) => {
    listPhrases(answer, [{ label: text, words: text, boxes: [boxes[i]] }], "\n");
    note(answer, { complete });
    if (!boxes[i].label) renameBoxes(picture, [boxes[i].id], text.replace(/[.\s]+$/, ""));
  });
  note(answer, told);
  finish(answer);
  say(answer.text);
}

const TASKS = { caption, ask, find, label, describe };

/* ---- running them ---- */

async function runOne(task, picture, wants, signal) {
  await measure(picture);
  picture.touched = true;
  try {
    await TASKS[task](picture, wants, `run ${++runs}`, signal);
  } catch (problem) {
    const answer = picture.answers[0];
    if (answer?.state === "runs") {
      if (problem.name === "AbortError") finish(answer, "stopped");
      else picture.answers.shift();
    }
    throw problem;
  } finally {
    tell("answers");
  }
}

/* Runs a task over pictures, one after another; Stop ends it. */
export async function run(task, pictures, wants = {}) {
  if (state.run || pictures.length === 0) return;
  const controller = new AbortController();
  const told = new Set();
  state.run = { stop: () => controller.abort(), began: performance.now(), done: 0, total: pictures.length };
  clearErrors();
  say(pictures.length > 1 ? `Working on ${pictures.length} pictures` : "Working");
  tell("run");
  for (const picture of pictures) {
    try {
      await runOne(task, picture, wants, controller.signal);
    } catch (problem) {
      if (problem.name === "AbortError") {
        say("Stopped");
        break;
      }
      if (!(problem instanceof ApiError || problem.name === "EncodingError")) console.error(problem);
      told.add(`${pictures.length > 1 ? `${picture.name}: ` : ""}${problem.message}`);
      showError([...told].join("\n"));
      if (problem.status === 0 || problem.status === 401) break;
    }
    state.run.done++;
    tell("run");
  }
  state.run = null;
  tell("run");
}
