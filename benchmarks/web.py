"""What fusing in the page costs, beside onnxruntime on this core: ``python benchmarks/web.py NETWORK.onnx``.

Needs a built book, Chromium and onnxruntime. Prints one line a measure: the network on 256 x 256 in
WebAssembly and natively with their ratio, the page's first run with everything to load, moving lambda (with
its drawing), the scores, and what the first page loads of its own before anyone touches it.
"""

import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
from playwright.sync_api import sync_playwright

HTML = Path(__file__).resolve().parents[1] / "book" / "_build" / "html"
REPEATS = 7

#: The page's own object does the work, so that what is timed is what a reader waits for.
WASM = """async repeats => {
  const page = wdualminePage, times = {first: 0, run: [], lambda: [], scores: []};
  const timed = async work => { const t = performance.now(); await work(); return performance.now() - t; };
  times.first = await timed(() => page.chooseMethod("w-dualmine"));
  for (let i = 0; i < repeats; i++) {
    page.residuals.clear();
    times.run.push(await timed(() => page.update()) - 30);
  }
  for (let i = 0; i < 60; i++) {
    page.scale = i / 60;
    times.lambda.push(await timed(() => page.drawResult()));
  }
  for (let i = 0; i < repeats; i++) times.scores.push(await timed(() => page.showScores()));
  return times;
}"""


def native_milliseconds(network: str) -> float:
    """Median time of the network on one pair, one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(network, options)
    a, b = np.random.default_rng(0).random((2, 1, 1, 256, 256), dtype=np.float32)
    times = []
    for _ in range(REPEATS + 2):
        started = time.perf_counter()
        session.run(["residual"], {"image1": a, "image2": b, "residual_scale": np.array(0.5, np.float32)})
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times[2:])


def main(network: str) -> None:
    """Measure and print."""
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=executable, headless=True, args=["--no-sandbox", "--disable-gpu"]
        )
        tab = context.new_page()
        loaded: list[str] = []
        tab.on("request", lambda request: loaded.append(request.url))
        tab.goto((HTML / "index.html").as_uri())
        tab.locator("#fusion-opening .status").wait_for()
        weight = sum(
            (HTML / "web" / url.split("/web/")[1]).stat().st_size for url in loaded if "/web/" in url
        )
        tab.goto((HTML / "try.html").as_uri())
        tab.wait_for_selector("#fusion-page[data-scored=yes]")
        times = tab.evaluate(WASM, REPEATS)
        context.close()
    page, native = statistics.median(times["run"]), native_milliseconds(network)
    move, slowest = statistics.median(times["lambda"]), max(times["lambda"])
    print(
        f"network, 256 x 256: {page:.0f} ms in the page, {native:.0f} ms natively, {page / native:.1f} times"
    )
    print(f"first run, with runtime and network to load and compile: {times['first'] / 1000:.1f} s")
    print(f"moving lambda: {move:.1f} ms a step, {1000 / move:.0f} a second; the slowest {slowest:.1f} ms")
    print(f"scores: {statistics.median(times['scores']):.0f} ms")
    print(f"first page before a touch: {weight / 1000:.0f} kB of its own")


if __name__ == "__main__":
    main(sys.argv[1])
