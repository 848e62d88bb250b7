/** What several methods keep of one spot: beside each other its place in each image, and its share. */

import { CONTENTS } from "./assets.js";
import { colored, fuse } from "./bases.js";
import { draw } from "./image.js";
import { CLASSICAL } from "./methods.js";
import { make } from "./panels.js";
import { recovery } from "./signal.js";

/** @typedef {import("./bases.js").Pictures} Pictures */
/** @typedef {import("./color.js").Picture} Picture */

const SIDE = 32; // pixels around the spot
const ASKED = /** @type {const} */ (["average", "maximum"]); // besides the networks

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
   * Show each method's answer as soon as it is known.
   * @param {{
   *   bases: import("./bases.js").Bases, task: string, shown: Pictures, plain: Pictures,
   *   spot: import("./signal.js").Spot, key: string, wanted: () => boolean,
   * }} question the pair with the spot and without; key names the spot
   */
  ask({ bases, task, shown, plain, spot, key, wanted }) {
    const networks = CONTENTS.networks.filter((network) => network.task === task).reverse();
    const asked = [
      ...ASKED.map((name) => ({ name, title: CLASSICAL[name].title, scale: 1, method: name })),
      ...networks.map((network) => ({ ...network, name: network.method, method: network })),
    ];
    this.expect(asked.map(({ name, title }) => [name, title]));
    for (const { name, scale, method } of asked) {
      Promise.all([bases.make(method, shown, key, wanted), bases.make(method, plain, "", wanted)]).then(
        ([base, without]) => {
          if (!wanted() || !base || !without) return;
          const fused = fuse(base, scale, 1);
          const share = recovery(shown[spot.source], plain[spot.source], fused, fuse(without, scale, 1));
          this.show(name, share, colored(fused, shown, true), spot);
        },
        () => wanted() && this.miss(name),
      );
    }
  }

  /**
   * Wait for the answers of methods; those of before stay until then, pale.
   * @param {[string, string][]} methods with their titles
   */
  expect(methods) {
    this.element.hidden = false;
    if (methods.map(([key]) => key).join() !== [...this.entries.keys()].join()) {
      this.entries.clear();
      for (const [key, title] of methods) {
        const canvas = make("canvas", { role: "img", "aria-label": `The spot's place in the image of ${title}` });
        const share = make("strong", {}, "…");
        const frame = make("div", { class: "frame" }, canvas);
        const figure = make("figure", { "data-method": key }, frame, make("figcaption", {}, share, " ", title));
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
