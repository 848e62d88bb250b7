"""Scans as they come, in pictures: what misalignment costs, and a volume from three sides."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from wdualmine.data import Pair, get_task
from wdualmine.fusion import Fuse, fuse_images
from wdualmine.methods import LIGHT
from wdualmine.records import Run
from wdualmine.report.style import COLORS, styled
from wdualmine_book.figures.style import NARROW, styled_on_black
from wdualmine_book.systems.ghosting import MOVES, moved
from wdualmine_book.systems.ghosting_tables import UNITS, ghosting_table
from wdualmine_book.titles import title

#: The methods that are drawn: a rule of each kind, and a network of each.
DRAWN = {"average": "0.45", "maximum": "black", "ifcnn": COLORS[0], LIGHT.name: COLORS[3]}
SHIFT = 8  # pixels


@styled_on_black
def plot_ghosted(pair: Pair, task: str, fuse: Fuse) -> Figure:
    """Show a pair fused where it lay and with the MRI shifted, a panel each; nothing is stretched."""
    first, _ = get_task(task).modalities
    figure, grid = plt.subplots(1, 3, figsize=(NARROW, NARROW / 3 + 0.3), layout="constrained")
    away = moved(pair.image_b, "shift", SHIFT)
    panels = {
        first: pair.image_a,
        "fused": fuse_images(pair.image_a, pair.image_b, fuse, stretch=False),
        f"fused, {SHIFT} px off": fuse_images(pair.image_a, away, fuse, stretch=False),
    }
    for axes, (name, image) in zip(grid, panels.items(), strict=True):
        axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set(title=name)
        axes.set_axis_off()
    return figure


@styled
def plot_ghosting(run: Run) -> Figure:
    """Draw CC with the registered scans against how far the MRI is shifted: four methods of a task."""
    figure, axes = plt.subplots(figsize=(NARROW, 2.6), layout="constrained")
    table = ghosting_table(run)
    for name, color in DRAWN.items():
        own = table[(table["move"] == "shift") & (table["method"] == name)]
        if len(own):
            axes.plot(own["amount"], own["CC"], marker="o", color=color, label=title(name))
    axes.set(xlabel=f"shift of the MRI, {UNITS['shift']}", ylabel=f"CC, {get_task(run.info.task).folder}")
    axes.set_xticks([0, *MOVES["shift"]])
    axes.legend()
    return figure


@styled_on_black
def plot_planes(volumes: Mapping[str, NDArray[np.uint8]], center: Sequence[int], aspect: float) -> Figure:
    """Show volumes from three sides through one point, marked by a cross: a row a volume.

    Args:
        volumes: (D, H, W) by title.
        center: slice, row and column of the point.
        aspect: distance of two slices over that of two pixels.
    """
    depth, row, column = center
    figure, grid = plt.subplots(
        len(volumes),
        3,
        figsize=(NARROW, NARROW / 3 * len(volumes) + 0.2),
        layout="constrained",
        squeeze=False,
    )
    for line, (name, volume) in zip(grid, volumes.items(), strict=True):
        planes = (
            (volume[depth], 1.0, column, row),
            (volume[::-1, row], aspect, column, len(volume) - 1 - depth),
            (volume[::-1, :, column], aspect, row, len(volume) - 1 - depth),
        )
        for axes, (image, ratio, x, y) in zip(line, planes, strict=True):
            axes.imshow(image, cmap="gray", vmin=0, vmax=255, aspect=ratio, interpolation="nearest")
            axes.axvline(x, color=COLORS[1], linewidth=0.5)
            axes.axhline(y, color=COLORS[1], linewidth=0.5)
            axes.set_axis_off()
        line[0].set_title(name)
    return figure
