"""A spatial transformer that registers a pair: the paper's Section 6, joint registration and fusion.

A small network turns both images into features; every turn and shift of one against the other is tried at
once, by the correlation of their features (Z. Chen et al. 2020, arXiv:2008.09474), on cells of 8 pixels and
then, around what is found, of 4. What is likely is averaged, so that training goes through it. Bent anatomy
is followed by the same features, correlated around each cell. The image is resampled by ``grid_sample``
(M. Jaderberg et al. 2015, arXiv:1506.02025).

Points are (x, y) in pixels of the network's square frame, pixel centers at whole numbers. A field holds for
each pixel of the fixed image the point of the moving image that belongs there.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wdualmine.blur import gaussian_blur

#: Side of the frame that the network sees, and of its cells, in pixels.
SIDE, CELL = 256, 4
KINDS = ("rigid", "affine", "deformable")


class Search(NamedTuple):
    """Turns, in degrees, and shifts that are tried around what is known so far."""

    cell: int  #: pixels
    turns: int  #: to either side
    degrees: float  #: from one to the next
    shifts: int  #: cells to either side, along each axis


#: The fine one twice: the first time it may end at its edge.
SEARCHES = (Search(2 * CELL, 6, 2.25, 5), *[Search(CELL, 2, 0.9, 3)] * 2)
#: Cells to either side that bent anatomy is followed by, and the deviation of the window that it is seen in.
REACH, WINDOW = 3, 2.0


@dataclass(frozen=True)
class TransformerConfig:
    """What the network is built from: the channels of its layers, of its features, and the dilations."""

    width: int = 32
    features: int = 8
    dilations: tuple[int, ...] = (1, 2, 2)


class Registered(NamedTuple):
    """What the network answers: the transform, and what training looks at.

    ``field`` (N, H, W, 2) is the last step's, ``fields`` those of all steps at the cells' centers (N, C, 2),
    ``matrices`` where each search began and ``logits`` what it found (N, turns, shifts, shifts).
    """

    field: Tensor
    fields: list[Tensor]
    matrices: list[Tensor]
    logits: list[Tensor]


class SpatialTransformer(nn.Module):
    """Describe, search, follow; both images (N, 1, 256, 256) in [0, 1], the CT, PET or SPECT and the MRI."""

    def __init__(self, config: TransformerConfig | None = None) -> None:
        super().__init__()
        self.config = config or TransformerConfig()
        width, count = self.config.width, self.config.features
        self.first = nn.ModuleList(
            nn.Conv2d(CELL**2, width, 3, padding=1, padding_mode="replicate") for _ in range(2)
        )
        self.middle = nn.ModuleList(
            nn.Sequential(*(_Residual(width, d) for d in self.config.dilations)) for _ in range(2)
        )
        self.last = nn.ModuleList(nn.Conv2d(width, 2 * count, 1) for _ in range(2))
        #: A tenth of the logarithm, so that it is learned fast; of each search, then of following.
        self.sharpness = nn.Parameter(torch.tensor([0.45, 0.5, 0.4]))

    def forward(self, fixed: Tensor, moving: Tensor, kind: str = "rigid") -> Registered:
        """Find the transform, of a kind of :data:`KINDS`, that takes the moving image to the fixed one."""
        centers, pixels = grid(SIDE // CELL, CELL, fixed), grid(SIDE, 1, fixed)
        one, other = (self.features(image, number) for number, image in enumerate((fixed, moving)))
        matrix = torch.eye(2, 3).to(fixed).expand(len(fixed), 2, 3)
        fields, matrices, logits = [], [], []
        for search in SEARCHES:
            fine = int(search.cell == CELL)
            matrices.append(matrix.detach())
            alike = correlations(one[fine], other[fine], matrices[-1], search)
            logits.append((10 * self.sharpness[fine]).exp() * alike)
            matrix = chain(matrices[-1], expected(logits[-1], search))
            fields.append(apply(matrix, centers))
        field = apply(matrix, pixels).unflatten(1, (SIDE, SIDE))
        if kind != "rigid":
            shift, weights = follow(one[1], other[1], matrix.detach(), (10 * self.sharpness[2]).exp())
            points = apply(matrix, centers + shift)
            if kind == "affine":
                matrix = fit(centers, points, weights, "affine")
                points, field = apply(matrix, centers), apply(matrix, pixels).unflatten(1, (SIDE, SIDE))
            else:
                field = widen(points)
            fields.append(points)
        return Registered(field, fields, matrices, logits)

    def features(self, image: Tensor, number: int) -> tuple[Tensor, Tensor]:
        """Return features of cells of 8 and of 4 pixels, (N, D, H', W'), 0 where nothing is around."""
        blocks = F.pixel_unshuffle(image, CELL)
        nothing = blocks.new_zeros(1, CELL**2, 1, 1)
        seen, around = (
            self.last[number](self.middle[number](F.relu(self.first[number](x)))) for x in (blocks, nothing)
        )
        coarse, fine = (seen - around).float().chunk(2, dim=1)
        return _unit(F.avg_pool2d(coarse, 2)), _unit(fine)


class _Residual(nn.Conv2d):
    def __init__(self, width: int, dilation: int) -> None:
        super().__init__(width, width, 3, padding=dilation, dilation=dilation, padding_mode="replicate")

    def forward(self, features: Tensor) -> Tensor:
        return features + F.relu(super().forward(features))


def _unit(features: Tensor) -> Tensor:
    return features / features.square().sum(dim=(1, 2, 3), keepdim=True).clamp(min=1e-8).sqrt()


def turns_of(search: Search, like: Tensor) -> Tensor:
    """Return the transforms (K, 2, 3) that turn by each of a search's angles about the frame's center."""
    steps = torch.arange(-search.turns, search.turns + 1, dtype=like.dtype, device=like.device)
    return turn(steps * search.degrees, torch.zeros(len(steps), 2).to(like))


def turn(degrees: Tensor, shift: Tensor) -> Tensor:
    """Return the transforms (N, 2, 3) that shift by (N, 2) pixels and then turn about the frame's center."""
    cosine, sine = torch.cos(degrees * math.pi / 180), torch.sin(degrees * math.pi / 180)
    linear = torch.stack((cosine, -sine, sine, cosine), dim=-1).unflatten(-1, (2, 2))
    center = (SIDE - 1) / 2
    return torch.cat((linear, linear @ (shift - center).unsqueeze(-1) + center), dim=-1)


