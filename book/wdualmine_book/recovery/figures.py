"""What survives fusion in pictures: a spot, the front, growing amplitudes, a detail that methods hide."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from scipy import ndimage

from wdualmine.data import Pair, get_task
from wdualmine.fusion import Fuse, fuse_images, luma_tensor
from wdualmine.methods import CLASSICAL, LIGHT, W_DUALMINE, load_fuse
from wdualmine.methods.light import Light
from wdualmine.records import Run
from wdualmine.recovery.signals import REACH, Signal, head
from wdualmine.report.style import COLORS, styled
from wdualmine_book.figures.qualitative import Window
from wdualmine_book.figures.style import NARROW, styled_on_black
from wdualmine_book.recovery.record import SCALES
from wdualmine_book.recovery.tables import DETAILS, WINDOWS, blends, correlation, modalities, scales, wide
from wdualmine_book.titles import title

#: Side of a small detail, in pixels, and of the window that shows it.
DETAIL, SIDE = 9, 57
#: The spot that is shown: its grey levels, the side of its surroundings, the levels shown to each side.
SPOT, AROUND, RANGE = 45.0, 13, 80
_MARKS = "osD^vP*X<>dhp"
_COLOR = {LIGHT.name: COLORS[3], W_DUALMINE.name: COLORS[1]}
#: Methods that the front names.
SHOWN = (
    "average", "maximum", "laplacian-pyramid", "guided-filter", "detail-average",
    "densefuse", "ifcnn", "sdnet", "u2fusion", W_DUALMINE.name, LIGHT.name,
)  # fmt: skip


@styled
def plot_front(run: Run) -> Figure:
    """Draw every method of a task between correlation and what an observer finds.

    Across is the mean CC less the average's, up the share of what the worse kept scan alone shows that search
    finds in the fused image. One line is the trivial front, blends of average and maximum; the other is the
    light network, from a residual scale of 0, the average, to the largest measured.
    """
    figure, axes = plt.subplots(figsize=(NARROW, 4.2), layout="constrained")
    gap = correlation(run)
    points = pd.DataFrame(
        {"CC": gap - gap["average"], "found": wide(run, "search", "share")["worse"]}
    ).dropna()
    for names, color, label in (
        (DETAILS, "0.75", "rules that add details"),
        (WINDOWS, "0.45", "windowed averages"),
    ):
        shown = points.loc[[name for name in names if name in points.index]]
        axes.plot(shown["CC"], shown["found"], ".", color=color, markersize=4, label=label, zorder=0)
    _line(axes, points, blends(), "0.5", "average to maximum")
    _line(axes, points, scales(), COLORS[3], f"light, λ from 0 to {max(SCALES):g}")
    for number, name in enumerate(name for name in SHOWN if name in points.index):
        color = _COLOR.get(name, COLORS[0])
        axes.plot(*points.loc[name], _MARKS[number], color=color, label=title(name))
    axes.axhline(1, color="0.8", linewidth=0.6, zorder=0)
    axes.set(
        title=get_task(run.info.task).folder,
        xlabel="CC minus the average's",
        ylabel="found, relative to the scan alone",
    )
    figure.legend(loc="outside lower center", ncols=2, columnspacing=1, handlelength=1.5)
    return figure


@styled
def plot_amplitudes(runs: Mapping[str, Run]) -> Figure:
    """Draw the share that search finds against the amplitude of the signal, a row a task, a column a scan.

    Args:
        runs: rankings by task.
    """
    figure, grid = plt.subplots(
        len(runs),
        2,
        figsize=(NARROW, 1.5 * len(runs) + 0.9),
        layout="constrained",
        squeeze=False,
        sharey=True,
    )
    for line, (task, run) in zip(grid, runs.items(), strict=True):
        table = run.table("amplitudes.csv")
        for axes, (source, modality) in zip(line, modalities(task).items(), strict=True):
            for place, (name, own) in enumerate(
                table[table["source"] == source].groupby("method", sort=False)
            ):
                color = _COLOR.get(str(name), (COLORS[0], COLORS[2], COLORS[4], "0.5")[place % 4])
                width = 2 if name == LIGHT.name else 1
                axes.plot(
                    own["amplitude"], own["found"], color=color, linewidth=width, label=title(str(name))
                )
            axes.set(title=f"{get_task(task).folder}: {modality}")
        line[0].set(ylabel="share found")
    for axes in grid[-1]:
        axes.set(xlabel="grey levels")
    lines, names = grid[0, 0].get_legend_handles_labels()
    figure.legend(lines, names, loc="outside lower center", ncols=2)
    return figure


def _line(axes: Axes, points: pd.DataFrame, names: Sequence[str], color: object, label: str) -> None:
    shown = points.loc[[name for name in names if name in points.index]]
    axes.plot(shown["CC"], shown["found"], color=color, label=label, zorder=0)


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


def quiet_place(pair: Pair) -> tuple[float, int, int]:
    """Find where a bright spot in scan A stays darker than scan B, both being as flat as can be.

    Returns:
        How well the place is suited, the larger the better, its row and its column.
    """
    a, b = pair.luma_a.astype(np.float64), pair.luma_b.astype(np.float64)
    outshone = np.minimum(ndimage.minimum_filter(b - a, AROUND) - SPOT, 0)
    rough = sum(ndimage.maximum_filter(x, AROUND) - ndimage.minimum_filter(x, AROUND) for x in (a, b))
    inside = ndimage.binary_erosion(head(pair.luma_a, pair.luma_b), iterations=REACH)
    suited = np.where(inside, 1000 * outshone - rough, -np.inf)
    row, column = np.unravel_index(suited.argmax(), a.shape)
    return float(suited.max()), int(row), int(column)


def spot_shares(pair: Pair, fusers: Mapping[str, Fuse]) -> dict[str, tuple[NDArray, float]]:
    """Return, by title, the luma with a spot in scan A, (H, W) in [0, 1], and the share of its contrast left.

    Args:
        pair: sources.
        fusers: ways to fuse by title; neither result is stretched.
    """
    _, row, column = quiet_place(pair)
    signal = Signal("disc", 5.0, 0.0, SPOT, row, column)
    a, b, with_spot = luma_tensor(pair.luma_a), luma_tensor(pair.luma_b), luma_tensor(pair.luma_a)
    with_spot[0, 0, *signal.window] += torch.from_numpy(signal.template / 255).float()
    first, second = "scan A", "scan B"
    shown = {first: lambda a, b: a, second: lambda a, b: b} | dict(fusers)
    found = {}
    for name, fuse in shown.items():
        with torch.inference_mode():
            before, after = (fuse(x, b)[0, 0].numpy().astype(np.float64) for x in (a, with_spot))
        change = 255 * (after - before)[signal.window]
        found[name] = after, float((change * signal.template).sum() / (signal.template**2).sum())
    return found


def _around(image: NDArray, row: int, column: int, reach: int) -> NDArray:
    return image[row - reach : row + reach + 1, column - reach : column + reach + 1]


def _panels(count: int, columns: int, title: float) -> tuple[Figure, list[Axes]]:
    """Make so many square panels without axes, and room for their titles in inches, as wide as a phone."""
    rows = -(-count // columns)
    size = (NARROW, (NARROW / columns + title) * rows)
    figure, grid = plt.subplots(rows, columns, figsize=size, layout="constrained")
    for axes in grid.flat:
        axes.set_axis_off()
    return figure, [*grid.flat[:count]]


@styled_on_black
def plot_spot(pair: Pair, task: str, fusers: Mapping[str, Fuse]) -> Figure:
    """Show a spot of known contrast in scan A, and the same place in scan B and in each fused image.

    Args:
        pair: sources.
        task: "ct-mri", "pet-mri" or "spect-mri".
        fusers: ways to fuse by title; neither result is stretched.
    """
    _, row, column = quiet_place(pair)
    shares = spot_shares(pair, fusers)
    names = dict(zip(shares, (*get_task(task).modalities, *fusers), strict=True))
    figure, panels = _panels(len(shares), 4, 0.36)
    for axes, (key, (image, share)) in zip(panels, shares.items(), strict=True):
        part, middle = (255 * _around(image, row, column, reach) for reach in (2 * REACH, REACH))
        level = float(np.median(middle))
        axes.imshow(part, cmap="gray", vmin=level - RANGE, vmax=level + RANGE, interpolation="nearest")
        axes.plot(
            2 * REACH, 2 * REACH, "o", markersize=17, markerfacecolor="none", color="#ffd400", alpha=0.8
        )
        axes.set_title(f"{names[key]}\n{share:.0%}", fontsize=8)
    return figure


@styled_on_black
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
    panels = [*((f"{name} whole", image) for name, image in sources.items()), *near.items()]
    figure, grid = _panels(len(panels), 5, 0.2)
    for axes, (name, image) in zip(grid, panels, strict=True):
        axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set_title(name, fontsize=7)
    for axes in grid[: len(sources)]:
        corner = (window.left - 0.5, window.top - 0.5)
        axes.add_patch(Rectangle(corner, window.side, window.side, fill=False, color=COLORS[1]))
    return figure


@styled_on_black
def plot_whole(pairs: Sequence[Pair], task: str, network: Fuse) -> Figure:
    """Show whole pairs, the average and the light network, a row a pair; nothing is stretched."""
    first, second = get_task(task).modalities
    figure, grid = plt.subplots(
        len(pairs), 4, figsize=(NARROW, NARROW / 4 * len(pairs) + 0.3), layout="constrained", squeeze=False
    )
    average = CLASSICAL["average"].fuse
    assert average is not None
    for line, pair in zip(grid, pairs, strict=True):
        fused = [fuse_images(pair.image_a, pair.image_b, f, stretch=False) for f in (average, network)]
        panels = {first: pair.image_a, second: pair.image_b, "Average": fused[0], "Light": fused[1]}
        for axes, (name, image) in zip(line, panels.items(), strict=True):
            axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axes.set_axis_off()
            if pair is pairs[0]:
                axes.set_title(name)
    return figure


@styled
def plot_gains(pair: Pair, task: str, network: Light) -> Figure:
    """Show a pair and, beside each scan, the gains that the light network gives to its details."""
    step = network.config.block
    height, width = (side // step * step for side in pair.luma_b.shape)
    sources = [luma[:height, :width] for luma in (pair.luma_a, pair.luma_b)]
    with torch.inference_mode():
        gains = network(*map(luma_tensor, sources)).gains[0].numpy()
    figure, grid = plt.subplots(2, 2, figsize=(NARROW, 0.95 * NARROW), layout="constrained")
    for line, name, source, own in zip(grid, get_task(task).modalities, sources, gains, strict=True):
        line[0].imshow(source, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        line[0].set_title(name)
        shown = line[1].imshow(own, cmap="magma", vmin=min(0, gains.min()), vmax=gains.max())
        line[1].set_title(f"Gain, details of {name}")
        for axes in line:
            axes.set_axis_off()
    figure.colorbar(shown, ax=grid, shrink=0.6)
    return figure


def shown_fusers(task: str) -> dict[str, Fuse]:
    """Return the ways to fuse that the pictures set side by side, by short titles."""
    titles = {"average": "Average", "maximum": "Maximum", "laplacian-pyramid": "Pyramid"}
    titles["detail-average"] = "Details"
    chosen = {name: CLASSICAL[key].fuse for key, name in titles.items()}
    learned = {"W-DUALMINE": load_fuse(W_DUALMINE, task), "Light": load_fuse(LIGHT, task)}
    return {name: fuse for name, fuse in chosen.items() if fuse} | learned
