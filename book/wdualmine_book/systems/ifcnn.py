"""IFCNN trained here: the network learns to fuse from multi-focus pairs.

Source: Y. Zhang et al., 2020, DOI 10.1016/j.inffus.2019.07.011; the network is
:mod:`wdualmine.methods.ifcnn`.

As published, the first layer is that of a ResNet-101 trained on photographs and does not learn; it comes with
the authors' weights.

Deviations: the perceptual term compares Sobel derivatives instead of that network's features, whose weights
are not at hand. The sharp images are the task's own sources, and half of each is blurred along a random
smooth border instead of by a depth map. Adam, with a rate that suits it, replaces stochastic gradient
descent. Images are grey.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from wdualmine.blur import gaussian_blur
from wdualmine.checkpoints import read_tensors
from wdualmine.errors import WdualmineError
from wdualmine.methods import get_method
from wdualmine.methods.ifcnn import IFCNN, IFCNNConfig
from wdualmine.methods.system import Fused, System
from wdualmine_book.systems.objective import SystemObjective, TermWeights, gradients

#: Standard deviation in pixels of the blur of a training pair, drawn anew for each batch.
BLUR = (1.0, 3.0)


class PretrainedIFCNN(IFCNN):
    """IFCNN as it is trained: its first layer does not learn."""

    def prepare(self) -> None:
        """Take the first layer from the authors' weights; one of another width, as tests have, learns it.

        Raises:
            WdualmineError: they were not fetched.
        """
        if self.config.channels != IFCNNConfig().channels:
            return
        if (path := get_method("ifcnn").weights("")) is None:
            raise WdualmineError(
                "ifcnn-retrained: its first layer comes with its authors' weights; run `wdualmine data fetch "
                "--networks` first"
            )
        self.first.weight.data.copy_(read_tensors(path)[0]["first.weight"])
        self.first.requires_grad_(False)


@dataclass(frozen=True)
class IFCNNWeights(TermWeights):
    """The paper's two terms, weighted alike; `perceptual` is a comparison of derivatives here."""

    intensity: float = 1.0
    perceptual: float = 1.0


class IFCNNObjective(SystemObjective):
    """Bring back a sharp image from two of which each is sharp in a part."""

    def inputs(self, image1: Tensor, image2: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Make a multi-focus pair of one source of each pair: near, far and sharp, each (N, 1, H, W)."""
        first = torch.rand(len(image1), 1, 1, 1, generator=generator) < 0.5
        sharp = torch.where(first.to(image1.device), image1, image2)
        field = torch.randn(len(sharp), 1, 4, 4, generator=generator).to(sharp.device)
        near = F.interpolate(field, size=sharp.shape[-2:], mode="bilinear") > 0
        sigma = BLUR[0] + (BLUR[1] - BLUR[0]) * float(torch.rand((), generator=generator))
        blurred = gaussian_blur(sharp, sigma, round(3 * BLUR[1]))
        return torch.where(near, sharp, blurred), torch.where(near, blurred, sharp), sharp

    def terms(self, output: Fused, _: Tensor, __: Tensor, *targets: Tensor) -> dict[str, Tensor]:
        """Give intensity and perceptual, mean squares of all channels against the sharp image."""
        (sharp,) = targets
        right, down = gradients(output.fused - sharp)
        return {
            "intensity": (output.fused - sharp).square().mean(),
            "perceptual": (right.square() + down.square()).mean(),
        }


SYSTEM = System(
    "ifcnn-retrained",
    PretrainedIFCNN,
    IFCNNConfig,
    lambda _, weights: IFCNNObjective(weights),
    IFCNNWeights,
    schedule={"epochs": 60, "batch_size": 32, "learning_rate": 1e-3},
    smoke={"channels": 8},
    half_precision=True,
)
