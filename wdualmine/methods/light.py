"""A light network: the average of the two scans plus their details, each times a gain that it finds (Eq. 11).

A scan's details are what a Gaussian blur takes from it. The network looks at both scans at a quarter of their
size and answers with two maps of gains (as HDRNet: Gharbi et al. 2017, doi:10.1145/3072959.3073592). Where
the scans have no details the fused image is their average; it shows nothing that neither scan has there.

Both images are rearranged into blocks (pixel-unshuffle: Shi et al. 2016, doi:10.1109/CVPR.2016.207) and go
through a few dilated convolutions, each separable (Howard et al. 2017, arXiv:1704.04861). The network is
trained for what an observer detects in the fused image (:mod:`wdualmine.recovery.objective`), one for all
tasks.

In three dimensions it is the same network with a kernel of 3 slices in every layer. Only the sides of a slice
are rearranged, dilated and blurred, because slices are several pixels apart and neighbors differ much as it
is.
"""

from dataclasses import dataclass, replace
from functools import partial
from math import isfinite
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wdualmine.blur import gaussian_blur
from wdualmine.errors import WdualmineError
from wdualmine.methods.system import Network, NetworkConfig, System
from wdualmine.model import CONVOLUTIONS
from wdualmine.recovery.objective import DetectionObjective, DetectionWeights, VolumeWeights

#: Dilations of the middle layers, in turn: two pyramids of context.
DILATIONS = (1, 2, 4, 1, 2, 4, 1, 1)
#: Subtracted from the sources, so that the first layer sees values around 0.
OFFSET = 0.3
#: The largest blur, in pixels.
MOST_BLUR = 16


@dataclass(frozen=True)
class LightConfig(NetworkConfig):
    """What the network is built from.

    Attributes:
        block: side of the blocks that the images are rearranged into; the backbone sees 1 / block of a side.
        width: channels of the backbone.
        depth: its middle layers, at most 8.
        separable: a middle layer is a 3 x 3 convolution of each channel, then a 1 x 1 of all of them.
        blur: standard deviation in pixels of the blur that details are the rest of.
        residual_scale: the lambda of Eq. 11.
        dimensions: 2 for images, 3 for volumes.
    """

    block: int = 4
    width: int = 48
    depth: int = 8
    separable: bool = True
    blur: float = 2.0
    residual_scale: float = 1.0
    dimensions: int = 2

    def __post_init__(self) -> None:
        if self.block < 1 or self.width < 1 or not 1 <= self.depth <= len(DILATIONS):
            raise WdualmineError(
                f"block {self.block}, width {self.width}, depth {self.depth}: give a block and a width of at "
                f"least 1 and a depth of 1 to {len(DILATIONS)}"
            )
        if not (isinstance(self.blur, int | float) and 0 < self.blur <= MOST_BLUR):
            raise WdualmineError(f"blur {self.blur!r}: give a number above 0 and up to {MOST_BLUR}")
        if not (isinstance(self.residual_scale, int | float) and isfinite(self.residual_scale)):
            raise WdualmineError(f"residual_scale {self.residual_scale!r}: give a finite number")
        if self.dimensions not in CONVOLUTIONS:
            raise WdualmineError(f"dimensions {self.dimensions!r}: give 2 or 3")


class LightFusion(NamedTuple):
    """The fused image in [0, 1], the same before it is clipped, and tanh(R), each of the sources' shape.

    The gains of the two scans' details are (N, 2, [D,] H, W).
    """

    fused: Tensor
    unclipped: Tensor
    residual: Tensor
    gains: Tensor


class Light(Network):
    """Average plus details; their gains come from one layer to features, residual layers, and one layer."""

    def __init__(self, config: LightConfig | None = None) -> None:
        super().__init__()
        self.config = config or LightConfig()
        block, width = self.config.block, self.config.width
        dilations = DILATIONS[: self.config.depth]
        self.multiple = block
        self.reach = reach = max(block * (4 + sum(dilations)), _radius(self.config.blur))
        if self.config.dimensions == 3:  # across slices, each layer reaches one of them
            self.multiple, self.reach = (1, block, block), (2 + len(dilations), reach, reach)
        convolution = CONVOLUTIONS[self.config.dimensions]
        self.first = convolution(2 * block**2, width, 3, padding=1)
        self.middle = nn.ModuleList(_layer(width, dilation, self.config) for dilation in dilations)
        self.last = convolution(width, 2, 3, padding=1)
        for parameter in self.last.parameters():  # training starts at the average
            nn.init.zeros_(parameter)

    def forward(self, image1: Tensor, image2: Tensor) -> LightFusion:
        """Fuse images (N, 1, H, W) or volumes (N, 1, D, H, W) in [0, 1], H and W divisible by the block."""
        gains = self.enlarge(self.last(self.features(image1, image2)))
        details = torch.cat((self._details(image1), self._details(image2)), dim=1)
        residual = torch.tanh((gains * details).sum(dim=1, keepdim=True))
        return self.add(image1, image2, residual, gains)

    def add(self, image1: Tensor, image2: Tensor, residual: Tensor, gains: Tensor) -> LightFusion:
        """Add tanh(R), times lambda, to the average (Eq. 11)."""
        unclipped = (image1 + image2) / 2 + self.config.residual_scale * residual
        return LightFusion(unclipped.clamp(0, 1), unclipped, residual, gains)

    def features(self, image1: Tensor, image2: Tensor) -> Tensor:
        """Return the backbone's features of both images, (N, width, [D,] H / block, W / block)."""
        both = (torch.cat((image1, image2), dim=1) - OFFSET).movedim(1, -3)
        features = F.relu(self.first(F.pixel_unshuffle(both, self.config.block).movedim(-3, 1)))
        for layer in self.middle:
            features = features + F.relu(layer(features))
        return features

    def _details(self, image: Tensor) -> Tensor:
        slices = image.movedim(1, -3).flatten(0, -4)
        blurred = gaussian_blur(slices, self.config.blur, _radius(self.config.blur))
        return image - blurred.view_as(image)

    def enlarge(self, maps: Tensor) -> Tensor:
        """Bring maps (N, C, [D,] H / block, W / block) to the images' sides, slice by slice."""
        slices = maps.movedim(1, -3)
        large = F.interpolate(slices.flatten(0, -4), scale_factor=self.config.block, mode="bilinear")
        return large.unflatten(0, slices.shape[:-3]).movedim(-3, 1)


def _radius(blur: float) -> int:
    return round(3 * blur)


def _layer(width: int, dilation: int, config: LightConfig) -> nn.Module:
    convolution = CONVOLUTIONS[config.dimensions]
    spread = (1, dilation, dilation)[3 - config.dimensions :]
    if not config.separable:
        return convolution(width, width, 3, padding=spread, dilation=spread)
    return nn.Sequential(
        convolution(width, width, 3, padding=spread, dilation=spread, groups=width, bias=False),
        convolution(width, width, 1),
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
#: The same network and objective in three dimensions, from the weights of the one above (``inflated``).
VOLUME_SYSTEM = replace(
    SYSTEM,
    name="light-3d",
    config=partial(LightConfig, dimensions=3),
    weights=VolumeWeights,
    schedule=dict(
        SYSTEM.schedule, epochs=12, batch_size=2, learning_rate=1e-3, patch_size=96, epoch_pairs=66
    ),
)
