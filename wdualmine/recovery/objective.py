"""An objective for what an observer detects in the fused image; each term is a function of its own.

A step fuses each patch three times: without signals, with signals in the first source, with signals in the
second. A matched filter's mean answer to the signals, over the spread of its answers where there are none, is
the detectability d' of a non-prewhitening observer (H. H. Barrett et al. 1993, doi:10.1073/pnas.90.21.9758).
Images are (N, 1, H, W), or volumes (N, 1, D, H, W) in which the spots are spheres across slices.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wdualmine.losses import TermWeights, average_content_loss, pearson
from wdualmine.recovery.signals import HEAD_LEVEL, REACH

#: Spots put into a pair of 128 x 128 patches, half of them into each source on average.
SPOTS = 24
SPOT_PIXELS = 128 * 128 // SPOTS
#: Their standard deviation in pixels, one for all of a batch, which is that of the matched filter, and their
#: amplitude in [0, 1].
SPOT_SIZE = (0.8, 3.5)
SPOT_AMPLITUDE = (10 / 255, 50 / 255)
#: Amplitude for which the detectability is stated, and the value below which its logarithm goes no deeper.
AMPLITUDE = 30 / 255
LEAST = 0.05
#: Across slices: the standard deviation of a sphere, how far its filter reaches, how many of them it takes.
SLICE_SIZE = (0.5, 1.2)
SLICE_REACH = 2
SPOT_SLICES = 4


def detection_loss(answer: Tensor, clutter: Tensor) -> Tensor:
    """Minus the logarithm of the detectability d' of a signal of 30 grey levels.

    Args:
        answer: the share of the signal in the fused image, a scalar.
        clutter: deviation of the filter's answers without signal, a scalar in [0, 1].
    """
    return -torch.log((answer / clutter * AMPLITUDE).clamp(min=LEAST))


def spot_filter(size: float, slices: float | None = None) -> Tensor:
    """Return the matched filter of a Gaussian spot, blind to a constant, (1, 1, 21, 21) or (1, 1, 5, 21, 21).

    Args:
        size: its standard deviation in pixels.
        slices: the same across slices, of a sphere.
    """
    spot = torch.ones(())
    for own, reach in ((slices, SLICE_REACH), (size, REACH), (size, REACH)):
        if own is not None:
            distance = torch.arange(-reach, reach + 1, dtype=torch.float32)
            spot = spot[..., None] * torch.exp(-distance.square() / (2 * own**2))
    return ((spot - spot.mean()) / spot.square().sum())[None, None]


def clutter_deviation(answers: Tensor, brighter: Tensor) -> Tensor:
    """Return the deviation of a filter's answers inside the head, over all images of a batch.

    Args:
        answers: of whole windows, (N, 1, H - 20, W - 20) or (N, 1, D - 4, H - 20, W - 20).
        brighter: the larger of the two sources, (N, 1, H, W) or (N, 1, D, H, W).
    """
    margins = ((a - b) // 2 for a, b in zip(brighter.shape[2:], answers.shape[2:], strict=True))
    head = (brighter[:, :, *(slice(m, -m) for m in margins)] > HEAD_LEVEL / 255).float()
    count = head.sum().clamp(min=1)
    mean = (answers * head).sum() / count
    return (((answers - mean).square() * head).sum() / count + 1e-6).sqrt()


def signal_loss(difference: Tensor, signal: Tensor) -> Tensor:
    """Energy of what is wrong with the fused image's change, over the energy of the signal; 0 if it is kept.

    The difference is between the fused images with and without the signal in a source, (N, 1, H, W).
    """
    dims = tuple(range(1, signal.ndim))
    error = (difference - signal).square().sum(dim=dims)
    energy = signal.square().sum(dim=dims)
    return (error / energy.clamp(min=1e-3)).mean()


def source_correlation_loss(fused: Tensor, image1: Tensor, image2: Tensor, epsilon: float = 1e-4) -> Tensor:
    """1 - CC, the mean Pearson correlation with the two sources; 0 to 2.

    Epsilon joins each variance, so that an empty patch counts for nothing.
    """
    return 1 - (pearson(fused, image1, epsilon) + pearson(fused, image2, epsilon)).mean() / 2


def range_loss(fused: Tensor) -> Tensor:
    """Mean distance of the fused image to [0, 1]; 0 where nothing will be clipped."""
    return (fused - fused.clamp(0, 1)).abs().mean()


def brightness_loss(fused: Tensor, image1: Tensor, image2: Tensor) -> Tensor:
    """Mean squared distance of the local mean brightness to the average's, over squares of 16 x 16 pixels.

    Correlation and detection are blind to a shift of all levels, which would end in clipping. Squared,
    because an absolute distance pulls so hard near 0 that a network never leaves the average.
    """
    difference = (fused - (image1 + image2) / 2).flatten(1, -3)  # of a volume slice by slice
    return F.avg_pool2d(difference, 16, ceil_mode=True).square().mean()


def random_spots(
    image: Tensor, size: float, generator: torch.Generator, slices: float | None = None
) -> tuple[Tensor, Tensor]:
    """Draw Gaussian spots for either source: places, amplitudes and signs at random.

    Args:
        image: gives the shape and the device, (N, 1, H, W) or (N, 1, D, H, W).
        size: their standard deviation in pixels.
        generator: on the CPU.
        slices: the same across slices, of spheres.

    Returns:
        Two maps of the image's shape, one to add to each source; a spot goes into one of them.
    """
    count, _, *sides = image.shape
    spots = max(1, prod(sides) // (SPOT_PIXELS * SPOT_SLICES ** (len(sides) - 2)))
    draw = torch.rand(3 + len(sides), count, spots, 1, generator=generator)
    axes = (5, 0, 1)[-len(sides) :]
    amplitude = SPOT_AMPLITUDE[0] + (SPOT_AMPLITUDE[1] - SPOT_AMPLITUDE[0]) * draw[2]
    amplitude = torch.where(draw[3] < 0.5, amplitude, -amplitude)
    *along, down, right = (
        torch.exp(-(torch.arange(side) - draw[axis] * side).square() / (2 * own**2))
        for axis, side, own in zip(axes, sides, (slices or size, size, size)[-len(sides) :], strict=True)
    )
    maps = []
    for own in (draw[4] < 0.5, draw[4] >= 0.5):
        left = down * amplitude * own
        for profile in along:
            left = (profile[..., None] * left[..., None, :]).flatten(2)
        maps.append((left.transpose(1, 2) @ right).view(image.shape).to(image.device))
    return maps[0], maps[1]


@dataclass(frozen=True)
class DetectionWeights(TermWeights):
    """The weights of the objective's terms, the same for all tasks."""

    detection: float = 2.0
    signal: float = 8.0
    correlation: float = 80.0
    brightness: float = 50.0
    range: float = 50.0


