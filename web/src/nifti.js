/** NIfTI-1 volumes: checked as wdualmine/data/volumes.py does, in its words, and written with a source's header. */

import { Mistake } from "./image.js";
import { roundEven } from "./methods.js";

/** @typedef {Uint8Array | Int8Array | Int16Array | Uint16Array | Int32Array | Uint32Array | Float32Array | Float64Array} Values */
/** @typedef {[number, number, number]} Triple */
/** @typedef {[number, number]} Window least and greatest value of what is shown */

/**
 * @typedef {{
 *   name: string, header: DataView, little: boolean, shape: Triple, affine: number[][],
 *   values: Values, slope: number, intercept: number, range: Window,
 * }} Volume affine: three rows of four, from voxels to millimeters; values: the first axis runs fastest
 */

const HEADER = 348; // bytes
const MAX_HEADER = 2 ** 24; // with what follows it
const MAX_VOXELS = 2 ** 25; // above, a tab runs out of memory

/** By the code that a header has for them; the narrower before the wider. */
const TYPES = /** @type {const} */ ({
  2: Uint8Array, 256: Int8Array, 4: Int16Array, 512: Uint16Array, 8: Int32Array, 768: Uint32Array,
  16: Float32Array, 64: Float64Array,
});
/** @type {Record<number, string>} */
const OTHER_TYPES = { 32: "complex numbers", 1792: "complex numbers", 128: "colors", 2304: "colors" };

/** @param {string} name */
export function isVolume(name) {
  return /\.nii(\.gz)?$/i.test(name);
}

/**
 * Read a file, packed or not.
 * @param {Blob} file
 * @param {string} name what to call it in a message
 * @returns {Promise<Volume>}
 */
export async function readVolume(file, name) {
  const head = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  const packed = head[0] === 0x1f && head[1] === 0x8b;
  const stream = packed ? file.stream().pipeThrough(new DecompressionStream("gzip")) : file.stream();
  const take = reader(stream, name); // no more than is declared, which a small file may inflate beyond
  const header = new DataView((await take(HEADER)).buffer);
  const { little, shape, offset, type } = readHeader(header, name);
  const [slope, intercept] = readScale(header, little, name);
  const affine = readAffine(header, little, shape, name);
  await take(offset - HEADER);
  const size = TYPES[type].BYTES_PER_ELEMENT;
  const bytes = await take(shape[0] * shape[1] * shape[2] * size);
  if (!little) swap(bytes, size);
  const values = new TYPES[type](bytes.buffer);
  let [low, high] = [Infinity, -Infinity];
  let odd = 0;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
    odd += value - value; // 0, but NaN of NaN and of infinity
  }
  if (odd !== 0) throw new Mistake(`${name}: holds NaN or infinite values; replace them first`);
  if (low === high) throw new Mistake(`${name}: the volume is constant; give one that shows something`);
  const ends = [low * slope + intercept, high * slope + intercept].sort((x, y) => x - y);
  return { name, header, little, shape, affine, values, slope, intercept, range: [ends[0], ends[1]] };
}

/**
 * A function that gives the next bytes of a stream, or says that there are too few.
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} stream
 * @param {string} name
 */
function reader(stream, name) {
  const source = stream.getReader();
  let rest = new Uint8Array(0);
  return async (/** @type {number} */ count) => {
    const bytes = new Uint8Array(count);
    for (let at = 0; at < count; ) {
      if (!rest.length) {
        const { value } = await source.read().catch(() => ({ value: undefined }));
        if (!value) throw new Mistake(`${name}: not a readable volume (it ends too early or is damaged); export it again`);
        rest = value;
      }
      const part = rest.subarray(0, count - at);
      bytes.set(part, at);
      at += part.length;
      rest = rest.subarray(part.length);
    }
    return bytes;
  };
}

/**
 * @param {DataView} header
 * @param {string} name
 */
