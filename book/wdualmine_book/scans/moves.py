"""Known random moves: rigid ones in three ranges, and smooth fields.

Every move is drawn from a seed, the pair's name and the condition, so that all methods get the same ones and
a record can be made again. A field p says where the moved image takes each of its pixels from; an answer q,
where the registered image takes its pixels from in the moved one, is right where p(q(x)) = x. So p is drawn
with a margin around the image, (H + 2 MARGIN, W + 2 MARGIN, 2), for what is moved out of it.
"""

import zlib
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch.nn import functional as F

from wdualmine_book.scans.stn import sample

Array = NDArray[np.float64]
#: Seed of the moves that are judged; training draws its own.
SEED = 20_261_127
#: Rigid moves: a shift of up to so many pixels along either axis, and a turn of up to so many degrees.
RIGID = {"still": (0, 0), "4 px, 2°": (4, 2), "12 px, 5°": (12, 5), "25 px, 10°": (25, 10)}
#: Smooth random fields, by their mean length in pixels over the image.
SMOOTH = {"field of 2 px": 2, "field of 4 px": 4}
CONDITIONS = (*RIGID, *SMOOTH)
#: Standard deviation in pixels of the Gaussian that makes noise a smooth field.
SMOOTHNESS = 24
#: Pixels around the image in which a move is known, too.
MARGIN = 64


def draw_move(condition: str, name: str, shape: tuple[int, ...], seed: int = SEED) -> Array:
    """Draw the field p of a condition for the pair of a name, with its margin; points are (x, y)."""
    rng = np.random.default_rng((seed, zlib.crc32(name.encode()), CONDITIONS.index(condition)))
    if condition in SMOOTH:
        return identity(shape, MARGIN) + smooth_shift(rng, shape, SMOOTH[condition])
    pixels, degrees = RIGID[condition]
    return rigid_field(shape, rng.uniform(-pixels, pixels, 2), rng.uniform(-degrees, degrees))


def identity(shape: tuple[int, ...], margin: int = 0) -> Array:
    """Return the field that moves nothing, (H, W, 2) and a margin around it."""
    rows, columns = np.mgrid[-margin : shape[0] + margin, -margin : shape[1] + margin].astype(float)
    return np.stack((columns, rows), axis=-1)


def rigid_field(shape: tuple[int, ...], shift: Any, degrees: float) -> Array:
    """Return the field of a turn about the image's center, then a shift (x, y) in pixels, with its margin."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    center = (np.array(shape[1::-1]) - 1) / 2
    return (identity(shape, MARGIN) - center) @ np.array([[cosine, sine], [-sine, cosine]]) + center + shift


def smooth_shift(rng: np.random.Generator, shape: tuple[int, ...], mean: float) -> Array:
    """Return smoothed white noise, with its margin, whose mean length over the image is given in pixels."""
    noise = rng.standard_normal((shape[0] + 2 * MARGIN, shape[1] + 2 * MARGIN, 2))
    shift = ndimage.gaussian_filter(noise, (SMOOTHNESS, SMOOTHNESS, 0))
    return shift * mean / np.linalg.norm(within(shift), axis=-1).mean()


def within(field: Array) -> Array:
    """Return a field without its margin."""
    return field[MARGIN:-MARGIN, MARGIN:-MARGIN]


def move_image(image: NDArray[np.uint8], move: Array) -> NDArray[np.uint8]:
    """Move an image (H, W), 8 bits, between pixels linearly; what comes in from outside is 0."""
    levels = torch.from_numpy(image.astype(np.float64))[None, None]
    return np.rint(sample(levels, torch.from_numpy(within(move))[None])[0, 0].numpy()).astype(np.uint8)


def errors(move: Array, answer: Array) -> Array:
    """Return how far from its place each pixel of the registered image was taken, (H, W): |p(q(x)) - x|.

    Args:
        move: p, with its margin, beyond which it goes on as at its border.
        answer: q, (H, W, 2).
    """
    shape = answer.shape
    shift = torch.from_numpy(move - identity(shape, MARGIN)).permute(2, 0, 1)[None]
    size = torch.tensor(shift.shape[:-3:-1], dtype=shift.dtype)
    at = (2 * torch.from_numpy(answer + MARGIN)[None] + 1) / size - 1
    found = F.grid_sample(shift, at, padding_mode="border", align_corners=False)[0].permute(1, 2, 0).numpy()
    return np.linalg.norm(answer + found - identity(shape), axis=-1)
