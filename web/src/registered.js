/** Are two images registered? The check of wdualmine.registration, in the same words. */

import { entropy } from "./metrics.js";

/** @typedef {import("./color.js").Picture} Picture */
/** @typedef {{width: number, height: number, values: Float64Array}} Coarse */
/** @typedef {{width: number, height: number, values: Uint8Array}} Levels */

const COARSE_SIDE = 64; // the images are compared at about this many pixels along the longer side
const LEVELS = 16;
const SHIFT = 0.19; // shifts are searched up to this share of the side
const ANGLES = [-20, -15, -10, 10, 15, 20]; // degrees
const LEAST_FACTOR = 1.12; // how much more two images must tell of each other once one is moved
const LEAST_GAIN = 0.012;
const SMALLEST = 64;

/** @type {[string, (x: Levels) => Levels][]} */
const ORIENTATIONS = [
  ["mirrored left to right", (x) => moved(x, false, (r, c) => [r, x.width - 1 - c])],
  ["mirrored top to bottom", (x) => moved(x, false, (r, c) => [x.height - 1 - r, c])],
  ["turned by 180 degrees", (x) => moved(x, false, (r, c) => [x.height - 1 - r, x.width - 1 - c])],
  ["turned by 90 degrees to the left", (x) => moved(x, true, (r, c) => [x.height - 1 - c, r])],
  ["turned by 90 degrees to the right", (x) => moved(x, true, (r, c) => [c, x.width - 1 - r])],
  ["mirrored along a diagonal", (x) => moved(x, true, (r, c) => [c, r])],
  ["mirrored along the other diagonal", (x) => moved(x, true, (r, c) => [x.height - 1 - c, x.width - 1 - r])],
];

/**
 * Say how the second image seems to lie, or nothing where no misalignment is evident.
 * @param {Picture} a
 * @param {Picture} b of the same size
 */
export function misalignment(a, b) {
  if (Math.min(a.width, a.height) < SMALLEST) return "";
  const [coarseA, coarseB] = [coarse(a), coarse(b)];
  if (Math.min(coarseA.width, coarseA.height) < COARSE_SIDE / 4) return "";
  const [first, second] = [levels(coarseA), levels(coarseB)];
  const given = sharedInformation(first, second, 0, 0);
  /** @type {[string, number][]} */
  const tried = [];
  for (const [what, undo] of ORIENTATIONS) {
    const other = undo(second);
    if (other.width === first.width && other.height === first.height) tried.push([what, sharedInformation(first, other, 0, 0)]);
  }
  for (const angle of ANGLES) {
    const side = angle > 0 ? "left" : "right";
    const other = levels(turned(coarseB, angle));
    tried.push([`turned by about ${Math.abs(angle)} degrees to the ${side}`, sharedInformation(first, other, 0, 0)]);
  }
  const factor = factorOf(a);
  const reach = Math.max(2, rounded(SHIFT * Math.min(first.width, first.height)));
  for (let down = -reach; down <= reach; down++) {
    for (let right = -reach; right <= reach; right++) {
      if (Math.max(Math.abs(down), Math.abs(right)) <= 1) continue; // within what registered pairs show
      const words = [[down, down > 0 ? "down" : "up"], [right, right > 0 ? "right" : "left"]]
        .filter(([step]) => step)
        .map(([step, side]) => `${Math.abs(Number(step)) * factor} pixels ${side}`);
      tried.push([`shifted by about ${words.join(" and ")}`, sharedInformation(first, second, down, right)]);
    }
  }
  const [what, best] = tried.reduce((one, other) => (other[1] > one[1] ? other : one));
  if (best < LEAST_FACTOR * given || best < given + LEAST_GAIN) return "";
  return (
    `seems ${what} (undoing that raises the normalized mutual information from ${given.toFixed(3)} ` +
    `to ${best.toFixed(3)})`
  );
}

/** @param {{width: number, height: number}} size */
function factorOf({ width, height }) {
  return Math.max(1, rounded(Math.max(width, height) / COARSE_SIDE));
}

/**
 * Half to even, as Python rounds.
 * @param {number} x
 */
