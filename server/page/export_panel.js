/* export_panel.js - saves boxes in the format that is chosen. */
import { state, on } from "./state.js";
import { byId, save, say, showError } from "./dom.js";
import { classNames, coco, labelStudio, labelConfig, yolo, voc } from "./exports.js";
import { zip } from "./zip.js";

const json = (value) => new Blob([JSON.stringify(value)], { type: "application/json" });
const text = (value, type) => new Blob([value], { type });

const MAKERS = {
  coco: async (pictures, classes) => [json(coco(pictures, classes)), "coco.json"],
  yolo: async (pictures, classes, all) => [await zip(yolo(pictures, classes, all)), "yolo.zip"],
  voc: async (pictures, classes, all) => [await zip(voc(pictures, classes, all)), "voc.zip"],
  labelstudio: async (pictures) => [json(labelStudio(pictures, state.model)), "labelstudio.json"],
  config: async (pictures, classes) => [text(labelConfig(classes), "application/xml"), "labelstudio.xml"],
};

const folders = () => ["yolo", "voc"].includes(byId("format").value);

/* Pictures that nobody has looked at are left out: no boxes would say that there is nothing. */
function chosen() {
  if (byId("scope").value === "one") return state.current ? [state.current] : [];
  return state.pictures.filter((picture) => picture.touched);
}

async function start(event) {
  event.preventDefault();
  const pictures = chosen();
  if (pictures.length === 0) return showError("There is nothing to export yet: run something, or draw a box.");
  try {
    const [blob, name] = await MAKERS[byId("format").value](pictures, classNames(pictures, state.classes), byId("with-pictures").checked);
    save(blob, name);
    for (const picture of pictures) picture.saved = picture.boxes;
    say(`${name} saved, ${pictures.length} ${pictures.length === 1 ? "picture" : "pictures"}`);
  } catch (problem) {
    showError(problem.message);
  }
}

export function startExportPanel() {
  byId("export").addEventListener("submit", start);
  byId("format").addEventListener("change", () => (byId("with-pictures-label").hidden = !folders()));
  on("pictures", () => (byId("scope").disabled = state.pictures.length < 2));
  // Boxes that the user made are work, which a closed tab would lose.
  window.addEventListener("beforeunload", (event) => {
    const unsaved = (picture) => picture.saved !== picture.boxes && picture.boxes.some((box) => !box.made);
    if (state.pictures.some(unsaved)) event.preventDefault();
  });
}
