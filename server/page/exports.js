/* exports.js - boxes as COCO, YOLO, Pascal VOC and Label Studio: the same content as the exports
 * of the program (docs/EXPORT.md).
 *
 * Each gets pictures [{name, width, height, boxes, blob}], numbered from 1 in their order, and
 * the class names in the order of their numbers. */

export const NAMELESS = "object"; // as `detect` calls it

const classOf = (box) => box.label || NAMELESS;
const rounded = (value, digits) => Math.round(value * 10 ** digits) / 10 ** digits;

/* The names that the user listed, then the others as they come. */
export function classNames(pictures, listed) {
  const used = pictures.flatMap((picture) => picture.boxes.map(classOf));
  return [...new Set([...listed, ...used])];
}

/* ---- COCO ---- */

export function coco(pictures, classes) {
  let id = 0;
  const annotations = pictures.flatMap((picture, i) => picture.boxes.map((box) => {
    const w = box.x2 - box.x1, h = box.y2 - box.y1;
    return { id: ++id, image_id: i + 1, category_id: classes.indexOf(classOf(box)) + 1,
      bbox: [box.x1, box.y1, w, h].map((v) => rounded(v, 2)), area: rounded(w * h, 2), iscrowd: 0, score: rounded(box.score, 6) };
  }));
  return {
    info: { description: "gromatic" },
    images: pictures.map(({ name, width, height }, i) => ({ id: i + 1, file_name: name, width, height })),
    annotations,
    categories: classes.map((name, i) => ({ id: i + 1, name })),
  };
}

/* ---- Label Studio ---- */

export function labelStudio(pictures, model) {
  return pictures.map((picture, n) => {
    const percent = (value, size) => rounded((100 * value) / size, 4);
    const result = picture.boxes.map((box, i) => ({
      id: `${n + 1}-${i + 1}`, type: "rectanglelabels", from_name: "label", to_name: "image",
      original_width: picture.width, original_height: picture.height, image_rotation: 0,
      value: {
        x: percent(box.x1, picture.width), y: percent(box.y1, picture.height),
        width: percent(box.x2 - box.x1, picture.width), height: percent(box.y2 - box.y1, picture.height),
        rotation: 0, rectanglelabels: [classOf(box)],
      },
      score: rounded(box.score, 6),
    }));
    const mean = result.length ? picture.boxes.reduce((sum, box) => sum + box.score, 0) / result.length : 0;
    return { data: { image: picture.name }, predictions: [{ model_version: model || "gromatic", score: rounded(mean, 6), result }] };
  });
}

/* Hues that differ by the golden angle; saturation 0.75, value 0.9. */
function configColour(i) {
  const hue = ((i * 137.50776405) % 360) / 60;
  const channel = (k) => {
    const at = (5 - 2 * k + hue) % 6;
    return Math.round(255 * 0.9 * (1 - 0.75 * Math.max(0, Math.min(at, 4 - at, 1))));
  };
  return `#${[0, 1, 2].map((k) => channel(k).toString(16).padStart(2, "0")).join("")}`;
}

export function labelConfig(classes) {
  const labels = classes.map((name, i) => `    <Label value="${xml(name)}" background="${configColour(i)}"/>\n`);
  return `<View>\n  <!-- classes of a gromatic export -->\n  <Image name="image" value="$image" zoom="true"/>\n  <RectangleLabels name="label" toName="image">\n${
    labels.join("")}  </RectangleLabels>\n</View>\n`;
}

/* ---- names of files ---- */

const splitName = (name) => {
  const base = name.slice(name.lastIndexOf("/") + 1), dot = base.lastIndexOf(".");
  return { folders: name.slice(0, name.length - base.length), stem: dot > 0 ? base.slice(0, dot) : base, ending: dot > 0 ? base.slice(dot) : "" };
};

const plain = (stem) => stem.replace(/^\./, "_").replaceAll("/", "-").replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, "_");

/* As little of each name as tells the pictures apart: x for a/x.jpg, else x.jpg, a-x, a-x.jpg. */
export function stems(pictures) {
  const parts = pictures.map((picture) => splitName(picture.name));
  const levels = [({ stem }) => stem, ({ stem, ending }) => stem + ending,
    ({ folders, stem }) => folders + stem, ({ folders, stem, ending }) => folders + stem + ending];
  const level = parts.map(() => 0);
  const name = (i) => plain(levels[Math.min(level[i], 3)](parts[i])) + (level[i] > 3 ? `-${level[i] - 2}` : "");
  for (;;) {
    const seen = new Map();
    parts.forEach((_, i) => seen.set(name(i), [...(seen.get(name(i)) ?? []), i]));
    const clashes = [...seen.values()].filter((all) => all.length > 1);
    if (clashes.length === 0) return parts.map((part, i) => ({ stem: name(i), ending: part.ending }));
    for (const all of clashes) for (const i of level[all[0]] > 3 ? all.slice(1) : all) level[i]++;
  }
}

