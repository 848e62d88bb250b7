"""What fusing costs: one 256 x 256 pair on one core, beside the plain average, and the memory it takes.

``python benchmarks/fusion.py`` prints one line a method: seconds a pair (median), times the average's;
for the network also its operations, its rate and the share of this core's measured matrix-product rate.
"""

import resource
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from wdualmine import fuse_with
from wdualmine.fusion import fuse_images
from wdualmine.methods import CLASSICAL
from wdualmine.model import WDualMine

REPEATS = 15


def median_seconds(function: Callable[[], object]) -> float:
    """Median time of a call, after two calls to warm up."""
    times = []
    for _ in range(REPEATS + 2):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return statistics.median(times[2:])


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (2, 256, 256)).astype(np.uint8)
    model = WDualMine().eval().requires_grad_(False).to(memory_format=torch.channels_last)
    methods = {name: method.fuse for name, method in CLASSICAL.items() if method.fuse}
    methods["w-dualmine"] = fuse_with(model)
    seconds = {name: median_seconds(lambda f=fuse: fuse_images(a, b, f)) for name, fuse in methods.items()}
    for name, value in seconds.items():
        print(f"{name:<20} {value:8.4f} s a pair   {value / seconds['average']:8.1f} times the average")
    image = torch.zeros(1, 1, 256, 256)
    with FlopCounterMode(display=False) as counter:
        model(image, image)
    x = torch.randn(1024, 1024)
    peak = 2 * 1024**3 / median_seconds(lambda: x @ x)
    rate = counter.get_total_flops() / seconds["w-dualmine"]
    print(
        f"w-dualmine: {sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters, "
        f"{counter.get_total_flops() / 1e9:.1f} GFLOP a pair, {rate / 1e9:.0f} GFLOP/s, "
        f"{rate / peak:.0%} of this core's matrix-product rate ({peak / 1e9:.0f} GFLOP/s)"
    )
    print(
        f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB"
    )


if __name__ == "__main__":
    main()
