/* pictures.js - pictures from files, the clipboard, folders that are dropped, and the example. */
import { state, tell, open } from "./state.js";
import { byId, make, say, showError } from "./dom.js";

const SENT_AS_THEY_ARE = ["image/jpeg", "image/png", "image/webp"];

function newPicture(name, blob) {
  return {
    name, blob, url: URL.createObjectURL(blob), width: 0, height: 0, id: null,
    boxes: [], past: [], future: [], answers: [], touched: false,
  };
}

/* Adds files (or {name, blob}) and opens the first of them. */
export function addPictures(files) {
  const added = [...files].filter((file) => (file.blob ?? file).type.startsWith("image/"))
    .map((file) => newPicture(file.webkitRelativePath || file.path || file.name, file.blob ?? file));
  if (added.length === 0) {
    if (files.length) showError("There is no picture among these files.");
    return;
  }
  if (added.length > 1) added.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  state.pictures.push(...added);
  tell("pictures");
  say(added.length === 1 ? `${added[0].name} added` : `${added.length} pictures added`);
  show(added[0]);
}

/* Opens a picture: reads its size first, and turns what the server does not read into PNG. */
export async function show(picture) {
  state.wanted = picture;
  try {
    await measure(picture);
  } catch {
    picture.broken = true;
    showError(`${picture.name} cannot be read as a picture.`);
    tell("pictures");
    return;
  }
  if (state.wanted === picture) open(picture);
}

export async function measure(picture) {
  if (picture.width) return;
  const image = make("img", { src: picture.url });
  await image.decode();
  if (!SENT_AS_THEY_ARE.includes(picture.blob.type)) await convert(picture, image);
  picture.width = image.naturalWidth;
  picture.height = image.naturalHeight;
}

async function convert(picture, image) {
  const canvas = make("canvas");
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  canvas.getContext("2d").drawImage(image, 0, 0);
  picture.blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
}

export function removePicture(picture) {
  const at = state.pictures.indexOf(picture);
  if (at < 0) return;
  state.pictures.splice(at, 1);
  URL.revokeObjectURL(picture.url);
  tell("pictures");
  const next = state.pictures[Math.min(at, state.pictures.length - 1)];
  if (next) show(next);
  else open(null);
}

export function step(by) {
  const at = state.pictures.indexOf(state.current) + by;
  if (state.pictures[at]) show(state.pictures[at]);
}

/* ---- where they come from ---- */

async function filesOf(entry) {
  if (entry.isFile) {
    const file = await new Promise((done, fail) => entry.file(done, fail));
    return [{ name: file.name, path: entry.fullPath.replace(/^\//, ""), blob: file }];
  }
  const reader = entry.createReader(), all = [];
  for (;;) { // a reader gives 100 at a time
    const some = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (some.length === 0) return all;
    for (const inner of some) all.push(...(await filesOf(inner)));
  }
}

async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return addPictures(transfer.files);
  addPictures((await Promise.all(entries.map(filesOf))).flat());
}

async function openExample() {
  const response = await fetch("/page/example.jpg");
  addPictures([{ name: "example.jpg", blob: await response.blob() }]);
}

const withFiles = (transfer) => [...(transfer?.types ?? [])].includes("Files");

function watchDrops() {
  let depth = 0; // elements under the pointer
  const show = (by) => {
    depth = by ? depth + by : 0;
    byId("drop").hidden = depth <= 0;
  };
  document.addEventListener("dragenter", (event) => withFiles(event.dataTransfer) && show(1));
  document.addEventListener("dragleave", (event) => withFiles(event.dataTransfer) && show(-1));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    show(0);
    if (withFiles(event.dataTransfer)) dropped(event.dataTransfer);
  });
}

export function startPictures() {
  const choose = (id) => () => byId(id).click();
  byId("open").addEventListener("click", choose("files"));
  byId("empty-open").addEventListener("click", choose("files"));
  byId("open-folder").addEventListener("click", choose("folder"));
  byId("example").addEventListener("click", openExample);
  for (const id of ["files", "folder"])
    byId(id).addEventListener("change", (event) => {
      addPictures(event.target.files);
      event.target.value = "";
    });
  document.addEventListener("paste", (event) => {
    if (!withFiles(event.clipboardData)) return;
    event.preventDefault();
    addPictures(event.clipboardData.files);
  });
  watchDrops();
}
