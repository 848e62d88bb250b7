"""An objective for what an observer can detect in the fused image, of either source, whatever the gain.

A step fuses each patch three times: without signals, with signals in the first source, with signals in the
second. A matched filter's mean answer to the signals, over the spread of its answers where there are none, is
the detectability d' of a non-prewhitening observer (H. H. Barrett et al. 1993, doi:10.1073/pnas.90.21.9758).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wdualmine.recovery.objective import RecoveryWeights, image_terms, random_spots, range_loss, signal_loss
from wdualmine.recovery.signals import HEAD_LEVEL, REACH

#: Standard deviations in pixels of the Gaussian spots; one size a batch, that of the filter.
SPOT_SIZE = (0.8, 3.5)
#: Amplitude for which the detectability is stated.
AMPLITUDE = 30 / 255
#: Detectability below which the logarithm goes no deeper.
LEAST = 0.05


@dataclass(frozen=True)
class DetectionWeights(RecoveryWeights):
    """The weights of the objective's terms, the same for all tasks."""

    detection: float = 1.0
    signal: float = 6.0
    correlation: float = 64.0
    range: float = 50.0


def spot_filter(size: float) -> Tensor:
    """Make the matched filter of a Gaussian spot, blind to a constant: (1, 1, 21, 21).

    Args:
        size: its standard deviation in pixels.
    """
    distance = torch.arange(-REACH, REACH + 1, dtype=torch.float32)
    profile = torch.exp(-distance.square() / (2 * size**2))
    spot = profile[:, None] * profile
    return ((spot - spot.mean()) / spot.square().sum())[None, None]


def detection_loss(answer: Tensor, clutter: Tensor) -> Tensor:
    """Compute minus the logarithm of the detectability d' of a signal of 30 grey levels.

    Args:
        answer: the share of the signal in the fused image, a scalar.
        clutter: deviation of the filter's answers without signal, a scalar in [0, 1].
    """
    return -torch.log((answer / clutter * AMPLITUDE).clamp(min=LEAST))


class DetectionObjective(nn.Module):
    """The weighted sum of detection, signal and image terms; it has no parameters of its own."""

    def __init__(self, weights: DetectionWeights | None = None) -> None:
        super().__init__()
        self.weights = weights or DetectionWeights()

    def inputs(self, image1: Tensor, image2: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Say what the network is to fuse in a step: the batch, then signals in one source, then in the other.

        Args:
            image1: I_1, (N, 1, H, W).
            image2: I_2.
            generator: draws the signals.

        Returns:
            Two tensors (3N, 1, H, W) and the matched filter (1, 1, 21, 21).
        """
        size = SPOT_SIZE[0] + (SPOT_SIZE[1] - SPOT_SIZE[0]) * float(torch.rand((), generator=generator))
        spots1, spots2 = random_spots(image1, generator, (size, size))
        changed1, changed2 = (image1 + spots1).clamp(0, 1), (image2 + spots2).clamp(0, 1)
        first, second = torch.cat((image1, changed1, image1)), torch.cat((image2, image2, changed2))
        return first, second, spot_filter(size).to(image1.device)

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
        unclipped = torch.cat([piece.average + piece.residual for piece in pieces])
        without, *changed = unclipped.chunk(3)
        source1, source2 = image1.chunk(3)[0], image2.chunk(3)[0]
        signals = image1.chunk(3)[1] - source1, image2.chunk(3)[2] - source2
        fused = without.clamp(0, 1)
        clutter = _clutter(F.conv2d(fused, matched), torch.maximum(source1, source2))
        terms = dict.fromkeys(("detection", "signal"), torch.zeros((), device=fused.device))
        for image, signal in zip(changed, signals, strict=True):
            answer = ((image.clamp(0, 1) - fused) * signal).sum() / signal.square().sum().clamp(min=1e-3)
            terms["detection"] = terms["detection"] + detection_loss(answer, clutter)
            terms["signal"] = terms["signal"] + signal_loss(image - without, signal)
        terms |= image_terms(without, source1, source2) | {"range": range_loss(unclipped)}
        total = torch.stack([weight * terms[name] for name, weight in vars(self.weights).items()]).sum()
        return total, terms


def _clutter(answers: Tensor, brighter: Tensor) -> Tensor:
    """Deviation of a filter's answers inside the head, over all images of the batch."""
    head = (brighter[..., REACH:-REACH, REACH:-REACH] > HEAD_LEVEL / 255).float()
    mean = (answers * head).sum() / head.sum().clamp(min=1)
    return (((answers - mean).square() * head).sum() / head.sum().clamp(min=1) + 1e-6).sqrt()
