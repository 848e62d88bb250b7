"""Methods with nothing to learn: the baselines that a learned method has to beat."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from wdualmine.blur import gaussian_blur
from wdualmine.errors import WdualmineError
from wdualmine.fusion import Fuse
from wdualmine.wavelet import haar_dwt, haar_idwt


def average(a: Tensor, b: Tensor) -> Tensor:
    """Pixelwise average: reaches the highest PSNR that any fused image can have."""
    return (a + b) / 2


def maximum(a: Tensor, b: Tensor) -> Tensor:
    """Pixelwise maximum."""
    return torch.maximum(a, b)


def blend(fuse: Fuse, t: float) -> Fuse:
    """Mix a method with the average: (1 - t) average + t method, t in [0, 1]; else a WdualmineError."""
    if not 0 <= t <= 1:
        raise WdualmineError(f"t = {t}: give a number from 0 (average) to 1 (the method)")
    return lambda a, b: (1 - t) * average(a, b) + t * torch.as_tensor(fuse(a, b))


def standardized_sum(a: Tensor, b: Tensor) -> Tensor:
    """Sum of the standardized images: reaches the highest mean CC, sqrt((1 + rho) / 2).

    The sum is scaled per image to [0, 1], which changes no correlation; a constant image adds nothing.
    """

    def standardize(x: Tensor) -> Tensor:
        x = x.double()
        centered = x - x.mean(dim=(-2, -1), keepdim=True)
        deviation = centered.square().mean(dim=(-2, -1), keepdim=True).sqrt()
        return centered / deviation.clamp(min=1e-12)

    total = standardize(a) + standardize(b)
    low = total.amin(dim=(-2, -1), keepdim=True)
    spread = (total.amax(dim=(-2, -1), keepdim=True) - low).clamp(min=1e-12)
    return ((total - low) / spread).to(a.dtype)


def laplacian_pyramid(a: Tensor, b: Tensor, levels: int = 4) -> Tensor:
    """Laplacian pyramid (Burt and Adelson, doi:10.1109/TCOM.1983.1095851): larger details, averaged base.

    Binomial 5-tap filter. An image too small for the levels gets as many as its sides can be halved.
    """

    def blur(x: Tensor) -> Tensor:
        taps = torch.tensor([1, 4, 6, 4, 1], dtype=x.dtype, device=x.device) / 16
        x = F.pad(x, (2, 2, 2, 2), mode="replicate")
        return F.conv2d(F.conv2d(x, taps.view(1, 1, 1, 5)), taps.view(1, 1, 5, 1))

    def expand(x: Tensor, like: Tensor) -> Tensor:
        return blur(F.interpolate(x, size=like.shape[-2:], mode="nearest"))

    levels = min(levels, min(a.shape[-2:]).bit_length() - 1)
    details = []
    for _ in range(levels):
        smaller_a, smaller_b = blur(a)[..., ::2, ::2], blur(b)[..., ::2, ::2]
        detail_a, detail_b = a - expand(smaller_a, a), b - expand(smaller_b, b)
        details.append(torch.where(detail_a.abs() > detail_b.abs(), detail_a, detail_b))
        a, b = smaller_a, smaller_b
    fused = (a + b) / 2
    for detail in reversed(details):
        fused = expand(fused, detail) + detail
    return fused.clamp(0, 1)


def detail_average(a: Tensor, b: Tensor, sigma: float = 4.0, gain: float = 0.5, limit: float = 0.1) -> Tensor:
    """Average plus what each source has beyond its blurred self, compressed: nothing learned, three lines.

    F = (A + B) / 2 + gain * sum over S of limit * tanh((S - blur(S)) / limit), the blur a Gaussian's of sigma
    pixels. With a gain of 1/2 a faint detail of either source comes through whole; a strong edge, such as the
    skull's, adds at most gain * limit, so that it grows no halo and the correlation with the sources stays.
    What both sources show is counted twice: an image fused with itself comes back sharpened.
    """

    def details(x: Tensor) -> Tensor:
        return limit * torch.tanh((x - gaussian_blur(x, sigma, math.ceil(3 * sigma))) / limit)

    return ((a + b) / 2 + gain * (details(a) + details(b))).clamp(0, 1)


def wavelet_maximum(a: Tensor, b: Tensor, levels: int = 3) -> Tensor:
    """Haar wavelet fusion (Li et al., doi:10.1006/gmip.1995.1022): larger details, averaged base."""
    height, width = a.shape[-2:]
    multiple = 2**levels
    pad = (0, -width % multiple, 0, -height % multiple)
    a, b = F.pad(a, pad, mode="replicate"), F.pad(b, pad, mode="replicate")
    details = []
    for _ in range(levels):
        a, details_a = haar_dwt(a)
        b, details_b = haar_dwt(b)
        details.append(torch.where(details_a.abs() > details_b.abs(), details_a, details_b))
    fused = (a + b) / 2
    for detail in reversed(details):
        fused = haar_idwt(fused, detail)
    return fused[..., :height, :width].clamp(0, 1)
