"""Registration by the spatial transformer: arrays of any size in, the same registered out."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from wdualmine.checkpoints import read_tensors
from wdualmine.errors import WdualmineError, one_line
from wdualmine.fusion import luma_tensor
from wdualmine_book.records import results_folder
from wdualmine_book.scans.stn import KINDS, SIDE, SpatialTransformer, TransformerConfig, grid, sample


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


#: The network of the record that was trained together with fusion, without the volumes of fold 0.
JOINT = results_folder() / "scans" / "joint-fold-0.safetensors"


@cache
def load_transformer(path: Path = JOINT) -> SpatialTransformer:
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
    """Register an MRI to a CT, PET or SPECT of the same size, by the record's network unless one is given.

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
        raise WdualmineError(
            f"sizes {moving.shape[:2]} and {fixed.shape[:2]} differ; resample them to one grid"
        )
    for name, image in (("moving", moving), ("fixed", fixed)):
        if image.min() == image.max():
            raise WdualmineError(f"the {name} image is constant and cannot be registered; give another")
    lumas = luma_tensor(fixed, "fixed image"), luma_tensor(moving, "moving image")
    field = find_field(network or load_transformer(), *lumas, kind)
    layers = torch.from_numpy(moving.astype(np.float64).reshape(1, *moving.shape[:2], -1)).permute(0, 3, 1, 2)
    warped = sample(layers, field.double()[None])[0].permute(1, 2, 0).reshape(moving.shape).numpy()
    whole = warped if moving.dtype.kind == "f" else np.rint(warped)
    return whole.astype(moving.dtype), field.double().numpy()
