/** Files to pictures, pictures to canvases and files. */

/** @typedef {import("./color.js").Picture} Picture */

const LARGEST = 4096 * 4096; // pixels; above, a tab runs out of memory

/** A mistake of the reader's, to be shown as one line. */
export class Mistake extends Error {}

/**
 * Decode a PNG or JPEG file; equal channels come back as grey, as wdualmine's read_image does.
 * @param {Blob} file
 * @param {string} name what to call it in a message
 * @returns {Promise<Picture>}
 */
export async function readPicture(file, name) {
  const head = new Uint8Array(await file.slice(0, 26).arrayBuffer());
  const isPng = head[0] === 0x89 && head[1] === 0x50;
  if (!isPng && !(head[0] === 0xff && head[1] === 0xd8)) throw new Mistake(`${name}: is no PNG or JPEG file`);
  if (isPng && head[24] === 16) {
    throw new Mistake(`${name}: has 16 bits a channel, the page works with 8; use wdualmine fuse on it`);
  }
  let bitmap;
  try {
    // The file's own values: no color profile applied, no alpha multiplied in.
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  } catch {
    throw new Mistake(`${name}: is not a readable image; export it again`);
  }
  const { width, height } = bitmap;
  if (width * height > LARGEST) throw new Mistake(`${name}: ${width} × ${height} pixels are too many for the page`);
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  context.drawImage(bitmap, 0, 0);
  const rgba = context.getImageData(0, 0, width, height).data;
  let grey = true;
  for (let k = 0; k < rgba.length; k += 4) {
    if (rgba[k + 3] !== 255) throw new Mistake(`${name}: has a transparent alpha channel; save it as grey or RGB`);
    grey &&= rgba[k] === rgba[k + 1] && rgba[k] === rgba[k + 2];
  }
  const channels = grey ? 1 : 3;
  const data = new Uint8Array(width * height * channels);
  for (let i = 0, k = 0; k < rgba.length; k += 4) {
    for (let c = 0; c < channels; c++) data[i++] = rgba[k + c];
  }
  return { width, height, channels, data };
}

/**
 * Show a picture on a canvas, pixel for pixel.
 * @param {HTMLCanvasElement} canvas
 * @param {Picture} picture
 */
export function draw(canvas, { width, height, channels, data }) {
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const pixels = context.createImageData(width, height);
  const step = channels === 3 ? 1 : 0;
  for (let i = 0, k = 0; k < pixels.data.length; i += channels, k += 4) {
    pixels.data[k] = data[i];
    pixels.data[k + 1] = data[i + step];
    pixels.data[k + 2] = data[i + 2 * step];
    pixels.data[k + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
}

/**
 * Hand a picture to the reader as a PNG file.
 * @param {Picture} picture
 * @param {string} name
 */
export async function savePicture(picture, name) {
  const canvas = document.createElement("canvas");
  draw(canvas, picture);
  /** @type {Blob | null} */
  const file = await new Promise((done) => canvas.toBlob(done, "image/png"));
  if (file) saveFile(file, name);
}

/**
 * Hand a file to the reader.
 * @param {Blob} file
 * @param {string} name
 */
export function saveFile(file, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
