"""U2Fusion trained here: each source counts in the objective by the information that it carries.

Source: H. Xu et al., 2022, DOI 10.1109/TPAMI.2020.3012548; the network is :mod:`wdualmine.methods.u2fusion`.

Deviations: information is measured on five scales of the image itself instead of five layers of a VGG-16
trained on photographs, whose weights are not at hand; the constant that turns it into weights is ours, too. A
network is trained for one task, so that the paper's elastic weight consolidation, which keeps earlier tasks,
has nothing to do.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from wdualmine.methods.system import Fused, System
from wdualmine.methods.u2fusion import U2Fusion, U2FusionConfig
from wdualmine_book.systems.objective import SystemObjective, TermWeights, gradients, similarity

SCALES = 5
TEMPERATURE = 0.01  # in squared units of [0, 1] a pixel: about what two sources of a pair differ by


def information(image: Tensor) -> Tensor:
    """Measure an image's information: the mean square of its derivatives, averaged over scales; (N,).

    Each scale has half the sides of the one before, as the layers of the paper's feature network have.
    """
    measures = []
    for _ in range(SCALES):
        right, down = gradients(image)
        measures.append((right.square() + down.square()).mean(dim=(-3, -2, -1)))
        image = F.avg_pool2d(image, 2, ceil_mode=True)
    return torch.stack(measures).mean(dim=0)


def information_weights(image1: Tensor, image2: Tensor) -> Tensor:
    """Give how much each source counts, (2, N), the sum over both 1."""
    return torch.softmax(torch.stack((information(image1), information(image2))) / TEMPERATURE, dim=0)


@dataclass(frozen=True)
class U2FusionWeights(TermWeights):
    """The paper's alpha is `intensity`."""

    structure: float = 1.0
    intensity: float = 20.0


class U2FusionObjective(SystemObjective):
    """Be like both sources, like the more informative one the most."""

    def terms(self, output: Fused, image1: Tensor, image2: Tensor, *_: Tensor) -> dict[str, Tensor]:
        """Give structure (1 - SSIM) and intensity (mean square), each weighted by information."""
        structure, intensity = [], []
        for source in (image1, image2):
            structure.append(1 - similarity(output.fused, source))
            intensity.append((output.fused - source).square().mean(dim=(-3, -2, -1)))
        shares = information_weights(image1, image2)
        return {
            "structure": (shares * torch.stack(structure)).sum(dim=0).mean(),
            "intensity": (shares * torch.stack(intensity)).sum(dim=0).mean(),
        }


SYSTEM = System(
    "u2fusion-retrained",
    U2Fusion,
    U2FusionConfig,
    lambda _, weights: U2FusionObjective(weights),
    U2FusionWeights,
    schedule={"epochs": 3, "batch_size": 30, "patch_size": 64, "learning_rate": 1e-4},
    smoke={"channels": 4},
    half_precision=True,
)
