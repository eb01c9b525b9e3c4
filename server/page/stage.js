/* stage.js - the picture with its boxes: draws what state.js knows. Pointers are in pointers.js,
 * keys in stage_keys.js. */
import { state, on } from "./state.js";
import { byId, make } from "./dom.js";
import { area } from "./geometry.js";
import { paint } from "./colours.js";
import { View } from "./view.js";

export const view = new View();
const HANDLES = ["nw", "n", "ne", "e", "se", "s", "sw", "w"];

const nodes = new Map(); // box id -> element
let photo = null;        // the <img>

export function stageSize() {
  const { clientWidth: width, clientHeight: height } = byId("stage");
  return { width, height };
}

/* ---- where things are ---- */

function put(node, box) {
  const at = view.toStage(box);
  node.style.transform = `translate(${at.left}px, ${at.top}px)`;
  node.style.width = `${at.width}px`;
  node.style.height = `${at.height}px`;
  return at;
}

function place(node, box) {
  const at = put(node, box);
  node.classList.toggle("below", at.top < 22); // no room for the name above it
}

export function drawView() {
  const picture = state.current;
  if (!picture) return;
  photo.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
  photo.classList.toggle("pixels", view.scale >= 4);
  for (const box of picture.boxes) place(nodes.get(box.id), box);
  for (const node of byId("ghosts").children) put(node, node.box);
  byId("zoom-fit").textContent = `${Math.round(view.scale * 100)} %`;
}

export function fit() {
  if (!state.current) return;
  view.fit(state.current, stageSize());
  drawView();
}

/* factor about a place of the stage; without one, its middle. */
export function zoom(factor, px = stageSize().width / 2, py = stageSize().height / 2) {
  if (!state.current) return;
  view.zoom(px, py, factor, state.current, stageSize());
  drawView();
}

export function pan(dx, dy) {
  if (!state.current) return;
  view.pan(dx, dy, state.current, stageSize());
  drawView();
}

/* ---- boxes ---- */

export const nameOf = (box) => box.label || "no name";

function describeBox(box) {
  const size = `${Math.round(box.x2 - box.x1)} by ${Math.round(box.y2 - box.y1)} pixels`;
  return `${nameOf(box)}, ${size}, at ${Math.round(box.x1)}, ${Math.round(box.y1)}`;
}

function makeBox(box) {
  const node = make("div", { class: "box", role: "button" }, make("span", { class: "name" }));
  for (const handle of HANDLES) node.append(make("i", { class: `handle ${handle}`, "data-handle": handle }));
  node.dataset.id = box.id;
  nodes.set(box.id, node);
  return node;
}

/* Small boxes lie above large ones, so each can be reached. */
function drawBoxes() {
  const picture = state.current, labels = picture.boxes.map((box) => box.label);
  const order = [...picture.boxes].sort((a, b) => area(b) - area(a) || a.id - b.id);
  const there = new Set(order.map((box) => box.id));
  for (const [id, node] of nodes)
    if (!there.has(id)) {
      node.remove();
      nodes.delete(id);
    }
  let before = null;
  for (const box of order) {
    const node = nodes.get(box.id) ?? makeBox(box);
    const wanted = before ? before.nextSibling : byId("boxes").firstChild;
    if (node !== wanted) byId("boxes").insertBefore(node, wanted);
    before = node;
    node.firstChild.textContent = box.label;
    node.setAttribute("aria-label", describeBox(box));
    paint(node, box.label, labels);
    place(node, box);
  }
  drawSelection();
}

/* One box is a stop of the Tab key; brackets go to the others. */
function drawSelection() {
  const stop = state.selection[0] ?? state.current?.boxes[0]?.id;
  for (const [id, node] of nodes) {
    node.setAttribute("aria-pressed", String(state.selection.includes(id)));
    node.tabIndex = id === stop ? 0 : -1;
    node.dataset.number = state.selection.length > 1 && state.selection.includes(id) ? state.selection.indexOf(id) + 1 : "";
  }
  byId("boxes").classList.toggle("one", state.selection.length === 1);
}

export const focusBox = (id) => nodes.get(id)?.focus();

function drawLit() {
  const { boxes, ghosts, phrases } = state.lit;
  byId("stage").classList.toggle("dimmed", phrases.size > 0 || boxes.size > 0);
  for (const [id, node] of nodes) node.classList.toggle("lit", boxes.has(id));
  byId("ghosts").replaceChildren(...ghosts.map((box) => {
    const node = make("div", { class: "box lit" });
    node.box = box;
    paint(node, [...phrases][0]?.label ?? "", []);
    if (state.current) put(node, box);
    return node;
  }));
}

/* ---- the picture ---- */

function drawPicture() {
  const picture = state.current;
  for (const node of nodes.values()) node.remove();
  nodes.clear();
  photo.hidden = !picture;
  byId("empty").hidden = Boolean(picture);
  byId("stage").classList.toggle("full", Boolean(picture));
  if (!picture) {
    photo.removeAttribute("src");
    return;
  }
  photo.src = picture.url;
  photo.alt = picture.name;
  photo.width = picture.width;
  photo.height = picture.height;
  drawBoxes();
  fit();
}

export function startStage() {
  photo = byId("photo");
  byId("zoom-in").addEventListener("click", () => zoom(1.25));
  byId("zoom-out").addEventListener("click", () => zoom(0.8));
  byId("zoom-fit").addEventListener("click", fit);
  new ResizeObserver(() => (view.fitted ? fit() : drawView())).observe(byId("stage"));
  on("current", drawPicture);
  on("boxes", drawBoxes);
  on("selection", drawSelection);
  on("lit", drawLit);
  on("tool", () => byId("stage").classList.toggle("draws", state.tool === "draw"));
}