def chain(first: Tensor, then: Tensor) -> Tensor:
    """Return the transforms x -> first(then(x)), (N, 2, 3)."""
    return torch.cat(
        (first[..., :2] @ then[..., :2], first[..., :2] @ then[..., 2:] + first[..., 2:]), dim=-1
    )


def correlations(one: Tensor, other: Tensor, matrix: Tensor, search: Search) -> Tensor:
    """Correlate features (N, D, H, W) with others, moved by a transform and all that a search tries.

    Returns:
        (N, turns, shifts down, shifts to the right), each from the most negative on.
    """
    side, reach = one.shape[-1], search.shifts
    wide = side + 2 * reach
    points = grid(wide, search.cell, one) - reach * search.cell
    moves = turns_of(search, one)
    tried = chain(matrix.unsqueeze(1), moves.unsqueeze(0)).flatten(0, 1)
    at = ((apply(tried, points) + 0.5) / search.cell - 0.5).reshape(len(one), -1, wide, 2)
    moved = sample(other, at).unflatten(2, (len(moves), wide)).transpose(1, 2)
    size = (_smooth_size(wide),) * 2
    spectrum = torch.fft.rfft2(one, s=size).conj().unsqueeze(1) * torch.fft.rfft2(moved, s=size)
    return torch.fft.irfft2(spectrum.sum(dim=2), s=size)[..., : 2 * reach + 1, : 2 * reach + 1]


def _smooth_size(least: int) -> int:
    """The next length whose Fourier transform is fast."""
    return next(n for n in (44, 48, 60, 64, 70, 72, 80, 96) if n >= least)


def expected(logits: Tensor, search: Search) -> Tensor:
    """Return the transforms (N, 2, 3) that are likely: the mean over the places around the likeliest."""
    turns, shifts = logits.shape[1:3]
    best = logits.detach().flatten(1).argmax(dim=1)
    places = torch.cartesian_prod(*(torch.arange(n, device=logits.device) for n in (turns, shifts, shifts)))
    near = ((places - places[best].unsqueeze(1)).abs() <= 2).all(dim=2)
    share = logits.flatten(1).masked_fill(~near, -torch.inf).softmax(dim=1)
    mean = share @ (places - torch.tensor([search.turns, search.shifts, search.shifts]).to(places)).to(logits)
    return turn(mean[:, 0] * search.degrees, mean[:, [2, 1]] * search.cell)


