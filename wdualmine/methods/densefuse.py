"""DenseFuse: an autoencoder of single images with a dense block; the codes of two images are fused by a rule.

Source: H. Li and X.-J. Wu, 2019, DOI 10.1109/TIP.2018.2887342, as in its authors' code for grey images:
levels from 0 to 255, reflected borders, and the sum of two codes halved.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wdualmine.errors import WdualmineError
from wdualmine.methods.system import Network, NetworkConfig, ReflectConv

LEVELS = 255  # what white is to the layers


def add_codes(code1: Tensor, code2: Tensor) -> Tensor:
    """Fuse codes (N, C, H, W) by their mean: the paper's addition, halved."""
    return (code1 + code2) / 2


def weigh_codes(code1: Tensor, code2: Tensor) -> Tensor:
    """Fuse codes by their activity: the l1-norm over the channels, averaged over 3 x 3 pixels."""
    activity1, activity2 = (
        F.avg_pool2d(code.abs().sum(dim=1, keepdim=True), 3, 1, 1, count_include_pad=False) + 1e-6
        for code in (code1, code2)
    )
    share = activity1 / (activity1 + activity2)
    return share * code1 + (1 - share) * code2


RULES = {"addition": add_codes, "l1-norm": weigh_codes}


@dataclass(frozen=True)
class DenseFuseConfig(NetworkConfig):
    """What the network is built from."""

    channels: int = 16  #: of each layer of the encoder
    rule: str = "addition"  #: how codes are fused, a key of :data:`RULES`; the weights are the same for both

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise WdualmineError(f"unknown rule {self.rule!r}; choose one of {', '.join(RULES)}")


class Autoencoding(NamedTuple):
    """The fused image in [0, 1] and both sources as they are rebuilt, unclipped, each (N, 1, H, W)."""

    fused: Tensor
    rebuilt1: Tensor
    rebuilt2: Tensor


class DenseFuse(Network):
    """Encoder of four 3 x 3 layers, each fed with all before it; decoder of four more."""

    reach = 9  # eight 3 x 3 layers, and the average over the activity

    def __init__(self, config: DenseFuseConfig | None = None) -> None:
        super().__init__()
        self.config = config or DenseFuseConfig()
        width = self.config.channels
        self.first = ReflectConv(1, width, 3)
        self.dense = nn.ModuleList(ReflectConv(width * number, width, 3) for number in (1, 2, 3))
        self.decoder = nn.ModuleList(
            ReflectConv(inputs, outputs, 3)
            for inputs, outputs in pairwise((4 * width, 4 * width, 2 * width, width, 1))
        )

    def encode(self, image: Tensor) -> Tensor:
        """Map an image (N, 1, H, W) to its code (N, 4 C, H, W), at least 0."""
        code = F.relu(self.first(LEVELS * image))
        for layer in self.dense:
            code = torch.cat((code, F.relu(layer(code))), dim=1)
        return code

    def decode(self, code: Tensor) -> Tensor:
        """Map a code to an image (N, 1, H, W), unclipped."""
        *layers, last = self.decoder
        for layer in layers:
            code = F.relu(layer(code))
        return last(code) / LEVELS

    def forward(self, image1: Tensor, image2: Tensor) -> Autoencoding:
        """Fuse two images (N, 1, H, W) in [0, 1]; the sources are rebuilt in training only."""
        codes = self.encode(torch.cat((image1, image2)))
        fused = self.decode(RULES[self.config.rule](*codes.chunk(2))).clamp(0, 1)
        rebuilt1, rebuilt2 = self.decode(codes).chunk(2) if self.training else (image1, image2)
        return Autoencoding(fused, rebuilt1, rebuilt2)

    def authors_layers(self) -> dict[str, nn.Module]:
        """Return the layers by their authors' names."""
        dense = {f"DB1.denseblock.{k}.dense_conv.conv2d": layer for k, layer in enumerate(self.dense)}
        decoder = {f"conv{k}.conv2d": layer for k, layer in enumerate(self.decoder, 2)}
        return {"conv1.conv2d": self.first, **dense, **decoder}
