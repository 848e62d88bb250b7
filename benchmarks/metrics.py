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

from wdualmine.metrics import PAPER_METRICS, score, score_batch
from wdualmine.metrics import feature_mutual_information as fmi

SIZE = 256
SAMPLE = 2000
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


def best_time(function: Callable[[], object], repeats: int = 7) -> float:
    """The shortest of several runs, in seconds: the one that other programs disturbed least."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    a, b, fused = make_pair(0)
    print(
        f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}"
    )
    print(f"one thread, one pair of {SIZE} x {SIZE}; the best of 7 runs each\n")

    u, v = (fmi.windows(fmi.cosines(image)) for image in (a, fused))
    windows = u.shape[1]
    chosen = np.random.default_rng(0).choice(windows, SAMPLE, replace=False)
    difference = np.abs(
        fmi.window_scores(u[:, chosen], v[:, chosen])
        - [literal_window(u[:, w].tolist(), v[:, w].tolist()) for w in chosen]
    ).max()
    on_arrays = best_time(lambda: [literal_window(u[:, w], v[:, w]) for w in chosen[:500]], 3) / 500
    on_floats = (
        best_time(lambda: [literal_window(u[:, w].tolist(), v[:, w].tolist()) for w in chosen[:500]], 3) / 500
    )
    fast = best_time(lambda: fmi.feature_mutual_information(a, b, fused))
    literal, literal_floats = 2 * windows * on_arrays, 2 * windows * on_floats
    print(f"Fast-FMI, {2 * windows} windows (two sources)")
    print(f"  literal loop on NumPy arrays    {literal:8.2f} s (500 windows timed, scaled)")
    print(f"  literal loop on Python floats   {literal_floats:8.2f} s (500 windows timed, scaled)")
    print(f"  vectorised                      {fast:8.4f} s")
    print(
        f"  ratio                           {literal / fast:8.0f} x (on Python floats {literal_floats / fast:.0f} x)"
    )
    print(f"  largest difference of a window  {difference:8.1e} ({SAMPLE} windows)\n")

    print("The paper's five metrics of one pair")
    for key in PAPER_METRICS:
        print(f"  {key:31s} {best_time(lambda key=key: score(a, b, fused, [key])):8.4f} s")
    five = best_time(lambda: score(a, b, fused))
    print(
        f"  all in one call                 {five:8.4f} s (limit: 0.3 s; the literal FMI alone: {literal / five:.0f} x)\n"
    )

    triples = [make_pair(seed) for seed in range(PAIRS)]
    alone = best_time(lambda: score_batch(triples, workers=1), 3)
    both = best_time(lambda: score_batch(triples, workers=2), 3)
    print(f"A batch of {PAIRS} pairs")
    print(f"  one thread                      {alone:8.3f} s, {PAIRS / alone:.1f} pairs a second")
    print(
        f"  two threads                     {both:8.3f} s, {PAIRS / both:.1f} pairs a second, ratio {alone / both:.2f} x\n"
    )

    tracemalloc.start()
    score(a, b, fused)
    print(
        f"Peak memory of the five metrics   {tracemalloc.get_traced_memory()[1] / 2**20:8.1f} MiB beyond the images"
    )


if __name__ == "__main__":
    main()
