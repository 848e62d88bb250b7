"""A light network: the average of the two scans plus a residual (Eq. 11), from a backbone at a quarter of the size.

Both images are rearranged into blocks (pixel-unshuffle: Shi et al. 2016, doi:10.1109/CVPR.2016.207), a few
dilated convolutions look at them, and their answer, rearranged back, is what is added to the average. It is
trained for what an observer can detect in the fused image (:mod:`wdualmine.recovery.detection`).
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wdualmine.errors import WdualmineError
from wdualmine.methods.system import Network, NetworkConfig

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
    depth: int = 5
    separable: bool = False
    residual_scale: float = 1.0

    def __post_init__(self) -> None:
        if self.block < 1 or self.width < 1 or not 1 <= self.depth <= len(DILATIONS):
            raise WdualmineError(
                f"block {self.block}, width {self.width}, depth {self.depth}: give a block and a width of at "
                f"least 1 and a depth of 1 to {len(DILATIONS)}"
            )


class LightFusion(NamedTuple):
    """The fused image in [0, 1], the average of the sources and tanh(R), each (N, 1, H, W)."""

    fused: Tensor
    average: Tensor
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
        nn.init.zeros_(self.last.weight)  # training starts at the average
        nn.init.zeros_(self.last.bias)

    def forward(self, image1: Tensor, image2: Tensor) -> LightFusion:
        """Fuse two images (N, 1, H, W) in [0, 1], with sides divisible by the block."""
        block = self.config.block
        features = F.relu(self.first(F.pixel_unshuffle(torch.cat((image1, image2), dim=1) - OFFSET, block)))
        for layer in self.middle:
            features = features + F.relu(layer(features))
        residual = torch.tanh(F.pixel_shuffle(self.last(features), block))
        average = (image1 + image2) / 2
        fused = (average + self.config.residual_scale * residual).clamp(0, 1)
        return LightFusion(fused, average, residual)


def _layer(width: int, dilation: int, separable: bool) -> nn.Module:
    if not separable:
        return nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, groups=width, bias=False),
        nn.Conv2d(width, width, 1),
    )
