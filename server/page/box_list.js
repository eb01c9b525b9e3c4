/* box_list.js - the boxes as a list, and the bar of the selected ones. */
import { state, on, select, light, selectedBoxes } from "./state.js";
import { byId, make } from "./dom.js";
import { paint } from "./colours.js";
import { nameOf } from "./stage.js";
import { renameBoxes, deleteBoxes, undo, redo } from "./edits.js";
import { run } from "./tasks.js";
import { askAbout } from "./task_panel.js";

/* ---- the list ---- */

function row(box, labels) {
  const node = make("li", { role: "option", id: `row-${box.id}`, title: box.label },
    make("span", { class: "dot" }), make("span", { class: "name", text: nameOf(box) }),
    make("span", { class: "quiet", text: box.made ? box.score.toFixed(2) : "yours" }));
  node.dataset.id = box.id;
  node.classList.toggle("nameless", !box.label);
  paint(node, box.label, labels);
  return node;
}

function drawList() {
  const boxes = state.current?.boxes ?? [], list = byId("list");
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.id : null;
  const at = [...list.children].indexOf(document.activeElement);
  const labels = boxes.map((box) => box.label);
  list.replaceChildren(...boxes.map((box) => row(box, labels)));
  list.hidden = boxes.length === 0;
  byId("no-boxes").hidden = boxes.length > 0;
  byId("count").textContent = boxes.length ? boxes.length : "";
  byId("names").replaceChildren(...[...new Set([...state.classes, ...labels])].filter(Boolean)
    .map((value) => make("option", { value })));
  byId("undo").disabled = !state.current?.past.length;
  byId("redo").disabled = !state.current?.future.length;
  drawSelection();
  if (focused !== null) (byId(`row-${focused}`) ?? list.children[Math.min(at, boxes.length - 1)] ?? byId("stage")).focus();
}

function pick(id, adds) {
  if (!adds) return select([id]);
  const kept = state.selection.filter((other) => other !== id);
  select(kept.length === state.selection.length ? [...kept, id] : kept);
}

function onKey(event) {
  const rows = [...byId("list").children], at = rows.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
  if (at < 0) return;
  if (to !== undefined && rows[to]) {
    event.preventDefault();
    rows[to].focus();
    if (!event.ctrlKey) pick(Number(rows[to].dataset.id), event.shiftKey);
  } else if (event.key === " ") {
    event.preventDefault();
    pick(Number(rows[at].dataset.id), true);
  } else if (event.key === "Delete" || event.key === "Backspace") {
    event.preventDefault();
    deleteBoxes(state.current, state.selection);
  } else if (event.key === "Enter" || event.key === "F2") {
    event.preventDefault();
    if (!state.selection.length) pick(Number(rows[at].dataset.id), false);
    byId("name").focus();
  }
}

function listen() {
  const list = byId("list"), rowOf = (event) => event.target.closest("li");
  list.addEventListener("click", (event) => {
    if (!rowOf(event)) return;
    pick(Number(rowOf(event).dataset.id), event.shiftKey || event.ctrlKey || event.metaKey);
    rowOf(event).focus();
  });
  list.addEventListener("keydown", onKey);
  for (const type of ["mouseover", "focusin"])
    list.addEventListener(type, (event) => rowOf(event) && light({ box: Number(rowOf(event).dataset.id) }));
  for (const type of ["mouseleave", "focusout"]) list.addEventListener(type, () => light(null));
}

/* ---- the selected ones ---- */

function drawSelection() {
  const boxes = selectedBoxes(), bar = byId("selection"), name = byId("name");
  const stop = state.selection[0] ?? state.current?.boxes[0]?.id;
  for (const node of byId("list").children) {
    const here = state.selection.includes(Number(node.dataset.id));
    node.setAttribute("aria-selected", String(here));
    node.tabIndex = Number(node.dataset.id) === stop ? 0 : -1;
  }
  bar.hidden = boxes.length === 0;
  if (boxes.length === 0) return;
  const same = boxes.every((box) => box.label === boxes[0].label);
  if (document.activeElement !== name) name.value = same ? boxes[0].label : "";
  name.placeholder = boxes.length > 1 ? `Name of ${boxes.length} boxes` : "Name";
  byId("describe").disabled = state.run !== null;
}

function drawLit() {
  for (const node of byId("list").children) node.classList.toggle("lit", state.lit.boxes.has(Number(node.dataset.id)));
}

function rename() {
  if (state.selection.length) renameBoxes(state.current, state.selection, byId("name").value.trim());
}

export function startBoxList() {
  listen();
  byId("selection").addEventListener("submit", (event) => {
    event.preventDefault();
    rename();
    byId("stage").focus();
  });
  byId("name").addEventListener("change", rename);
  byId("name").addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    byId("name").value = selectedBoxes()[0]?.label ?? "";
    byId("stage").focus();
  });
  byId("describe").addEventListener("click", () => run("describe", [state.current], { boxes: selectedBoxes() }));
  byId("ask-about").addEventListener("click", askAbout);
  byId("delete").addEventListener("click", () => {
    deleteBoxes(state.current, state.selection);
    byId("stage").focus();
  });
  byId("undo").addEventListener("click", () => undo(state.current));
  byId("redo").addEventListener("click", () => redo(state.current));
  on("boxes current", drawList);
  on("selection run", drawSelection);
  on("lit", drawLit);
}
