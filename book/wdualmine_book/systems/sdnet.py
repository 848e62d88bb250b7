"""SDNet: squeeze two images into one from which both can be taken apart again.

Source: H. Zhang and J. Ma, 2021, DOI 10.1007/s11263-021-01501-8.

Deviations: the paper sets the weights of its terms by task; these are ours, the same for all tasks, and both
sources count alike in the intensity. Derivatives are Sobel's instead of a Laplacian's.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wdualmine.blur import gaussian_blur
from wdualmine.methods.sdnet import Decomposition, SDNetConfig
from wdualmine.methods.system import Network, System
from wdualmine_book.systems.objective import SystemObjective, TermWeights, gradients


class Branch(nn.Module):
    """Features of one source: a 5 x 5 layer and three 3 x 3 ones, each fed with all before it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, width, 5, padding=2)
        self.dense = nn.ModuleList(
            nn.Conv2d(width * (number + 1), width, 3, padding=1) for number in range(3)
        )

    def forward(self, image: Tensor) -> Tensor:
        """Map (N, 1, H, W) to (N, 4 C, H, W)."""
        x = F.leaky_relu(self.first(image), 0.2)
        for layer in self.dense:
            x = torch.cat((x, F.leaky_relu(layer(x), 0.2)), dim=1)
        return x


class SDNet(Network):
    """The squeezing network, with a branch a source, and the one that takes its result apart."""

    reach = 5  # a 5 x 5 layer and three of 3 x 3

    def __init__(self, config: SDNetConfig | None = None) -> None:
        super().__init__()
        self.config = config or SDNetConfig()
        width = self.config.channels
        self.branch1, self.branch2 = Branch(width), Branch(width)
        self.squeeze = nn.Conv2d(8 * width, 1, 1)
        self.common = nn.Conv2d(1, width, 1)
        self.apart1, self.apart2 = _head(width), _head(width)

    def take_apart(self, fused: Tensor) -> tuple[Tensor, Tensor]:
        """Estimate both sources from the fused image alone, all (N, 1, H, W)."""
        common = F.leaky_relu(self.common(fused), 0.2)
        return self.apart1(common), self.apart2(common)

    def forward(self, image1: Tensor, image2: Tensor) -> Decomposition:
        """Fuse two images (N, 1, H, W) in [0, 1]; the result is taken apart in training only."""
        features = torch.cat((self.branch1(image1), self.branch2(image2)), dim=1)
        fused = (torch.tanh(self.squeeze(features)) + 1) / 2
        parts = self.take_apart(fused) if self.training else (image1, image2)
        return Decomposition(fused, *parts)


def _head(width: int) -> nn.Sequential:
    layers = [layer for _ in range(3) for layer in (nn.Conv2d(width, width, 3, padding=1), nn.LeakyReLU(0.2))]
    return nn.Sequential(*layers, nn.Conv2d(width, 1, 3, padding=1))


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
)
