"""Guided-filter fusion: weights from saliency, smoothed along the edges of the images themselves."""

import torch
from torch import Tensor
from torch.nn import functional as F

from wdualmine.blur import gaussian_blur

BASE_RADIUS = 15  # of the mean filter that splits base from detail: windows of 31 x 31
SALIENCY = (5, 5.0)  # radius and sigma of the Gaussian over the Laplacian's magnitude
#: Radius and epsilon (in squared units of [0, 1]) of the guided filter, for the weights of the bases and of
#: the details: the source's values.
GUIDE_BASE, GUIDE_DETAIL = (45, 0.3), (7, 1e-6)


def guided_filter_fusion(a: Tensor, b: Tensor) -> Tensor:
    """Sum of base and detail layers, each weighted by a saliency map that a guided filter has smoothed.

    Source: S. Li, X. Kang and J. Hu, 2013, DOI 10.1109/TIP.2013.2244222.
    """
    # In float64: a window's variance is a difference of means, and epsilon is small.
    images = [a.double(), b.double()]
    bases = [box_mean(image, BASE_RADIUS) for image in images]
    saliency = [_saliency(image) for image in images]
    wins = (saliency[0] >= saliency[1]).double()
    fused = torch.zeros_like(images[0])
    layers = [(GUIDE_BASE, bases), (GUIDE_DETAIL, [x - base for x, base in zip(images, bases, strict=True)])]
    for (radius, epsilon), (layer_a, layer_b) in layers:
        weight_a, weight_b = (
            guided_filter(guide, mask, radius, epsilon).clamp(0, 1) + 1e-9
            for guide, mask in zip(images, (wins, 1 - wins), strict=True)
        )
        fused = fused + (weight_a * layer_a + weight_b * layer_b) / (weight_a + weight_b)
    return fused.clamp(0, 1).to(a.dtype)


def guided_filter(guide: Tensor, image: Tensor, radius: int, epsilon: float) -> Tensor:
    """Smooth an image to a local linear function of another (He et al., DOI 10.1109/TPAMI.2012.213).

    Both are (N, 1, H, W). Where the guide's variance in a window is below epsilon, the image is smoothed.
    """
    mean_guide, mean_image = box_mean(guide, radius), box_mean(image, radius)
    variance = box_mean(guide.square(), radius) - mean_guide.square()
    covariance = box_mean(guide * image, radius) - mean_guide * mean_image
    slope = covariance / (variance.clamp(min=0) + epsilon)
    offset = mean_image - slope * mean_guide
    return box_mean(slope, radius) * guide + box_mean(offset, radius)


def box_mean(x: Tensor, radius: int) -> Tensor:
    """Mean over the part of a square window of side 2 radius + 1 that lies in the image; same shape."""
    side = 2 * radius + 1
    rows = F.avg_pool2d(x, (side, 1), 1, (radius, 0), count_include_pad=False)
    return F.avg_pool2d(rows, (1, side), 1, (0, radius), count_include_pad=False)


def _saliency(image: Tensor) -> Tensor:
    """Magnitude of the Laplacian, averaged under a Gaussian."""
    padded = F.pad(image, (1, 1, 1, 1), mode="replicate")
    neighbors = (
        padded[..., :-2, 1:-1] + padded[..., 2:, 1:-1] + padded[..., 1:-1, :-2] + padded[..., 1:-1, 2:]
    )
    radius, sigma = SALIENCY
    return gaussian_blur((neighbors - 4 * image).abs(), sigma, radius)
