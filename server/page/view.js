/* view.js - which part of the picture is seen: place on the stage = pixel * scale + (x, y). */

const MARGIN = 12, LARGEST = 32;

export class View {
  scale = 1;
  x = 0;
  y = 0;
  fitted = true; // follows the size of the stage until the user zooms

  /* picture, stage: {width, height} */
  fit(picture, stage) {
    const room = (size) => Math.max(size - 2 * MARGIN, 20);
    this.scale = Math.min(room(stage.width) / picture.width, room(stage.height) / picture.height, 4);
    this.x = (stage.width - picture.width * this.scale) / 2;
    this.y = (stage.height - picture.height * this.scale) / 2;
    this.fitted = true;
  }

  /* Keeps the pixel at (px, py) of the stage where it is. */
  zoom(px, py, factor, picture, stage) {
    const whole = Math.min(stage.width / picture.width, stage.height / picture.height, 1);
    const scale = Math.min(Math.max(this.scale * factor, whole / 4), LARGEST);
    this.x = px - ((px - this.x) * scale) / this.scale;
    this.y = py - ((py - this.y) * scale) / this.scale;
    this.scale = scale;
    this.fitted = false;
    this.keep(picture, stage);
  }

  pan(dx, dy, picture, stage) {
    this.x += dx;
    this.y += dy;
    this.fitted = false;
    this.keep(picture, stage);
  }

  /* Some of the picture is always seen. */
  keep(picture, stage) {
    const hold = (at, size, room) => Math.min(Math.max(at, 40 - size * this.scale), room - 40);
    this.x = hold(this.x, picture.width, stage.width);
    this.y = hold(this.y, picture.height, stage.height);
  }

  toPixel(px, py) {
    return { x: (px - this.x) / this.scale, y: (py - this.y) / this.scale };
  }

  toStage({ x1, y1, x2, y2 }) {
    return {
      left: x1 * this.scale + this.x,
      top: y1 * this.scale + this.y,
      width: (x2 - x1) * this.scale,
      height: (y2 - y1) * this.scale,
    };
  }
}
