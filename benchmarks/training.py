"""What training costs here, against the first straightforward version, in one run.

``python benchmarks/training.py`` times steps of the full network on one core, for whole images (256) and for
patches (128), batch 8: the package's step, and the plain one, which passes the whole batch at once in the
default memory layout and lets torch derive the gradient of Eq. 8. It prints pairs a second, the rate in
GFLOP/s and its share of this core's measured matrix-product rate.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from unittest import mock

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from wdualmine import losses, model
from wdualmine.experiments import make_experiment
from wdualmine.training import fuse_in_pieces, initial_state

BATCH = 8
STEPS = 3


def plain_sobel(x: Tensor) -> Tensor:
    """Eq. 8 from slices, as one would write it first."""
    x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    rows = x[..., :-2, :] + 2 * x[..., 1:-1, :] + x[..., 2:, :]
    columns = x[..., :-2] + 2 * x[..., 1:-1] + x[..., 2:]
    horizontal = rows[..., 2:] - rows[..., :-2]
    vertical = columns[..., 2:, :] - columns[..., :-2, :]
    return (horizontal.abs() + vertical.abs()) / 8


def median_seconds(function: Callable[[], object], repeats: int = STEPS) -> float:
    """Median time of a call, after one call to warm up."""
    times = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def step(side: int, plain: bool) -> Callable[[], None]:
    """Give a function that trains one step on random images of a side."""
    state = initial_state(make_experiment("ct-mri", "paper"), torch.device("cpu"))
    layout = torch.contiguous_format if plain else torch.channels_last
    state.model.to(memory_format=layout)  # type: ignore[call-overload]
    a, b = torch.rand(2, BATCH, 1, side, side).contiguous()

    def train() -> None:
        state.optimizer.zero_grad(set_to_none=True)
        pieces = [state.model(a, b)] if plain else fuse_in_pieces(state.model, a, b)
        state.objective(pieces, a, b)[0].backward()
        state.optimizer.step()

    return train


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    torch.set_num_threads(parser.parse_args().threads)
    torch.manual_seed(0)
    x = torch.randn(1024, 1024)
    peak = 2 * 1024**3 / median_seconds(lambda: x @ x, 15)
    print(f"matrix products: {peak / 1e9:.0f} GFLOP/s on {torch.get_num_threads()} threads")
    for side in (256, 128):
        with FlopCounterMode(display=False) as counter:
            step(side, plain=False)()
        seconds = {"package": median_seconds(step(side, plain=False))}
        with (
            mock.patch.multiple(model, sobel_magnitude=plain_sobel),
            mock.patch.object(losses, "sobel_magnitude", plain_sobel),
        ):
            seconds["plain"] = median_seconds(step(side, plain=True))
        for name, value in seconds.items():
            rate = counter.get_total_flops() / value
            print(
                f"{side} x {side}, {name:<8} {BATCH / value:6.2f} pairs/s  {rate / 1e9:5.0f} GFLOP/s, "
                f"{rate / peak:4.0%} of the matrix products', "
                f"{seconds['plain'] / value:5.2f} times the plain version"
            )


if __name__ == "__main__":
    main()
