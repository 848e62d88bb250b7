"""Volumes: the light network in three dimensions beside the same network slice by slice, and simple rules.

A record of kind "volumes" has a row a method and volume. A network never saw the volumes that it is scored
on. What is reached is asked with the margins below, which were set before anything was measured.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import ndimage
from skimage.metrics import structural_similarity

from wdualmine.fusion import Fuse
from wdualmine.methods import LIGHT, load_fuse
from wdualmine.methods.registry import LIGHT_3D
from wdualmine.progress import task_bar
from wdualmine.recovery.observers import REGION, Clutter, look
from wdualmine.recovery.signals import Signal, head, place_signals
from wdualmine.volumes import continuity
from wdualmine_book.recorder import Parts, Request
from wdualmine_book.records import results_folder
from wdualmine_book.recovery.baselines import BASELINES
from wdualmine_book.scans.stacks import Stack, load_stacks

#: The folds that there is a network of; their volumes are scored.
VOLUME_FOLDS = (0,)
#: Margins, set before measuring: continuity within this share of the mean of the two sources alone; CC and
#: search efficiency no lower than slice by slice by more than these.
CONTINUITY_SHARE = 0.05
CC_MARGIN = 0.001
SEARCH_MARGIN = 0.03

#: A sphere's standard deviation across slices, in slices, and how many it reaches to each side.
SLICE_SIZE = 1.0
SLICE_REACH = 2
#: Spheres around a slice and in a source, at most.
SPHERES = 5
SEED = 20_261_127
#: Standard deviation of the smoothing across slices, in slices.
SMOOTHING = 1.0

Levels = NDArray[np.float64]
#: A method of volumes: two (D, H, W) in [0, 1] to grey levels (D, H, W), not rounded.
FuseVolume = Callable[[NDArray, NDArray], Levels]


def volumes(request: Request) -> pd.DataFrame:
    """Score methods on the stacks of :data:`VOLUME_FOLDS` and give the rows of the record.

    Returns:
        Columns pair (the volume's number), slices, method; CC and SSIM in three dimensions (means over the
        two sources); ``continuity`` (:func:`~wdualmine.volumes.continuity`); ``neighbors``, the mean
        correlation of neighboring slices; ``recovery_a`` and ``recovery_b`` of spheres, ``scatter`` of their
        recoveries from slice to slice; ``found_a`` and ``found_b``, the shares found of ``spheres_a`` and
        ``spheres_b``.
    """
    stacks = [(k, s) for k in VOLUME_FOLDS for s in load_stacks(request.source, request.task.key, "test", k)]
    stacks, part = stacks[: len(request.pairs)], Parts(request)
    tables = []
    with task_bar(f"{request.task.key} volumes", len(stacks) * len(METHODS), request.progress) as advance:
        for name in METHODS:
            fuse = {fold: volume_method(name, fold) for fold in VOLUME_FOLDS}
            for fold, stack in stacks:
                row = {"pair": stack.name, "slices": len(stack.a), "method": name}
                tables.append(part(f"{name}-{stack.name}", partial(_measured, row, fuse[fold], stack)))
                advance()
    part.clear()
    return pd.concat(tables, ignore_index=True).assign(task=request.task.key, split="test", stretch=False)


def _measured(row: dict[str, Any], fuse: FuseVolume, stack: Stack) -> pd.DataFrame:
    return pd.DataFrame([row | measure_volume(fuse, stack)])


SMOOTHED = "-smoothed"
#: What is scored, the network in three dimensions last.
METHODS = (
    LIGHT.name,
    "average",
    "maximum",
    "detail-average",
    "first-source",
    "second-source",
    f"{LIGHT.name}{SMOOTHED}",
    f"average{SMOOTHED}",
    LIGHT_3D.name,
)


def volume_method(name: str, fold: int) -> FuseVolume:
    """Return a method of :data:`METHODS`; a network is that of a fold."""
    if name.endswith(SMOOTHED):
        return smoothed(volume_method(name.removesuffix(SMOOTHED), fold))
    if name == LIGHT_3D.name:
        return as_a_whole(load_fuse(LIGHT_3D, volume_weights(fold)))
    if name == LIGHT.name:
        return slice_by_slice(load_fuse(LIGHT, light_weights(fold)))
    return slice_by_slice(BASELINES[name] if name in BASELINES else load_fuse(name))


def light_weights(fold: int) -> Path:
    """Return the folder of the light network of a fold."""
    return results_folder() / "light" / f"all-fold-{fold}-seed0"


def volume_weights(fold: int) -> Path:
    """Return the folder of the light network in three dimensions of a fold."""
    return results_folder() / "scans" / f"light-3d-fold-{fold}"


def as_a_whole(fuse: Fuse) -> FuseVolume:
    """Apply a network in three dimensions to a volume."""

    def whole(a: NDArray, b: NDArray) -> Levels:
        with torch.inference_mode():
            fused = fuse(*(torch.from_numpy(x)[None, None].float() for x in (a, b)))
        return fused[0, 0].double().numpy() * 255

    return whole


def slice_by_slice(fuse: Fuse) -> FuseVolume:
    """Apply a method of images to each slice of a volume."""

    def slices(a: NDArray, b: NDArray) -> Levels:
        return np.concatenate([as_a_whole(fuse)(x, y)[None] for x, y in zip(a, b, strict=True)])

    return slices


def smoothed(fuse: FuseVolume) -> FuseVolume:
    """Blur what a method gives across slices, which makes any volume smooth from slice to slice."""
    return lambda a, b: ndimage.gaussian_filter1d(fuse(a, b), SMOOTHING, axis=0, mode="nearest")


def measure_volume(fuse: FuseVolume, stack: Stack) -> dict[str, Any]:
    """Score a method on a stack; see :func:`volumes` for what is measured."""
    sources = {"a": stack.a, "b": stack.b}
    fused = fuse(*(source / np.float32(255) for source in sources.values()))
    levels = np.rint(fused.clip(0, 255)).astype(np.uint8)
    scores: dict[str, Any] = {
        "CC": np.mean([correlation(levels, source) for source in sources.values()]),
        "SSIM": np.mean(
            [structural_similarity(levels, source, win_size=7, data_range=255) for source in sources.values()]
        ),
        "continuity": continuity(stack.a, stack.b, levels),
        "neighbors": np.mean([correlation(x, y) for x, y in zip(levels[1:], levels[:-1], strict=True)]),
    }
    scatters: list[float] = []
    for source, drawn in draw_spheres(stack).items():
        own = fuse(*(insert_spheres(x, drawn if name == source else ()) for name, x in sources.items()))
        recoveries = np.array([sphere_recovery(own - fused, *sphere) for sphere in drawn])
        found = search(fused, own, drawn, stack)
        scores |= {
            f"recovery_{source}": recoveries.mean(),
            f"found_{source}": np.mean(found),
            f"spheres_{source}": len(drawn),
        }
        scatters += list(recoveries.std(axis=1))
    return scores | {"scatter": np.mean(scatters)}


def correlation(x: NDArray, y: NDArray) -> float:
    """Pearson correlation of two arrays of one shape, uint8; 0 where one is constant."""
    x, y = (array.ravel().astype(np.float64) - array.mean() for array in (x, y))
    scale = math.sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / scale if scale else 0.0


#: A sphere: its cross-section in the middle slice, and the number of that slice.
Sphere = tuple[Signal, int]


def profile() -> Levels:
    """Amplitudes of a sphere in its slices, 1 in the middle, (2 SLICE_REACH + 1,)."""
    return np.exp(-(np.arange(-SLICE_REACH, SLICE_REACH + 1) ** 2) / (2 * SLICE_SIZE**2))


def draw_spheres(stack: Stack) -> dict[str, list[Sphere]]:
    """Draw Gaussian spheres for each source, none of which touches another or leaves the range of levels."""
    drawn: dict[str, list[Sphere]] = {"a": [], "b": []}
    for middle in range(SLICE_REACH, len(stack.a) - SLICE_REACH, 2 * SLICE_REACH + 1):
        inside = head(stack.a[middle], stack.b[middle])
        for number, (source, levels) in enumerate((("a", stack.a), ("b", stack.b))):
            generator = np.random.default_rng((SEED, stack.volume, middle, number))
            for signal in place_signals(levels[middle], inside, "gaussian", SPHERES, generator):
                changed = levels[_slices(middle)][:, *signal.window] + _sphere(signal)
                if changed.min() >= 0 and changed.max() <= 255:
                    drawn[source].append((signal, middle))
    return drawn


def _slices(middle: int) -> slice:
    return slice(middle - SLICE_REACH, middle + SLICE_REACH + 1)


def _sphere(signal: Signal) -> Levels:
    return profile()[:, None, None] * signal.template


def insert_spheres(levels: NDArray[np.uint8], drawn: Sequence[Sphere]) -> NDArray[np.float32]:
    """Put spheres into a source (D, H, W) and return it in [0, 1]."""
    changed = levels.astype(np.float64)
    for signal, middle in drawn:
        changed[_slices(middle)][:, *signal.window] += _sphere(signal)
    return (changed / 255).astype(np.float32)


def sphere_recovery(difference: Levels, signal: Signal, middle: int) -> Levels:
    """Return how much of a sphere is kept in each of its slices, (5,): 1 whole, 0 lost."""
    shape = _sphere(signal)
    own = difference[_slices(middle)][:, *signal.window]
    return (own * shape).sum(axis=(1, 2)) / (shape**2).sum(axis=(1, 2))


def search(without: Levels, fused: Levels, drawn: Sequence[Sphere], stack: Stack) -> list[bool]:
    """Say of each sphere whether a matched filter finds it in its middle slice, as of spots in an image."""
    found, clutters = [], {}
    shifts = np.random.default_rng((SEED, stack.volume))
    for signal, middle in drawn:
        if middle not in clutters:
            inside = head(stack.a[middle], stack.b[middle])
            clutters[middle] = Clutter(without[middle][None], inside)
        image = fused[middle][None]
        shift = shifts.integers(-REGION, REGION + 1, 2)
        seen = look(signal, shift, image, image - without[middle][None], clutters[middle])
        found.append(bool(seen.search(np.ones(1))[0]))
    return found
