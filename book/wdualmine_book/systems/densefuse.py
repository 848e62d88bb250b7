"""DenseFuse trained here: an autoencoder of single images.

Source: H. Li and X.-J. Wu, 2019, DOI 10.1109/TIP.2018.2887342; the network is
:mod:`wdualmine.methods.densefuse`.

Deviations: it is trained on the task's own sources instead of photographs. The pixel term is a mean square
instead of a Euclidean norm, so that it means the same at every size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from wdualmine.methods.densefuse import Autoencoding, DenseFuse, DenseFuseConfig
from wdualmine.methods.system import System
from wdualmine_book.systems.objective import SystemObjective, TermWeights, similarity


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
    half_precision=True,
)
