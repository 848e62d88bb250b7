"""Fusion of discrete wavelet transforms, with PyWavelets."""

import numpy as np
import torch
from torch import Tensor

from wdualmine.errors import WdualmineError


def dwt_maximum(a: Tensor, b: Tensor, wavelet: str = "db2", levels: int = 3, share: float = 0.5) -> Tensor:
    """Larger detail coefficients of the two transforms, weighted average of their approximations.

    Of lumas (N, 1, H, W) in [0, 1]. The wavelet is one of PyWavelets' discrete ones; an image too small for
    the levels gets as many as it allows; the share is the weight of A's approximation. Haar's wavelet, on
    sides divisible by 2^levels, gives what ``wavelet_maximum`` gives.

    Raises:
        WdualmineError: there is no such wavelet, levels is below 1, or share is outside [0, 1].

    Source: H. Li, B. S. Manjunath and S. K. Mitra, 1995, DOI 10.1006/gmip.1995.1022.
    """
    import pywt

    if wavelet not in pywt.wavelist(kind="discrete"):
        raise WdualmineError(f"unknown wavelet {wavelet!r}; choose one of pywt.wavelist(kind='discrete')")
    if levels < 1 or not 0 <= share <= 1:
        raise WdualmineError(f"levels {levels}, share {share}: give at least 1 level and a share in [0, 1]")
    height, width = a.shape[-2:]
    levels = min(levels, pywt.dwtn_max_level((height, width), wavelet))
    first, second = (
        pywt.wavedec2(image.double().cpu().numpy(), wavelet, level=levels, axes=(-2, -1)) for image in (a, b)
    )
    fused = [share * first[0] + (1 - share) * second[0]]
    for level in zip(first[1:], second[1:], strict=True):
        fused.append(tuple(np.where(np.abs(x) > np.abs(y), x, y) for x, y in zip(*level, strict=True)))
    image = pywt.waverec2(fused, wavelet, axes=(-2, -1))[..., :height, :width]  # odd sides come back longer
    return torch.from_numpy(np.clip(image, 0, 1)).to(a)
