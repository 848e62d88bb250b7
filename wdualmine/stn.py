"""A spatial transformer that registers a pair: the paper's Section 6, joint registration and fusion.

Descriptors of both images are matched all with all on a grid of 32 x 32 cells (H. Rocco et al. 2017,
doi:10.1109/CVPR.2017.12), and the rigid or affine transform that fits the matches best, each with its weight,
has a closed form, so that training goes through it. A few convolutions then look at the pair so registered
and correct it, twice; their correction is smooth where the transform is. The image is resampled by
``grid_sample`` (M. Jaderberg et al. 2015, arXiv:1506.02025).

Points are (x, y) in pixels of the network's square frame, pixel centers at whole numbers. A field holds for
each pixel of the fixed image the point of the moving image that belongs there.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from wdualmine.checkpoints import read_tensors
from wdualmine.errors import WdualmineError, one_line
from wdualmine.fusion import luma_tensor
from wdualmine.methods.registry import WEIGHTS

#: Side of the frame that the network sees, and of its cells, in pixels.
SIDE, CELL = 256, 8
KINDS = ("rigid", "affine", "deformable")
#: Dilations of the layers, in cells: together they see most of the frame.
DILATIONS = (1, 2, 4, 8, 1)
#: Cells along each side of the square in which likenesses are looked up.
AROUND = 7


@dataclass(frozen=True)
class TransformerConfig:
    """What the network is built from.

    Attributes:
        width: channels of the descriptors' layers.
        descriptor: components of a descriptor.
        correction_width: channels of the layers that correct.
        steps: how often they do.
    """

    width: int = 48
    descriptor: int = 32
    correction_width: int = 48
    steps: int = 2


class Registered(NamedTuple):
    """What the network answers: the transform of all steps, and what training looks at.

    ``field`` (N, H, W, 2) is the last step's, ``fields`` those of all steps at the cells' centers (N, C, 2),
    and ``likeness`` that of each fixed cell with each moving one (N, C, C): the logarithm of their probability,
    up to a constant.
    """

    field: Tensor
    fields: list[Tensor]
    likeness: Tensor


class SpatialTransformer(nn.Module):
    """Match, fit, correct; both images (N, 1, 256, 256) in [0, 1], CT, PET or SPECT fixed and MRI moving."""

    def __init__(self, config: TransformerConfig | None = None) -> None:
        super().__init__()
        self.config = config or TransformerConfig()
        width, wide = self.config.width, self.config.correction_width
        self.first = nn.ModuleList(nn.Conv2d(16, width, 3, 2, 1) for _ in range(2))
        self.middle = nn.ModuleList(nn.Conv2d(width, width, 3, padding=d, dilation=d) for d in DILATIONS)
        self.describe = nn.Conv2d(width, self.config.descriptor, 1)
        self.weigh = nn.Conv2d(width, 1, 1)
        self.sharpness = nn.Parameter(torch.tensor(2.5))
        self.known = nn.Conv2d(AROUND**2 + 2, wide, 1)
        self.pair = nn.Conv2d(32, wide, 3, 2, 1)
        self.look = nn.ModuleList(nn.Conv2d(wide, wide, 3, padding=d, dilation=d) for d in DILATIONS[:3])
        self.correct = nn.Conv2d(wide, 3, 3, padding=1)
        nn.init.zeros_(self.correct.weight)
        nn.init.zeros_(self.correct.bias)  # type: ignore[arg-type]

    def forward(self, fixed: Tensor, moving: Tensor, kind: str = "rigid") -> Registered:
        """Find the transform, of a kind of :data:`KINDS`, that takes the moving image to the fixed one."""
        centers, pixels = grid(SIDE // CELL, CELL, fixed), grid(SIDE, 1, fixed)
        fitted = "affine" if kind == "affine" else "rigid"
        points, weights, likeness = self.match(*self.descriptors(fixed, moving))
        matrix = fit(centers, points, weights, fitted)
        fields = [apply(matrix, centers)]
        field = apply(matrix, pixels).unflatten(1, (SIDE, SIDE))
        for step in range(self.config.steps):
            base = fields[-1].detach()
            flow, weights = self.correction(fixed, sample(moving, field.detach()), likeness, base)
            if kind == "deformable" and step:
                fields.append(compose(base, centers + flow))
            else:
                fields.append(apply(matrix.detach(), centers + flow))
            if kind == "deformable":
                field = widen(fields[-1])
            else:
                matrix = fit(centers, fields[-1], weights, fitted)
                fields[-1] = apply(matrix, centers)
                field = apply(matrix, pixels).unflatten(1, (SIDE, SIDE))
        return Registered(field, fields, likeness)

    def descriptors(self, fixed: Tensor, moving: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the unit descriptors of both images' cells (N, C, D), and how far to trust the fixed (N, C)."""
        features = [first(F.pixel_unshuffle(x, 4)) for first, x in zip(self.first, (fixed, moving), strict=True)]
        both = torch.cat(features)
        for layer in self.middle:
            both = both + F.relu(layer(both))
        one, other = F.normalize(self.describe(both).float().flatten(2), dim=1).transpose(1, 2).chunk(2)
        return one, other, torch.sigmoid(self.weigh(both.chunk(2)[0]).float().flatten(1))

    def match(self, one: Tensor, other: Tensor, trust: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return where cells belong (N, K, 2), how sure that is (N, K), and their likenesses (N, K, C).

        Given are descriptors of K cells and of all others', and how far to trust the K.
        """
        centers = grid(SIDE // CELL, CELL, one)
        likeness = self.sharpness.exp() * one @ other.transpose(1, 2)
        terms = torch.cat((centers, centers.square().sum(dim=1, keepdim=True)), dim=1)
        moments = likeness.softmax(dim=2) @ terms
        points = moments[..., :2]
        spread = (moments[..., 2] - points.square().sum(dim=2)).clamp(min=0)
        return points, trust / (spread + CELL**2), likeness

    def correction(
        self, fixed: Tensor, warped: Tensor, likeness: Tensor, base: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return by how much to move the points of each cell (N, C, 2), in pixels, and its weight (N, C).

        Seen are both images and the likenesses around the points so far (Z. Teed and J. Deng 2020,
        arXiv:2003.12039), whose own answer the layers add to.
        """
        side = SIDE // CELL
        steps = grid(AROUND, CELL, base) - (AROUND * CELL - 1) / 2
        around = (base.unsqueeze(2) + steps).flatten(0, 1).unsqueeze(1)
        near = sample(likeness.detach().reshape(-1, 1, side, side), (around + 0.5) / CELL - 0.5)
        near = near.reshape(-1, side**2, AROUND**2)
        shift = near.softmax(dim=2) @ steps
        known = torch.cat((near / 4, shift / CELL), dim=2).transpose(1, 2).unflatten(2, (side, side))
        seen = self.pair(F.pixel_unshuffle(torch.cat((fixed, warped), dim=1), 4)) + self.known(known)
        for layer in self.look:
            seen = seen + F.relu(layer(F.relu(seen)))
        flow = self.correct(seen).float().flatten(2).transpose(1, 2)
        return shift + flow[..., :2] * CELL, torch.sigmoid(flow[..., 2])


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


def compose(field: Tensor, points: Tensor) -> Tensor:
    """Evaluate a field of cells (N, C, 2) at points (N, C, 2)."""
    centers = grid(SIDE // CELL, CELL, field)
    shift = (field - centers).transpose(1, 2).unflatten(2, (SIDE // CELL, -1))
    at = ((2 * points + 1) / SIDE - 1).unsqueeze(1)
    return points + F.grid_sample(shift, at, padding_mode="border", align_corners=False)[:, :, 0].transpose(1, 2)


def widen(field: Tensor) -> Tensor:
    """Interpolate a field of cells (N, C, 2) to all pixels (N, H, W, 2)."""
    shift = (field - grid(SIDE // CELL, CELL, field)).transpose(1, 2).unflatten(2, (SIDE // CELL, -1))
    fine = F.interpolate(shift, scale_factor=CELL, mode="bilinear", align_corners=False)
    return fine.permute(0, 2, 3, 1) + grid(SIDE, 1, field).unflatten(0, (SIDE, SIDE))


@torch.inference_mode()
def find_field(network: SpatialTransformer, fixed: Tensor, moving: Tensor, kind: str = "rigid") -> Tensor:
    """Return the field (H, W, 2), in pixels, that registers two lumas (1, 1, H, W) of any size.

    They are put into the middle of a square, and that is resized to the network's frame.
    """
    height, width = fixed.shape[-2:]
    side = max(height, width)
    left, top = (side - width) // 2, (side - height) // 2
    margins = (left, side - width - left, top, side - height - top)
    both = F.pad(torch.cat((fixed, moving)), margins)
    if side != SIDE:
        both = F.interpolate(both, size=(SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)
    found = network(both[:1], both[1:], kind).field
    shift = (found - grid(SIDE, 1, found).unflatten(0, (SIDE, SIDE))).permute(0, 3, 1, 2) * side / SIDE
    if side != SIDE:
        shift = F.interpolate(shift, size=(side, side), mode="bilinear", align_corners=False)
    field = shift[0].permute(1, 2, 0) + grid(side, 1, found).unflatten(0, (side, side))
    return field[top : top + height, left : left + width] - torch.tensor([left, top]).to(field)


@cache
def load_transformer(path: Path = WEIGHTS / "stn.safetensors") -> SpatialTransformer:
    """Load a trained network, ready for inference; a WdualmineError says where the file holds none."""
    tensors, metadata = read_tensors(path)
    try:
        network = SpatialTransformer(TransformerConfig(**metadata["transformer"]))
        network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    except (KeyError, TypeError, RuntimeError) as error:
        raise WdualmineError(f"{path}: holds no spatial transformer ({one_line(error)})") from error
    return network.to(memory_format=torch.channels_last).eval().requires_grad_(False)  # type: ignore[call-overload]


def register(
    moving: NDArray, fixed: NDArray, kind: str = "rigid", network: SpatialTransformer | None = None
) -> tuple[NDArray, NDArray[np.float64]]:
    """Register an MRI to a CT, PET or SPECT of the same size, by the package's network unless one is given.

    Args:
        moving: the MRI, (H, W) or (H, W, 3), uint8, uint16 or float in [0, 1].
        fixed: the other image, likewise.
        kind: "rigid", "affine" or "deformable".
        network: see :func:`load_transformer`.

    Returns:
        The MRI resampled, 0 where it shows nothing, of its own pixel type; and the field (H, W, 2): the point
        (x, y) of the moving image, in pixels, that each pixel shows.

    Raises:
        WdualmineError: there is no such kind, sizes differ, or an image is constant.
    """
    if kind not in KINDS:
        raise WdualmineError(f"kind {kind!r}: choose {', '.join(KINDS[:-1])} or {KINDS[-1]}")
    if moving.shape[:2] != fixed.shape[:2]:
        raise WdualmineError(f"sizes {moving.shape[:2]} and {fixed.shape[:2]} differ; resample them to one grid")
    for name, image in (("moving", moving), ("fixed", fixed)):
        if image.min() == image.max():
            raise WdualmineError(f"the {name} image is constant and cannot be registered; give another")
    lumas = luma_tensor(fixed, "fixed image"), luma_tensor(moving, "moving image")
    field = find_field(network or load_transformer(), *lumas, kind)
    layers = torch.from_numpy(moving.astype(np.float64).reshape(1, *moving.shape[:2], -1)).permute(0, 3, 1, 2)
    warped = sample(layers, field.double()[None])[0].permute(1, 2, 0).reshape(moving.shape).numpy()
    whole = warped if moving.dtype.kind == "f" else np.rint(warped)
    return whole.astype(moving.dtype), field.double().numpy()
