"""A light network: the average of the two scans plus a residual (Eq. 11), found at a quarter of the size.

Both images are rearranged into blocks (pixel-unshuffle: Shi et al. 2016, doi:10.1109/CVPR.2016.207), a few
dilated convolutions look at them, each separable (Howard et al. 2017, arXiv:1704.04861), and their answer,
rearranged back, is added to the average. The network is trained for what an observer detects in the fused
image (:mod:`wdualmine.recovery.objective`), one for all tasks.
"""

from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wdualmine.errors import WdualmineError
from wdualmine.methods.system import Network, NetworkConfig, System
from wdualmine.recovery.objective import DetectionObjective, DetectionWeights

#: Dilations of the middle layers, in turn: two pyramids of context.
DILATIONS = (1, 2, 4, 1, 2, 4, 1, 1)
#: Subtracted from the sources, so that the first layer sees values around 0.
OFFSET = 0.3


@dataclass(frozen=True)
class LightConfig(NetworkConfig):
    """What the network is built from.

    Attributes:
        block: side of the blocks that the images are rearranged into; the backbone sees 1 / block of a side.
        width: channels of the backbone.
        depth: its middle layers, at most 8.
        separable: a middle layer is a 3 x 3 convolution of each channel, then a 1 x 1 of all of them.
        residual_scale: the lambda of Eq. 11.
    """

    block: int = 4
    width: int = 48
    depth: int = 8
    separable: bool = True
    residual_scale: float = 1.0

    def __post_init__(self) -> None:
        if self.block < 1 or self.width < 1 or not 1 <= self.depth <= len(DILATIONS):
            raise WdualmineError(
                f"block {self.block}, width {self.width}, depth {self.depth}: give a block and a width of at "
                f"least 1 and a depth of 1 to {len(DILATIONS)}"
            )
        if not (isinstance(self.residual_scale, int | float) and isfinite(self.residual_scale)):
            raise WdualmineError(f"residual_scale {self.residual_scale!r}: give a finite number")


class LightFusion(NamedTuple):
    """The fused image in [0, 1], the same before it is clipped, and tanh(R), each (N, 1, H, W)."""

    fused: Tensor
    unclipped: Tensor
    residual: Tensor


class Light(Network):
    """Average plus residual, by one layer to features, residual layers, and one layer back."""

    def __init__(self, config: LightConfig | None = None) -> None:
        super().__init__()
        self.config = config or LightConfig()
        block, width = self.config.block, self.config.width
        dilations = DILATIONS[: self.config.depth]
        self.multiple = block
        self.reach = block * (3 + sum(dilations))
        self.first = nn.Conv2d(2 * block**2, width, 3, padding=1)
        self.middle = nn.ModuleList(_layer(width, dilation, self.config.separable) for dilation in dilations)
        self.last = nn.Conv2d(width, block**2, 3, padding=1)
        for parameter in self.last.parameters():  # training starts at the average
            nn.init.zeros_(parameter)

    def forward(self, image1: Tensor, image2: Tensor) -> LightFusion:
        """Fuse two images (N, 1, H, W) in [0, 1], with sides divisible by the block."""
        residual = torch.tanh(F.pixel_shuffle(self.last(self.features(image1, image2)), self.config.block))
        return self.add(image1, image2, residual)

    def features(self, image1: Tensor, image2: Tensor) -> Tensor:
        """Return the backbone's features of both images, (N, width, H / block, W / block)."""
        both = F.pixel_unshuffle(torch.cat((image1, image2), dim=1) - OFFSET, self.config.block)
        features = F.relu(self.first(both))
        for layer in self.middle:
            features = features + F.relu(layer(features))
        return features

    def add(self, image1: Tensor, image2: Tensor, residual: Tensor) -> LightFusion:
        """Add tanh(R), times lambda, to the average (Eq. 11)."""
        unclipped = (image1 + image2) / 2 + self.config.residual_scale * residual
        return LightFusion(unclipped.clamp(0, 1), unclipped, residual)


def _layer(width: int, dilation: int, separable: bool) -> nn.Module:
    if not separable:
        return nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, groups=width, bias=False),
        nn.Conv2d(width, width, 1),
    )


SYSTEM = System(
    "light",
    Light,
    LightConfig,
    lambda _, weights: DetectionObjective(weights),
    DetectionWeights,
    schedule={
        "epochs": 25,
        "batch_size": 4,
        "learning_rate": 2e-3,
        "patch_size": 128,
        "epoch_pairs": 480,
        "one_cycle": True,
    },
    smoke={"width": 8, "depth": 2},
    half_precision=True,
)
