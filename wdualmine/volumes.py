"""Fusing volumes slice by slice, with their geometry kept."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from wdualmine.data.scans import Window, check_window, show
from wdualmine.data.volumes import Volume
from wdualmine.errors import WdualmineError
from wdualmine.fusion import Fuse, check_fused
from wdualmine.registration import SMALLEST, check_distance, distance, require_registered_slices


def fuse_volumes(
    a: Volume,
    b: Volume,
    fuse: Fuse,
    axis: int = 2,
    windows: tuple[Window | None, Window | None] = (None, None),
    allow: bool = False,
    progress: Callable[[], None] = lambda: None,
) -> NDArray:
    """Fuse two volumes of one grid, slice by slice across an axis: 0, 1 or 2.

    Each volume's window, in its units (all of its range where it is None), is mapped to [0, 1], and the fused
    [0, 1] to the window of the first volume: the result has its units and its type, or the next wider one
    where the window leaves that. No slice is stretched by itself. Progress is called after every slice.

    Raises:
        WdualmineError: the shapes differ, a window is empty or shows nothing, `fuse` gives no image of a
            slice's size, or, unless allowed, the places of the volumes differ by more than half a millimeter
            or their slices are evidently not registered.
    """
    if a.values.shape != b.values.shape:
        shapes = f"has shape {b.values.shape} but {a.name} {a.values.shape}"
        raise WdualmineError(f"{b.name}: {shapes}; wdualmine.registration.align_volumes makes them alike")
    if not allow and a.affine is not None and b.affine is not None:
        check_distance(distance(a.affine, b.affine, a.values.shape), (a.name, b.name))
    low, high = _window(a, windows[0])
    ranges = ((low, high), _window(b, windows[1]))
    result = np.empty(a.values.shape, _holding(a.values.dtype, (low, high)))

    def lumas(axis: int, number: int) -> tuple[NDArray, NDArray]:
        place = (slice(None),) * axis + (number,)
        return show(a.values[place], ranges[0], np.float32), show(b.values[place], ranges[1], np.float32)

    if not allow:
        sides = a.values.shape
        # Slices across the shortest side are the largest, where those asked for are too small to tell.
        across = axis if min(np.delete(sides, axis)) >= SMALLEST else int(np.argmin(sides))
        require_registered_slices(partial(lumas, across), sides[across], (a.name, b.name))
    for number in range(a.values.shape[axis]):
        with torch.inference_mode():
            arrays = map(np.ascontiguousarray, lumas(axis, number))
            luma_a, luma_b = (torch.from_numpy(array)[None, None] for array in arrays)
            fused = check_fused(fuse(luma_a, luma_b), luma_a, f"slice {number} of {a.name}")
        levels = low + fused[0, 0].double().clamp(0, 1).cpu().numpy() * (high - low)
        result[(slice(None),) * axis + (number,)] = np.rint(levels) if result.dtype.kind in "iu" else levels
        progress()
    return result


def _window(volume: Volume, window: Window | None) -> Window:
    if window is not None:
        return check_window(window, volume.name, volume.values)
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
