"""U2Fusion: each source counts in the objective by the information that it carries.

Source: H. Xu et al., 2022, DOI 10.1109/TPAMI.2020.3012548.

Deviations: information is measured on five scales of the image itself instead of five layers of a VGG-16
trained on photographs, whose weights are not at hand; the constant that turns it into weights is ours, too. A
network is trained for one task, so that the paper's elastic weight consolidation, which keeps earlier tasks,
has nothing to do.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wdualmine.methods.system import Fused, Network, NetworkConfig, System
from wdualmine_book.systems.objective import SystemObjective, TermWeights, gradients, similarity

SCALES = 5
TEMPERATURE = 0.01  # in squared units of [0, 1] a pixel: about what two sources of a pair differ by


@dataclass(frozen=True)
class U2FusionConfig(NetworkConfig):
    """What the network is built from: the channels of each layer of the dense block."""

    channels: int = 44


class U2Fusion(Network):
    """Both images enter at once: six densely connected layers, then four that narrow to the fused image."""

    reach = 10  # ten 3 x 3 layers

    def __init__(self, config: U2FusionConfig | None = None) -> None:
        super().__init__()
        self.config = config or U2FusionConfig()
        width = self.config.channels
        self.first = nn.Conv2d(2, width, 3, padding=1)
        self.dense = nn.ModuleList(
            nn.Conv2d(width * (number + 1), width, 3, padding=1) for number in range(5)
        )
        narrowing = (6 * width, 128, 64, 32, 1)
        self.narrow = nn.ModuleList(nn.Conv2d(*widths, 3, padding=1) for widths in pairwise(narrowing))

    def forward(self, image1: Tensor, image2: Tensor) -> Fused:
        """Fuse two images (N, 1, H, W) in [0, 1]."""
        x = F.leaky_relu(self.first(torch.cat((image1, image2), dim=1)), 0.2)
        for layer in self.dense:
            x = torch.cat((x, F.leaky_relu(layer(x), 0.2)), dim=1)
        *layers, last = self.narrow
        for layer in layers:
            x = F.leaky_relu(layer(x), 0.2)
        return Fused((torch.tanh(last(x)) + 1) / 2)


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
)
