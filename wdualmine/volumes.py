"""Fusing volumes slice by slice, with their geometry kept."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from wdualmine.data.scans import Window, check_window
from wdualmine.data.volumes import Volume
from wdualmine.errors import WdualmineError
from wdualmine.fusion import Fuse
from wdualmine.registration import require_registered

#: Corners of two volumes may be so many millimeters apart and still be the same place.
APART = 0.5


def fuse_volumes(
    a: Volume,
    b: Volume,
    fuse: Fuse,
    axis: int = 2,
    windows: tuple[Window | None, Window | None] = (None, None),
    allow: bool = False,
    progress: Callable[[], None] = lambda: None,
) -> NDArray:
    """Fuse two volumes of one grid, slice by slice along an axis.

    Each volume's window is mapped to [0, 1], what is outside is cut off, and the fused [0, 1] is mapped to
    the window of the first volume: the result has its units and its type, or the next wider one where the
    window leaves that. No slice is stretched by itself, so
    that slices stay comparable.

    Args:
        a: first volume.
        b: second volume.
        fuse: how.
        axis: slices lie across it: 0, 1 or 2.
        windows: what of each volume's range to use, in its units; None takes all of it.
        allow: go on where the volumes do not lie on each other, or their middle slices seem not to.
        progress: called after every slice.

    Returns:
        (X, Y, Z), of a type that holds the first volume's values and its window.

    Raises:
        WdualmineError: the shapes differ, the places of the volumes differ by more than half a millimeter,
            their middle slices are evidently not registered, a window is empty, or there is no such axis.
    """
    if axis not in (0, 1, 2):
        raise WdualmineError(f"axis {axis}: choose 0, 1 or 2")
    if a.values.shape != b.values.shape:
        raise WdualmineError(
            f"{b.name}: has shape {b.values.shape} but {a.name} {a.values.shape}; resample it to one grid"
        )
    apart = distance(a, b)
    if apart > APART and not allow:
        raise WdualmineError(
            f"{b.name}: lies up to {apart:.1f} mm from {a.name} in scanner space; resample it to one grid, "
            "or go on with --allow"
        )
    low, high = _window(a, windows[0])
    ranges = ((low, high), _window(b, windows[1]))
    result = np.empty(a.values.shape, _holding(a.values.dtype, (low, high)))

    places = [(slice(None),) * axis + (number,) for number in range(a.values.shape[axis])]

    def lumas(place: tuple[slice | int, ...]) -> list[torch.Tensor]:
        return [_unit(volume.values[place], window) for volume, window in zip((a, b), ranges, strict=True)]

    if not allow:
        first, second = (luma[0, 0].numpy() for luma in lumas(places[len(places) // 2]))
        require_registered(first, second, (a.name, b.name))
    for place in places:
        with torch.inference_mode():
            fused = fuse(*lumas(place))[0, 0].double().clamp(0, 1).cpu().numpy()
        levels = low + fused * (high - low)
        result[place] = np.rint(levels) if result.dtype.kind in "iu" else levels
        progress()
    return result


def distance(a: Volume, b: Volume) -> float:
    """How far the corners of two volumes of one shape are apart in scanner space, at most, in millimeters."""
    if a.affine is None or b.affine is None:
        return 0.0
    ends = [(0, side - 1) for side in a.values.shape]
    corners = np.array([(x, y, z, 1) for x in ends[0] for y in ends[1] for z in ends[2]], dtype=np.float64).T
    return float(np.linalg.norm(((a.affine - b.affine) @ corners)[:3], axis=0).max())


def _window(volume: Volume, window: Window | None) -> Window:
    if window is not None:
        return check_window(window, volume.name)
    low, high = float(volume.values.min()), float(volume.values.max())
    if not low < high:
        raise WdualmineError(f"{volume.name}: window {low:g} to {high:g}; the volume is constant")
    return low, high


def _holding(dtype: np.dtype, window: Window) -> np.dtype:
    """The narrowest type that holds what a type holds and, of integers, the whole numbers of a window."""
    if dtype.kind == "f":
        return dtype
    own = np.iinfo(dtype)
    low, high = min(own.min, round(window[0])), max(own.max, round(window[1]))
    for wider in (dtype, *(np.dtype(name) for name in ("int16", "uint16", "int32", "uint32"))):
        held = np.iinfo(wider)
        if held.min <= low and high <= held.max:
            return wider
    return np.dtype(np.float64)


def _unit(values: NDArray, window: Window) -> torch.Tensor:
    """A slice (H, W) as luma (1, 1, H, W) in [0, 1]."""
    scaled = (values.astype(np.float64) - window[0]) / (window[1] - window[0])
    return torch.from_numpy(np.ascontiguousarray(np.clip(scaled, 0, 1), dtype=np.float32))[None, None]
