"""DenseFuse: an autoencoder of single images with a dense block; the codes of two images are fused by a rule.

Source: H. Li and X.-J. Wu, 2019, DOI 10.1109/TIP.2018.2887342.

Deviations: it is trained on the task's own sources instead of photographs. The pixel term is a mean square
instead of a Euclidean norm, so that it means the same at every size. Addition is halved, so that an image
fused with itself is decoded as itself; the paper prints the sum. Borders are replicated instead of reflected,
so that an image may be one pixel wide.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wdualmine.errors import WdualmineError
from wdualmine.methods.system import Network, NetworkConfig, System
from wdualmine_book.systems.objective import SystemObjective, TermWeights, similarity


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
    """What the network is built from.

    Attributes:
        channels: of each layer of the encoder.
        rule: how codes are fused, a key of :data:`RULES`; the weights are the same for both.
    """

    channels: int = 16
    rule: str = "addition"

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
        self.first = _layer(1, width)
        self.dense = nn.ModuleList(_layer(width * (number + 1), width) for number in range(3))
        self.decoder = nn.ModuleList(
            _layer(*widths) for widths in pairwise((4 * width, 4 * width, 2 * width, width, 1))
        )

    def encode(self, image: Tensor) -> Tensor:
        """Map an image (N, 1, H, W) to its code (N, 4 C, H, W), at least 0."""
        code = F.relu(self.first(image))
        for layer in self.dense:
            code = torch.cat((code, F.relu(layer(code))), dim=1)
        return code

    def decode(self, code: Tensor) -> Tensor:
        """Map a code to an image (N, 1, H, W), unclipped."""
        *layers, last = self.decoder
        for layer in layers:
            code = F.relu(layer(code))
        return last(code)

    def forward(self, image1: Tensor, image2: Tensor) -> Autoencoding:
        """Fuse two images (N, 1, H, W) in [0, 1]; the sources are rebuilt in training only."""
        codes = self.encode(torch.cat((image1, image2)))
        fused = self.decode(RULES[self.config.rule](*codes.chunk(2))).clamp(0, 1)
        rebuilt1, rebuilt2 = self.decode(codes).chunk(2) if self.training else (image1, image2)
        return Autoencoding(fused, rebuilt1, rebuilt2)


def _layer(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="replicate")


@dataclass(frozen=True)
class DenseFuseWeights(TermWeights):
    """The paper's lambda is `structure`; it tries 1, 10, 100 and 1000."""

    pixel: float = 1.0
    structure: float = 100.0


class DenseFuseObjective(SystemObjective):
    """Rebuild each source by itself; fusing is never trained."""

    def terms(self, output: Autoencoding, image1: Tensor, image2: Tensor, *_: Tensor) -> dict[str, Tensor]:
        """Give pixel (mean square) and structure (1 - SSIM), means over both sources."""
        rebuilt, source = torch.cat(output[1:]), torch.cat((image1, image2))
        return {
            "pixel": (rebuilt - source).square().mean(),
            "structure": 1 - similarity(rebuilt, source).mean(),
        }


SYSTEM = System(
    "densefuse-retrained",
    DenseFuse,
    DenseFuseConfig,
    lambda _, weights: DenseFuseObjective(weights),
    DenseFuseWeights,
    schedule={"epochs": 4, "batch_size": 2, "learning_rate": 1e-4},
    smoke={"channels": 4},
)
