/* geometry.js - boxes {x1, y1, x2, y2} in pixels. */

const LEAST = 1; // pixels that a box has at least on each side

const clamp = (v, least, most) => Math.min(Math.max(v, least), most);

/* The box with its corners in order, inside the picture, at least a pixel large. */
export function within(box, picture) {
  const x1 = clamp(Math.min(box.x1, box.x2), 0, picture.width - LEAST);
  const y1 = clamp(Math.min(box.y1, box.y2), 0, picture.height - LEAST);
  const x2 = clamp(Math.max(box.x1, box.x2), x1 + LEAST, picture.width);
  const y2 = clamp(Math.max(box.y1, box.y2), y1 + LEAST, picture.height);
  return { x1, y1, x2, y2 };
}

/* To hundredths of a pixel, as the server's boxes are. */
export function rounded({ x1, y1, x2, y2 }) {
  const cut = (v) => Math.round(v * 100) / 100;
  return { x1: cut(x1), y1: cut(y1), x2: cut(x2), y2: cut(y2) };
}

export const area = (box) => (box.x2 - box.x1) * (box.y2 - box.y1);

export function iou(a, b) {
  const w = Math.min(a.x2, b.x2) - Math.max(a.x1, b.x1);
  const h = Math.min(a.y2, b.y2) - Math.max(a.y1, b.y1);
  return w <= 0 || h <= 0 ? 0 : (w * h) / (area(a) + area(b) - w * h);
}

export const fromList = ([x1, y1, x2, y2]) => ({ x1, y1, x2, y2 });
export const toList = ({ x1, y1, x2, y2 }) => [x1, y1, x2, y2];
