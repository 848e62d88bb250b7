"""Are two sources registered? What a mirrored, turned or shifted one gives away, and what headers say."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from wdualmine.data.scans import read_geometry
from wdualmine.errors import WdualmineError
from wdualmine.fusion import luma_tensor
from wdualmine.metrics.entropy import entropy_of_counts

Levels = NDArray[np.uint8]

#: The images are compared at about this many pixels along the longer side, in this many grey levels.
SIDE, LEVELS = 64, 16
#: Shifts are searched up to this share of the side.
REACH = 0.19
#: Small turns that are tried, in degrees.
ANGLES = (-20, -15, -10, 10, 15, 20)
#: How much more two images must tell of each other once one is moved: as a factor, and in itself. No pair of
#: the 72 test pairs passes both as it is, the nearest 1.09 and 0.018; most shifts of 4 % of the side do.
FACTOR, GAIN = 1.12, 0.012
#: The same of volumes whose slices are reversed or shifted: none of the 28 volumes of the data passes both as
#: it is, the nearest 1.05 and 0.008; all do reversed.
VOLUME_FACTOR, VOLUME_GAIN = 1.08, 0.006
#: Smaller images have too few pixels to tell, and volumes of fewer slices too few of those.
SMALLEST, FEWEST = 64, 12
#: Corners of two sources may be so many millimeters apart and still be the same place.
APART = 0.5

#: How an image may lie, and what undoes that.
_ORIENTATIONS: dict[str, Callable[[Levels], Levels]] = {
    "mirrored left to right": lambda x: x[:, ::-1],
    "mirrored top to bottom": lambda x: x[::-1],
    "turned by 180 degrees": lambda x: x[::-1, ::-1],
    "turned by 90 degrees to the left": lambda x: np.rot90(x, -1),
    "turned by 90 degrees to the right": lambda x: np.rot90(x),
    "mirrored along a diagonal": lambda x: x.T,
    "mirrored along the other diagonal": lambda x: x[::-1, ::-1].T,
}


@dataclass(frozen=True)
class Misalignment:
    """What would register two images better."""

    what: str  #: in words, how the second image seems to lie, such as "mirrored left to right"
    given: float  #: normalized mutual information of the images as they are, 0 (none) to 1
    moved: float  #: the same once that is undone

    def __str__(self) -> str:
        return (
            f"seems {self.what} (undoing that raises the normalized mutual information from {self.given:.3f} "
            f"to {self.moved:.3f})"
        )

    @property
    def remedy(self) -> str:
        """What to do: no registration mirrors a source, or turns it by a right angle."""
        return f"{'try --register rigid' if 'about' in self.what else 'undo that'}, or go on with --allow"


def misalignment(
    a: NDArray, b: NDArray, names: tuple[str, str] = ("image A", "image B")
) -> Misalignment | None:
    """Look for an evident misalignment of two sources: mirrored, turned, or shifted by 3 % of the side.

    The second image is moved, coarsely, and its normalized mutual information with the first compared. What
    raises it by :data:`FACTOR` and :data:`GAIN` is evident. Images are (H, W) or (H, W, 3), uint8, uint16 or
    float in [0, 1].

    Returns:
        What is best undone. None, which is no proof of registration, where nothing is evident, or the images
        are smaller than 64 x 64 or more than about four times as long as wide.

    Raises:
        WdualmineError: a float image leaves [0, 1].

    Source: C. Studholme, D. L. G. Hill, D. J. Hawkes, 1999, DOI 10.1016/S0031-3203(98)00091-0 (the measure,
    less 1).
    """
    if min(a.shape[:2]) < SMALLEST:
        return None
    coarse_a, coarse_b = _coarse(a, names[0]), _coarse(b, names[1])
    if min(coarse_a.shape) < SIDE // 4:
        return None
    first, second = _levels(coarse_a), _levels(coarse_b)
    given = _information(first, second)
    moved = {what: undo(second) for what, undo in _ORIENTATIONS.items()}
    for angle in ANGLES:
        what = f"turned by about {abs(angle)} degrees to the {'left' if angle > 0 else 'right'}"
        moved[what] = _levels(_turned(coarse_b, angle))
    tried = [
        (_information(first, other), what) for what, other in moved.items() if other.shape == first.shape
    ]
    factor = _factor(a.shape)
    for information, down, right in _shifts(first, second):
        if max(abs(down), abs(right)) > 1:  # one coarse pixel is within what registered pairs show
            sides = ((down, "down" if down > 0 else "up"), (right, "right" if right > 0 else "left"))
            words = [f"{abs(step) * factor} pixels {side}" for step, side in sides if step]
            tried.append((information, f"shifted by about {' and '.join(words)}"))
    best, what = max(tried)
    if best < FACTOR * given or best < given + GAIN:
        return None
    return Misalignment(what, given, best)


def require_registered(a: NDArray, b: NDArray, names: tuple[str, str]) -> None:
    """Refuse two sources that are evidently not registered; other sizes are refused where they are fused."""
    if a.shape[:2] == b.shape[:2] and (found := misalignment(a, b, names)):
        raise WdualmineError(f"{names[1]}: {found} against {names[0]}; {found.remedy}")


def slice_misalignment(a: NDArray, b: NDArray, step: int = 1) -> Misalignment | None:
    """Look for slices that run in reversed order, or are shifted through the volume by up to a third of it.

    As :func:`misalignment`, of coarse float slices (N, H, W), each of which stands for `step` slices of the
    volume; but a shift is judged on the slices of the first volume that keep a partner.
    """
    first, second = _levels(a), _levels(b)
    count = len(first)
    tried = [(_information(first, second), _information(first, second[::-1]), "reversed, last slice first")]
    for shift in (shift for shift in range(-(count // 3), count // 3 + 1) if shift):
        part, moved = _overlap(count, shift)
        words = f"shifted by about {abs(shift) * step} slices toward the {'last' if shift > 0 else 'first'}"
        given = _information(first[part], second[part])
        tried.append((given, _information(first[part], second[moved]), words))
    given, moved_to, what = max(tried, key=lambda found: found[1] - VOLUME_FACTOR * found[0])
    if moved_to < VOLUME_FACTOR * given or moved_to < given + VOLUME_GAIN:
        return None
    return Misalignment(what, given, moved_to)


def volume_misalignment(
    slices: Callable[[int], tuple[NDArray, NDArray]], count: int, names: tuple[str, str]
) -> Misalignment | None:
    """Look for an evident misalignment of two volumes: of their middle slices, or of slices out of step.

    Of `count` slices, `slices` gives both volumes' of a number, (H, W) in [0, 1].
    """
    middle = slices(count // 2)
    found = misalignment(*middle, names)
    if found or count < FEWEST or min(middle[0].shape) < SMALLEST:
        return found
    step = _factor((count,))
    coarse = [
        [_coarse(image, name) for image, name in zip(slices(number), names, strict=True)]
        for number in range(0, count, step)
    ]
    first, second = map(np.stack, zip(*coarse, strict=True))
    return slice_misalignment(first, second, step)


def distance(a: NDArray, b: NDArray, shape: tuple[int, ...]) -> float:
    """Compute by how many millimeters the corners of two grids of one shape are apart, by affines (4, 4)."""
    corners = np.array(list(product(*((0, side - 1) for side in shape))), dtype=np.float64).T
    moved = (a - b)[:3, : len(shape)] @ corners + (a - b)[:3, 3:]
    return float(np.linalg.norm(moved, axis=0).max())


def require_one_place(a: Path, b: Path) -> None:
    """Refuse two DICOM slices whose headers say that they do not show one place.

    Compared is what both say: pixel spacings, frames of reference, and places, to half a millimeter.
    """
    first, second = read_geometry(a), read_geometry(b)
    if first is None or second is None or first.shape != second.shape:
        return  # other sizes are refused where they are fused
    if first.spacing is not None and second.spacing is not None:
        wider = np.abs(np.subtract(first.spacing, second.spacing)) * first.shape
        if wider.max() > APART:
            one, other = (f"{rows:g} x {columns:g} mm" for rows, columns in (first.spacing, second.spacing))
            what = f"has a pixel spacing of {other} but {a} of {one}"
            raise WdualmineError(f"{b}: {what}; resample it to one grid, or go on with --allow")
    if first.frame and second.frame and first.frame != second.frame:
        what = f"has another frame of reference than {a}, so their places cannot be compared"
        raise WdualmineError(f"{b}: {what}; register it and save it in one frame, or go on with --allow")
    if first.affine is not None and second.affine is not None:
        check_distance(distance(first.affine, second.affine, first.shape), (str(a), str(b)))


def check_distance(apart: float, names: tuple[str, str]) -> None:
    """Refuse two sources that are more than half a millimeter apart."""
    if not apart <= APART:
        what = f"is up to {apart:.1f} mm from {names[0]} in scanner space"
        raise WdualmineError(f"{names[1]}: {what}; resample it to one grid, or go on with --allow")


def _factor(shape: tuple[int, ...]) -> int:
    return max(1, round(max(shape[:2]) / SIDE))


def _coarse(image: NDArray, name: str) -> NDArray[np.float64]:
    """Luma in [0, 1], averaged over blocks of pixels."""
    luma = luma_tensor(image, name)[0, 0].double().numpy()
    factor = _factor(luma.shape)
    height, width = (side // factor for side in luma.shape)
    blocks = luma[: height * factor, : width * factor].reshape(height, factor, width, factor)
    return blocks.mean(axis=(1, 3))


def _turned(image: NDArray[np.float64], degrees: float) -> NDArray[np.float64]:
    """Turn an image about its center, black where it shows nothing: scipy's rotate, without its import."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    ratio = (image.shape[0] - 1) / (image.shape[1] - 1)
    turn = torch.tensor([[[cosine, sine * ratio, 0], [-sine / ratio, cosine, 0]]], dtype=torch.float64)
    grid = F.affine_grid(turn, [1, 1, *image.shape], align_corners=True)
    turned = F.grid_sample(torch.from_numpy(image)[None, None], grid, align_corners=True)[0, 0]
    return (turned * (grid[0].abs() <= 1 + 1e-9).all(dim=-1)).numpy()


