"""Ways to fuse that a measure of what survives has to see through: one source, windows, added details."""

from functools import partial

import torch
from torch import Tensor

from wdualmine.errors import WdualmineError
from wdualmine.fusion import Fuse
from wdualmine.methods.classical import average, detail_average

#: Gains of the windowed averages, and (deviation in pixels, gain, limit) of *average plus details*.
GAINS = (1.25, 1.5, 1.75, 2.0)
DETAILS = tuple(
    (sigma, gain, limit) for sigma in (2.0, 4.0, 8.0) for gain in (0.25, 0.5, 1.0) for limit in (0.05, 0.2)
)
#: Levels that are tried for the best window.
_LEVELS = 41


def first_source(a: Tensor, b: Tensor) -> Tensor:
    """Source A alone."""
    return a


def second_source(a: Tensor, b: Tensor) -> Tensor:
    """Source B alone."""
    return b


def windowed_average(gain: float, level: float | None = None) -> Fuse:
    """Return the average seen in a window, gain (average - level) in [0, 1]: more contrast, nothing new.

    Args:
        gain: at least 1.
        level: what becomes black, in [0, 1 - 1 / gain]; None takes, for each pair, the window that cuts off
            least (in mean squares).

    Raises:
        WdualmineError: the gain is below 1 or the window is not within [0, 1].
    """
    if not gain >= 1:
        raise WdualmineError(f"gain {gain}: give at least 1")
    highest = 1 - 1 / gain
    if level is not None and not 0 <= level <= highest:
        raise WdualmineError(f"level {level}: give 0 to {highest:g} for a gain of {gain:g}")

    def fuse(a: Tensor, b: Tensor) -> Tensor:
        mean = average(a, b)
        levels = torch.linspace(0, highest, _LEVELS).tolist() if level is None else [level]
        best = min(levels, key=lambda low: float((mean - mean.clamp(low, low + 1 / gain)).square().mean()))
        return (gain * (mean - best)).clamp(0, 1)

    return fuse


#: The baselines by name.
BASELINES: dict[str, Fuse] = {
    "first-source": first_source,
    "second-source": second_source,
    **{f"windowed-average-{gain:g}": windowed_average(gain) for gain in GAINS},
    **{
        f"detail-average-{sigma:g}-{gain:g}-{limit:g}": partial(
            detail_average, sigma=sigma, gain=gain, limit=limit
        )
        for sigma, gain, limit in DETAILS
    },
}