function rounded(x) {
  const low = Math.floor(x);
  if (x - low !== 0.5) return Math.round(x);
  return low % 2 ? low + 1 : low;
}

/**
 * Luma in [0, 1], averaged over blocks of pixels.
 * @param {Picture} picture
 * @returns {Coarse}
 */
function coarse(picture) {
  const { channels, data } = picture;
  const factor = factorOf(picture);
  const [width, height] = [Math.floor(picture.width / factor), Math.floor(picture.height / factor)];
  const values = new Float64Array(width * height);
  for (let row = 0; row < height * factor; row++) {
    for (let column = 0; column < width * factor; column++) {
      const i = (row * picture.width + column) * channels;
      const luma = channels === 1 ? data[i] : Math.round(0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2]);
      values[Math.floor(row / factor) * width + Math.floor(column / factor)] += Math.fround(luma / 255) / (factor * factor);
    }
  }
  return { width, height, values };
}

/**
 * Grey levels of equal width between the least and the largest value.
 * @param {Coarse} image
 * @returns {Levels}
 */
function levels({ width, height, values }) {
  const low = values.reduce((x, y) => Math.min(x, y));
  const high = values.reduce((x, y) => Math.max(x, y));
  const scaled = Uint8Array.from(values, (value) =>
    high > low ? Math.min(((value - low) / (high - low)) * LEVELS, LEVELS - 1) : 0,
  );
  return { width, height, values: scaled };
}

/**
 * @param {Levels} x
 * @param {boolean} across whether sides are exchanged
 * @param {(row: number, column: number) => [number, number]} from where a pixel comes from
 * @returns {Levels}
 */
function moved(x, across, from) {
  const [width, height] = across ? [x.height, x.width] : [x.width, x.height];
  const values = new Uint8Array(width * height);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const [r, c] = from(row, column);
      values[row * width + column] = x.values[r * x.width + c];
    }
  }
  return { width, height, values };
}

/**
 * Turn an image about its center to the left, black where it shows nothing.
 * @param {Coarse} image
 * @param {number} degrees
 * @returns {Coarse}
 */
function turned({ width, height, values }, degrees) {
  const [cosine, sine] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
  const [middleX, middleY] = [(width - 1) / 2, (height - 1) / 2];
  const result = new Float64Array(width * height);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const [x, y] = [column - middleX, row - middleY];
      const [fromX, fromY] = [cosine * x + sine * y + middleX, -sine * x + cosine * y + middleY];
      if (fromX < -1e-9 || fromY < -1e-9 || fromX > width - 1 + 1e-9 || fromY > height - 1 + 1e-9) continue;
      const [left, top] = [Math.min(Math.max(Math.floor(fromX), 0), width - 2), Math.min(Math.max(Math.floor(fromY), 0), height - 2)];
      const [u, v] = [fromX - left, fromY - top];
      const i = top * width + left;
      result[row * width + column] =
        (1 - v) * ((1 - u) * values[i] + u * values[i + 1]) + v * ((1 - u) * values[i + width] + u * values[i + width + 1]);
    }
  }
  return { width, height, values: result };
}

/**
 * (H(x) + H(y)) / H(x, y) - 1, with the second moved back by so many pixels from below and from the right.
 * @param {Levels} x
 * @param {Levels} y
 * @param {number} down
 * @param {number} right
 */
function sharedInformation(x, y, down, right) {
  const { width, height } = x;
  const joint = new Float64Array(LEVELS * LEVELS);
  const [top, left] = [Math.max(-down, 0), Math.max(-right, 0)];
  const [bottom, end] = [height - Math.max(down, 0), width - Math.max(right, 0)];
  for (let row = top; row < bottom; row++) {
    for (let column = left; column < end; column++) {
      joint[x.values[row * width + column] * LEVELS + y.values[(row + down) * width + column + right]]++;
    }
  }
  const ofX = new Float64Array(LEVELS);
  const ofY = new Float64Array(LEVELS);
  joint.forEach((count, i) => {
    ofX[Math.floor(i / LEVELS)] += count;
    ofY[i % LEVELS] += count;
  });
  const both = entropy(joint);
  return both ? (entropy(ofX) + entropy(ofY)) / both - 1 : 0;
}
