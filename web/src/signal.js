/** A small known signal in one source, and how much of it the fused image keeps. */

import { joinColor, splitColor } from "./color.js";

/** @typedef {import("./color.js").Picture} Picture */
/** @typedef {import("./methods.js").Luma} Luma */
/** @typedef {{source: "a" | "b", x: number, y: number}} Spot */

export const AMPLITUDE = 30; // grey levels
const SIGMA = 2; // pixels
const REACH = 4 * SIGMA;
const PROFILE = Array.from({ length: REACH + 1 }, (_, distance) => Math.exp(-(distance ** 2) / (2 * SIGMA ** 2)));
const GRID = 128; // places tried along a side

/**
 * Put a Gaussian spot into a picture: brighter where there is room up to white, else darker.
 * @param {Picture} picture
 * @param {{x: number, y: number}} place
 * @returns {Picture}
 */
export function insertSpot(picture, { x, y }) {
  const { width, height } = picture;
  const { luma, chroma } = splitColor(picture);
  const sign = luma[y * width + x] + AMPLITUDE <= 255 ? 1 : -1;
  const levels = luma.slice();
  for (let row = Math.max(0, y - REACH); row <= Math.min(height - 1, y + REACH); row++) {
    for (let column = Math.max(0, x - REACH); column <= Math.min(width - 1, x + REACH); column++) {
      const signal = sign * AMPLITUDE * PROFILE[Math.abs(row - y)] * PROFILE[Math.abs(column - x)];
      const i = row * width + column;
      levels[i] = Math.max(0, Math.min(255, Math.round(levels[i] + signal)));
    }
  }
  return joinColor(levels, chroma, width, height);
}

/**
 * Find a place where the pixelwise maximum loses a spot: the other image is brighter than the spot, and both are as
 * flat as possible, so that the eye would find it.
 * @param {Record<"a" | "b", Picture>} pictures
 * @returns {Spot}
 */
export function findSpot({ a, b }) {
  const { width, height } = a;
  const lumas = { a: splitColor(a).luma, b: splitColor(b).luma };
  const step = Math.max(1, Math.ceil(Math.max(width, height) / GRID));
  /** @type {Spot} */
  let best = { source: "a", x: width >> 1, y: height >> 1 };
  let highest = -Infinity;
  for (const source of /** @type {("a" | "b")[]} */ (["a", "b"])) {
    const [own, other] = source === "a" ? [lumas.a, lumas.b] : [lumas.b, lumas.a];
    for (let y = REACH; y < height - REACH; y += step) {
      for (let x = REACH; x < width - REACH; x += step) {
        const suited = suitability(own, other, width, x, y);
        if (suited > highest) [highest, best] = [suited, { source, x, y }];
      }
    }
  }
  return best;
}

/**
 * How well a spot would go in at a place: first by how much it stays below the other image, then by flatness.
 * @param {Uint8Array} own
 * @param {Uint8Array} other
 * @param {number} width
 * @param {number} x
 * @param {number} y
 */
function suitability(own, other, width, x, y) {
  let [margin, low, high, otherLow, otherHigh] = [0, 255, 0, 255, 0];
  for (let row = -REACH; row <= REACH; row++) {
    for (let column = -REACH; column <= REACH; column++) {
      const i = (y + row) * width + x + column;
      const [level, above] = [own[i], other[i]];
      margin = Math.min(margin, above - level - PROFILE[Math.abs(row)] * PROFILE[Math.abs(column)] * AMPLITUDE);
      [low, high] = [Math.min(low, level), Math.max(high, level)];
      [otherLow, otherHigh] = [Math.min(otherLow, above), Math.max(otherHigh, above)];
    }
  }
  return 1000 * margin - (high - low) - (otherHigh - otherLow);
}

/**
 * The share of a signal that a fused image keeps: <with - without, s> / <s, s>, s as it is after clipping.
 * @param {Picture} sourceWith the spot
 * @param {Picture} sourceWithout
 * @param {Luma} fusedWith not stretched
 * @param {Luma} fusedWithout
 */
export function recovery(sourceWith, sourceWithout, fusedWith, fusedWithout) {
  const [levelsWith, levelsWithout] = [splitColor(sourceWith).luma, splitColor(sourceWithout).luma];
  let [kept, all] = [0, 0];
  for (let i = 0; i < levelsWith.length; i++) {
    const signal = (levelsWith[i] - levelsWithout[i]) / 255;
    kept += (fusedWith.values[i] - fusedWithout.values[i]) * signal;
    all += signal * signal;
  }
  return kept / all;
}
