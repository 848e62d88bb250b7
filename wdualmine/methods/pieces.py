"""Networks on large images and volumes, in memory that hardly grows with them: overlapping pieces.

All that the paper's network computes is local but the channel attention of each stage, which looks at the
means over the whole image. They are found first, a stage at a time; then each piece is fused with them, with
so much of its surroundings that what the cut does at its edge does not reach the piece. The result is that of
the whole image up to the rounding of sums (in noise, where that turns a near tie of Eq. 7, a little more at a
pixel).
"""

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from wdualmine.methods.system import ByAxis, Network, each
from wdualmine.model import EfficientChannelAttention, WDualMine
from wdualmine.progress import inner_bar

#: Side of a piece without its surroundings, in pixels; a multiple of the network's.
SIDE = 256
#: The same of a block of a volume, in slices.
SLICES = 96
#: Surroundings, in multiples of :attr:`~wdualmine.model.WDualMine.multiple`, which is 2^n for n scales. A
#: feature of the coarsest scale sees less than 1.5 of them around it, its fusion 5 coarse pixels (gate 1,
#: dilated convolution 2, gradient 1, wavelet block 1), which are 2.5, and the decoder 0.5.
ENCODER_MARGIN = 2
MARGIN = 5


class _Span(NamedTuple):
    """A piece along one side: the pixels to cut out, which of them are its own, and where these lie."""

    cut: Tensor
    own: slice
    place: slice


@torch.no_grad()
def residual_in_pieces(model: WDualMine, image1: Tensor, image2: Tensor, side: int = SIDE) -> Tensor:
    """Return tanh(R), in [-1, 1], as the network gives it for the whole images, padded by replication.

    These are (N, 1, H, W) in [0, 1], of any sides, on the network's device; the side of a piece is divisible
    by the network's :attr:`~wdualmine.model.WDualMine.multiple`.
    """
    weights: list[Tensor] = []
    for _ in model.config.widths:
        weights.append(_next_weights(model, image1, image2, weights, side))
    residual = torch.empty_like(image1)
    margin = MARGIN * model.multiple
    for spans in _pieces("fuse", image1, side, margin, model.multiple):
        features = _encode(model, _cut(image1, image2, spans), weights)
        fused = [stage(*both.chunk(2)).fused for stage, both in zip(model.stages, features, strict=True)]
        _put(residual, torch.tanh(model.decoder(fused)), spans)
    return residual


@torch.no_grad()
def fused_in_pieces(model: nn.Module, image1: Tensor, image2: Tensor, side: ByAxis = SIDE) -> Tensor:
    """Fuse as W-DUALMINE or another network with a ``reach`` fuses the whole images.

    These are (N, 1, H, W), or volumes (N, 1, D, H, W), in [0, 1], of any sides, on the network's device.
    """
    if isinstance(model, WDualMine):  # Eq. 11 in the residual's memory: there is none for another image
        residual = residual_in_pieces(model, image1, image2)
        scaled = residual.mul_(model.config.residual_scale)
        return scaled.add_(image1, alpha=0.5).add_(image2, alpha=0.5).clamp_(0, 1)
    assert isinstance(model, Network)
    assert model.reach is not None
    fused = torch.empty_like(image1)
    for spans in _pieces("fuse", image1, side, model.reach, model.multiple):
        _put(fused, model(*_cut(image1, image2, spans).chunk(2)).fused, spans)
    return fused


def _put(image: Tensor, piece: Tensor, spans: Sequence[_Span]) -> None:
    """Write what a piece has of its own to its place, without what the image was padded by."""
    inside, own = image[:, :, *(span.place for span in spans)], piece[:, :, *(span.own for span in spans)]
    inside.copy_(own[:, :, *map(slice, inside.shape[2:])])


def _next_weights(
    model: WDualMine, image1: Tensor, image2: Tensor, weights: list[Tensor], side: int
) -> Tensor:
    """Give the attention's weights (2N, C, 1, 1) of the stage after those whose weights are known."""
    block, attention = model.encoder.stages[len(weights)].children()
    sums, count = torch.zeros((), dtype=torch.float64), 0
    title = f"look at scale {len(weights) + 1} of {len(model.config.widths)}"
    margin = ENCODER_MARGIN * model.multiple
    for spans in _pieces(title, image1, side, margin, model.multiple):
        images = _cut(image1, image2, spans)
        x = block(_encode(model, images, weights)[-1] if weights else images)
        scale = images.shape[-1] // x.shape[-1]
        own = x[:, :, *(slice(s.own.start // scale, s.own.stop // scale) for s in spans)]
        sums = sums + own.sum(dim=tuple(range(2, own.ndim)), keepdim=True, dtype=torch.float64)
        count += own[0, 0].numel()
    return cast(EfficientChannelAttention, attention).weights((sums / count).to(image1.dtype))


def _encode(model: WDualMine, images: Tensor, weights: list[Tensor]) -> list[Tensor]:
    """Give the features of the first stages, one a given weight, finest first (Eq. 1)."""
    features: list[Tensor] = []
    for stage, weight in zip(model.encoder.stages, weights, strict=False):
        block, _ = stage.children()
        features.append(block(features[-1] if features else images) * weight)
    return features


def _pieces(
    title: str, image: Tensor, side: ByAxis, margin: ByAxis, multiple: ByAxis
) -> Iterator[tuple[_Span, ...]]:
    axes = image.ndim - 2
    by_axis = zip(image.shape[2:], *(each(value, axes) for value in (side, margin, multiple)), strict=True)
    spans = [list(_spans(image.device, *numbers)) for numbers in by_axis]
    with inner_bar(title, prod(map(len, spans))) as advance:
        for piece in product(*spans):
            yield piece
            advance()


def _spans(device: torch.device, length: int, side: int, margin: int, multiple: int) -> Iterator[_Span]:
    padded, margin = length + -length % multiple, margin + -margin % multiple
    for start in range(0, padded, side):
        stop = min(start + side, padded)
        first, last = max(start - margin, 0), min(stop + margin, padded)
        cut = torch.arange(first, last, device=device).clamp(max=length - 1)  # pads by replication
        yield _Span(cut, slice(start - first, stop - first), slice(start, stop))


def _cut(image1: Tensor, image2: Tensor, spans: Sequence[_Span]) -> Tensor:
    """Cut the same piece out of both images: one batch (2N, 1, h, w)."""
    pieces = []
    for image in (image1, image2):
        for axis, span in enumerate(spans, start=2):
            image = image.index_select(axis, span.cut)
        pieces.append(image)
    return torch.cat(pieces)
