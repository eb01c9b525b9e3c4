/* task_panel.js - the form that says what to do. */
import { state, on, selectedBoxes } from "./state.js";
import { byId, showError } from "./dom.js";
import { nameOf } from "./stage.js";
import { run } from "./tasks.js";

const VERBS = { caption: "Caption", ask: "Ask", find: "Find", label: "Label" };

const chosen = () => byId("task").elements.task.value;

export function chooseTask(task) {
  byId("task").elements.task.value = task;
  showTask();
}

/* "a, b" or lines -> a list without repetitions. */
function words(id) {
  return [...new Set(byId(id).value.split(/[,\n]/).map((word) => word.trim()).filter(Boolean))];
}

/* What the form wants of a task; null after a message. */
function wants(task) {
  if (task === "ask") {
    const question = byId("question").value.trim() || (state.selection.length ? "What is {1}?" : "");
    return question ? { question, boxes: selectedBoxes() } : missing("question", "Write a question first.");
  }
  if (task === "find") {
    const phrases = words("phrases");
    if (!phrases.length) return missing("phrases", "Write the words to find first.");
    state.classes = phrases;
    return { phrases, all: byId("find-all").checked };
  }
  if (task === "label") {
    state.classes = words("classes");
    return { classes: state.classes, least: Number(byId("least").value) };
  }
  return {};
}

function missing(id, why) {
  showError(why);
  byId(id).focus();
  return null;
}

function start(pictures) {
  if (pictures.length === 0) return showError("Open a picture first.");
  const task = chosen(), what = wants(task);
  if (what) run(task, pictures, what);
}

function showTask() {
  const task = chosen();
  for (const node of byId("task").querySelectorAll("[data-for]")) node.hidden = node.dataset.for !== task;
  byId("run").textContent = task === "label" && !byId("classes").value.trim() ? "Find everything" : VERBS[task];
  byId("run-all").disabled = task === "ask";
}

function showAbout() {
  const boxes = selectedBoxes();
  byId("about").textContent = boxes.length === 0 ? "Select boxes to ask about them."
    : `About ${boxes.map((box, i) => `{${i + 1}} ${nameOf(box)}`).join(", ")}.`;
}

function showRun() {
  const busy = state.run !== null;
  byId("run").hidden = busy;
  byId("run-all").hidden = busy || state.pictures.length < 2;
  byId("stop").hidden = !busy;
  byId("task").setAttribute("aria-busy", String(busy));
  if (!busy) byId("clock").textContent = "";
  else tick();
}

function tick() {
  if (!state.run) return;
  const { began, done, total } = state.run;
  byId("clock").textContent = `${total > 1 ? `${done + 1} of ${total} · ` : ""}${((performance.now() - began) / 1000).toFixed(1)} s`;
}

export function askAbout() {
  chooseTask("ask");
  const question = byId("question");
  if (!question.value.includes("{1}")) question.value = "What is {1}?";
  question.focus();
  question.select();
}

export function startTaskPanel() {
  const form = byId("task");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    start(state.current ? [state.current] : []);
  });
  form.addEventListener("change", showTask);
  byId("classes").addEventListener("input", showTask);
  form.addEventListener("keydown", (event) => {
    const goes = event.key === "Enter" && (event.ctrlKey || event.metaKey || (event.target.id === "question" && !event.shiftKey));
    if (!goes || state.run) return;
    event.preventDefault();
    form.requestSubmit();
  });
  byId("run-all").addEventListener("click", () => start(state.pictures.filter((picture) => !picture.broken)));
  byId("stop").addEventListener("click", () => state.run?.stop());
  setInterval(tick, 100);
  on("run pictures", showRun);
  on("selection boxes current", showAbout);
  showTask();
}
