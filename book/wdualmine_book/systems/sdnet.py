"""SDNet trained here: squeeze two images into one from which both can be taken apart again.

Source: H. Zhang and J. Ma, 2021, DOI 10.1007/s11263-021-01501-8; the network is
:mod:`wdualmine.methods.sdnet`.

The objective is that of its authors' code for medical images, whose squares are of images in [-1, 1]; here of
[0, 1], which scales every term alike.

Deviation: borders are replicated, not filled with middle grey.
"""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from wdualmine.blur import gaussian_blur
from wdualmine.methods.sdnet import Decomposition, SDNet, SDNetConfig
from wdualmine.methods.system import System
from wdualmine_book.systems.objective import SystemObjective, TermWeights


@dataclass(frozen=True)
class SDNetWeights(TermWeights):
    """Weights of the squeeze (gradient, intensity) and of the decomposition."""

    gradient: float = 10.0
    intensity: float = 1.0
    decomposition: float = 1.0


def laplacian(image: Tensor) -> Tensor:
    """Add up the differences to the four neighbors of each pixel; a border pixel is its own neighbor."""
    padded = F.pad(image, (1, 1, 1, 1), mode="replicate")
    rows = padded[..., :-2, 1:-1] + padded[..., 2:, 1:-1]
    columns = padded[..., 1:-1, :-2] + padded[..., 1:-1, 2:]
    return rows + columns - 4 * image


def sharper(image1: Tensor, image2: Tensor) -> Tensor:
    """Decide pixel by pixel whose gradient the fused image has to follow: 1 for the first, 0 for the second.

    The paper's adaptive decision block: Laplacians of slightly blurred sources are compared.
    """
    first, second = (laplacian(gaussian_blur(image, 1.5, 1)).abs() for image in (image1, image2))
    return (first >= second).to(image1.dtype)


class SDNetObjective(SystemObjective):
    """Follow the sharper source's gradient and both intensities, and lose neither source."""

    def terms(self, output: Decomposition, image1: Tensor, image2: Tensor, *_: Tensor) -> dict[str, Tensor]:
        """Give gradient, intensity (the second source's counts half) and decomposition, mean squares."""
        first = sharper(image1, image2)
        fused, *targets = (laplacian(image) for image in (output.fused, image1, image2))
        return {
            "gradient": (fused - first * targets[0] - (1 - first) * targets[1]).square().mean(),
            "intensity": (output.fused - image1).square().mean()
            + 0.5 * (output.fused - image2).square().mean(),
            "decomposition": (output.part1 - image1).square().mean()
            + (output.part2 - image2).square().mean(),
        }


SYSTEM = System(
    "sdnet-retrained",
    SDNet,
    SDNetConfig,
    lambda _, weights: SDNetObjective(weights),
    SDNetWeights,
    schedule={"epochs": 30, "batch_size": 32, "patch_size": 120, "learning_rate": 1e-4},
    smoke={"channels": 4},
    half_precision=True,
)
