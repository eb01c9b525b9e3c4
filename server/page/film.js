/* film.js - the pictures in a row: thumbnails, previous and next. */
import { state, on } from "./state.js";
import { byId, make } from "./dom.js";
import { show, step, removePicture } from "./pictures.js";

const HEIGHT = 112; // pixels of a thumbnail's picture

const nodes = new Map(); // picture -> its button

/* A small copy: a whole picture of 8,000 pixels for each thumbnail would not fit into memory. */
async function draw(picture, canvas) {
  try {
    const bitmap = await createImageBitmap(picture.blob, { resizeHeight: HEIGHT, resizeQuality: "medium" });
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    bitmap.close();
  } catch {
    canvas.parentElement.classList.add("broken");
  }
}

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries)
    if (entry.isIntersecting) {
      seen.unobserve(entry.target);
      draw(entry.target.picture, entry.target);
    }
}, { rootMargin: "0px 400px" });

function thumbnail(picture) {
  const canvas = make("canvas", { "aria-hidden": "true", width: HEIGHT, height: HEIGHT });
  const mark = make("span", { class: "mark", hidden: true });
  const button = make("button", { type: "button", tabindex: "-1", title: picture.name,
    on: { click: () => show(picture) } }, canvas, mark);
  canvas.picture = picture;
  seen.observe(canvas);
  nodes.set(picture, button);
  return button;
}

function list() {
  for (const [picture, node] of nodes)
    if (!state.pictures.includes(picture)) {
      node.remove();
      nodes.delete(picture);
    }
  for (const picture of state.pictures) if (!nodes.has(picture)) byId("thumbs").append(thumbnail(picture));
  byId("film").hidden = state.pictures.length === 0;
  byId("run-all").hidden = state.pictures.length < 2;
  marks();
}

function marks() {
  for (const [picture, node] of nodes) {
    const n = picture.boxes.length, mark = node.lastChild;
    mark.hidden = !picture.touched;
    mark.textContent = n;
    node.setAttribute("aria-label", picture.name + (picture.touched ? `, ${n} boxes` : ""));
    node.classList.toggle("broken", Boolean(picture.broken));
  }
}

function current() {
  const at = state.pictures.indexOf(state.current);
  for (const [picture, node] of nodes) {
    const here = picture === state.current;
    node.tabIndex = here ? 0 : -1;
    if (here) node.setAttribute("aria-current", "true");
    else node.removeAttribute("aria-current");
    if (here) node.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  byId("previous").disabled = at <= 0;
  byId("next").disabled = at >= state.pictures.length - 1;
  byId("place").textContent = at < 0 ? "" : `${at + 1} of ${state.pictures.length} · ${state.current.name}`;
}

export function startFilm() {
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  byId("remove").addEventListener("click", () => removePicture(state.current));
  byId("thumbs").addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const at = state.pictures.indexOf(document.activeElement.firstChild.picture) + by;
    if (!state.pictures[at]) return;
    nodes.get(state.pictures[at]).focus();
    show(state.pictures[at]);
  });
  on("pictures", list);
  on("pictures current", current);
  on("boxes answers", marks);
}
