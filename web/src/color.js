/**
 * Color as wdualmine/data/color.py has it: OpenCV's fixed-point YCrCb, 14 fractional bits, full range.
 */

/**
 * An image, 8 bits a channel, row by row; channels are interleaved.
 * @typedef {{width: number, height: number, channels: 1 | 3, data: Uint8Array}} Picture
 * @typedef {{red: Uint8Array, blue: Uint8Array}} Chroma
 */

const BITS = 14;
const HALF = 1 << (BITS - 1);

/** @param {number} value */
function toByte(value) {
  return Math.max(0, Math.min(255, value));
}

/**
 * Separate luma from chroma; the chroma of a grey picture is null.
 * @param {Picture} picture
 * @returns {{luma: Uint8Array, chroma: Chroma | null}}
 */
export function splitColor({ width, height, channels, data }) {
  if (channels === 1) return { luma: data, chroma: null };
  const size = width * height;
  const luma = new Uint8Array(size);
  const chroma = { red: new Uint8Array(size), blue: new Uint8Array(size) };
  const center = (128 << BITS) + HALF;
  for (let i = 0, k = 0; i < size; i++, k += 3) {
    const y = (4899 * data[k] + 9617 * data[k + 1] + 1868 * data[k + 2] + HALF) >> BITS;
    luma[i] = y;
    chroma.red[i] = toByte((11682 * (data[k] - y) + center) >> BITS);
    chroma.blue[i] = toByte((9241 * (data[k + 2] - y) + center) >> BITS);
  }
  return { luma, chroma };
}

/**
 * Put chroma back under a luma; without chroma the luma itself is the picture.
 * @param {Uint8Array} luma
 * @param {Chroma | null} chroma
 * @param {number} width
 * @param {number} height
 * @returns {Picture}
 */
export function joinColor(luma, chroma, width, height) {
  if (!chroma) return { width, height, channels: 1, data: luma };
  const data = new Uint8Array(3 * luma.length);
  for (let i = 0, k = 0; i < luma.length; i++, k += 3) {
    const red = chroma.red[i] - 128;
    const blue = chroma.blue[i] - 128;
    data[k] = toByte(luma[i] + ((22987 * red + HALF) >> BITS));
    data[k + 1] = toByte(luma[i] + ((-11698 * red - 5636 * blue + HALF) >> BITS));
    data[k + 2] = toByte(luma[i] + ((29049 * blue + HALF) >> BITS));
  }
  return { width, height, channels: 3, data };
}

/**
 * The 8-bit grey that the metrics score: round(0.299 R + 0.587 G + 0.114 B).
 * @param {Picture} picture
 * @returns {Uint8Array}
 */
export function toGrey({ channels, data }) {
  if (channels === 1) return data;
  const grey = new Uint8Array(data.length / 3);
  for (let i = 0, k = 0; i < grey.length; i++, k += 3) {
    grey[i] = Math.floor((299 * data[k] + 587 * data[k + 1] + 114 * data[k + 2] + 500) / 1000);
  }
  return grey;
}