def _levels(image: NDArray[np.float64]) -> Levels:
    """Grey levels of equal width between the least and the largest value."""
    low, high = image.min(), image.max()
    scaled = (image - low) / (high - low) if high > low else np.zeros_like(image)
    return np.minimum(scaled * LEVELS, LEVELS - 1).astype(np.uint8)


def mutual_information(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Compute the normalized mutual information of two arrays of one shape, in 16 levels: 0 (none) to 1."""
    return _information(_levels(x), _levels(y))


def _information(x: Levels, y: Levels) -> float:
    """(H(x) + H(y)) / H(x, y) - 1: 0 where they are independent, 1 where each determines the other."""
    joint = np.bincount((x.astype(np.intp) * LEVELS + y).ravel(), minlength=LEVELS**2).reshape(LEVELS, LEVELS)
    of_x, of_y, of_both = (
        entropy_of_counts(counts) for counts in (joint.sum(axis=1), joint.sum(axis=0), joint.ravel())
    )
    return (of_x + of_y) / of_both - 1 if of_both else 0.0


def _shifts(first: Levels, second: Levels) -> list[tuple[float, int, int]]:
    """Information with the second image moved back by so many coarse pixels from below and from the right."""
    height, width = first.shape
    reach = max(2, round(REACH * min(height, width)))
    found = []
    for down, right in product(range(-reach, reach + 1), repeat=2):
        (rows, moved_rows), (columns, moved_columns) = _overlap(height, down), _overlap(width, right)
        information = _information(first[rows, columns], second[moved_rows, moved_columns])
        found.append((information, down, right))
    return found


def _overlap(count: int, shift: int) -> tuple[slice, slice]:
    """Where two rows of so many places overlap once the second is moved back: in the first, in the second."""
    return slice(max(-shift, 0), count - max(shift, 0)), slice(max(shift, 0), count + min(shift, 0))
