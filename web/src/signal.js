/** A small known signal in one source, and how much of it the fused image keeps. */

import { joinColor, splitColor } from "./color.js";

/** @typedef {import("./color.js").Picture} Picture */
/** @typedef {{source: "a" | "b", x: number, y: number}} Spot */

export const AMPLITUDE = 30; // grey levels
const SIGMA = 2; // pixels
const REACH = 4 * SIGMA;

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
  const levels = Uint8Array.from(luma);
  for (let row = Math.max(0, y - REACH); row <= Math.min(height - 1, y + REACH); row++) {
    for (let column = Math.max(0, x - REACH); column <= Math.min(width - 1, x + REACH); column++) {
      const squared = (column - x) ** 2 + (row - y) ** 2;
      const signal = sign * AMPLITUDE * Math.exp(-squared / (2 * SIGMA ** 2));
      const i = row * width + column;
      levels[i] = Math.max(0, Math.min(255, Math.round(levels[i] + signal)));
    }
  }
  return joinColor(levels, chroma, width, height);
}

/**
 * The share of a signal that a fused image keeps: <with - without, s> / <s, s>, s as it is after clipping.
 * @param {Uint8Array} sourceWith the source's luma
 * @param {Uint8Array} sourceWithout
 * @param {Float32Array} fusedWith in [0, 1], not stretched
 * @param {Float32Array} fusedWithout
 */
export function recovery(sourceWith, sourceWithout, fusedWith, fusedWithout) {
  let [kept, all] = [0, 0];
  for (let i = 0; i < sourceWith.length; i++) {
    const signal = (sourceWith[i] - sourceWithout[i]) / 255;
    kept += (fusedWith[i] - fusedWithout[i]) * signal;
    all += signal * signal;
  }
  return kept / all;
}
