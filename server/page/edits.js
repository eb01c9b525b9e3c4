/* edits.js - changing the boxes of a picture, undo and redo. */
import { state, tell, select } from "./state.js";
import { within, iou, rounded } from "./geometry.js";

const KEPT = 200; // steps of undo

let lastId = 0;

/* Takes what `edit` makes of the boxes. Edits in a row with the same `step` are one step of undo. */
export function change(picture, edit, step = null) {
  const boxes = edit(picture.boxes);
  if (boxes === picture.boxes) return;
  if (step === null || picture.step !== step) {
    picture.past.push(picture.boxes);
    if (picture.past.length > KEPT) picture.past.shift();
  }
  picture.step = step;
  picture.future = [];
  show(picture, boxes);
}

function show(picture, boxes) {
  picture.boxes = boxes;
  picture.touched = true;
  if (picture !== state.current) return;
  const there = state.selection.filter((id) => boxes.some((box) => box.id === id));
  if (there.length !== state.selection.length) select(there);
  tell("boxes");
}

export function undo(picture) {
  if (!picture?.past.length) return;
  picture.future.push(picture.boxes);
  picture.step = null;
  show(picture, picture.past.pop());
}

export function redo(picture) {
  if (!picture?.future.length) return;
  picture.past.push(picture.boxes);
  picture.step = null;
  show(picture, picture.future.pop());
}

/* The id of the new box, of the user. */
export function addBox(picture, corners, label = "") {
  const box = { ...rounded(within(corners, picture)), id: ++lastId, label, score: 1, made: false };
  change(picture, (boxes) => [...boxes, box]);
  return box.id;
}

/* A model's box: the id of the box that stands there already, or of a new one. */
export function addFound(picture, found, step) {
  const there = picture.boxes.find((box) => iou(box, found) > 0.95 &&
    (!box.made || box.label.toLowerCase() === found.label.toLowerCase()));
  if (there) return there.id;
  const box = { ...found, id: ++lastId, made: true };
  change(picture, (boxes) => [...boxes, box], step);
  return box.id;
}

/* What models made goes; what the user drew or touched stays. */
export function dropFound(picture, step) {
  if (picture.boxes.some((box) => box.made)) change(picture, (boxes) => boxes.filter((box) => !box.made), step);
}

function changeSome(picture, ids, edit, step) {
  change(picture, (boxes) => boxes.map((box) => (ids.includes(box.id) ? { ...edit(box), made: false } : box)), step);
}

export function moveBoxes(picture, ids, dx, dy, step) {
  changeSome(picture, ids, (box) => {
    const x = Math.min(Math.max(dx, -box.x1), picture.width - box.x2);
    const y = Math.min(Math.max(dy, -box.y1), picture.height - box.y2);
    return { ...box, ...rounded({ x1: box.x1 + x, y1: box.y1 + y, x2: box.x2 + x, y2: box.y2 + y }) };
  }, step);
}

export function setCorners(picture, id, corners, step) {
  changeSome(picture, [id], (box) => ({ ...box, ...rounded(within(corners, picture)) }), step);
}

export function renameBoxes(picture, ids, label) {
  const differs = picture.boxes.some((box) => ids.includes(box.id) && box.label !== label);
  if (differs) changeSome(picture, ids, (box) => ({ ...box, label }));
}

export function deleteBoxes(picture, ids) {
  change(picture, (boxes) => boxes.filter((box) => !ids.includes(box.id)));
}
