/* models.js - the server's state, its models and adapters, and the key. */
import { state } from "./state.js";
import { byId, make, showError } from "./dom.js";
import { getJson, health, onKeyWanted } from "./api.js";

const WORDS = { ready: "", loading: "The model is being loaded …", stopping: "The server is being stopped.", away: "The server does not answer." };

function askForKey(why) {
  const dialog = byId("key-dialog"), field = byId("key");
  byId("key-why").textContent = why;
  field.value = "";
  dialog.returnValue = "cancel";
  dialog.showModal();
  field.focus();
  return new Promise((done) => dialog.addEventListener("close",
    () => done(dialog.returnValue === "ok" ? field.value.trim() : null), { once: true }));
}

async function readAdapters() {
  let adapters = [];
  try {
    adapters = await getJson("/lora-adapters");
  } catch (problem) {
    if (problem.status !== 404) throw problem;
  }
  const name = (path) => path.slice(path.lastIndexOf("/") + 1);
  byId("adapter").replaceChildren(make("option", { value: "", text: "none" }),
    ...adapters.map(({ id, path }) => make("option", { value: String(id), text: name(path) })));
  byId("adapter-label").hidden = adapters.length === 0;
}

async function readModels() {
  const { data } = await getJson("/v1/models");
  const speaks = (model) => model.architecture?.output_modalities?.includes("text");
  const names = data.filter(speaks).map((model) => model.id);
  byId("model").replaceChildren(...names.map((text) => make("option", { value: text, text })));
  state.model = names[0] ?? "";
  await readAdapters();
}

async function watch() {
  const now = await health();
  byId("server").textContent = WORDS[now];
  if (now === "ready" && !state.model) {
    try {
      await readModels();
    } catch (problem) {
      showError(problem.message);
    }
  }
  setTimeout(watch, now === "ready" ? 15000 : 1000);
}

export function startModels() {
  onKeyWanted(askForKey);
  byId("model").addEventListener("change", (event) => (state.model = event.target.value));
  byId("adapter").addEventListener("change", (event) => (byId("scale-label").hidden = event.target.value === ""));
  watch();
}
