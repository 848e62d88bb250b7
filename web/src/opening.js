/** The first page's opening: one pair, one swipe, one slider. The network's residual was computed by the build. */

import { CONTENTS, loadAsset } from "./assets.js";
import { joinColor, splitColor, toGrey } from "./color.js";
import { readPicture } from "./image.js";
import { addResidual, average, finish, toLuma } from "./methods.js";
import { everyFrame, LARGEST_LAMBDA, make, Panel, slider, Stage, View } from "./panels.js";

/** @param {HTMLElement} root */
export async function startOpening(root) {
  const { task, a, b, residual: name, scale, title } = CONTENTS.opening;
  const [first, second] = await Promise.all(
    [a, b].map(async (asset) => readPicture(new Blob([await loadAsset(asset)]), asset)),
  );
  const bytes = await loadAsset(name);
  const residual = Float32Array.from(new Int16Array(bytes.buffer), (value) => value / 32767);
  const { width, height } = first;
  const { chroma } = splitColor(first);
  const [lumaA, lumaB] = [first, second].map((picture) => toLuma(splitColor(picture).luma, width, height));
  const mean = average(lumaA, lumaB);
  const plain = toGrey(joinColor(finish(mean, true), chroma, width, height));
  const known = CONTENTS.tasks.find((entry) => entry.task === task);

  const stage = new Stage();
  stage.show([first, known?.a ?? "image A"], [second, known?.b ?? "image B"]);
  const fused = new Panel(new View(root), "Fused");
  const words = make("p", { class: "status", role: "status" });
  let lambda = scale;
  const redraw = everyFrame(() => {
    const result = joinColor(finish(addResidual(mean, residual, lambda), true), chroma, width, height);
    const grey = toGrey(result);
    const away = grey.reduce((sum, level, i) => sum + Math.abs(level - plain[i]), 0) / grey.length;
    fused.show(result, "Fused by the network");
    words.textContent =
      `At λ = ${lambda.toFixed(2)}, ${title} differs from the average of the two scans by ` +
      `${away.toFixed(2)} of 255 grey levels per pixel.`;
  });
  const control = slider("λ: 0 is the average", scale, (value) => {
    lambda = value;
    redraw();
  }, LARGEST_LAMBDA);
  root.replaceChildren(
    make(
      "div", { class: "pair" },
      make("figure", { class: "panel" }, make("figcaption", {}, `${known?.a} | ${known?.b}, one head`), stage.element),
      make("div", {}, fused.figure, control.element),
    ),
    words,
  );
  redraw();
}
