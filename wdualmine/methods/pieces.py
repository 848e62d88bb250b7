"""Networks on large images, in memory that hardly grows with them: overlapping pieces.

All that the paper's network computes is local but the channel attention of each stage, which looks at the
means over the whole image. They are found first, a stage at a time; then each piece is fused with them, with
so much of its surroundings that what the cut does at its edge does not reach the piece. The result is that of
the whole image up to the rounding of sums (in noise, where that turns a near tie of Eq. 7, a little more at a
pixel).
"""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple, cast

import torch
from torch import Tensor

from wdualmine.methods.system import Network
from wdualmine.model import EfficientChannelAttention, WDualMine
from wdualmine.progress import inner_bar

#: Side of a piece without its surroundings, in pixels; a multiple of the network's.
SIDE = 256
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
    for rows, columns in _pieces("fuse", image1, side, MARGIN, model.multiple):
        features = _encode(model, _cut(image1, image2, rows, columns), weights)
        fused = [stage(*both.chunk(2)).fused for stage, both in zip(model.stages, features, strict=True)]
        piece = torch.tanh(model.decoder(fused))[..., rows.own, columns.own]
        _put(residual, piece, rows, columns)
    return residual


@torch.no_grad()
def fused_in_pieces(model: Network, image1: Tensor, image2: Tensor, side: int = SIDE) -> Tensor:
    """Fuse as a network with a :attr:`~wdualmine.methods.system.Network.reach` fuses the whole images.

    These are (N, 1, H, W) in [0, 1], of any sides, on the network's device.
    """
    assert model.reach is not None
    margin = -(-model.reach // model.multiple)
    fused = torch.empty_like(image1)
    for rows, columns in _pieces("fuse", image1, side, margin, model.multiple):
        piece = model(*_cut(image1, image2, rows, columns).chunk(2)).fused[..., rows.own, columns.own]
        _put(fused, piece, rows, columns)
    return fused


def _put(image: Tensor, piece: Tensor, rows: _Span, columns: _Span) -> None:
    """Write a piece to its place, without what the image was padded by."""
    height, width = image.shape[-2:]
    inside = piece[..., : height - rows.place.start, : width - columns.place.start]
    image[..., rows.place, columns.place] = inside


def _next_weights(
    model: WDualMine, image1: Tensor, image2: Tensor, weights: list[Tensor], side: int
) -> Tensor:
    """Give the attention's weights (2N, C, 1, 1) of the stage after those whose weights are known."""
    block, attention = model.encoder.stages[len(weights)].children()
    sums, count = torch.zeros((), dtype=torch.float64), 0
    title = f"look at scale {len(weights) + 1} of {len(model.config.widths)}"
    for rows, columns in _pieces(title, image1, side, ENCODER_MARGIN, model.multiple):
        images = _cut(image1, image2, rows, columns)
        x = block(_encode(model, images, weights)[-1] if weights else images)
        scale = images.shape[-1] // x.shape[-1]
        own = x[(..., *(slice(s.own.start // scale, s.own.stop // scale) for s in (rows, columns)))]
        sums = sums + own.sum(dim=(-2, -1), dtype=torch.float64)
        count += own.shape[-2] * own.shape[-1]
    return cast(EfficientChannelAttention, attention).weights((sums / count).to(image1.dtype))


def _encode(model: WDualMine, images: Tensor, weights: list[Tensor]) -> list[Tensor]:
    """Give the features of the first stages, one a given weight, finest first (Eq. 1)."""
    features: list[Tensor] = []
    for stage, weight in zip(model.encoder.stages, weights, strict=False):
        block, _ = stage.children()
        features.append(block(features[-1] if features else images) * weight)
    return features


def _pieces(
    title: str, image: Tensor, side: int, margin: int, multiple: int
) -> Iterator[tuple[_Span, _Span]]:
    rows, columns = (
        list(_spans(length, side, margin * multiple, multiple, image.device)) for length in image.shape[-2:]
    )
    with inner_bar(title, len(rows) * len(columns)) as advance:
        for piece in product(rows, columns):
            yield piece
            advance()


def _spans(length: int, side: int, margin: int, multiple: int, device: torch.device) -> Iterator[_Span]:
    padded = length + -length % multiple
    for start in range(0, padded, side):
        stop = min(start + side, padded)
        first, last = max(start - margin, 0), min(stop + margin, padded)
        cut = torch.arange(first, last, device=device).clamp(max=length - 1)  # pads by replication
        yield _Span(cut, slice(start - first, stop - first), slice(start, stop))


def _cut(image1: Tensor, image2: Tensor, rows: _Span, columns: _Span) -> Tensor:
    """Cut the same piece out of both images: one batch (2N, 1, h, w)."""
    return torch.cat([image[..., rows.cut[:, None], columns.cut] for image in (image1, image2)])
