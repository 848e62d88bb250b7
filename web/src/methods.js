/**
 * Fusion as the package does it, in its float32 arithmetic: wdualmine/methods/classical.py, Eq. 11 of the paper,
 * and the finishing of wdualmine/fusion.py.
 */

/** @typedef {{width: number, height: number, values: Float32Array}} Luma values in [0, 1] */

const round32 = Math.fround;

/**
 * @param {Uint8Array} levels
 * @param {number} width
 * @param {number} height
 * @returns {Luma}
 */
export function toLuma(levels, width, height) {
  const values = new Float32Array(levels); // and no map while copying, which is 20 times as slow
  return { width, height, values: values.map((level) => level / 255) };
}

/**
 * @param {Luma} a
 * @param {Luma} b
 * @param {(a: number, b: number) => number} rule
 * @returns {Luma}
 */
function pixelwise(a, b, rule) {
  return { ...a, values: a.values.map((value, i) => rule(value, b.values[i])) };
}

/** @type {(a: Luma, b: Luma) => Luma} */
export function average(a, b) {
  return pixelwise(a, b, (x, y) => round32(x + y) / 2);
}

/** @type {(a: Luma, b: Luma) => Luma} */
export function maximum(a, b) {
  return pixelwise(a, b, Math.max);
}

/**
 * Blend with the average: (1 - t) average + t method.
 * @param {Luma} mean
 * @param {Luma} fused
 * @param {number} t
 */
export function blend(mean, fused, t) {
  if (t === 1) return fused;
  const rest = round32(1 - t);
  const share = round32(t);
  return pixelwise(mean, fused, (x, y) => round32(rest * x) + round32(share * y));
}

/**
 * Eq. 11: the average plus lambda times the residual, kept in [0, 1].
 * @param {Luma} mean
 * @param {Float32Array} residual
 * @param {number} scale
 * @returns {Luma}
 */
export function addResidual(mean, residual, scale) {
  const lambda = round32(scale);
  const values = mean.values.map((value, i) =>
    Math.max(0, Math.min(1, round32(value + round32(lambda * residual[i])))),
  );
  return { ...mean, values };
}

/**
 * Binomial 5-tap filter along rows, then columns, with a replicated border.
 * @param {Luma} image
 * @returns {Luma}
 */
function blur({ width, height, values }) {
  /** @type {(source: Float32Array, step: number, length: number, other: number, stride: number) => Float32Array} */
  const along = (source, step, length, other, stride) => {
    const out = new Float32Array(source.length);
    for (let line = 0; line < other; line++) {
      for (let i = 0; i < length; i++) {
        let sum = 0;
        for (let tap = -2; tap <= 2; tap++) {
          const k = Math.max(0, Math.min(length - 1, i + tap));
          sum += (tap === 0 ? 0.375 : Math.abs(tap) === 1 ? 0.25 : 0.0625) * source[line * stride + k * step];
        }
        out[line * stride + i * step] = sum;
      }
    }
    return out;
  };
  return { width, height, values: along(along(values, 1, width, height, width), width, height, width, 1) };
}

/**
 * Every second pixel.
 * @param {Luma} image
 * @returns {Luma}
 */
function halve(image) {
  const [width, height] = [Math.ceil(image.width / 2), Math.ceil(image.height / 2)];
  return resample(image, width, height, (i) => 2 * i, (j) => 2 * j);
}

/**
 * Nearest-neighbor enlargement, then the filter.
 * @param {Luma} image
 * @param {Luma} like
 */
function expand(image, like) {
  /** @type {(from: number, to: number) => (i: number) => number} */
  const nearest = (from, to) => (i) => Math.min(Math.floor(round32(i * round32(from / to))), from - 1);
  const { width, height } = like;
  return blur(resample(image, width, height, nearest(image.width, width), nearest(image.height, height)));
}

/**
 * @param {Luma} image
 * @param {number} width
 * @param {number} height
 * @param {(column: number) => number} column
 * @param {(row: number) => number} row
 * @returns {Luma}
 */
function resample(image, width, height, column, row) {
  const values = new Float32Array(width * height);
  for (let y = 0, i = 0; y < height; y++) {
    const start = row(y) * image.width;
    for (let x = 0; x < width; x++) values[i++] = image.values[start + column(x)];
  }
  return { width, height, values };
}

/**
 * Laplacian pyramid of up to four levels: details of larger magnitude, averaged base.
 * @param {Luma} a
 * @param {Luma} b
 */
export function laplacianPyramid(a, b) {
  const levels = Math.min(4, Math.floor(Math.log2(Math.min(a.width, a.height))));
  const details = [];
  for (let level = 0; level < levels; level++) {
    const [smallerA, smallerB] = [halve(blur(a)), halve(blur(b))];
    const detailA = pixelwise(a, expand(smallerA, a), (x, y) => x - y);
    const detailB = pixelwise(b, expand(smallerB, b), (x, y) => x - y);
    details.push(pixelwise(detailA, detailB, (x, y) => (Math.abs(x) > Math.abs(y) ? x : y)));
    [a, b] = [smallerA, smallerB];
  }
  let fused = average(a, b);
  for (const detail of details.reverse()) fused = pixelwise(expand(fused, detail), detail, (x, y) => x + y);
  return { ...fused, values: fused.values.map((value) => Math.max(0, Math.min(1, value))) };
}

/** The ways to fuse that learn nothing, by the name that the command line has for them. */
export const CLASSICAL = {
  average: { title: "Average", fuse: average },
  maximum: { title: "Maximum", fuse: maximum },
  "laplacian-pyramid": { title: "Laplacian pyramid", fuse: laplacianPyramid },
};

/**
 * Round half to even, as NumPy does.
 * @param {number} x
 */
export function roundEven(x) {
  const down = Math.floor(x);
  const rest = x - down;
  return rest < 0.5 || (rest === 0.5 && down % 2 === 0) ? down : down + 1;
}

/**
 * A fused luma as 8-bit levels: stretched to the full range and rounded down, or rounded to the nearest.
 * @param {Luma} fused
 * @param {boolean} stretch
 */
export function finish({ values }, stretch) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const spread = high - low;
  const levels = new Uint8Array(values.length);
  for (let i = 0; i < levels.length; i++) {
    const value = stretch && spread > 0 ? (values[i] - low) / spread : values[i];
    // To a thousandth of a level first, so that float32's rounding decides no tie and no step.
    const level = roundEven(value * 255 * 1000) / 1000;
    levels[i] = stretch ? Math.floor(level) : roundEven(level);
  }
  return levels;
}
