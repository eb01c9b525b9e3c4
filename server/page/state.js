/* state.js - what the page knows, and who is told when it changes.
 *
 * A picture: {name, blob, url, width, height (0: not read yet), id (the server's, or null),
 *   boxes, past, future, answers, touched}
 * A box: {id, x1, y1, x2, y2, label, score, made}; pixels of the upright picture; `made` by a
 *   model and not touched since. Boxes and lists of them are never changed in place, so an
 *   earlier list is all that undo needs.
 * An answer: {task, title, text, phrases, asked, notes, timing, state: "runs" | "done" | "stopped"};
 *   asked: phrases for the boxes of the question, which stand in the title as {1}, {2}
 * A phrase: {begin, end (of text), label, boxes: [{id, x1, ...}]}
 */

export const state = {
  pictures: [],
  current: null,   // a picture
  selection: [],   // ids of its boxes, in the order in which they were selected
  tool: "select",  // or "draw"
  lit: { boxes: new Set(), phrases: new Set(), ghosts: [] },
  run: null,       // {stop(), began, words}
  classes: [],     // the user's list, in its order: numbers the classes of exports
  model: "",
  clip: "",
};

const listeners = new Map();

/* Calls `run` when one of the names is told: "pictures" (the list), "current", "boxes" (of the
 * current picture), "selection", "tool", "lit", "answers", "run". */
export function on(names, run) {
  for (const name of names.split(" ")) {
    if (!listeners.has(name)) listeners.set(name, []);
    listeners.get(name).push(run);
  }
}

export function tell(name) {
  for (const run of listeners.get(name) ?? []) run();
}

export function select(ids) {
  state.selection = ids;
  tell("selection");
}

export function setTool(tool) {
  state.tool = tool;
  tell("tool");
}

export function open(picture) {
  state.current = picture;
  state.selection = [];
  light(null);
  tell("current");
}

export function selectedBoxes() {
  const boxes = state.current?.boxes ?? [];
  return state.selection.map((id) => boxes.find((box) => box.id === id)).filter(Boolean);
}

/* Lights a box with the phrases that name it, or a phrase with its boxes; null: nothing. Boxes of
 * a phrase that are not in the picture any more are shown as ghosts. */
export function light(what) {
  const lit = { boxes: new Set(), phrases: new Set(), ghosts: [] };
  const picture = state.current;
  if (what?.box !== undefined) {
    lit.boxes.add(what.box);
    for (const answer of picture.answers)
      for (const phrase of [...answer.phrases, ...answer.asked])
        if (phrase.boxes.some((box) => box.id === what.box)) lit.phrases.add(phrase);
  }
  if (what?.phrase) {
    lit.phrases.add(what.phrase);
    for (const box of what.phrase.boxes)
      if (picture.boxes.some((other) => other.id === box.id)) lit.boxes.add(box.id);
      else lit.ghosts.push(box);
  }
  state.lit = lit;
  tell("lit");
}
