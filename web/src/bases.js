/** What is slow, done once per pair, method and spot: what the sliders then act on. */

import { joinColor, splitColor } from "./color.js";
import { addResidual, average, blend, CLASSICAL, finish, toLuma } from "./methods.js";
import { residualOf } from "./network.js";

/** @typedef {import("./assets.js").Network} Network */
/** @typedef {import("./color.js").Picture} Picture */
/** @typedef {import("./methods.js").Luma} Luma */
/** @typedef {Record<"a" | "b", Picture>} Pictures */
/** @typedef {{mean: Luma, fused: Luma | null, residual: Float32Array | null}} Base a method on one pair */

const KEPT = 40; // residuals

/** @param {Pictures} pictures */
export function lumasOf({ a, b }) {
  return [a, b].map((picture) => toLuma(splitColor(picture).luma, picture.width, picture.height));
}

/**
 * @param {Base} base
 * @param {number} scale lambda, of a network
 * @param {number} share of the blend, of another method
 */
export function fuse({ mean, fused, residual }, scale, share) {
  return residual ? addResidual(mean, residual, scale) : blend(mean, fused ?? mean, share);
}

/**
 * A fused luma as a picture, with the color of a source that has any.
 * @param {Luma} fused
 * @param {Pictures} sources
 * @param {boolean} stretch
 */
export function colored(fused, { a, b }, stretch) {
  const { chroma } = splitColor(a.channels === 3 ? a : b);
  return joinColor(finish(fused, stretch), chroma, fused.width, fused.height);
}

/** The bases of one pair after the other. */
export class Bases {
  constructor() {
    /** @type {Map<string, Float32Array>} of this pair, by network and spot */
    this.residuals = new Map();
    /** @type {Map<string, Promise<unknown>>} the last run asked of each network */
    this.queues = new Map();
  }

  /** Forget the pair. */
  clear() {
    this.residuals = new Map(); // a run that is still on its way fills the old one
  }

  /**
   * Make a base; null where it is no longer wanted once the network is free.
   * @param {Network | string} method a network, or the name of another method
   * @param {Pictures} pictures
   * @param {string} key names the spot in them
   * @param {() => boolean} wanted
   * @param {(share: number) => void} [progress] of loading a network
   * @returns {Promise<Base | null>}
   */
  async make(method, pictures, key, wanted, progress = () => {}) {
    const [a, b] = lumasOf(pictures);
    const mean = average(a, b);
    if (typeof method === "string") {
      return { mean, fused: CLASSICAL[/** @type {keyof typeof CLASSICAL} */ (method)].fuse(a, b), residual: null };
    }
    const { residuals } = this;
    const name = `${method.method} ${key}`;
    const run = async () => {
      if (!residuals.has(name) && wanted()) {
        const residual = await residualOf(method, a, b, progress);
        if (residuals.size > KEPT) residuals.clear();
        residuals.set(name, residual);
      }
      return residuals.get(name);
    };
    const residual = await this.queue(method, run);
    return residual ? { mean, fused: null, residual } : null;
  }

  /**
   * Run a network once it is free.
   * @template Answer
   * @param {Network} network
   * @param {() => Promise<Answer>} run
   * @returns {Promise<Answer>}
   */
  queue({ asset }, run) {
    const next = (this.queues.get(asset) ?? Promise.resolve()).then(run, run);
    this.queues.set(asset, next);
    return next;
  }
}
