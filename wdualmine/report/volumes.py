"""A report on fused volumes: their slices are scored as images, and three planes are shown."""

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from wdualmine.data.images import write_image
from wdualmine.data.pairs import check_folder_order
from wdualmine.data.scans import Window, show
from wdualmine.data.volumes import Volume, read_volume
from wdualmine.errors import WdualmineError
from wdualmine.registration.align import Alignment, align_volumes, on_one_grid
from wdualmine.report.figures import PICTURE, inline_picture
from wdualmine.report.groups import Grouping
from wdualmine.report.measure import Findings, Judged, check_names, judge
from wdualmine.report.write import write_report
from wdualmine.volumes import continuity, evident_misalignment, window_of

PLANES = ("sagittal", "coronal", "axial")


def report_volumes(
    a: Path,
    b: Path,
    judged: Sequence[Judged],
    output: Path,
    axis: int | None = None,
    at: Sequence[int] | None = None,
    windows: tuple[Window | None, Window | None, Window | None] = (None, None, None),
    transform: Path | None = None,
    allow: bool = False,
    **options: Any,
) -> tuple[Findings, Path]:
    """Judge fused volumes slice by slice beside trivial fusions of the same slices, and write the report.

    Args:
        a: the first source: NIfTI, a NumPy array, or a folder that holds a DICOM series.
        b: the second source, brought onto the grid of the fused volumes by the headers.
        judged: the methods with their fused volumes, all on the grid of one source.
        output: the folder for the report.
        axis: slices are across it, 0, 1 or 2; default: axial.
        at: the voxel that the planes go through, counted from 0; default: the middle.
        windows: what is shown of A, of B and of the fused volumes, in their units; by default the whole range
            of each source, and for the fused volumes the window of A, as `fuse` writes them.
        transform: the file that `fuse` wrote with a registration.
        allow: go on with volumes that are evidently not registered, and say so.
        **options: see :func:`~wdualmine.report.judge`.

    Returns:
        What was found, and the page.

    Raises:
        WdualmineError: a volume cannot be read, the fused ones are on no source's grid, a window shows
            nothing or leaves out a part of a fused volume, or what :func:`~wdualmine.report.judge` refuses.
    """
    check_names(judged)
    check_folder_order(a, b)
    first, second = read_volume(a), read_volume(b)
    fused = [read_volume(method.fused) for method in judged]
    grid = next((side for side, source in (("a", first), ("b", second)) if on_one_grid(source, fused[0])), "")
    if odd := next((volume for volume in fused if not (grid and on_one_grid(volume, fused[0]))), None):
        what = f"is not on the grid of {fused[0].name}" if grid else "is on the grid of neither source"
        raise WdualmineError(f"{odd.name}: {what}; fuse onto one grid, or resample it")
    first, second, said = align_volumes(first, second, Alignment(None, grid, transform), allow)
    if said:
        print(said, file=sys.stderr)
    shape = first.values.shape
    if axis not in (None, 0, 1, 2):
        raise WdualmineError(f"--axis {axis}: choose 0, 1 or 2")
    across = first.axial if axis is None else axis
    place = at or tuple(side // 2 for side in shape)
    if not all(0 <= voxel < side for voxel, side in zip(place, shape, strict=True)):
        inside = ", ".join(f"0 to {side - 1}" for side in shape)
        raise WdualmineError(f"--at {','.join(map(str, place))}: is outside the volume; give {inside}")
    ranges = window_of(first, windows[0]), window_of(second, windows[1])
    found = evident_misalignment(first, second, across, ranges)
    if found and not allow:
        raise WdualmineError(f"{second.name}: {found} against {first.name}; {found.remedy}")
    names = "source A", "source B", *(method.name for method in judged)
    volumes = dict(zip(names, (first, second, *fused), strict=True))
    limits = (*ranges, *(_fused_window(volume, windows[2], ranges[0]) for volume in fused))
    levels = {
        name: np.stack([show(part, limit, np.uint8) for part in np.moveaxis(volume.values, across, 0)])
        for (name, volume), limit in zip(volumes.items(), limits, strict=True)
    }
    kept = [k for k in range(shape[across]) if all(part[k].min() < part[k].max() for part in levels.values())]
    if not kept:
        raise WdualmineError(f"{fused[0].name}: no slice shows anything in all volumes; give other windows")
    plane = _planes_of(first)[across]
    with tempfile.TemporaryDirectory(prefix="wdualmine-") as folder:
        folders = [Path(folder) / str(number) for number in range(len(levels))]
        for path, part in zip(folders, levels.values(), strict=True):
            for k in kept:
                write_image(path / f"{plane}-{k:03d}.png", part[k])
        slices = [replace(method, fused=path) for method, path in zip(judged, folders[2:], strict=True)]
        findings = judge(folders[0], folders[1], slices, allow=True, groups="^[a-z]+", **options)
        windowed = (
            f"{low:g} to {high:g} of {name}" for (low, high), name in zip(limits, levels, strict=True)
        )
        source = (
            f"Each pair is a slice, and the volume counts once: scores are means over {len(kept)} of "
            f"{shape[across]} {plane} slices, those that show something in every volume, in 8 bits "
            f"({', '.join(windowed)})."
        )
        findings.groups = Grouping(findings.groups.volumes, source)
        findings.misaligned = [f"Source B {found}."] if found else []
        if shape[across] > 1:
            one, other = levels["source A"], levels["source B"]
            average = np.rint(one / 2 + other / 2).astype(np.uint8)
            shown = {"average": average, **levels}
            findings.continuity = {name: continuity(one, other, part) for name, part in shown.items()}
        whole = {name: np.moveaxis(part, 0, across) for name, part in levels.items()}
        findings.planes = _draw_planes(whole, first, place)
        return findings, write_report(findings, output)


def _fused_window(volume: Volume, window: Window | None, source: Window) -> Window:
    if window is not None:
        return window_of(volume, window)
    low, high = source
    least, greatest = float(volume.values.min()), float(volume.values.max())
    slack = 0.5 if volume.values.dtype.kind in "iu" else 1e-6 * (high - low)
    if least < low - slack or greatest > high + slack:
        what = f"holds {least:g} to {greatest:g}, more than source A's window of {low:g} to {high:g}"
        raise WdualmineError(f"{volume.name}: {what}; say what to show with --window-fused LOW,HIGH")
    return low, high


def _orientation(volume: Volume) -> NDArray:
    """Return what turns a volume's axes to the patient's left, front and head, as nibabel has it."""
    from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

    if volume.affine is None:
        return np.array([(0, 1), (1, 1), (2, 1)])
    return ornt_transform(io_orientation(volume.affine), axcodes2ornt("LAS"))


def _planes_of(volume: Volume) -> list[str]:
    """Return what slices across each axis are called."""
    if volume.affine is None:
        return ["slice"] * 3
    return [PLANES[int(axis)] for axis in _orientation(volume)[:, 0]]


def _draw_planes(
    volumes: dict[str, NDArray[np.uint8]], like: Volume, place: Sequence[int]
) -> list[dict[str, Any]]:
    """Draw the planes through a voxel of some volumes, as they lie in the patient, with lines that cross."""
    from nibabel.orientations import apply_orientation

    turned = _orientation(like)
    order = np.argsort(turned[:, 0])
    spacing = np.ones(3) if like.affine is None else np.linalg.norm(like.affine[:3, :3], axis=0)[order]
    sides = np.array(next(iter(volumes.values())).shape)
    voxel = np.where(turned[:, 1] > 0, place, sides - 1 - place)[order]
    sides, names = sides[order], np.array(_planes_of(like))[order]
    drawn = []
    for axis in (2, 1, 0):
        right, up = (other for other in range(3) if other != axis)
        size = np.array([sides[right] * spacing[right], sides[up] * spacing[up]])
        width, height = np.maximum(1, np.rint(PICTURE * size / size.max()).astype(int)).tolist()
        x = width * (voxel[right] + 0.5) / sides[right]
        y = height * (1 - (voxel[up] + 0.5) / sides[up])
        title = f"{names[axis]}, {place[order[axis]]} of 0 to {sides[axis] - 1}"
        images = []
        for name, values in volumes.items():
            part = np.take(apply_orientation(values, turned), voxel[axis], axis).T[::-1]
            picture = Image.fromarray(np.ascontiguousarray(part)).resize((width, height)).convert("RGB")
            lines = ImageDraw.Draw(picture)
            lines.line([(x, 0), (x, height)], "#ffd400")
            lines.line([(0, y), (width, y)], "#ffd400")
            images.append({"source": inline_picture(picture), "caption": name, "alt": f"{title}, {name}"})
        drawn.append({"title": title, "images": images})
    return drawn