@dataclass(frozen=True)
class VolumeWeights(DetectionWeights):
    """The same for volumes, with that of Eq. 13: what no signal asks to change stays at the average."""

    average: float = 30.0


class DetectionObjective(nn.Module):
    """The weighted sum of detection, signal and image terms; it has no parameters of its own."""

    def __init__(self, weights: DetectionWeights | None = None) -> None:
        super().__init__()
        self.weights = weights or DetectionWeights()

    def inputs(self, image1: Tensor, image2: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Return what the network fuses in a step: the batch, then signals in one source, then in the other.

        Args:
            image1: I_1, (N, 1, H, W).
            image2: I_2.
            generator: draws the signals, on the CPU.

        Returns:
            Two tensors (3N, 1, H, W) and the matched filter (1, 1, 21, 21), or those of volumes.
        """
        ranges = (SLICE_SIZE, SPOT_SIZE)[5 - image1.ndim :]
        draw = partial(torch.rand, (), generator=generator)
        *slices, size = (low + (high - low) * float(draw()) for low, high in ranges)
        spots1, spots2 = random_spots(image1, size, generator, *slices)
        changed1, changed2 = (image1 + spots1).clamp(0, 1), (image2 + spots2).clamp(0, 1)
        first, second = torch.cat((image1, changed1, image1)), torch.cat((image2, image2, changed2))
        return first, second, spot_filter(size, *slices).to(image1.device)

    def forward(
        self, pieces: Sequence[Any], image1: Tensor, image2: Tensor, matched: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted sum and its unweighted terms by name, all scalars.

        Args:
            pieces: the network's output for what :meth:`inputs` gave, whole or in pieces of it, in order.
            image1: the first of :meth:`inputs`.
            image2: the second.
            matched: the third.
        """
        unclipped = torch.cat([piece.unclipped for piece in pieces])
        without, *changed = unclipped.chunk(3)
        source1, source2 = image1.chunk(3)[0], image2.chunk(3)[0]
        signals = image1.chunk(3)[1] - source1, image2.chunk(3)[2] - source2
        fused = without.clamp(0, 1)
        answers_without = (F.conv2d if fused.ndim == 4 else F.conv3d)(fused, matched)
        clutter = clutter_deviation(answers_without, torch.maximum(source1, source2))
        answers = [
            ((image.clamp(0, 1) - fused) * signal).sum() / signal.square().sum().clamp(min=1e-3)
            for image, signal in zip(changed, signals, strict=True)
        ]
        terms = {
            "detection": detection_loss(answers[0], clutter) + detection_loss(answers[1], clutter),
            "signal": signal_loss(torch.cat(changed) - torch.cat((without, without)), torch.cat(signals)) * 2,
            "correlation": source_correlation_loss(fused, source1, source2),
            "brightness": brightness_loss(fused, source1, source2),
            "range": range_loss(unclipped),
        }
        if isinstance(self.weights, VolumeWeights):
            terms["average"] = average_content_loss(without, source1, source2)
        total = torch.stack([weight * terms[name] for name, weight in asdict(self.weights).items()]).sum()
        return total, terms
