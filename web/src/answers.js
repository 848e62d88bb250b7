/** What several methods keep of one spot: beside each other its place in each image, and its share. */

import { draw } from "./image.js";
import { make } from "./panels.js";

/** @typedef {import("./color.js").Picture} Picture */

const SIDE = 32; // pixels around the spot

export class Answers {
  constructor() {
    this.list = make("div", { class: "list" });
    this.element = make(
      "div", { class: "answers", role: "group", "aria-label": "What each method keeps of the spot", hidden: true },
      make("p", { class: "hint" }, "What each method keeps of the spot's contrast:"),
      this.list,
    );
    /** @type {Map<string, {figure: HTMLElement, canvas: HTMLCanvasElement, share: HTMLElement}>} */
    this.entries = new Map();
  }

  /**
   * Wait for the answers of methods; those of before stay until then, pale.
   * @param {[string, string][]} methods with their titles
   */
  expect(methods) {
    this.element.hidden = !methods.length;
    if (methods.map(([key]) => key).join() !== [...this.entries.keys()].join()) {
      this.entries.clear();
      for (const [key, title] of methods) {
        const canvas = make("canvas", { role: "img", "aria-label": `The spot's place in the image of ${title}` });
        const share = make("strong", {}, "…");
        const frame = make("div", { class: "frame" }, canvas);
        const figure = make("figure", { "data-method": key }, frame, make("figcaption", {}, title, " ", share));
        this.entries.set(key, { figure, canvas, share });
      }
      this.list.replaceChildren(...[...this.entries.values()].map(({ figure }) => figure));
    }
    for (const { figure } of this.entries.values()) figure.classList.add("waiting");
  }

  /**
   * @param {string} method
   * @param {number} share
   * @param {Picture} picture
   * @param {{x: number, y: number}} place
   */
  show(method, share, picture, place) {
    const entry = this.entries.get(method);
    if (!entry) return;
    draw(entry.canvas, crop(picture, place));
    entry.share.textContent = `${Math.round(100 * share)}%`.replace("-", "−").replace(/^−0%/, "0%");
    entry.figure.dataset.share = String(share);
    entry.figure.classList.remove("waiting");
  }

  /** @param {string} method one that cannot be run */
  miss(method) {
    const entry = this.entries.get(method);
    if (entry) entry.share.textContent = "not available";
  }
}

/**
 * The part of a picture around a place, within its borders.
 * @param {Picture} picture
 * @param {{x: number, y: number}} place
 * @returns {Picture}
 */
function crop({ width, height, channels, data }, { x, y }) {
  const side = Math.min(SIDE, width, height);
  const [left, top] = [[x, width], [y, height]].map(([middle, length]) =>
    Math.max(0, Math.min(length - side, middle - side / 2)),
  ).map(Math.floor);
  const cut = new Uint8Array(side * side * channels);
  for (let row = 0; row < side; row++) {
    const start = ((top + row) * width + left) * channels;
    cut.set(data.subarray(start, start + side * channels), row * side * channels);
  }
  return { width: side, height: side, channels, data: cut };
}
