"""What the metrics cost, as ratios within one run: ``OMP_NUM_THREADS=1 python benchmarks/metrics.py``.

On two images with the statistics of a brain slice (256 x 256, made here; no data needed):

- Fast-FMI against the literal loop of ``tests/metrics/literal_fmi.py``. The loop is timed on a sample of the
  windows and scaled by their number: the time of a window does not depend on where it lies.
- each of the paper's five metrics, and all in one call, against the time the loop takes for FMI alone.
- a batch of 24 pairs, in one thread and in two.
- the memory that the five metrics take beyond the images.
"""

import os
import platform
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "metrics"))

from literal_fmi import literal_window

from wdualmine.metrics import PAPER_METRICS, score
from wdualmine.metrics import feature_mutual_information as fmi

SIZE = 256
SAMPLE = 2000
TIMED = 300
PAIRS = 24


def make_pair(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two smooth blobs of different texture on black, and their average: uint8 (256, 256)."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    row, column = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    head = row**2 + 1.4 * column**2 < 0.7
    a, b = (
        head * (120 + 900 * gaussian_filter(rng.normal(size=(SIZE, SIZE)), width) * width / 3)
        for width in (2, 6)
    )
    images = [np.clip(image, 0, 255).astype(np.uint8) for image in (a, b)]
    return images[0], images[1], (images[0] // 2 + images[1] // 2).astype(np.uint8)


def best_times(functions: dict[str, Callable[[], object]], repeats: int = 9) -> dict[str, float]:
    """The shortest of several runs each, in seconds, taken in turns so that all meet the same machine."""
    times = dict.fromkeys(functions, float("inf"))
    for _ in range(repeats):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            times[name] = min(times[name], time.perf_counter() - start)
    return times


def main() -> None:
    a, b, fused = make_pair(0)
    print(f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}")
    print(f"one thread, pairs of {SIZE} x {SIZE}, the best of several runs taken in turns\n")

    u, v = (fmi.windows(fmi.cosines(image)) for image in (a, fused))
    windows = 2 * u.shape[1]
    chosen = np.random.default_rng(0).choice(u.shape[1], SAMPLE, replace=False)
    u, v = u[:, chosen], v[:, chosen]
    slow = [literal_window(x, y) for x, y in zip(u.T.tolist(), v.T.tolist(), strict=True)]
    difference = np.abs(fmi.window_scores(u, v) - slow).max()
    arrays = list(zip(u.T[:TIMED], v.T[:TIMED], strict=True))
    floats = [(x.tolist(), y.tolist()) for x, y in arrays]
    times = best_times(
        {
            "arrays": lambda: [literal_window(x, y) for x, y in arrays],
            "floats": lambda: [literal_window(x, y) for x, y in floats],
            "fast": lambda: fmi.feature_mutual_information(a, b, fused),
        }
    )
    arrays_time, floats_time = (times[name] / TIMED * windows for name in ("arrays", "floats"))
    fast = times["fast"]
    print(f"Fast-FMI of one pair: {windows} windows, two sources")
    print(f"  literal loop, NumPy arrays    {arrays_time:8.2f} s ({TIMED} windows timed, scaled)")
    print(f"  literal loop, Python floats   {floats_time:8.2f} s ({TIMED} windows timed, scaled)")
    print(f"  vectorised                    {fast:8.4f} s")
    print(f"  ratio, NumPy arrays           {arrays_time / fast:8.0f} x")
    print(f"  ratio, Python floats          {floats_time / fast:8.0f} x")
    print(f"  largest difference            {difference:8.0e} ({SAMPLE} windows)\n")

    keys = {key: [key] for key in PAPER_METRICS} | {"all in one call": list(PAPER_METRICS)}
    times = best_times(
        {name: lambda chosen=chosen: score(a, b, fused, chosen) for name, chosen in keys.items()}
    )
    print("The paper's five metrics of one pair, validation and grey included")
    for name, seconds in times.items():
        print(f"  {name:29s} {seconds:8.4f} s")
    five = times["all in one call"]
    print(f"  literal FMI alone to all five {arrays_time / five:8.0f} x\n")

    triples = [make_pair(seed) for seed in range(PAIRS)]
    seconds = best_times({"all": lambda: [score(*triple) for triple in triples]}, 3)["all"]
    print(f"{PAIRS} pairs, the five metrics: {seconds:8.3f} s, {PAIRS / seconds:.1f} pairs a second\n")

    tracemalloc.start()
    score(a, b, fused)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    print(f"Peak memory of the five metrics {peak:6.1f} MiB beyond the images")


if __name__ == "__main__":
    main()