function readHeader(header, name) {
  const little = header.getInt32(0, true) === HEADER;
  if ([header.getInt32(0, true), header.getInt32(0, false)].includes(540)) {
    throw new Mistake(`${name}: is NIfTI-2, the page reads NIfTI-1; use wdualmine fuse on it`);
  }
  const magic = String.fromCharCode(header.getUint8(344), header.getUint8(345), header.getUint8(346));
  if ((!little && header.getInt32(0, false) !== HEADER) || !["n+1", "ni1"].includes(magic)) {
    throw new Mistake(`${name}: is no NIfTI file; export it again`);
  }
  if (magic === "ni1") throw new Mistake(`${name}: keeps its values in another file; save it as one .nii.gz`);
  const count = header.getInt16(40, little);
  const sides = Array.from({ length: Math.max(0, Math.min(7, count)) }, (_, k) => header.getInt16(42 + 2 * k, little));
  const [x, y, z, ...more] = sides;
  if (count > 7 || sides.length < 3 || sides.some((side) => side < 1) || more.some((side) => side !== 1)) {
    throw new Mistake(`${name}: has shape (${sides.join(", ")}); a volume (X, Y, Z) is needed`);
  }
  if (Math.min(x, y, z) < 2) throw new Mistake(`${name}: holds one slice; open it as an image, PNG or JPEG`);
  if (x * y * z > MAX_VOXELS) {
    throw new Mistake(`${name}: ${x} × ${y} × ${z} voxels are too many for the page; use wdualmine fuse on it`);
  }
  const type = header.getInt16(70, little);
  if (!(type in TYPES)) {
    const what = OTHER_TYPES[type] ?? `values of type ${type}`;
    throw new Mistake(`${name}: holds ${what}; save it as integers or float, one number a voxel`);
  }
  const offset = header.getFloat32(108, little);
  if (!(offset >= HEADER && offset <= MAX_HEADER)) {
    throw new Mistake(`${name}: declares a header of ${offset} bytes; export it again`);
  }
  return {
    little, shape: /** @type {Triple} */ ([x, y, z]), offset: Math.floor(offset),
    type: /** @type {keyof typeof TYPES} */ (type),
  };
}

/**
 * Slope and intercept of the values, 1 and 0 where a header has none.
 * @param {DataView} header
 * @param {boolean} little
 * @param {string} name
 */
function readScale(header, little, name) {
  const [slope, intercept] = [header.getFloat32(112, little), header.getFloat32(116, little)];
  if (!Number.isFinite(slope) || slope === 0) return [1, 0];
  if (!Number.isFinite(intercept)) throw new Mistake(`${name}: has a slope but no intercept; export it again`);
  return [slope, intercept];
}

/**
 * From voxels to millimeters: the header's matrix, else its quaternion, else its spacing alone.
 * @param {DataView} header
 * @param {boolean} little
 * @param {Triple} shape
 * @param {string} name
 */
function readAffine(header, little, shape, name) {
  const floats = (/** @type {number} */ at, /** @type {number} */ count) =>
    Array.from({ length: count }, (_, k) => header.getFloat32(at + 4 * k, little));
  const [qform, sform] = [header.getInt16(252, little), header.getInt16(254, little)];
  if ([qform, sform].some((code) => code < 0 || code > 5)) {
    const what = `has the orientation codes ${qform} (qform) and ${sform} (sform), not 0 to 5`;
    throw new Mistake(`${name}: ${what}; export it again`);
  }
  const [sense, ...spacing] = floats(76, 4);
  let affine = [floats(280, 4), floats(296, 4), floats(312, 4)];
  if (!sform) {
    if (spacing.some((size) => !Number.isFinite(size) || size === 0)) {
      throw new Mistake(`${name}: has a spacing of ${spacing.join(" x ")} mm; export it again`);
    }
    const [dx, dy, dz] = spacing;
    if (qform) {
      const [b, c, d, ...origin] = floats(256, 6);
      const square = 1 - b * b - c * c - d * d;
      const a = square < -1e-6 ? NaN : Math.sqrt(Math.max(0, square));
      const z = sense < 0 ? -dz : dz;
      affine = [
        [(a * a + b * b - c * c - d * d) * dx, 2 * (b * c - a * d) * dy, 2 * (b * d + a * c) * z, origin[0]],
        [2 * (b * c + a * d) * dx, (a * a + c * c - b * b - d * d) * dy, 2 * (c * d - a * b) * z, origin[1]],
        [2 * (b * d - a * c) * dx, 2 * (c * d + a * b) * dy, (a * a + d * d - b * b - c * c) * z, origin[2]],
      ];
    } else { // as nibabel does: to the left, and the middle is the origin
      const steps = [-dx, dy, dz];
      affine = steps.map((step, row) => [0, 1, 2, 3].map((k) => (k === row ? step : k === 3 ? (-step * (shape[row] - 1)) / 2 : 0)));
    }
  }
  if (affine.flat().some((value) => !Number.isFinite(value))) {
    throw new Mistake(`${name}: its affine holds NaN or infinity; export it again`);
  }
  const unit = [0, 1, 2].map((k) => Math.hypot(affine[0][k], affine[1][k], affine[2][k]));
  const [p, q, r] = affine.map((row) => row.slice(0, 3).map((value, k) => value / unit[k]));
  const volume = p[0] * (q[1] * r[2] - q[2] * r[1]) - p[1] * (q[0] * r[2] - q[2] * r[0]) + p[2] * (q[0] * r[1] - q[1] * r[0]);
  if (!(Math.abs(volume) > 1e-6)) {
    throw new Mistake(`${name}: its affine has a spacing of 0 or parallel axes; export it again`);
  }
  return affine;
}

