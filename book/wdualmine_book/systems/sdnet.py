"""SDNet trained here: squeeze two images into one from which both can be taken apart again.

Source: H. Zhang and J. Ma, 2021, DOI 10.1007/s11263-021-01501-8; the network is
:mod:`wdualmine.methods.sdnet`.

Deviations: the paper sets the weights of its terms by task; these are ours, the same for all tasks, and both
sources count alike in the intensity. Derivatives are Sobel's instead of a Laplacian's.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from wdualmine.blur import gaussian_blur
from wdualmine.methods.sdnet import Decomposition, SDNet, SDNetConfig
from wdualmine.methods.system import System
from wdualmine_book.systems.objective import SystemObjective, TermWeights, gradients


@dataclass(frozen=True)
class SDNetWeights(TermWeights):
    """Weights of the squeeze (gradient, intensity) and of the decomposition."""

    gradient: float = 10.0
    intensity: float = 1.0
    decomposition: float = 1.0


def sharper(image1: Tensor, image2: Tensor) -> Tensor:
    """Decide pixel by pixel whose gradient the fused image has to follow: 1 for the first, 0 for the second.

    The paper's adaptive decision block: gradients of slightly blurred sources are compared.
    """
    strengths = []
    for image in (image1, image2):
        right, down = gradients(gaussian_blur(image, 1.0, 2))
        strengths.append(right.abs() + down.abs())
    return (strengths[0] >= strengths[1]).to(image1.dtype)


class SDNetObjective(SystemObjective):
    """Follow the sharper source's gradients and both intensities, and lose neither source."""

    def terms(self, output: Decomposition, image1: Tensor, image2: Tensor, *_: Tensor) -> dict[str, Tensor]:
        """Give gradient, intensity and decomposition, mean squares, the last two summed over the sources."""
        first = sharper(image1, image2)
        slopes = torch.cat(gradients(output.fused), dim=1)
        targets = [torch.cat(gradients(image), dim=1) for image in (image1, image2)]
        return {
            "gradient": (slopes - first * targets[0] - (1 - first) * targets[1]).square().sum(dim=1).mean(),
            "intensity": sum(
                ((output.fused - image).square().mean() for image in (image1, image2)),
                start=output.fused.new_zeros(()),
            ),
            "decomposition": (output.part1 - image1).square().mean()
            + (output.part2 - image2).square().mean(),
        }


SYSTEM = System(
    "sdnet-retrained",
    SDNet,
    SDNetConfig,
    lambda _, weights: SDNetObjective(weights),
    SDNetWeights,
    schedule={"epochs": 30, "batch_size": 32, "patch_size": 60, "learning_rate": 1e-4},
    smoke={"channels": 4},
    half_precision=True,
)
