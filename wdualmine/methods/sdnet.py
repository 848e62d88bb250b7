"""SDNet: squeeze two images into one from which both can be taken apart again.

Source: H. Zhang and J. Ma, 2021, DOI 10.1007/s11263-021-01501-8, as its authors' code for medical images is
called: images in [-1, 1], the functional image or CT first. Their script stretches what comes out to the full
range as it saves it, as `wdualmine fuse` does by default.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wdualmine.methods.system import Network, NetworkConfig


@dataclass(frozen=True)
class SDNetConfig(NetworkConfig):
    """What the network is built from: the channels of every layer of a branch."""

    channels: int = 16


class Decomposition(NamedTuple):
    """The fused image in [0, 1] and what it is taken apart into, each (N, 1, H, W)."""

    fused: Tensor
    part1: Tensor
    part2: Tensor


class SDNet(Network):
    """The squeezing network, with a branch a source, and the one that takes its result apart."""

    reach = 5  # a 5 x 5 layer and three of 3 x 3

    def __init__(self, config: SDNetConfig | None = None) -> None:
        super().__init__()
        self.config = config or SDNetConfig()
        width = self.config.channels
        self.branch1, self.branch2 = _branch(width), _branch(width)
        self.squeeze = nn.Conv2d(8 * width, 1, 1)
        self.common = nn.Conv2d(1, 8 * width, 1)
        self.apart1, self.apart2 = _head(width), _head(width)

    def take_apart(self, fused: Tensor) -> tuple[Tensor, Tensor]:
        """Estimate both sources from the fused image alone, all (N, 1, H, W) in [0, 1]."""
        common = F.leaky_relu(self.common(2 * fused - 1), 0.2)
        return (self.apart1(common) + 1) / 2, (self.apart2(common) + 1) / 2

    def forward(self, image1: Tensor, image2: Tensor) -> Decomposition:
        """Fuse two images (N, 1, H, W) in [0, 1]; the result is taken apart in training only."""
        features = zip(_features(self.branch1, image1), _features(self.branch2, image2), strict=True)
        alternating = torch.cat([feature for both in features for feature in both], dim=1)
        fused = (torch.tanh(self.squeeze(alternating)) + 1) / 2
        parts = self.take_apart(fused) if self.training else (image1, image2)
        return Decomposition(fused, *parts)

    def authors_layers(self) -> dict[str, nn.Module]:
        """Return the layers by their authors' names."""
        layers: dict[str, nn.Module] = {"layer5_fuse": self.squeeze, "layer6_sept": self.common}
        for source, branch, head in (("ir", self.branch1, self.apart1), ("vi", self.branch2, self.apart2)):
            layers |= {f"layer{k}_{source}": layer for k, layer in enumerate(branch, 1)}
            layers |= {f"layer{k}_{source}": head[2 * k - 14] for k in (7, 8, 9)}
        return layers


def _branch(width: int) -> nn.ModuleList:
    dense = [nn.Conv2d(width * number, width, 3, padding=1) for number in (1, 2, 3)]
    return nn.ModuleList([nn.Conv2d(1, width, 5, padding=2), *dense])


def _features(branch: nn.ModuleList, image: Tensor) -> list[Tensor]:
    """Compute the features of each layer of a branch, which is fed with those of all before it."""
    first, *dense = branch
    features = [F.leaky_relu(first(2 * image - 1), 0.2)]
    for layer in dense:
        features.append(F.leaky_relu(layer(torch.cat(features, dim=1)), 0.2))
    return features


def _head(width: int) -> nn.Sequential:
    first, second, last = (
        nn.Conv2d(*widths, 3, padding=1) for widths in pairwise((8 * width, width, width // 4, 1))
    )
    return nn.Sequential(first, nn.LeakyReLU(0.2), second, nn.LeakyReLU(0.2), last, nn.Tanh())