/**
 * Reverse the bytes of each value.
 * @param {Uint8Array} bytes
 * @param {number} size
 */
function swap(bytes, size) {
  for (let at = 0; size > 1 && at < bytes.length; at += size) bytes.subarray(at, at + size).reverse();
}

/**
 * Make an array for values of a volume's type, or of the next wider one that holds a window.
 * @param {Volume} like
 * @param {Window} window
 * @returns {Values}
 */
export function emptyLike(like, [low, high]) {
  const { values, slope, intercept } = like;
  if (slope !== 1 || intercept !== 0) return new Float64Array(values.length);
  if (values instanceof Float32Array) return new Float32Array(values.length);
  const own = /** @type {typeof Int16Array} */ (values.constructor);
  const [least, greatest] = endsOf(own);
  const Wider = [own, Int16Array, Uint16Array, Int32Array, Uint32Array].find((Type) => {
    const ends = endsOf(Type);
    return ends[0] <= Math.min(least, roundEven(low)) && Math.max(greatest, roundEven(high)) <= ends[1];
  });
  return new (Wider ?? Float64Array)(values.length);
}

/**
 * Least and greatest number of a type of integers.
 * @param {{BYTES_PER_ELEMENT: number, of: (value: number) => ArrayLike<number>}} Type
 */
function endsOf(Type) {
  const count = 2 ** (8 * Type.BYTES_PER_ELEMENT);
  return Type.of(-1)[0] < 0 ? [-count / 2, count / 2 - 1] : [0, count - 1];
}

/**
 * A packed file of values on the grid of a volume; of its header the geometry stays, what may name a patient does not.
 * @param {Volume} like
 * @param {Values} values in the header's type or another
 * @returns {Promise<Blob>}
 */
export function packVolume(like, values) {
  const { little } = like;
  const start = new Uint8Array(HEADER + 4); // four zeros: no extension follows
  start.set(new Uint8Array(like.header.buffer));
  for (const [from, count] of [[4, 28], [148, 104], [328, 16]]) start.fill(0, from, from + count);
  const header = new DataView(start.buffer);
  const type = Object.entries(TYPES).find(([, Type]) => values instanceof Type)?.[0];
  header.setInt16(70, Number(type), little);
  header.setInt16(72, 8 * values.BYTES_PER_ELEMENT, little);
  header.setFloat32(108, start.length, little);
  header.setFloat32(112, 1, little);
  header.setFloat32(116, 0, little);
  header.setUint8(123, 2); // millimeters
  const bytes = new Uint8Array(/** @type {ArrayBuffer} */ (values.buffer));
  if (!little) swap(bytes, values.BYTES_PER_ELEMENT);
  const stream = new Blob([start, bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Response(stream).blob();
}
