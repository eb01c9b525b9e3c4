/* pointers.js - mouse, pen and fingers on the stage.
 *
 * A drag moves a selected box or one of its handles, draws in the draw tool, and moves the
 * picture otherwise: a box that is not selected is never moved by accident. Two fingers zoom. */
import { state, on, select, setTool, light } from "./state.js";
import { byId } from "./dom.js";
import { view, drawView, zoom, pan, focusBox } from "./stage.js";
import { moveBoxes, setCorners, addBox } from "./edits.js";

const CLICK = 4; // pixels that a click may move

const pointers = new Map(); // id -> {x, y} on the stage
let gesture = null;
let gestures = 0;
let spaceHeld = false;

function at(event) {
  const { left, top } = byId("stage").getBoundingClientRect();
  return { x: event.clientX - left, y: event.clientY - top };
}

const boxUnder = (event) => {
  const node = event.target.closest(".box[data-id]");
  return node ? Number(node.dataset.id) : null;
};

function toggle(id) {
  const kept = state.selection.filter((other) => other !== id);
  select(kept.length === state.selection.length ? [...kept, id] : kept);
}

/* ---- gestures: {move(from, to), end(moved)} ---- */

const panning = (click) => ({
  move: (last, to) => pan(to.x - last.x, to.y - last.y),
  end: (moved) => !moved && click?.(),
});

function moving(id) {
  const picture = state.current, ids = state.selection, step = `drag ${++gestures}`;
  let left = { x: 0, y: 0 };
  return {
    move(last, to) {
      const box = picture.boxes.find((one) => one.id === id);
      left.x += (to.x - last.x) / view.scale;
      left.y += (to.y - last.y) / view.scale;
      moveBoxes(picture, ids, left.x, left.y, step);
      const now = picture.boxes.find((one) => one.id === id);
      left = { x: left.x - (now.x1 - box.x1), y: left.y - (now.y1 - box.y1) };
    },
    end: () => {},
  };
}

function resizing(id, handle) {
  const picture = state.current, step = `drag ${++gestures}`;
  const start = picture.boxes.find((box) => box.id === id);
  return {
    move(last, to) {
      const { x, y } = view.toPixel(to.x, to.y), corners = { ...start };
      if (handle.includes("w")) corners.x1 = x;
      if (handle.includes("e")) corners.x2 = x;
      if (handle.includes("n")) corners.y1 = y;
      if (handle.includes("s")) corners.y2 = y;
      setCorners(picture, id, corners, step);
    },
    end: () => {},
  };
}

function drawing(from) {
  const picture = state.current, start = view.toPixel(from.x, from.y), draft = byId("draft");
  const corners = (to) => ({ x1: start.x, y1: start.y, x2: to.x, y2: to.y });
  let last = start;
  return {
    move(_, to) {
      last = view.toPixel(to.x, to.y);
      const { x1, y1, x2, y2 } = corners(last);
      const place = view.toStage({ x1: Math.min(x1, x2), y1: Math.min(y1, y2), x2: Math.max(x1, x2), y2: Math.max(y1, y2) });
      draft.hidden = false;
      draft.style.transform = `translate(${place.left}px, ${place.top}px)`;
      draft.style.width = `${place.width}px`;
      draft.style.height = `${place.height}px`;
    },
    end(moved) {
      draft.hidden = true;
      if (!moved || picture !== state.current) return;
      const id = addBox(picture, corners(last));
      select([id]);
      setTool("select");
      focusBox(id);
    },
    cancel: () => (draft.hidden = true),
  };
}

function begin(event) {
  const id = boxUnder(event), handle = event.target.dataset?.handle;
  if (event.button === 1 || spaceHeld) return panning();
  if (state.tool === "draw") return drawing(at(event));
  if (id !== null && handle && state.selection.length === 1 && state.selection[0] === id) return resizing(id, handle);
  if (event.shiftKey || event.ctrlKey || event.metaKey) return panning(id !== null ? () => toggle(id) : null);
  if (id !== null && state.selection.includes(id)) return moving(id);
  return panning(() => select(id === null ? [] : [id]));
}

/* ---- events ---- */

const spread = () => {
  const [a, b] = [...pointers.values()];
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, distance: Math.max(Math.hypot(a.x - b.x, a.y - b.y), 1) };
};

function down(event) {
  if (!state.current || event.target.closest("#empty") || event.button > 1) return;
  if (event.button === 1) event.preventDefault();
  const stage = byId("stage"), id = boxUnder(event);
  pointers.set(event.pointerId, at(event));
  stage.setPointerCapture(event.pointerId);
  if (pointers.size === 2) {
    gesture?.does.cancel?.();
    gesture = { pinch: spread() };
  } else if (pointers.size === 1) {
    gesture = { does: begin(event), from: at(event), last: at(event), moved: false };
  }
  if (id !== null && state.tool === "select") focusBox(id);
  else stage.focus({ preventScroll: true });
}

function move(event) {
  if (!pointers.has(event.pointerId)) return;
  const to = at(event);
  pointers.set(event.pointerId, to);
  if (gesture?.pinch && pointers.size === 2) {
    const now = spread(), before = gesture.pinch;
    pan(now.x - before.x, now.y - before.y);
    zoom(now.distance / before.distance, now.x, now.y);
    gesture.pinch = now;
  } else if (gesture?.does) {
    const far = Math.hypot(to.x - gesture.from.x, to.y - gesture.from.y) > CLICK;
    gesture.moved ||= far;
    if (!gesture.moved) return;
    gesture.does.move(gesture.last, to);
    gesture.last = to;
  }
}

function up(event) {
  if (!pointers.delete(event.pointerId)) return;
  if (gesture?.does) {
    if (event.type === "pointercancel") gesture.does.cancel?.();
    else gesture.does.end(gesture.moved);
  }
  if (pointers.size === 0 || gesture?.does) gesture = null;
}

/* A drawing that has begun is given up; whether there was one. */
export function cancelDrawing() {
  if (!gesture?.does?.cancel) return false;
  gesture.does.cancel();
  gesture = null;
  return true;
}

function watchSpace() {
  const holds = (event) => event.code === "Space" && event.target === byId("stage");
  document.addEventListener("keydown", (event) => {
    if (!holds(event)) return;
    event.preventDefault();
    spaceHeld = true;
  });
  document.addEventListener("keyup", (event) => {
    if (event.code === "Space") spaceHeld = false;
  });
}

export function startPointers() {
  const stage = byId("stage");
  stage.addEventListener("pointerdown", down);
  stage.addEventListener("pointermove", move);
  stage.addEventListener("pointerup", up);
  stage.addEventListener("pointercancel", up);
  stage.addEventListener("wheel", (event) => {
    if (!state.current) return;
    event.preventDefault();
    const { x, y } = at(event), pixels = event.deltaY * (event.deltaMode === 1 ? 16 : 1);
    zoom(Math.exp(-pixels * (event.ctrlKey ? 0.01 : 0.0015)), x, y);
  }, { passive: false });
  stage.addEventListener("pointerover", (event) => {
    if (pointers.size === 0) light(boxUnder(event) === null ? null : { box: boxUnder(event) });
  });
  stage.addEventListener("pointerleave", () => light(null));
  stage.addEventListener("focusin", (event) => boxUnder(event) !== null && light({ box: boxUnder(event) }));
  stage.addEventListener("focusout", () => light(null));
  watchSpace();
  on("current", drawView);
}
