/** Two volumes on one grid, fused slice by slice, off the page's own thread. */

import { fuse } from "./bases.js";
import { Mistake } from "./image.js";
import { average, CLASSICAL, roundEven } from "./methods.js";
import { ask, residualOf } from "./network.js";
import { emptyLike } from "./nifti.js";

/** @typedef {import("./assets.js").Network} Network */
/** @typedef {import("./methods.js").Luma} Luma */
/** @typedef {import("./nifti.js").Triple} Triple */
/** @typedef {import("./nifti.js").Volume} Volume */
/** @typedef {import("./nifti.js").Window} Window */
/** @typedef {{a: Volume, b: Volume}} Volumes */
/** @typedef {Record<"a" | "b", Window>} Windows */
/** @typedef {{start: number, down: number, right: number, height: number, width: number}} Cut a plane of a volume */

const APART = 0.5; // millimeters that corners may be apart and still be one place

/** @type {Promise<Worker> | undefined} */
let worker;

/** In the worker, which is this whole script without a page: the methods that need no network. */
export function serveMethods() {
  globalThis.onmessage = ({ data: { method, a, b }, ports }) => {
    ports[0].postMessage({ answer: CLASSICAL[/** @type {keyof typeof CLASSICAL} */ (method)].fuse(a, b).values });
  };
}

async function startMethods() {
  const script = `globalThis.wdualmineScript = ${/** @type {any} */ (globalThis).wdualmineScript};\nwdualmineScript();`;
  return new Worker(URL.createObjectURL(new Blob([script], { type: "text/javascript" })));
}

/**
 * Refuse two volumes that are not on one grid, to half a millimeter.
 * @param {Volumes} volumes
 */
export function checkGrid({ a, b }) {
  let apart = 0;
  for (let corner = 0; corner < 8; corner++) {
    const voxel = a.shape.map((side, axis) => ((corner >> axis) & 1) * (side - 1));
    const [one, other] = [a, b].map(({ affine }) => millimeters(affine, voxel));
    apart = Math.max(apart, Math.hypot(...one.map((value, k) => value - other[k])));
  }
  if (a.shape.join() !== b.shape.join() || apart > APART) {
    const command = `wdualmine fuse ${a.name} ${b.name} -o fused.nii.gz`;
    throw new Mistake(`${b.name}: is on another grid than ${a.name}; bring them onto one with: ${command}`);
  }
}

/**
 * Where a voxel is in the patient.
 * @param {number[][]} affine
 * @param {number[]} voxel
 */
export function millimeters(affine, voxel) {
  return affine.map((row) => row[3] + voxel.reduce((sum, index, axis) => sum + row[axis] * index, 0));
}

/**
 * Slices as `wdualmine fuse` cuts them: across the axis nearest to the one from feet to head.
 * @param {Volume} volume
 */
export function axialSlices({ shape, affine }) {
  const up = [0, 1, 2].map((axis) => Math.abs(affine[2][axis]) / Math.hypot(...affine.map((row) => row[axis])));
  const across = up.indexOf(Math.max(...up));
  const steps = stepsOf(shape);
  const [rows, columns] = [0, 1, 2].filter((axis) => axis !== across);
  return Array.from({ length: shape[across] }, (_, number) => ({
    start: number * steps[across], down: steps[rows], right: steps[columns], height: shape[rows], width: shape[columns],
  }));
}

/** @param {Triple} shape */
export function stepsOf([x, y]) {
  return [1, x, x * y];
}

/**
 * Copy a plane.
 * @param {ArrayLike<number>} values
 * @param {Cut} cut
 * @param {(value: number) => number} [rule]
 * @returns {Luma}
 */
export function cutPlane(values, { start, down, right, height, width }, rule = (value) => value) {
  const plane = new Float32Array(height * width);
  for (let row = 0, i = 0; row < height; row++) {
    for (let column = 0, k = start + row * down; column < width; column++, k += right) plane[i++] = rule(values[k]);
  }
  return { width, height, values: plane };
}

/**
 * Put a plane back where it was cut.
 * @param {import("./nifti.js").Values} values
 * @param {Cut} cut
 * @param {ArrayLike<number>} plane
 */
function putPlane(values, { start, down, right, height, width }, plane) {
  for (let row = 0, i = 0; row < height; row++) {
    for (let column = 0, k = start + row * down; column < width; column++, k += right) values[k] = plane[i++];
  }
}

/**
 * A plane of a volume in its window, in [0, 1].
 * @param {Volume} volume
 * @param {Window} window
 * @param {Cut} cut
 */
export function lumaOf({ values, slope, intercept }, [low, high], cut) {
  const spread = high - low;
  return cutPlane(values, cut, (value) => Math.max(0, Math.min(1, (value * slope + intercept - low) / spread)));
}

/** A method on two volumes, done once; the sliders then act on any plane of it. */
export class FusedVolume {
  /**
   * @param {Volumes} volumes
   * @param {Windows} windows
   * @param {Network | string} method a network, or the name of another method
   */
  constructor(volumes, windows, method) {
    this.volumes = volumes;
    this.windows = windows;
    this.method = method;
    this.values = new Float32Array(volumes.a.values.length); // residuals of a network, else what is fused
  }

  /**
   * Fuse all slices; false where that is no longer wanted.
   * @param {import("./bases.js").Bases} bases
   * @param {() => boolean} wanted
   * @param {(done: number, all: number) => void} progress
   * @param {(share: number) => void} loading
   */
  async fuseSlices(bases, wanted, progress, loading) {
    const { method } = this;
    const slices = axialSlices(this.volumes.a);
    for (const [number, cut] of slices.entries()) {
      const { a, b } = this.sources(cut);
      const plane = await (typeof method === "string"
        ? ask(await (worker ??= startMethods()), { method, a, b })
        : bases.queue(method, async () => (wanted() ? residualOf(method, a, b, loading) : null)));
      if (!wanted() || !plane) return false;
      putPlane(this.values, cut, plane);
      progress(number + 1, slices.length);
    }
    return true;
  }

  /** @param {Cut} cut */
  sources(cut) {
    const [a, b] = /** @type {const} */ (["a", "b"]).map((side) => lumaOf(this.volumes[side], this.windows[side], cut));
    return { a, b };
  }

  /**
   * A plane of the result, in [0, 1].
   * @param {Cut} cut
   * @param {number} scale lambda, of a network
   * @param {number} share of the blend, of another method
   */
  plane(cut, scale, share) {
    const { a, b } = this.sources(cut);
    const own = cutPlane(this.values, cut);
    const base = typeof this.method === "string" ? { fused: own, residual: null } : { fused: null, residual: own.values };
    return fuse({ mean: average(a, b), ...base }, scale, share);
  }

  /**
   * The whole result in the units of the first volume, as the command line writes it.
   * @param {number} scale
   * @param {number} share
   */
  whole(scale, share) {
    const [low, high] = this.windows.a;
    const result = emptyLike(this.volumes.a, [low, high]);
    const whole = !(result instanceof Float32Array || result instanceof Float64Array);
    for (const cut of axialSlices(this.volumes.a)) {
      const levels = Float64Array.from(this.plane(cut, scale, share).values, (value) => low + value * (high - low));
      putPlane(result, cut, whole ? levels.map(roundEven) : levels);
    }
    return result;
  }
}
