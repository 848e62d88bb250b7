"""Fusing volumes slice by slice or as a whole, with their geometry kept."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from wdualmine.data.scans import Window, check_window, show
from wdualmine.data.volumes import Volume
from wdualmine.errors import WdualmineError
from wdualmine.fusion import Fuse, check_fused
from wdualmine.metrics.mutual_information import mutual_information
from wdualmine.registration.check import SMALLEST, Misalignment, check_distance, distance, volume_misalignment


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

    A network in three dimensions fuses the whole; that axis is the one across slices.

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
    low, high = window_of(a, windows[0])
    ranges = ((low, high), window_of(b, windows[1]))
    result = np.empty(a.values.shape, _holding(a.values.dtype, (low, high)))
    if not allow and (found := evident_misalignment(a, b, axis, ranges)):
        raise WdualmineError(f"{b.name}: {found} against {a.name}; {found.remedy}")
    target, count = np.moveaxis(result, axis, 0), a.values.shape[axis]
    for part in (slice(None),) if getattr(fuse, "volumetric", False) else range(count):
        with torch.inference_mode():
            arrays = map(np.ascontiguousarray, _lumas(a, b, ranges, axis, part))
            luma_a, luma_b = (torch.from_numpy(array)[None, None] for array in arrays)
            what = f"slice {part} of {a.name}" if isinstance(part, int) else a.name
            fused = check_fused(fuse(luma_a, luma_b), luma_a, what)
        levels = low + fused[0, 0].double().clamp(0, 1).cpu().numpy() * (high - low)
        target[part] = np.rint(levels) if result.dtype.kind in "iu" else levels
        for _ in range(len(levels) if levels.ndim == 3 else 1):
            progress()
    return result


def evident_misalignment(
    a: Volume, b: Volume, axis: int, ranges: tuple[Window, Window]
) -> Misalignment | None:
    """Look for what would register two volumes of one grid better, slice by slice across an axis."""
    sides = a.values.shape
    # Slices across the shortest side are the largest, where those asked for are too small to tell.
    across = axis if min(np.delete(sides, axis)) >= SMALLEST else int(np.argmin(sides))
    return volume_misalignment(partial(_lumas, a, b, ranges, across), sides[across], (a.name, b.name))


def _lumas(
    a: Volume, b: Volume, ranges: tuple[Window, Window], axis: int, part: int | slice
) -> tuple[NDArray, NDArray]:
    """Return slices across an axis of two volumes, in [0, 1]."""
    first, second = (np.moveaxis(volume.values, axis, 0)[part] for volume in (a, b))
    return show(first, ranges[0], np.float32), show(second, ranges[1], np.float32)


def continuity(a: NDArray[np.uint8], b: NDArray[np.uint8], fused: NDArray[np.uint8]) -> float:
    """Compute IFD_MI: what the fused volume's changes from slice to slice tell about those of the sources.

    Mutual information, in bits, of the differences of neighboring slices, (D, H, W) uint8, of either source
    and of the fused volume, summed over the sources, mean over the pairs of slices. Differences are taken to
    two grey levels, so that there are 256 of them.

    Source: O. Rockinger, 1997, DOI 10.1109/ICIP.1997.632093.
    """
    changes = [(255 + np.diff(x.astype(np.int16), axis=0)) // 2 for x in (a, b, fused)]
    pairs = zip(*(change.astype(np.uint8) for change in changes), strict=True)
    return float(np.mean([mutual_information(*pair) for pair in pairs]))


def window_of(volume: Volume, window: Window | None) -> Window:
    """Return a volume's window, its whole range where there is none, or raise where that shows nothing."""
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
