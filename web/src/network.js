/** The networks, run by ONNX Runtime on WebGPU where there is one, else on one thread of WebAssembly. */

import { addScript, assetSize, loadAsset } from "./assets.js";

/** @typedef {import("./assets.js").Network} Network */
/** @typedef {import("./methods.js").Luma} Luma */

/** @typedef {"webgpu" | "wasm"} Provider */

/** @type {Record<Provider, {script: string, files: string[]}>} */
const RUNTIMES = {
  webgpu: {
    script: "ort.jspi.min.js",
    files: ["ort-wasm-simd-threaded.jspi.mjs", "ort-wasm-simd-threaded.jspi.wasm"],
  },
  wasm: { script: "ort.wasm.min.js", files: ["ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"] },
};

/** @type {Map<string, Promise<any>>} */
const sessions = new Map();
/** @type {Promise<any> | undefined} */
let runtime;
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

/**
 * @param {Provider} provider
 * @param {(bytes: number) => void} progress
 */
async function startRuntime(provider, progress) {
  const { script, files } = RUNTIMES[provider];
  await addScript(script);
  const { ort } = /** @type {any} */ (globalThis);
  const [glue, binary] = await Promise.all(files.map((name) => loadAsset(name, progress)));
  ort.env.wasm.numThreads = 1; // more would need a server that isolates the page
  ort.env.wasm.wasmPaths = { mjs: URL.createObjectURL(new Blob([glue], { type: "text/javascript" })) };
  ort.env.wasm.wasmBinary = binary.buffer;
  return ort;
}

/**
 * Load a network, with the runtime if it is the first.
 * @param {Network} network
 * @param {(share: number) => void} progress from 0 to 1
 */
async function loadNetwork(network, progress) {
  const known = sessions.get(network.asset);
  if (known) return known;
  const provider = await (chosen ??= chooseProvider());
  const total = assetSize([...RUNTIMES[provider].files, network.asset]);
  let bytes = 0;
  const count = (/** @type {number} */ size) => progress((bytes += size) / total);
  progress(0);
  const start = async () => {
    runtime ??= startRuntime(provider, count);
    const [ort, file] = await Promise.all([runtime, loadAsset(network.asset, count)]);
    // Level 3 is errors: for WebGPU it would warn that shapes are computed elsewhere, as they should be.
    return ort.InferenceSession.create(file, { executionProviders: [provider], logSeverityLevel: 3 });
  };
  const session = start();
  sessions.set(network.asset, session);
  session.catch(() => {
    sessions.delete(network.asset);
    runtime = undefined;
  });
  return session;
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
 * Give the residual tanh(R) of two lumas of any size; where WebGPU fails, WebAssembly goes on.
 * @param {Network} network
 * @param {Luma} a
 * @param {Luma} b
 * @param {(share: number) => void} progress
 * @returns {Promise<Float32Array>}
 */
export async function residualOf(network, a, b, progress) {
  try {
    return await run(network, a, b, progress);
  } catch (error) {
    if ((await chosen) !== "webgpu") throw error;
    chosen = Promise.resolve("wasm");
    runtime = undefined;
    sessions.clear();
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
  const session = await loadNetwork(network, progress);
  const { Tensor } = /** @type {any} */ (globalThis).ort;
  const [first, second] = [a, b].map((image) => pad(image, network.multiple));
  const shape = [1, 1, first.rows, first.columns];
  const { residual } = await session.run(
    {
      image1: new Tensor("float32", first.padded, shape),
      image2: new Tensor("float32", second.padded, shape),
      residual_scale: new Tensor("float32", Float32Array.of(network.scale), []),
    },
    ["residual"],
  );
  const { width, height } = a;
  const cropped = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    cropped.set(residual.data.subarray(y * first.columns, y * first.columns + width), y * width);
  }
  return cropped;
}
