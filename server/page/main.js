/* main.js - starts the parts of the page. Data go one way: a part changes state.js (or asks
 * edits.js, tasks.js to), which tells all parts that show it. */
import { on, setTool, state, tell } from "./state.js";
import { byId } from "./dom.js";
import { startPictures } from "./pictures.js";
import { startCamera } from "./camera.js";
import { startFilm } from "./film.js";
import { startStage } from "./stage.js";
import { startPointers } from "./pointers.js";
import { startKeys } from "./stage_keys.js";
import { startTaskPanel } from "./task_panel.js";
import { startAnswers } from "./answers.js";
import { startBoxList } from "./box_list.js";
import { startExportPanel } from "./export_panel.js";
import { startModels } from "./models.js";

function startTools() {
  for (const tool of ["select", "draw"]) byId(`tool-${tool}`).addEventListener("click", () => setTool(tool));
  on("tool", () => {
    for (const tool of ["select", "draw"]) byId(`tool-${tool}`).setAttribute("aria-pressed", String(state.tool === tool));
  });
  on("current", () => {
    for (const id of ["tool-select", "tool-draw", "zoom-in", "zoom-out", "zoom-fit"]) byId(id).disabled = !state.current;
  });
  byId("help").addEventListener("click", () => byId("help-dialog").showModal());
}

for (const start of [startTools, startPictures, startCamera, startFilm, startStage, startPointers, startKeys, startTaskPanel,
  startAnswers, startBoxList, startExportPanel, startModels]) start();
tell("pictures");
tell("current");