def follow(one: Tensor, other: Tensor, matrix: Tensor, sharpness: Tensor) -> tuple[Tensor, Tensor]:
    """Return by how much to shift each cell's points (N, C, 2), smoothly, and its weight (N, C)."""
    side = SIDE // CELL
    wide = side + 2 * REACH
    at = (apply(matrix, grid(wide, CELL, one) - REACH * CELL) + 0.5) / CELL - 0.5
    moved = sample(other, at.unflatten(1, (wide, wide)))
    places = [
        (slice(y, y + side), slice(x, x + side)) for y in range(2 * REACH + 1) for x in range(2 * REACH + 1)
    ]
    energy = blur(one.square().sum(dim=1, keepdim=True))
    norm = moved.square().sum(dim=1, keepdim=True)
    own = blur(torch.cat([norm[..., y, x] for y, x in places], dim=1))
    alike = blur(torch.cat([(one * moved[..., y, x]).sum(dim=1, keepdim=True) for y, x in places], dim=1))
    scale = own * energy
    ratio = alike / (scale + 0.01 * scale.amax(dim=(1, 2, 3), keepdim=True) + 1e-20).sqrt()
    share = (sharpness * ratio).softmax(dim=1).flatten(2).transpose(1, 2)
    steps = grid(2 * REACH + 1, CELL, one) - ((2 * REACH + 1) * CELL - 1) / 2
    shift = (share @ steps).transpose(1, 2).unflatten(2, (side // 2, -1))
    wider = F.interpolate(shift, scale_factor=2, mode="bilinear", align_corners=False)
    weights = F.interpolate(energy, scale_factor=2, mode="bilinear", align_corners=False)
    return wider.flatten(2).transpose(1, 2), weights.flatten(1)


def blur(image: Tensor) -> Tensor:
    """Average (N, C, H, W) over 2 x 2 cells, then over the window that bent anatomy is seen in."""
    image = F.avg_pool2d(image, 2)
    radius = int(2 * WINDOW)
    padded = F.pad(image, (radius,) * 4).flatten(0, 1).unsqueeze(1)
    return gaussian_blur(padded, WINDOW, radius, pad=False).view_as(image)


def grid(count: int, step: int, like: Tensor) -> Tensor:
    """Return the centers of count x count squares of so many pixels, row by row, (count ** 2, 2)."""
    line = (torch.arange(count, dtype=like.dtype, device=like.device) + 0.5) * step - 0.5
    return torch.stack((line.repeat(count), line.repeat_interleave(count)), dim=1)


def apply(matrix: Tensor, points: Tensor) -> Tensor:
    """Apply transforms (N, 2, 3) to points (N, C, 2) or (C, 2)."""
    return points @ matrix[..., :2].transpose(1, 2) + matrix[..., 2].unsqueeze(1)


def fit(points: Tensor, targets: Tensor, weights: Tensor, kind: str = "rigid") -> Tensor:
    """Return the transforms (N, 2, 3) that take points (C, 2) nearest to targets (N, C, 2), by least squares.

    Args:
        points: of the fixed image, or its own of each, (N, C, 2).
        targets: where they belong.
        weights: how much each counts, (N, C), not negative.
        kind: "rigid" (a turn and a shift: P. H. Schönemann 1966, doi:10.1007/BF02289451) or "affine".
    """
    share = (weights / weights.sum(dim=1, keepdim=True).clamp(min=1e-9)).unsqueeze(2)
    middle = (share * points).sum(dim=1, keepdim=True)
    aim = (share * targets).sum(dim=1, keepdim=True)
    x, y = points - middle, targets - aim
    moments = (share * y).transpose(1, 2) @ x
    if kind == "affine":
        spread = (share * x).transpose(1, 2) @ x
        linear = moments @ torch.linalg.inv(spread + 1e-2 * torch.eye(2).to(spread))
    else:
        cosine = moments[:, 0, 0] + moments[:, 1, 1] + 1e-6
        sine = moments[:, 1, 0] - moments[:, 0, 1]
        turn = torch.stack((cosine, -sine, sine, cosine), dim=1) / torch.hypot(cosine, sine).unsqueeze(1)
        linear = turn.unflatten(1, (2, 2))
    return torch.cat((linear, aim.transpose(1, 2) - linear @ middle.transpose(1, 2)), dim=2)


def sample(image: Tensor, field: Tensor) -> Tensor:
    """Resample an image (N, C, H, W) at a field (N, H', W', 2), between pixels linearly; outside it is 0."""
    size = torch.tensor(image.shape[:-3:-1], dtype=field.dtype, device=field.device)
    return F.grid_sample(image, (2 * field + 1) / size - 1, align_corners=False)


def widen(field: Tensor) -> Tensor:
    """Interpolate a field of cells (N, C, 2) to all pixels (N, H, W, 2)."""
    shift = (field - grid(SIDE // CELL, CELL, field)).transpose(1, 2).unflatten(2, (SIDE // CELL, -1))
    fine = F.interpolate(shift, scale_factor=CELL, mode="bilinear", align_corners=False)
    return fine.permute(0, 2, 3, 1) + grid(SIDE, 1, field).unflatten(0, (SIDE, SIDE))
