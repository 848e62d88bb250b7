"""An objective that keeps inserted signals of both sources; each term is a function of its own.

The network is the paper's Section 3; only what it is trained for differs from Section 4. Images are
(N, 1, H, W).
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wdualmine.losses import TermWeights, pearson, similarity_map
from wdualmine.model import Fusion

#: Spots put into a pair of 128 x 128 patches, half of them into each source on average.
SPOTS = 24
SPOT_PIXELS = 128 * 128 // SPOTS
#: Their standard deviation in pixels, and their amplitude in [0, 1].
SPOT_SIZE = (0.6, 3.5)
SPOT_AMPLITUDE = (10 / 255, 50 / 255)


def signal_loss(difference: Tensor, signal: Tensor) -> Tensor:
    """Energy of what is wrong with the fused image's change, over the energy of the signal; 0 if it is kept.

    The difference is that of the fused images with and without the signal in a source, (N, 1, H, W).
    """
    error = (difference - signal).square().sum(dim=(-3, -2, -1))
    energy = signal.square().sum(dim=(-3, -2, -1))
    return (error / energy.clamp(min=1e-3)).mean()


def source_correlation_loss(fused: Tensor, image1: Tensor, image2: Tensor, epsilon: float = 1e-4) -> Tensor:
    """1 - CC, the mean Pearson correlation with the two sources; 0 to 2.

    Epsilon joins each variance, so that an empty patch counts for nothing.
    """
    return 1 - (pearson(fused, image1, epsilon) + pearson(fused, image2, epsilon)).mean() / 2


def structure_loss(fused: Tensor, image1: Tensor, image2: Tensor) -> Tensor:
    """1 - SSIM, its mean over the two sources; 0 to 2."""
    return 1 - (similarity_map(fused, image1).mean() / 2 + similarity_map(fused, image2).mean() / 2)


def edge_loss(fused: Tensor, image1: Tensor, image2: Tensor, epsilon: float = 1e-4) -> Tensor:
    """1 - Qabf: what of the strength and direction of the sources' edges is missing; 0 to 1.

    As :func:`wdualmine.metrics.qabf.qabf`, differentiable and with the angle between two edges taken as it
    is, at most a right angle (the metric's angle jumps where an edge turns through the vertical); DOI
    10.1049/el:20000267.
    An edge of a strength below epsilon has no direction.
    """

    def edges(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        smooth = F.pad(x, (1, 1, 1, 1))
        rows = smooth[..., :-2, :] + 2 * smooth[..., 1:-1, :] + smooth[..., 2:, :]
        columns = smooth[..., :-2] + 2 * smooth[..., 1:-1] + smooth[..., 2:]
        right, down = rows[..., 2:] - rows[..., :-2], columns[..., 2:, :] - columns[..., :-2, :]
        return right, down, (right.square() + down.square() + epsilon**2).sqrt()

    right_f, down_f, strength_f = edges(fused)
    kept = total = torch.zeros((), dtype=fused.dtype, device=fused.device)
    for source in (image1, image2):
        right, down, strength = edges(source)
        ratio = torch.minimum(strength, strength_f) / torch.maximum(strength, strength_f)
        across, along = right * down_f - down * right_f, right * right_f + down * down_f
        parallel = 1 - torch.atan2(across.abs() + epsilon**2, along.abs() + epsilon**2) / (math.pi / 2)
        quality = 0.9994 / (1 + torch.exp(-15 * (ratio - 0.5)))
        quality = quality * 0.9879 / (1 + torch.exp(-22 * (parallel - 0.8)))
        kept = kept + (quality * strength).sum()
        total = total + strength.sum()
    return 1 - kept / total


def range_loss(fused: Tensor) -> Tensor:
    """Mean distance of the fused image to [0, 1]; 0 where nothing will be clipped."""
    return (fused - fused.clamp(0, 1)).abs().mean()


def brightness_loss(fused: Tensor, image1: Tensor, image2: Tensor) -> Tensor:
    """Mean squared distance of the local mean brightness to the average's, over squares of 16 x 16 pixels.

    Correlation and edges are blind to a shift of all levels, which would end in clipping. Squared, because
    an absolute distance pulls so hard near 0 that a network never leaves the average.
    """
    return F.avg_pool2d(fused - (image1 + image2) / 2, 16, ceil_mode=True).square().mean()


def random_spots(
    image: Tensor, generator: torch.Generator, sizes: tuple[float, float] = SPOT_SIZE
) -> tuple[Tensor, Tensor]:
    """Draw Gaussian spots for either source: places, sizes, amplitudes and signs at random.

    Args:
        image: the shape and the device, (N, 1, H, W).
        generator: on the CPU.
        sizes: smallest and largest standard deviation in pixels.

    Returns:
        Two maps of the image's shape (N, 1, H, W), one to add to each source; a spot goes into one of them.
    """
    count, _, height, width = image.shape
    spots = max(1, height * width // SPOT_PIXELS)
    draw = torch.rand(6, count, spots, 1, generator=generator)
    rows = torch.arange(height, dtype=draw.dtype)
    columns = torch.arange(width, dtype=draw.dtype)
    size = sizes[0] + (sizes[1] - sizes[0]) * draw[2]
    amplitude = SPOT_AMPLITUDE[0] + (SPOT_AMPLITUDE[1] - SPOT_AMPLITUDE[0]) * draw[3]
    amplitude = torch.where(draw[4] < 0.5, amplitude, -amplitude)
    down = torch.exp(-(rows - draw[0] * height).square() / (2 * size.square()))
    right = torch.exp(-(columns - draw[1] * width).square() / (2 * size.square()))
    maps = []
    for own in (draw[5] < 0.5, draw[5] >= 0.5):
        maps.append(((down * amplitude * own).transpose(1, 2) @ right).unsqueeze(1).to(image.device))
    return maps[0], maps[1]


def image_terms(unclipped: Tensor, image1: Tensor, image2: Tensor) -> dict[str, Tensor]:
    """Return the terms that look at one fused image, all but the signals', by name."""
    fused = unclipped.clamp(0, 1)
    return {
        "correlation": source_correlation_loss(fused, image1, image2),
        "edges": edge_loss(fused, image1, image2),
        "structure": structure_loss(fused, image1, image2),
        "brightness": brightness_loss(fused, image1, image2),
        "range": range_loss(unclipped),
    }


@dataclass(frozen=True)
class RecoveryWeights(TermWeights):
    """The weights of the objective's terms."""

    signal: float = 20.0
    correlation: float = 32.0
    edges: float = 0.5
    structure: float = 2.0
    brightness: float = 50.0
    range: float = 5.0


class RecoveryObjective(nn.Module):
    """The weighted sum of the six terms; it has no parameters of its own."""

    def __init__(self, weights: RecoveryWeights | None = None, residual_scale: float = 1.0) -> None:
        super().__init__()
        self.weights = weights or RecoveryWeights()
        self.residual_scale = residual_scale

    def inputs(self, image1: Tensor, image2: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return what the network fuses in a step, (2N, 1, H, W): the batch without signals, then with."""
        spots1, spots2 = random_spots(image1, generator)
        changed1, changed2 = (image1 + spots1).clamp(0, 1), (image2 + spots2).clamp(0, 1)
        return torch.cat((image1, changed1)), torch.cat((image2, changed2))

    def forward(
        self, pieces: Sequence[Fusion], image1: Tensor, image2: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted sum and its six unweighted terms by name, all scalars.

        The network's output for what :meth:`inputs` gave comes in pieces of it, in order.
        """
        unclipped = torch.cat([piece.average + self.residual_scale * piece.residual for piece in pieces])
        without, changed = unclipped.chunk(2)
        (image1, changed1), (image2, changed2) = image1.chunk(2), image2.chunk(2)
        signal = signal_loss(changed - without, changed1 - image1 + changed2 - image2)
        terms = {"signal": signal, **image_terms(without, image1, image2), "range": range_loss(unclipped)}
        total = torch.stack([weight * terms[name] for name, weight in asdict(self.weights).items()]).sum()
        return total, terms
