"""What the light network was chosen from: its parts and terms exchanged one at a time, as methods to train.

Each is trained on the volumes of folds 0 and 2, and scored on those of fold 1, which decide nothing else:
``wdualmine train all --method light-narrow --preset paper --variant fold-1 -o RUN``.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wdualmine.blur import gaussian_blur
from wdualmine.methods import Method, System, register
from wdualmine.methods.light import OFFSET, SYSTEM, Light, LightConfig, LightFusion
from wdualmine.model import DualExpertFusion, ModelConfig
from wdualmine.recovery.objective import DetectionObjective, DetectionWeights

#: Of the blur whose rest are a scan's details, in pixels.
DETAIL = 2.0


class Gated(Light):
    """Each scan through one first layer; the paper's gate, experts and mixer (Eq. 2-10) fuse the features."""

    def __init__(self, config: LightConfig | None = None) -> None:
        super().__init__(config)
        width = self.config.width
        self.first = nn.Conv2d(self.config.block**2, width, 3, padding=1)
        self.fusion = DualExpertFusion(width, ModelConfig())
        self.multiple = 2 * self.config.block  # halved once more by the wavelets
        self.reach = None

    def forward(self, image1: Tensor, image2: Tensor) -> LightFusion:
        """Fuse two images (N, 1, H, W) in [0, 1]."""
        features1, features2 = (
            F.relu(self.first(F.pixel_unshuffle(image - OFFSET, self.config.block)))
            for image in (image1, image2)
        )
        features = self.fusion(features1, features2).fused
        for layer in self.middle:
            features = features + F.relu(layer(features))
        residual = torch.tanh(F.pixel_shuffle(self.last(features), self.config.block))
        return self.add(image1, image2, residual)


class Gains(Light):
    """Two maps of gains of the scans' details, at a quarter of the size, as HDRNet has.

    Gharbi et al. 2017, doi:10.1145/3072959.3073592.
    """

    def __init__(self, config: LightConfig | None = None) -> None:
        super().__init__(config)
        self.last = nn.Conv2d(self.config.width, 2, 3, padding=1)
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, image1: Tensor, image2: Tensor) -> LightFusion:
        """Fuse two images (N, 1, H, W) in [0, 1]."""
        gains = self.last(self.features(image1, image2))
        gains = F.interpolate(gains, scale_factor=self.config.block, mode="bilinear")
        details = [image - gaussian_blur(image, DETAIL, 6) for image in (image1, image2)]
        residual = torch.tanh(gains[:, :1] * details[0] + gains[:, 1:] * details[1])
        return self.add(image1, image2, residual)


@dataclass(frozen=True)
class Narrow(LightConfig):
    """Two thirds of the channels."""

    width: int = 32


@dataclass(frozen=True)
class Shallow(LightConfig):
    """Half of the middle layers."""

    depth: int = 4


@dataclass(frozen=True)
class Fine(LightConfig):
    """Blocks of 2 x 2 pixels, half as wide, so that it costs twice as much."""

    block: int = 2
    width: int = 24


@dataclass(frozen=True)
class Dense(LightConfig):
    """Whole convolutions, as many parameters."""

    width: int = 32
    depth: int = 4
    separable: bool = False


@dataclass(frozen=True)
class ContrastWeights(DetectionWeights):
    """Without the term of detection."""

    detection: float = 0.0


@dataclass(frozen=True)
class FilterWeights(DetectionWeights):
    """Without the term of contrast."""

    signal: float = 0.0


def _choice(
    name: str,
    title: str,
    network: type[Light] = Light,
    config: type[LightConfig] = LightConfig,
    weights: type[DetectionWeights] = DetectionWeights,
) -> Method:
    system = System(
        f"light-{name}",
        network,
        config,
        lambda _, terms: DetectionObjective(terms),
        weights,
        schedule=SYSTEM.schedule,
        smoke=SYSTEM.smoke,
        half_precision=True,
    )
    return Method(system.name, f"Light network, {title}", "this book", system=system)


NARROW = _choice("narrow", "width 32", config=Narrow)
SHALLOW = _choice("shallow", "4 layers", config=Shallow)
DENSE = _choice("dense", "not separable", config=Dense)
FINE = _choice("fine", "blocks of 2 × 2", config=Fine)
GATED = _choice("gated", "with the paper's gate, wavelets and mixer", Gated)
GAINS = _choice("gains", "gains of details in place of pixels", Gains)
CONTRAST = _choice("contrast", "without detection", weights=ContrastWeights)
FILTER = _choice("filter", "without contrast", weights=FilterWeights)
CHOICES = {method.name: method for method in (NARROW, SHALLOW, DENSE, FINE, GATED, GAINS, CONTRAST, FILTER)}
register(*CHOICES.values())
