"""Signal recovery in pictures: the front between correlation and recovery, and a detail that methods hide."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy import ndimage

from wdualmine.data import Pair, get_task
from wdualmine.fusion import Fuse, fuse_images
from wdualmine.methods import CLASSICAL, W_DUALMINE_RECOVERY
from wdualmine.recovery.scoring import SCALES
from wdualmine.recovery.signals import head
from wdualmine.report.style import COLORS, WIDTH, styled
from wdualmine_book.figures.qualitative import Window
from wdualmine_book.recovery.tables import RANKED
from wdualmine_book.titles import title

#: Side of a small detail, in pixels, and of the window that shows it.
DETAIL, SIDE = 9, 57
_MARKS = dict(zip(RANKED, "osD^vP<>dX*hpH8|", strict=False))


@styled
def plot_recovery_front(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw every method between correlation and recovery, a panel a task.

    Across stands the mean CC, up the mean recovery of the source that the method keeps less of. One line is
    the trivial front, blends of average and maximum; the other is the recovery network from a residual scale
    of 0, the average, to 1.

    Args:
        tables: by task, what :func:`wdualmine_book.recovery.tables.ranking_table` gives.
    """
    figure, grid = plt.subplots(
        1, len(tables), figsize=(WIDTH, 3.1), layout="constrained", sharey=True, squeeze=False
    )
    for axes, (task, table) in zip(grid[0], tables.items(), strict=True):
        points = table.set_index("method")[["CC", "worse"]]
        blends = [name for name in points.index if str(name).startswith("blend-")]
        _line(axes, points, ["average", *sorted(blends), "maximum"], "0.5", "blends of both")
        own = W_DUALMINE_RECOVERY.name
        scaled = [own if scale == 1 else f"{own}-{scale:g}" for scale in sorted(SCALES)]
        _line(axes, points, ["average", *scaled], COLORS[3], "recovery network, λ from 0 to 1")
        for name in RANKED:
            if name in points.index:
                axes.plot(
                    *points.loc[name],
                    linestyle="none",
                    marker=_MARKS[name],
                    markersize=6,
                    color=COLORS[3] if name == own else COLORS[0],
                    label=title(name),
                )
        axes.set(title=get_task(task).folder, xlabel="CC")
        axes.grid(True)
    grid[0, 0].set(ylabel="recovery, worse source", ylim=(-0.05, 1.0))
    lines, names = grid[0, 0].get_legend_handles_labels()
    figure.legend(lines, names, loc="outside lower center", ncols=3)
    return figure


def _line(axes: Axes, points: pd.DataFrame, names: Sequence[str], color: object, label: str) -> None:
    shown = points.loc[[name for name in names if name in points.index]]
    axes.plot(shown["CC"], shown["worse"], color=color, label=label, zorder=0)


def hidden_detail(pair: Pair) -> Window:
    """Find the small bright detail of image A that image B outshines most, and a window around it.

    A detail is what a white top-hat of :data:`DETAIL` pixels leaves of A, well inside the head and where B is
    brighter, so that a pixelwise maximum shows none of it.
    """
    a, b = pair.luma_a.astype(np.float64), pair.luma_b.astype(np.float64)
    detail = ndimage.gaussian_filter(ndimage.white_tophat(a, size=DETAIL), 1)
    inside = ndimage.binary_erosion(head(pair.luma_a, pair.luma_b), iterations=3 * DETAIL)
    side = min(SIDE, *a.shape)
    place = np.where(inside & (b > a), detail, -1).argmax()
    row, column = (int(value) for value in np.unravel_index(place, a.shape))
    top = min(max(row - side // 2, 0), a.shape[0] - side)
    left = min(max(column - side // 2, 0), a.shape[1] - side)
    return Window(top, left, side)


@styled
def plot_hidden_detail(pair: Pair, task: str, fusers: Mapping[str, Fuse]) -> Figure:
    """Show a pair whole, and the window around its hidden detail (:func:`hidden_detail`), as it is and fused.

    Args:
        pair: sources.
        task: "ct-mri", "pet-mri" or "spect-mri".
        fusers: ways to fuse by title; neither result is stretched.
    """
    window = hidden_detail(pair)
    sources = dict(zip(get_task(task).modalities, (pair.image_a, pair.image_b), strict=True))
    fused = {
        name: fuse_images(pair.image_a, pair.image_b, fuse, stretch=False) for name, fuse in fusers.items()
    }
    near = {name: image[window.slices] for name, image in (sources | fused).items()}
    panels = [*((f"{name}, whole", image) for name, image in sources.items()), *near.items()]
    columns = 3
    rows = -(-len(panels) // columns)
    figure, grid = plt.subplots(
        rows, columns, figsize=(WIDTH, (WIDTH / columns + 0.25) * rows), layout="constrained"
    )
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, (name, image) in zip(grid.flat, panels, strict=False):
        axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set_title(name)
    for axes in grid.flat[: len(sources)]:
        corner = (window.left - 0.5, window.top - 0.5)
        axes.add_patch(Rectangle(corner, window.side, window.side, fill=False, color=COLORS[1]))
    return figure


def detail_fusers(network: Fuse) -> dict[str, Fuse]:
    """Give the ways to fuse that :func:`plot_hidden_detail` sets side by side, by short titles."""
    titles = {"average": "Average", "maximum": "Maximum", "laplacian-pyramid": "Laplacian pyramid"}
    titles["detail-average"] = "Average plus details"
    chosen = {name: CLASSICAL[key].fuse for key, name in titles.items()}
    return {name: fuse for name, fuse in chosen.items() if fuse} | {"Recovery network": network}
