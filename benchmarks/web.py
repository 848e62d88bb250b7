"""What fusing in the page costs, beside onnxruntime on this core: ``python benchmarks/web.py light.onnx``.

Needs a built book, Chromium and onnxruntime; ``--book FOLDER`` names the built pages. Prints one line per
measure: the light network on 256 x 256 in WebAssembly and natively with their ratio, a click that puts a spot
in until its answer is drawn, the page until its first result, moving lambda, the scores, and what the first
page loads of its own before anyone touches it. The smallest of the times is what an idle machine takes.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
from playwright.sync_api import sync_playwright

HTML = Path(__file__).resolve().parents[1] / "book" / "_build" / "html"
REPEATS = 15

#: The page's own object does the work, so that what is timed is what a reader waits for.
WASM = """async repeats => {
  const page = wdualminePage, times = {run: [], click: [], lambda: [], scores: []};
  const timed = async work => { const t = performance.now(); await work(); return performance.now() - t; };
  const {a, b} = page.sources;
  for (let i = 0; i < repeats; i++) {
    page.bases.clear();
    const pictures = {a: a.picture, b: b.picture};
    times.run.push(await timed(() => page.bases.make(page.networkOf("light"), pictures, "", () => true)));
  }
  page.answers.ask = () => {}; // the other methods' answers follow later
  for (let i = 0; i < repeats; i++) {
    times.click.push(await timed(() => page.setSpot({source: "a", x: 60 + 5 * i, y: 90})));
  }
  for (let i = 0; i < 60; i++) {
    page.scale = i / 60;
    times.lambda.push(await timed(() => page.drawResult()));
  }
  for (let i = 0; i < repeats; i++) times.scores.push(await timed(() => page.showScores()));
  return times;
}"""


def native_milliseconds(network: Path) -> list[float]:
    """Times of the network on one pair, one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(network, options)
    a, b = np.random.default_rng(0).random((2, 1, 1, 256, 256), dtype=np.float32)
    times = []
    for _ in range(REPEATS + 2):
        started = time.perf_counter()
        session.run(["residual"], {"image1": a, "image2": b, "residual_scale": np.array(0.5, np.float32)})
        times.append(1000 * (time.perf_counter() - started))
    return times[2:]


def milliseconds(times: list[float]) -> str:
    """Print the median and the smallest."""
    return f"{statistics.median(times):.1f} ms (smallest {min(times):.1f})"


def main(network: Path, html: Path) -> None:
    """Measure and print."""
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=executable, headless=True, args=["--no-sandbox", "--disable-gpu"]
        )
        tab = context.new_page()
        loaded: list[str] = []
        tab.on("request", lambda request: loaded.append(request.url))
        tab.goto((html / "index.html").as_uri())
        tab.locator("#fusion-opening .status").wait_for()
        weight = sum(
            (html / "web" / url.split("/web/")[1]).stat().st_size for url in loaded if "/web/" in url
        )
        started = time.perf_counter()
        tab.goto((html / "try.html").as_uri())
        tab.wait_for_selector("#fusion-page .results:not([hidden])")
        first = time.perf_counter() - started
        tab.wait_for_function("document.querySelectorAll('.answers [data-share]').length === 4")
        answered = time.perf_counter() - started
        times = tab.evaluate(WASM, REPEATS)
        context.close()
    native = native_milliseconds(network)
    ratio = statistics.median(times["run"]) / statistics.median(native)
    print(f"light network, 256 x 256, in the page: {milliseconds(times['run'])}")
    print(f"the same natively: {milliseconds(native)}; the page takes {ratio:.1f} times as long")
    print(f"a click until its answer is drawn: {milliseconds(times['click'])}")
    print(f"first result: {first:.1f} s, all four answers: {answered:.1f} s, from nothing loaded or compiled")
    print(f"moving lambda, a step: {milliseconds(times['lambda'])}")
    print(f"scores: {milliseconds(times['scores'])}")
    print(f"first page before a touch: {weight / 1000:.0f} kB of its own")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", type=Path, help="light.onnx")
    parser.add_argument("--book", type=Path, default=HTML, help="the built pages")
    arguments = parser.parse_args()
    main(arguments.network, arguments.book)
