/** EN, MI, CC, PSNR and Qabf on 8-bit levels, in the definitions of wdualmine/metrics. */

import { toGrey } from "./color.js";

/** @typedef {import("./color.js").Picture} Picture */

/** The scores shown, with their units. */
export const METRICS = { EN: "bit", MI: "bit", CC: "", PSNR: "dB", Qabf: "" };

/**
 * Score a fused picture against its sources; a value that is undefined is NaN.
 * @param {Picture} a
 * @param {Picture} b
 * @param {Picture} fused
 * @returns {Record<keyof typeof METRICS, number>}
 */
export function score(a, b, fused) {
  const [greyA, greyB, grey] = [toGrey(a), toGrey(b), toGrey(fused)];
  return {
    EN: entropy(histogram(grey)),
    MI: information(greyA, grey) + information(greyB, grey),
    CC: (pearson(greyA, grey) + pearson(greyB, grey)) / 2,
    PSNR: psnr(a, b, fused),
    Qabf: qabf(greyA, greyB, grey, fused.width, fused.height),
  };
}

/** @param {Uint8Array} levels */
function histogram(levels) {
  const counts = new Float64Array(256);
  for (const level of levels) counts[level]++;
  return counts;
}

/** @param {Float64Array} counts */
export function entropy(counts) {
  const total = counts.reduce((sum, count) => sum + count, 0);
  let sum = 0;
  for (const count of counts) if (count) sum -= (count / total) * Math.log2(count / total);
  return Math.max(0, sum);
}

/** @type {(x: Uint8Array, y: Uint8Array) => number} */
function information(x, y) {
  const joint = new Float64Array(65536);
  for (let i = 0; i < x.length; i++) joint[x[i] * 256 + y[i]]++;
  return Math.max(0, entropy(histogram(x)) + entropy(histogram(y)) - entropy(joint));
}

/** @type {(x: Uint8Array, y: Uint8Array) => number} */
function pearson(x, y) {
  let [sumX, sumY, sumXX, sumYY, sumXY] = [0, 0, 0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    sumX += x[i];
    sumY += y[i];
    sumXX += x[i] * x[i];
    sumYY += y[i] * y[i];
    sumXY += x[i] * y[i];
  }
  const n = x.length;
  return (n * sumXY - sumX * sumY) / Math.sqrt((n * sumXX - sumX * sumX) * (n * sumYY - sumY * sumY));
}

/** @type {(a: Picture, b: Picture, fused: Picture) => number} */
function psnr(a, b, fused) {
  const color = [a, b, fused].some((picture) => picture.channels === 3);
  let squares = 0;
  let n = 0;
  for (let i = 0; i < fused.width * fused.height; i++) {
    for (let c = 0; c < (color ? 3 : 1); c++) {
      const [x, y, f] = [a, b, fused].map(({ channels, data }) => data[channels === 3 ? 3 * i + c : i]);
      squares += (f - x) ** 2 + (f - y) ** 2;
      n += 2;
    }
  }
  // The paper's: peak 255, but the error of images scaled to [0, 1].
  return squares ? 10 * Math.log10((255 ** 2 * n) / squares) + 20 * Math.log10(255) : Infinity;
}

/**
 * Xydeas and Petrović's edge preservation.
 * @type {(a: Uint8Array, b: Uint8Array, fused: Uint8Array, width: number, height: number) => number}
 */
function qabf(a, b, fused, width, height) {
  const edges = sobel(fused, width, height);
  let [preserved, total] = [0, 0];
  for (const source of [a, b]) {
    const { strength, angle } = sobel(source, width, height);
    for (let i = 0; i < strength.length; i++) {
      if (!strength[i]) continue; // no weight
      const [x, y] = [strength[i], edges.strength[i]];
      const ratio = Math.min(x, y) / Math.max(x, y);
      const parallel = 1 - Math.abs(angle[i] - edges.angle[i]) / (Math.PI / 2);
      const kept = 0.9994 / (1 + Math.exp(-15 * (ratio - 0.5)));
      preserved += ((kept * 0.9879) / (1 + Math.exp(-22 * (parallel - 0.8)))) * x;
      total += x;
    }
  }
  return preserved / total;
}

/**
 * Sobel strength and orientation, zeros beyond the border.
 * @type {(levels: Uint8Array, width: number, height: number) => {strength: Float64Array, angle: Float64Array}}
 */
function sobel(levels, width, height) {
  const row = width + 2;
  const padded = new Float64Array(row * (height + 2));
  for (let y = 0; y < height; y++) padded.set(levels.subarray(y * width, (y + 1) * width), (y + 1) * row + 1);
  const strength = new Float64Array(levels.length);
  const angle = new Float64Array(levels.length);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const [p, q, r] = [y * row + x, (y + 1) * row + x, (y + 2) * row + x];
      const down =
        padded[r] + 2 * padded[r + 1] + padded[r + 2] - padded[p] - 2 * padded[p + 1] - padded[p + 2];
      const left =
        padded[p] + 2 * padded[q] + padded[r] - padded[p + 2] - 2 * padded[q + 2] - padded[r + 2];
      strength[i] = Math.sqrt(down * down + left * left);
      angle[i] = left ? Math.atan(down / left) : Math.PI / 2;
    }
  }
  return { strength, angle };
}
