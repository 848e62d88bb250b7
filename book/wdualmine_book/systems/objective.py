"""What the objectives of others' systems share; images are (N, 1, H, W) in [0, 1]."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wdualmine.blur import gaussian_blur
from wdualmine.losses import TermWeights


class SystemObjective(nn.Module):
    """What a network is trained for: a weighted sum of named terms."""

    def __init__(self, weights: TermWeights) -> None:
        super().__init__()
        self.weights = weights

    def inputs(self, image1: Tensor, image2: Tensor, _: torch.Generator) -> tuple[Tensor, ...]:
        """Say what the network is to fuse in a step, two tensors (N, 1, H, W), and after them any targets."""
        return image1, image2

    @abstractmethod
    def terms(self, output: Any, image1: Tensor, image2: Tensor, *targets: Tensor) -> dict[str, Tensor]:
        """Give the unweighted terms by name, all scalars.

        Args:
            output: what the network gave for the batch.
            image1: the first of :meth:`inputs`.
            image2: the second.
            *targets: the others.
        """

    def forward(
        self, pieces: Sequence[Any], image1: Tensor, image2: Tensor, *targets: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Give the weighted sum and its terms; the output comes in pieces of the batch, in order."""
        output = type(pieces[0])(*(torch.cat(parts) for parts in zip(*pieces, strict=True)))
        terms = self.terms(output, image1, image2, *targets)
        weighted = [weight * terms[name] for name, weight in asdict(self.weights).items()]
        return torch.stack(weighted).sum(), terms


def similarity(x: Tensor, y: Tensor) -> Tensor:
    """SSIM of two images, one value a pair (N,), at most 1; whole 11 x 11 Gaussian windows."""
    return similarity_map(x, y).mean(dim=(-3, -2, -1))


def similarity_map(x: Tensor, y: Tensor) -> Tensor:
    """SSIM of each whole 11 x 11 Gaussian window of two images (N, 1, H, W) in [0, 1]; at most 1.

    As :func:`wdualmine.metrics.ssim.ssim`, differentiable; DOI 10.1109/TIP.2003.819861.
    """

    def mean(image: Tensor) -> Tensor:
        return gaussian_blur(image, 1.5, 5, pad=False)

    mean_x, mean_y = mean(x), mean(y)
    variances = mean(x.square()) - mean_x.square() + mean(y.square()) - mean_y.square()
    covariance = mean(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + 0.01**2) / (mean_x.square() + mean_y.square() + 0.01**2)
    return luminance * (2 * covariance + 0.03**2) / (variances + 0.03**2)


def gradients(x: Tensor) -> tuple[Tensor, Tensor]:
    """Sobel's derivatives to the right and down, each of the shape of x; a ramp of slope 1 has 1."""
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    rows = padded[..., :-2, :] + 2 * padded[..., 1:-1, :] + padded[..., 2:, :]
    columns = padded[..., :-2] + 2 * padded[..., 1:-1] + padded[..., 2:]
    return (rows[..., 2:] - rows[..., :-2]) / 8, (columns[..., 2:, :] - columns[..., :-2, :]) / 8
