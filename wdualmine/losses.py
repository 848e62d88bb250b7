"""The objective, Section 4 of the paper: Eq. 12 to Eq. 17, each term a function of its own.

Images are (N, 1, H, W) in [0, 1]; every norm is taken as a mean over pixels and batch, so that a weight means
the same at every image size (choice; the paper writes plain L1 norms).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wdualmine.errors import WdualmineError
from wdualmine.model import CONVOLUTIONS, Fusion, sobel_magnitude

TEMPERATURE = 0.5  # tau of Eq. 16


def average_content_loss(fused: Tensor, image1: Tensor, image2: Tensor) -> Tensor:
    """L_avg, Eq. 13: mean absolute difference to the average of the sources; 0 to 1."""
    return (fused - (image1 + image2) / 2).abs().mean()


def gradient_maximum_loss(fused: Tensor, image1: Tensor, image2: Tensor) -> Tensor:
    """L_grad, Eq. 14: mean absolute difference of the gradient magnitude to the sources' larger one.

    Choice: Eq. 8's Sobel magnitude on both sides, where Eq. 14 prints a bare gradient on the left.
    """
    target = torch.maximum(sobel_magnitude(image1), sobel_magnitude(image2))
    return (sobel_magnitude(fused) - target).abs().mean()


def correlation_loss(fused: Tensor, image1: Tensor, image2: Tensor, epsilon: float = 1e-8) -> Tensor:
    """L_cc, Eq. 15: 1 - Pearson correlation with the average image, mean over the batch; 0 to 2.

    Epsilon joins both variances, so that a constant image has a loss of 1 and a finite gradient.
    """
    return (1 - pearson(fused, (image1 + image2) / 2, epsilon)).mean()


def pearson(first: Tensor, second: Tensor, epsilon: float) -> Tensor:
    """Pearson correlation of two images (N, 1, H, W), one per pair (N,); epsilon joins both variances."""
    x, y = first.flatten(1), second.flatten(1)
    x = x - x.mean(dim=1, keepdim=True)
    y = y - y.mean(dim=1, keepdim=True)
    covariance = (x * y).mean(dim=1)
    variances = (x.square().mean(dim=1) + epsilon) * (y.square().mean(dim=1) + epsilon)
    return covariance / variances.sqrt()


def mutual_information_loss(
    latent_fused: Tensor, latent1: Tensor, latent2: Tensor, temperature: float = TEMPERATURE
) -> Tensor:
    """L_mi, Eq. 16: InfoNCE between the fused latent and each source's; ln N where nothing is told apart.

    The latents are (N, D), compared by cosine similarity. Choice: the positive is the same pair's source, the
    N candidates are that source over the batch, and the two sources' losses are averaged (Eq. 16 prints the
    first source only, the text names both).
    """
    labels = torch.arange(len(latent_fused), device=latent_fused.device)
    fused = F.normalize(latent_fused, dim=1)
    losses = [
        F.cross_entropy(fused @ F.normalize(latent, dim=1).T / temperature, labels)
        for latent in (latent1, latent2)
    ]
    return (losses[0] + losses[1]) / 2


def reconstruction_loss(
    reconstruction1: Tensor, reconstruction2: Tensor, image1: Tensor, image2: Tensor
) -> Tensor:
    """L_rec, Eq. 17: mean absolute errors of the sources as the two heads rebuild them from I_f, summed."""
    return (reconstruction1 - image1).abs().mean() + (reconstruction2 - image2).abs().mean()


@dataclass(frozen=True)
class TermWeights:
    """The weights of an objective's terms; an objective adds a field per term, named as the term is."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 <= value < float("inf"):
                raise WdualmineError(f"loss weight {name} = {value}: give a finite number of at least 0")


@dataclass(frozen=True)
class LossWeights(TermWeights):
    """The weights lambda_1 to lambda_5 of Eq. 12; a weight of 0 is a row of Table 5."""

    average: float = 5.0
    gradient: float = 2.0
    correlation: float = 1.0
    mutual_information: float = 0.1
    reconstruction: float = 0.1


class ReconstructionHead(nn.Module):
    """R_k of Eq. 17: rebuild a source from the fused image (choice: two 3 x 3 convolutions, 16 channels)."""

    def __init__(self, channels: int = 16, dimensions: int = 2) -> None:
        super().__init__()
        self.conv1 = CONVOLUTIONS[dimensions](1, channels, 3, padding=1)
        self.conv2 = CONVOLUTIONS[dimensions](channels, 1, 3, padding=1)

    def forward(self, fused: Tensor) -> Tensor:
        """Map I_f (N, 1, H, W) to an estimate of a source of the same shape."""
        return self.conv2(F.relu(self.conv1(fused)))


class Objective(nn.Module):
    """L_total, Eq. 12, with the heads that only training needs (projection and reconstruction).

    Choice: the latents are global averages of the coarsest features (the fused ones for z_f, so that nothing
    is encoded twice), projected by a shared two-layer perceptron to 64 numbers.
    """

    def __init__(
        self, features: int, weights: LossWeights | None = None, latent: int = 64, dimensions: int = 2
    ) -> None:
        super().__init__()
        self.weights = weights or LossWeights()
        self.projection = nn.Sequential(nn.Linear(features, features), nn.ReLU(), nn.Linear(features, latent))
        self.reconstruct1 = ReconstructionHead(dimensions=dimensions)
        self.reconstruct2 = ReconstructionHead(dimensions=dimensions)

    def inputs(self, image1: Tensor, image2: Tensor, _: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return what the network fuses in a step: the batch as it is, two tensors (N, 1, H, W)."""
        return image1, image2

    def forward(
        self, pieces: Sequence[Fusion], image1: Tensor, image2: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return L_total and its five unweighted terms by name, all scalars.

        The network's output for the batch (N, 1, H, W) comes in pieces of it, in order. Only Eq. 16 looks at
        the whole batch; the other terms are means over pairs, so that pieces change nothing.
        """
        sizes = [len(piece.fused) for piece in pieces]
        terms: dict[str, Tensor] = {}
        for piece, a, b in zip(pieces, image1.split(sizes), image2.split(sizes), strict=True):
            rebuilt = self.reconstruct1(piece.fused), self.reconstruct2(piece.fused)
            parts = {
                "average": average_content_loss(piece.fused, a, b),
                "gradient": gradient_maximum_loss(piece.fused, a, b),
                "correlation": correlation_loss(piece.fused, a, b),
                "reconstruction": reconstruction_loss(*rebuilt, a, b),
            }
            for name, mean in parts.items():
                terms[name] = terms.get(name, 0) + mean * (len(a) / len(image1))
        coarsest = [(piece.stages[-1].fused, piece.features1[-1], piece.features2[-1]) for piece in pieces]
        latents = [
            self.projection(torch.cat([maps.mean(dim=tuple(range(2, maps.ndim))) for maps in source]))
            for source in zip(*coarsest, strict=True)
        ]
        terms["mutual_information"] = mutual_information_loss(*latents)
        total = torch.stack([weight * terms[name] for name, weight in asdict(self.weights).items()]).sum()
        return total, terms
