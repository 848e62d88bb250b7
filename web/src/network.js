/**
 * The networks, each run by ONNX Runtime in a worker of its own, so that the page never waits for one: on WebGPU
 * where there is a graphics card, else on one thread of WebAssembly.
 */

import { assetSize, loadAsset } from "./assets.js";

/** @typedef {import("./assets.js").Network} Network */
/** @typedef {import("./methods.js").Luma} Luma */

/** @typedef {"webgpu" | "wasm"} Provider */

/** @type {Record<Provider, string[]>} script, what it imports, and what that compiles */
const RUNTIMES = {
  webgpu: ["ort.jspi.min.js", "ort-wasm-simd-threaded.jspi.mjs", "ort-wasm-simd-threaded.jspi.wasm"],
  wasm: ["ort.wasm.min.js", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"],
};

/** @type {Map<string, Promise<Worker>>} by the network's asset */
const workers = new Map();
/** @type {Promise<Provider> | undefined} */
let chosen;

/**
 * WebGPU on a real graphics card; WebAssembly is faster than a card that is only computed. `?runtime=webgpu` and
 * `?runtime=wasm` in the page's address decide instead.
 * @returns {Promise<Provider>}
 */
async function chooseProvider() {
  const asked = new URLSearchParams(location.search).get("runtime");
  if (asked === "wasm" || asked === "webgpu") return asked;
  const { gpu } = /** @type {any} */ (navigator);
  if (!gpu || !("Suspending" in WebAssembly)) return "wasm";
  const adapter = await gpu.requestAdapter().catch(() => null);
  return adapter && !adapter.info?.isFallbackAdapter ? "webgpu" : "wasm";
}

/** The worker's own code, which follows the runtime's script: a message starts the network or runs it. */
function serve() {
  const { ort } = /** @type {any} */ (globalThis);
  /** @type {any} */
  let session;
  const start = async (/** @type {any} */ { glue, binary, file, provider }) => {
    ort.env.wasm.numThreads = 1; // more would need a server that isolates the page
    ort.env.wasm.wasmPaths = { mjs: URL.createObjectURL(new Blob([glue], { type: "text/javascript" })) };
    ort.env.wasm.wasmBinary = binary.buffer;
    // Level 3 is errors: for WebGPU it would warn that shapes are computed elsewhere, as they should be.
    session = await ort.InferenceSession.create(file, { executionProviders: [provider], logSeverityLevel: 3 });
  };
  const run = async (/** @type {any} */ { first, second, shape, scale }) => {
    const inputs = {
      image1: new ort.Tensor("float32", first, shape),
      image2: new ort.Tensor("float32", second, shape),
      residual_scale: new ort.Tensor("float32", Float32Array.of(scale), []),
    };
    return (await session.run(inputs, ["residual"])).residual.data;
  };
  globalThis.onmessage = async ({ data, ports }) => {
    try {
      ports[0].postMessage({ answer: await (data.file ? start(data) : run(data)) });
    } catch (error) {
      ports[0].postMessage({ error: error instanceof Error ? error.message : String(error) });
    }
  };
}

/**
 * Send a worker a message, and wait for its answer.
 * @param {Worker} worker
 * @param {Record<string, unknown>} message
 * @returns {Promise<Float32Array>}
 */
export function ask(worker, message) {
  return new Promise((resolve, reject) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data: { answer, error } }) => (error ? reject(new Error(error)) : resolve(answer));
    worker.onerror = ({ message: reason }) => reject(new Error(reason || "the worker does not start"));
    worker.postMessage(message, [port2]);
  });
}

/**
 * Load a network and what runs it into a worker.
 * @param {Network} network
 * @param {(share: number) => void} progress
 */
async function startWorker(network, progress) {
  const provider = await (chosen ??= chooseProvider());
  const names = [...RUNTIMES[provider], network.asset];
  const total = assetSize(names);
  let bytes = 0;
  const count = (/** @type {number} */ size) => progress((bytes += size) / total);
  progress(0);
  const [script, glue, binary, file] = await Promise.all(names.map((name) => loadAsset(name, count)));
  const source = new Blob([script, `\n(${serve})();`], { type: "text/javascript" });
  const worker = new Worker(URL.createObjectURL(source));
  await ask(worker, { glue, binary, file, provider });
  return worker;
}

/**
 * Replicate the last column and row until the network's multiple divides the sides.
 * @param {Luma} image
 * @param {number} multiple
 */
function pad({ width, height, values }, multiple) {
  const [columns, rows] = [width, height].map((side) => Math.ceil(side / multiple) * multiple);
  const padded = new Float32Array(columns * rows);
  for (let y = 0, i = 0; y < rows; y++) {
    const start = Math.min(y, height - 1) * width;
    for (let x = 0; x < columns; x++) padded[i++] = values[start + Math.min(x, width - 1)];
  }
  return { columns, rows, padded };
}

/**
 * Give the residual tanh(R) of two lumas of any size, one call at a time; where WebGPU fails, WebAssembly goes on.
 * @param {Network} network
 * @param {Luma} a
 * @param {Luma} b
 * @param {(share: number) => void} progress of loading, from 0 to 1
 * @returns {Promise<Float32Array>}
 */
export async function residualOf(network, a, b, progress) {
  try {
    return await run(network, a, b, progress);
  } catch (error) {
    if ((await chosen) !== "webgpu") throw error;
    chosen = Promise.resolve("wasm");
    workers.clear();
    return run(network, a, b, progress);
  }
}

/**
 * What {@link residualOf} gives, on the provider that was chosen.
 * @param {Network} network
 * @param {Luma} a
 * @param {Luma} b
 * @param {(share: number) => void} progress
 */
async function run(network, a, b, progress) {
  const { asset, multiple, scale } = network;
  const start = workers.get(asset) ?? startWorker(network, progress);
  workers.set(asset, start);
  start.catch(() => workers.delete(asset)); // so that the reader can try again
  const [first, second] = [a, b].map((image) => pad(image, multiple));
  const shape = [1, 1, first.rows, first.columns];
  const residual = await ask(await start, { first: first.padded, second: second.padded, shape, scale });
  const { width, height } = a;
  const cropped = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    cropped.set(residual.subarray(y * first.columns, y * first.columns + width), y * width);
  }
  return cropped;
}
