/** The first page's opening: one pair, two networks, one slider. The networks' residuals were computed by the build. */

import { CONTENTS, loadAsset } from "./assets.js";
import { splitColor } from "./color.js";
import { readPicture } from "./image.js";
import { addResidual, average, finish, toLuma } from "./methods.js";
import { everyFrame, LARGEST_LAMBDA, make, Panel, slider, View } from "./panels.js";

const TIMES = 100; // how often the difference from the average is enlarged

/** @param {HTMLElement} root */
export async function startOpening(root) {
  const { task, a, b, networks } = CONTENTS.opening;
  const [first, second] = await Promise.all(
    [a, b].map(async (asset) => readPicture(new Blob([await loadAsset(asset)]), asset)),
  );
  const residuals = await Promise.all(
    networks.map(async (/** @type {{asset: string, step: number}} */ { asset, step }) =>
      Float32Array.from(new Int16Array((await loadAsset(asset)).buffer), (value) => value * step),
    ),
  );
  const { width, height } = first;
  const [lumaA, lumaB] = [first, second].map((picture) => toLuma(splitColor(picture).luma, width, height));
  const mean = average(lumaA, lumaB);
  const known = CONTENTS.tasks.find((entry) => entry.task === task);
  const [paper, light] = networks.map((/** @type {{title: string}} */ { title }) => title);

  const view = new View(root);
  const panels = ["", "", "", "", "", ""].map((label) => new Panel(view, label));
  /** @type {(luma: import("./methods.js").Luma) => import("./color.js").Picture} */
  const pictureOf = (luma) => ({ width, height, channels: 1, data: finish(luma, false) });
  panels[0].show(first, known?.a ?? "image A");
  panels[1].show(second, known?.b ?? "image B");
  panels[2].show(pictureOf(mean), "Average");
  const words = make("p", { class: "status", role: "status" });
  let lambda = 1;
  const redraw = everyFrame(() => {
    const [own, other] = residuals.map((residual) => addResidual(mean, residual, lambda));
    const away = [own, other].map(
      ({ values }) => (255 * values.reduce((sum, value, i) => sum + Math.abs(value - mean.values[i]), 0)) / values.length,
    );
    const enlarged = own.values.map((value, i) => Math.max(0, Math.min(1, 0.5 + TIMES * (value - mean.values[i]))));
    panels[3].show(pictureOf(own), paper);
    panels[4].show(pictureOf({ ...own, values: enlarged }), `${paper} − average, × ${TIMES}`);
    panels[5].show(pictureOf(other), light);
    words.textContent =
      `At λ = ${lambda.toFixed(2)}, ${paper} differs from the average by ${away[0].toFixed(2)} of 255 grey levels ` +
      `per pixel, the ${light.toLowerCase()} by ${away[1].toFixed(2)}.`;
  });
  const control = slider("λ, the residual's share: 0 is the average, 1 the network as it was trained", lambda, (value) => {
    lambda = value;
    redraw();
  }, LARGEST_LAMBDA);
  root.replaceChildren(
    make("div", { class: "six" }, ...panels.map((panel) => panel.figure)), control.element, words,
  );
  redraw();
}