/* ---- YOLO ---- */

function yamlString(text) {
  const escaped = text.replace(/["\\]/g, "\\$&")
    .replace(/[\u0000-\u001f\u007f-\u009f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`)
    .replace(/[\ufffe\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).toUpperCase()}`);
  return `"${escaped}"`;
}

/* Files of a folder; with the pictures if they are wanted. */
export function yolo(pictures, classes, withPictures) {
  const names = stems(pictures);
  const files = pictures.map(({ boxes, width, height }, i) => ({
    name: `labels/${names[i].stem}.txt`,
    content: boxes.map((box) => {
      const numbers = [(box.x1 + box.x2) / 2 / width, (box.y1 + box.y2) / 2 / height, (box.x2 - box.x1) / width, (box.y2 - box.y1) / height];
      return `${classes.indexOf(classOf(box))} ${numbers.map((v) => v.toFixed(6)).join(" ")}\n`;
    }).join(""),
  }));
  if (withPictures) files.push(...pictures.map(({ blob }, i) => ({ name: `images/${names[i].stem}${names[i].ending}`, content: blob })));
  files.push({ name: "classes.txt", content: classes.map((name) => `${name.replace(/[\u0000-\u001f]/g, " ")}\n`).join("") });
  const where = withPictures ? "" : "# The pictures belong into images/ beside labels/.\n";
  files.push({ name: "data.yaml", content: `${where}train: images\nval: images\nnc: ${classes.length}\nnames:${classes.length ? "" : " []"}\n${
    classes.map((name) => `- ${yamlString(name)}\n`).join("")}` });
  return files;
}

/* ---- Pascal VOC ---- */

function xml(text) {
  const escapes = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;" };
  return text.replace(/[&<>"\r\n\t]/g, (c) => escapes[c]).replace(/[\u0000-\u001f\ufffe\uffff]/g, "?");
}

/* As labelmap.txt can hold it. */
const mapName = (name) => name.replace(/[\u0000-\u001f\u007f:]/g, "_").replace(/^[# ]/, "_");

/* VOC counts pixels from 1, and both corners are inside. */
function vocObject(box, width, height) {
  const hold = (v, limit) => Math.min(Math.max(v, 1), limit);
  return `\t<object>\n\t\t<name>${xml(mapName(classOf(box)))}</name>\n\t\t<pose>Unspecified</pose>\n\t\t<truncated>0</truncated>\n\t\t<difficult>0</difficult>\n\t\t<bndbox>\n\t\t\t<xmin>${
    hold(Math.floor(box.x1) + 1, width)}</xmin>\n\t\t\t<ymin>${hold(Math.floor(box.y1) + 1, height)}</ymin>\n\t\t\t<xmax>${
    hold(Math.ceil(box.x2), width)}</xmax>\n\t\t\t<ymax>${hold(Math.ceil(box.y2), height)}</ymax>\n\t\t</bndbox>\n\t</object>\n`;
}

export function voc(pictures, classes, withPictures) {
  const mapped = classes.map(mapName), names = stems(pictures);
  if (new Set(mapped).size < mapped.length)
    throw new RangeError("Two classes would have the same name in labelmap.txt; give them names without ':' and '#'.");
  const files = pictures.map(({ name, width, height, boxes }, i) => ({
    name: `Annotations/${names[i].stem}.xml`,
    content: `<annotation>\n\t<folder>JPEGImages</folder>\n\t<filename>${xml(names[i].stem + names[i].ending)}</filename>\n\t<path>${
      xml(name)}</path>\n\t<source>\n\t\t<database>gromatic</database>\n\t</source>\n\t<size>\n\t\t<width>${width}</width>\n\t\t<height>${
      height}</height>\n\t\t<depth>3</depth>\n\t</size>\n\t<segmented>0</segmented>\n${
      boxes.map((box) => vocObject(box, width, height)).join("")}</annotation>\n`,
  }));
  if (withPictures) files.push(...pictures.map(({ blob }, i) => ({ name: `JPEGImages/${names[i].stem}${names[i].ending}`, content: blob })));
  files.push({ name: "ImageSets/Main/trainval.txt", content: names.map(({ stem }) => `${stem}\n`).join("") });
  files.push({ name: "labelmap.txt", content: `# label:color_rgb:parts:actions\n${mapped.map((name) => `${name}:::\n`).join("")}` });
  return files;
}
