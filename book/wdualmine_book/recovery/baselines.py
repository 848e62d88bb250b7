"""Ways to fuse that a measure of what survives has to see through: one source, windows, added details.

Details are added as they are, or divided by how many there are around (divisive normalization: D. J. Heeger
1992, doi:10.1017/S0952523800009640), which does by a rule what the light network learns.
"""

from functools import partial

import torch
from torch import Tensor

from wdualmine.blur import gaussian_blur
from wdualmine.fusion import Fuse
from wdualmine.methods.classical import average, detail_average
from wdualmine.recovery.measure import first_source, second_source

#: Gains of the windowed averages, and (deviation in pixels, gain, limit) of *average plus details*.
GAINS = (1.25, 1.5, 1.75, 2.0)
DETAILS = tuple(
    (sigma, gain, limit) for sigma in (2.0, 4.0, 8.0) for gain in (0.25, 0.5, 1.0) for limit in (0.05, 0.2)
)
#: The same of normalized details: (deviation in pixels of what is around, gain, level).
NORMALIZED = tuple(
    (around, gain, level) for around in (4.0, 8.0) for gain in (1.0, 1.5, 2.0) for level in (0.03, 0.05)
)
#: Of the blur that these details are the rest of, as the light network's.
_BLUR = 2.0
#: Levels that are tried for the best window.
_LEVELS = 41


def windowed_average(gain: float) -> Fuse:
    """Return the average seen in a window, gain (average - level) in [0, 1]: more contrast, nothing new.

    The window is, for each pair, the one that cuts off least (in mean squares); the gain is at least 1.
    """

    def fuse(a: Tensor, b: Tensor) -> Tensor:
        mean = average(a, b)
        levels = torch.linspace(0, 1 - 1 / gain, _LEVELS).tolist()
        best = min(levels, key=lambda low: float((mean - mean.clamp(low, low + 1 / gain)).square().mean()))
        return (gain * (mean - best)).clamp(0, 1)

    return fuse


def normalized_details(a: Tensor, b: Tensor, around: float, gain: float, level: float) -> Tensor:
    """Add each scan's details to the average, with less gain where there are many.

    Args:
        a: luma (N, 1, H, W) in [0, 1], as b is.
        b: of the same shape.
        around: deviation in pixels of the Gaussian over which the details' power is averaged.
        gain: where there are none.
        level: root mean square of the details, in [0, 1], at which the gain is half of that.
    """
    fused = average(a, b)
    for image in (a, b):
        details = image - gaussian_blur(image, _BLUR, round(3 * _BLUR))
        power = gaussian_blur(details.square(), around, round(3 * around))
        fused = fused + gain / (1 + power / level**2) * details
    return fused.clamp(0, 1)


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
    **{
        f"detail-normalized-{around:g}-{gain:g}-{level:g}": partial(
            normalized_details, around=around, gain=gain, level=level
        )
        for around, gain, level in NORMALIZED
    },
}
