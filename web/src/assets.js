/**
 * Files that are loaded on demand. A page opened from disk may fetch nothing, but it may add scripts: so each file
 * is cut into scripts that hand over base64, which also gives progress without a server's help.
 */

/**
 * What the build made, page.js's own first lines.
 * @typedef {{task: string, method: string, title: string, asset: string, multiple: number, scale: number}} Network
 * @typedef {{task: string, name: string, data: string, a: string, b: string}} Example
 * @typedef {{task: string, title: string, a: string, b: string}} Task
 * @typedef {{
 *   tasks: Task[], networks: Network[], examples: Example[],
 *   assets: Record<string, {parts: number[], packed: boolean}>,
 *   opening: {
 *     task: string, pair: string, a: string, b: string, networks: {title: string, asset: string, step: number}[],
 *   },
 * }} Contents
 */

/** @type {Contents} */
export const CONTENTS = /** @type {any} */ (globalThis).wdualmineContents;
const BASE = /** @type {HTMLScriptElement} */ (globalThis.document?.currentScript)?.src.replace(/[^/]*$/, "");

/** @type {Map<string, Promise<Uint8Array<ArrayBuffer>>>} */
const loaded = new Map();
/** @type {Map<string, string>} */
const arrived = new Map();
/** @type {any} */ (globalThis).wdualmineAsset = (/** @type {string} */ part, /** @type {string} */ text) =>
  arrived.set(part, text);

/**
 * @param {string} file
 * @returns {Promise<void>}
 */
export function addScript(file) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = BASE + file;
    script.onload = () => resolve();
    script.onerror = () => reject(new Error(`${file} is missing; build the book again`));
    document.head.append(script);
  });
}

/**
 * Load a file once.
 * @param {string} name
 * @param {(bytes: number) => void} [progress] told of every part's size
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export function loadAsset(name, progress = () => {}) {
  const before = loaded.get(name);
  if (before) return before;
  const { parts, packed } = CONTENTS.assets[name];
  const load = async () => {
    const pieces = await Promise.all(
      parts.map(async (size, number) => {
        const part = `${name}.${number}`;
        await addScript(`assets/${part}.js`);
        const text = atob(arrived.get(part) ?? "");
        arrived.delete(part);
        progress(size);
        return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
      }),
    );
    const blob = new Blob(pieces);
    if (!packed) return new Uint8Array(await blob.arrayBuffer());
    const stream = blob.stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  };
  const promise = load();
  loaded.set(name, promise);
  promise.catch(() => loaded.delete(name)); // so that the reader can try again
  return promise;
}

/** @param {string[]} names */
export function assetSize(names) {
  const parts = names.flatMap((name) => (loaded.has(name) ? [] : CONTENTS.assets[name].parts));
  return parts.reduce((sum, size) => sum + size, 0);
}
