"""The Gaussian blur that methods and objectives share."""

import torch
from torch import Tensor
from torch.nn import functional as F


def gaussian_blur(x: Tensor, sigma: float, radius: int, pad: bool = True) -> Tensor:
    """Blur (N, 1, H, W) with a Gaussian of 2 radius + 1 taps, whose sum is 1.

    Padding replicates the border, so that the sides stay; without it they shrink by twice the radius.
    """
    distances = torch.arange(-radius, radius + 1, dtype=x.dtype, device=x.device)
    taps = torch.exp(-distances.square() / (2 * sigma**2))
    taps = taps / taps.sum()
    if pad:
        x = F.pad(x, (radius,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(x, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1))
