/* stage_keys.js - the keyboard on the stage, and keys of the whole page. */
import { state, select, setTool } from "./state.js";
import { byId } from "./dom.js";
import { view, stageSize, fit, zoom, pan, focusBox } from "./stage.js";
import { cancelDrawing } from "./pointers.js";
import { moveBoxes, setCorners, addBox, deleteBoxes, undo, redo } from "./edits.js";
import { step } from "./pictures.js";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function arrow(event) {
  const [dx, dy] = ARROWS[event.key], picture = state.current, ids = state.selection;
  const far = event.shiftKey ? 10 : 1;
  if (ids.length === 0) return pan(-dx * 40 * far, -dy * 40 * far);
  const keys = `keys ${ids} ${event.altKey}`;
  if (!event.altKey) return moveBoxes(picture, ids, dx * far, dy * far, keys);
  for (const box of picture.boxes.filter((one) => ids.includes(one.id)))
    setCorners(picture, box.id, { ...box, x2: Math.max(box.x2 + dx * far, box.x1 + 1), y2: Math.max(box.y2 + dy * far, box.y1 + 1) }, keys);
}

/* A box of a third of what is seen. */
function newBox() {
  const { width, height } = stageSize();
  const a = view.toPixel(width / 3, height / 3), b = view.toPixel((2 * width) / 3, (2 * height) / 3);
  const id = addBox(state.current, { x1: a.x, y1: a.y, x2: b.x, y2: b.y });
  select([id]);
  focusBox(id);
}

function goTo(by) {
  const boxes = state.current.boxes, at = boxes.findIndex((box) => box.id === state.selection[0]);
  if (boxes.length === 0) return;
  const next = boxes[(Math.max(at, by > 0 ? -1 : 0) + by + boxes.length) % boxes.length];
  select([next.id]);
  focusBox(next.id);
}

function choose(event) {
  const id = Number(event.target.dataset?.id);
  if (id && !state.selection.includes(id)) select([id]);
  else if (id) byId("name").focus();
}

function giveUp() {
  byId("draft").hidden = true;
  if (cancelDrawing()) return true;
  if (state.tool === "draw") setTool("select");
  else if (state.selection.length) select([]);
  else return false;
  return true;
}

const KEYS = {
  "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), 0: fit,
  1: () => zoom(1 / view.scale),
  b: () => setTool("draw"), v: () => setTool("select"), n: newBox,
  "[": () => goTo(-1), "]": () => goTo(1), Enter: choose, F2: () => byId("name").focus(),
  Delete: () => deleteBoxes(state.current, state.selection),
  Backspace: () => deleteBoxes(state.current, state.selection),
};

function onStage(event) {
  if (!state.current || event.ctrlKey || event.metaKey || event.target.closest("#empty")) return;
  const run = ARROWS[event.key] ? arrow : KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (event.key === "Escape") {
    if (giveUp()) event.stopPropagation();
  } else if (run) {
    event.preventDefault();
    const focused = event.target.dataset?.id;
    run(event);
    if (focused && !event.target.isConnected) byId("stage").focus();
  }
}

const writes = (node) => node.matches("input:not([type=radio]):not([type=checkbox]), textarea, select");

function onPage(event) {
  if (document.querySelector("dialog[open]")) return;
  const by = { PageUp: -1, PageDown: 1 }[event.key];
  if (event.key === "Escape" && state.run) state.run.stop();
  else if (by && !writes(event.target)) {
    event.preventDefault();
    step(by);
  } else if ((event.ctrlKey || event.metaKey) && !writes(event.target) && "zy".includes(event.key.toLowerCase())) {
    event.preventDefault();
    if (event.shiftKey || event.key.toLowerCase() === "y") redo(state.current);
    else undo(state.current);
  }
}

export function startKeys() {
  byId("stage").addEventListener("keydown", onStage);
  document.addEventListener("keydown", onPage);
}
