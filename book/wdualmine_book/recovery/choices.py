"""What the light network was chosen from: its parts and terms exchanged one at a time, as networks to train.

Each is trained on the volumes of folds 0 and 2 and scored on those of fold 1, which decide nothing else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wdualmine.blur import gaussian_blur
from wdualmine.errors import WdualmineError
from wdualmine.losses import TermWeights
from wdualmine.methods import W_DUALMINE, Method, System, register
from wdualmine.methods.learned import load_network
from wdualmine.methods.light import OFFSET, SYSTEM, Light, LightConfig, LightFusion
from wdualmine.model import DualExpertFusion, ModelConfig
from wdualmine.recovery.objective import DetectionObjective, DetectionWeights
from wdualmine_book.records import results_folder


@dataclass(frozen=True)
class BandsConfig(LightConfig):
    """What the residual is made of.

    Attributes:
        scales: standard deviations in pixels of the blurs between which the bands of details are.
        pixels: a residual of pixels joins them.
    """

    scales: tuple[float, ...] = ()
    pixels: bool = True


class Bands(Light):
    """A residual of pixels, of gains of bands of details, or both, from the light network's backbone."""

    config: BandsConfig

    def __init__(self, config: BandsConfig | None = None) -> None:
        super().__init__(config or BandsConfig())
        self.bands = 2 * len(self.config.scales)
        maps = self.bands + self.config.block**2 * self.config.pixels
        self.last = nn.Conv2d(self.config.width, maps, 3, padding=1)
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, image1: Tensor, image2: Tensor) -> LightFusion:
        """Fuse two images (N, 1, H, W) in [0, 1]."""
        return self.add_maps(image1, image2, self.last(self.features(image1, image2)))

    def add_maps(self, image1: Tensor, image2: Tensor, maps: Tensor) -> LightFusion:
        """Add to the average what the last layer's maps say."""
        gains = maps[:, : self.bands]
        residual = torch.zeros_like(image1)
        if self.bands:
            gains = self.enlarge(gains)
            bands = torch.cat([bands_of(image, self.config.scales) for image in (image1, image2)], dim=1)
            residual = residual + (gains * bands).sum(dim=1, keepdim=True)
        if self.config.pixels:
            residual = residual + F.pixel_shuffle(maps[:, self.bands :], self.config.block)
        return self.add(image1, image2, torch.tanh(residual), gains)


def bands_of(image: Tensor, scales: Sequence[float]) -> Tensor:
    """Divide images (N, 1, H, W) into bands of details, from fine to coarse, (N, len(scales), H, W)."""
    blurred = [image, *(gaussian_blur(image, scale, round(3 * scale)) for scale in scales)]
    return torch.cat([fine - coarse for fine, coarse in pairwise(blurred)], dim=1)


class Gated(Bands):
    """Each scan through one first layer; the paper's gate, experts and mixer (Eq. 2-10) fuse the features."""

    def __init__(self, config: BandsConfig | None = None) -> None:
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
        return self.add_maps(image1, image2, self.last(features))


@dataclass(frozen=True)
class TeacherWeights(TermWeights):
    """One term; its size matters to Adam's epsilon alone."""

    teacher: float = 1000.0


class Distillation(nn.Module):
    """Be like a teacher: in the fused image, and in what signals in a source change in it.

    Hinton et al. 2015, arXiv:1503.02531.
    """

    def __init__(self, weights: TeacherWeights, teacher: nn.Module) -> None:
        super().__init__()
        self.weights = weights
        self._teacher = (teacher.eval().requires_grad_(False),)  # hidden: it is no part of a checkpoint
        self.inputs = DetectionObjective().inputs

    def forward(
        self, pieces: Sequence[LightFusion], image1: Tensor, image2: Tensor, _: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted and the plain mean square of what differs, of images and of changes."""
        own = torch.cat([piece.unclipped for piece in pieces])
        with torch.no_grad():
            wanted = self._teacher[0](image1, image2).fused
        without, *changed = (own - wanted).chunk(3)
        change = torch.cat(changed) - without.repeat(2, 1, 1, 1)
        term = without.square().mean() + change.square().mean()
        return self.weights.teacher * term, {"teacher": term}


def _paper(_: LightConfig, weights: TeacherWeights) -> Distillation:
    return Distillation(weights, load_network(W_DUALMINE, "ct-mri"))


def _large(_: LightConfig, weights: TeacherWeights) -> Distillation:
    folder = choices_folder() / LARGE.name
    if not (folder / "model.safetensors").is_file():
        raise WdualmineError(f"{folder}: train {LARGE.name} there first; it is the teacher")
    return Distillation(weights, load_network(LARGE, folder))


def choices_folder() -> Path:
    """Return the folder of the trained choices, each in a folder of its name."""
    return results_folder() / "choices"


def _choice(
    name: str,
    title: str,
    network: type[Light] = Bands,
    weights: Callable[..., TermWeights] | None = None,
    objective: Callable[[Any, Any], nn.Module] = lambda _, terms: DetectionObjective(terms),
    **config: Any,
) -> Method:
    system = System(
        f"light-{name}",
        network,
        partial(BandsConfig, **config),
        objective,
        weights or WEIGHTS,
        schedule=SYSTEM.schedule,
        smoke=SYSTEM.smoke,
        half_precision=True,
    )
    return Method(system.name, title, "this book", system=system)


#: The weights of the terms when the choices were trained, but for those that a title names.
WEIGHTS = partial(DetectionWeights, correlation=112.0)
LARGE = _choice("large", "Width 128 in place of 48", width=128)
PIXELS = _choice("same", "A residual of pixels")
CHOSEN = _choice(
    "gains-80",
    "Gains of details, weight of correlation 80: the network of this page",
    weights=DetectionWeights,
    scales=(2.0,),
    pixels=False,
)
CHOICES = (
    PIXELS,
    _choice("narrow", "Width 32 in place of 48", width=32),
    _choice("shallow", "4 layers in place of 8", depth=4),
    _choice("dense", "Whole convolutions, width 32, 4 layers", width=32, depth=4, separable=False),
    _choice("fine", "Blocks of 2 × 2, width 24", block=2, width=24),
    _choice("gated", "The paper's gate, wavelet and spatial experts and mixer (Eq. 2-10) first", Gated),
    _choice("contrast", "Without the term of detection", weights=partial(WEIGHTS, detection=0.0)),
    _choice("filter", "Without the term of contrast", weights=partial(WEIGHTS, signal=0.0)),
    LARGE,
    _choice("from-large", "Distilled from the large one", weights=TeacherWeights, objective=_large),
    _choice("from-paper", "Distilled from W-DUALMINE", weights=TeacherWeights, objective=_paper),
    _choice("gains", "Gains of details up to 2 pixels in place of pixels", scales=(2.0,), pixels=False),
    _choice("gains-fine", "Gains of details up to 1 pixel", scales=(1.0,), pixels=False),
    _choice("gains-coarse", "Gains of details up to 4 pixels", scales=(4.0,), pixels=False),
    _choice("gains-scales", "Gains of details up to 1, 2 and 4 pixels", scales=(1.0, 2.0, 4.0), pixels=False),
    _choice(
        "gains-wide", "Gains of details up to 1, 2, 4 and 8 pixels", scales=(1.0, 2.0, 4.0, 8.0), pixels=False
    ),
    _choice("gains-pixels", "Gains of details up to 2 pixels, and pixels", scales=(2.0,)),
    _choice(
        "gains-scales-pixels", "Gains of details up to 1, 2 and 4 pixels, and pixels", scales=(1.0, 2.0, 4.0)
    ),
    CHOSEN,
)
register(*CHOICES)
