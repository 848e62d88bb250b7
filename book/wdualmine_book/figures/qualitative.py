"""Figures 3 to 5: fused images side by side, in windows that a rule chooses; a network's own maps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from skimage.transform import integral_image
from torch import Tensor

from wdualmine.data import DataSource, Pair, get_task
from wdualmine.data.color import split_color
from wdualmine.data.images import read_image
from wdualmine.data.pairs import image_files
from wdualmine.errors import WdualmineError
from wdualmine.fusion import fuse_images, luma_tensor
from wdualmine.methods import average, fuse_with, load_model
from wdualmine.methods.registry import WEIGHTS
from wdualmine.metrics.correlation import pearson
from wdualmine.model import WDualMine, sobel_magnitude
from wdualmine.records import Run
from wdualmine.report.style import DIVERGING
from wdualmine_book.figures.style import NARROW, SEQUENTIAL, show_map, styled_on_black, without_border
from wdualmine_book.metrics.published import METHODS as PUBLISHED
from wdualmine_book.metrics.published import published_folder
from wdualmine_book.printing import experiment_of_weights, training_words

AVERAGE, NETWORK = "Average", "W-DUALMINE"
# The two windows: an edge that shows on black, in color and in grey.
_EDGES: tuple[dict[str, Any], ...] = (
    {"edgecolor": "#ff5500", "linestyle": "-"},
    {"edgecolor": "#00c8ff", "linestyle": "--"},
)


@dataclass(frozen=True)
class Window:
    """A square part of an image, in pixels."""

    top: int
    left: int
    side: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.top, self.top + self.side), slice(self.left, self.left + self.side)

    def overlaps(self, other: "Window") -> bool:
        """Whether the two share a pixel."""
        rows = self.top < other.top + other.side and other.top < self.top + self.side
        return rows and self.left < other.left + other.side and other.left < self.left + self.side


def find_window(values: NDArray, side: int, apart_from: Sequence[Window] = (), border: int = 0) -> Window:
    """Find the square window with the largest sum; of equal ones the first, row by row.

    Args:
        values: (H, W), finite.
        side: of the window in pixels.
        apart_from: windows that it must not overlap.
        border: pixels along each edge of the image that it must not touch.

    Raises:
        WdualmineError: the window does not fit, or none is left beside the others.
    """
    height, width = values.shape
    most = min(height, width) - 2 * border
    if not 1 <= side <= most:
        raise WdualmineError(f"window of {side} pixels: give a side of 1 to {most} for this image")
    # With a border of zeros the sum over any window is a sum of four entries.
    table = np.pad(integral_image(values.astype(np.float64)), ((1, 0), (1, 0)))
    sums = table[side:, side:] - table[:-side, side:] - table[side:, :-side] + table[:-side, :-side]
    for other in apart_from:
        first_row, first_column = max(other.top - side + 1, 0), max(other.left - side + 1, 0)
        sums[first_row : other.top + other.side, first_column : other.left + other.side] = -np.inf
    rows, columns = sums.shape
    sums[:border] = sums[rows - border :] = sums[:, :border] = sums[:, columns - border :] = -np.inf
    top, left = np.unravel_index(np.argmax(sums), sums.shape)
    if not np.isfinite(sums[top, left]):
        raise WdualmineError(f"window of {side} pixels: none fits beside the others; give a smaller side")
    return Window(int(top), int(left), side)


def typical_pair(pairs: Sequence[Pair]) -> Pair:
    """Give the pair whose sources' correlation is the median of all (the lower one of an even number).

    Raises:
        WdualmineError: there are no pairs, or an image is constant.
    """
    if not pairs:
        raise WdualmineError("no pairs to choose from; load some first")
    order = sorted(pairs, key=lambda pair: pearson(pair.grey_a, pair.grey_b))
    return order[(len(order) - 1) // 2]


def network_of(runs: Sequence[Run], task: str) -> tuple[WDualMine, str]:
    """Load the network that a build has trained for a task, else the one that comes with the package.

    Args:
        runs: this build's runs.
        task: "ct-mri", "pet-mri" or "spect-mri".

    Returns:
        The network, and in words which one it is.
    """
    for run in runs:
        trained = run.info.task == task and run.variant == "proposed"
        if trained and (run.folder / "model.safetensors").is_file():
            words = training_words(run.info.trained)
            return load_model(run.folder), f"the network of this build ({run.label}; {words})"
    words = training_words(experiment_of_weights(WEIGHTS / f"{task}.safetensors"))
    return load_model(task), f"the network that comes with the package ({words})"


@dataclass(frozen=True)
class Comparison:
    """One pair fused by several methods.

    Attributes:
        task: the task's key.
        pair: the pair.
        images: by title, in the order of the panels: both sources, published images where there are any, the
            stretched average, the network's result, stretched too. uint8, (H, W) or (H, W, 3).
        windows: the regions of interest.
        border: pixels along the edges that the windows keep clear of.
        network: which network it is, in words.
    """

    task: str
    pair: Pair
    images: Mapping[str, NDArray[np.uint8]]
    windows: tuple[Window, ...]
    border: int
    network: str

    @property
    def differences(self) -> dict[str, NDArray[np.int16]]:
        """Luma of each fused image less that of the average, (H, W), in grey levels."""
        names = list(self.images)[2:]
        base = split_color(self.images[AVERAGE])[0].astype(np.int16)
        return {name: split_color(self.images[name])[0] - base for name in names if name != AVERAGE}


def compare_pair(
    pair: Pair,
    task: str,
    model: WDualMine,
    source: DataSource | None = None,
    network: str = "a network",
    side: int | None = None,
) -> Comparison:
    """Fuse a pair and choose the windows to magnify.

    The first window is where the sources hold most detail: the largest sum of max(G(I_1), G(I_2)) (Eq. 14).
    The second, which does not overlap it, is where they disagree most: the largest sum of the absolute
    difference of their lumas. Both stay clear of the image's border, where the convolutions' padding shows.

    Args:
        pair: the pair.
        task: its task.
        model: the network.
        source: where the pair is from; the images that AdaFuse and ASFE-Fusion published for it are taken
            where there are any.
        network: which network it is, in words.
        side: of the windows in pixels; a fifth of the shorter side unless told.

    Raises:
        WdualmineError: the windows do not fit, or :func:`~wdualmine.fusion.fuse_images` objects.
    """
    chosen = get_task(task)
    images = dict(zip(chosen.modalities, (pair.image_a, pair.image_b), strict=True))
    if source is not None and (folder := published_folder(source)):
        for name in sorted(PUBLISHED, reverse=True):  # the paper's order: ASFE-Fusion, AdaFuse
            files = image_files(folder / name / chosen.folder)
            if pair.name in files:
                images[PUBLISHED[name]] = read_image(files[pair.name])
    images[AVERAGE] = fuse_images(pair.image_a, pair.image_b, average)
    images[NETWORK] = fuse_images(pair.image_a, pair.image_b, fuse_with(model))
    side = min(pair.luma_b.shape) // 5 if side is None else side
    border = min(model.multiple, min(pair.luma_b.shape) // 8)
    gradients = [sobel_magnitude(luma_tensor(luma)) for luma in (pair.luma_a, pair.luma_b)]
    first = find_window(torch.maximum(*gradients)[0, 0].numpy(), side, border=border)
    disagreement = np.abs(pair.luma_a.astype(np.int16) - pair.luma_b)
    second = find_window(disagreement, side, [first], border)
    return Comparison(chosen.key, pair, images, (first, second), border, network)


@styled_on_black
def plot_comparison(comparison: Comparison) -> Figure:
    """Draw Figure 3, 4 or 5, a row an image: whole, the windows magnified, and less the average."""
    images, differences = comparison.images, comparison.differences
    height, width = comparison.pair.luma_b.shape
    ratios = [width / height, *(1 for _ in comparison.windows), width / height]
    figure, grid = plt.subplots(
        len(images),
        len(ratios),
        figsize=(NARROW, NARROW / sum(ratios) * len(images) + 0.4),
        width_ratios=ratios,
        layout="constrained",
    )
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)  # type: ignore[call-arg, union-attr]
    limit = max(float(np.percentile(np.abs(np.stack(list(differences.values()))), 99.5)), 1.0)
    for (whole, *parts, last), (name, image) in zip(grid, images.items(), strict=True):
        _show_image(whole, image)
        whole.set_ylabel(name)
        for axes, window, edge in zip(parts, comparison.windows, cycle(_EDGES), strict=False):
            corner = (window.left - 0.5, window.top - 0.5)
            whole.add_patch(Rectangle(corner, window.side, window.side, fill=False, linewidth=0.8, **edge))
            _show_image(axes, image[window.slices])
            axes.spines[:].set(visible=True, linewidth=1.2, **edge)
        if name in differences:
            show_map(last, differences[name], DIVERGING, -limit, limit)
        else:
            _strip(last)
    for axes, title in zip(grid[0], ("whole", "most detail", "most unlike", "− average"), strict=True):
        axes.set_title(title)
    return figure


def comparison_caption(comparison: Comparison, number: int) -> str:
    """Say in Markdown which pair and network :func:`plot_comparison` shows, and how large differences are."""
    means = {name: np.abs(values).mean() for name, values in comparison.differences.items()}
    values = ", ".join(f"{name} {mean:.2f}" for name, mean in means.items())
    absent = [name for name in PUBLISHED.values() if name not in comparison.images]
    missing = f" Not here, for these pairs: {' and '.join(absent)}." if absent else ""
    return (
        f"**Figure {number}.** {get_task(comparison.task).folder}, pair {comparison.pair.name}; {NETWORK}: "
        f"{comparison.network}. Mean difference |d| from the average, in grey levels: {values}.{missing}"
    )


@styled_on_black
def plot_pair(pair: Pair, model: WDualMine, modalities: Sequence[str] = ("A", "B")) -> Figure:
    """Show a pair, its average, its fusion by a network, and what the network adds to the average.

    Both results are stretched as the paper's protocol does; the residual is shown in the range of 99 % of its
    absolute values.

    Raises:
        WdualmineError: the network does not take images of this size.
    """
    residual = _inspect(pair, model)["residual"][0]
    limit = max(float(np.percentile(np.abs(without_border(residual)), 99)), 1e-6)
    panels: Mapping[str, NDArray] = {
        modalities[0]: pair.image_a,
        modalities[1]: pair.image_b,
        AVERAGE: fuse_images(pair.image_a, pair.image_b, average),
        NETWORK: fuse_images(pair.image_a, pair.image_b, fuse_with(model)),
    }
    figure, grid = plt.subplots(2, 3, figsize=(NARROW, 2 / 3 * NARROW + 0.6), layout="constrained")
    *axes, last, empty = grid.flat
    empty.remove()
    for axis, (title, image) in zip(axes, panels.items(), strict=True):
        _show_image(axis, image, title)
    show_map(last, residual, DIVERGING, -limit, limit)
    last.set_title(r"residual $\tanh R$")
    return figure


@styled_on_black
def plot_internals(pair: Pair, model: WDualMine) -> Figure:
    """Show what a network makes of a pair at every scale, each map in colors of its own.

    The colors end at the smallest and the largest value away from the border, where the padding shows.

    The rows are the reliability weight w_1 (Eq. 3), the mean absolute value over the channels of what each
    expert gives (Eq. 5 and 7), and the mixing coefficient of the spatial expert (Eq. 9); those of parts that
    the network lacks are left out.

    Raises:
        WdualmineError: the network does not take images of this size.
    """
    maps = _inspect(pair, model)
    rows = {
        "weight $w_1$": maps["weight"],
        "|spatial|": maps["spatial"],
        "|wavelet|": maps["wavelet"],
        r"mixing $\alpha_1$": maps["mixing"],
    }
    rows = {title: row for title, row in rows.items() if row}
    scales = len(maps["weight"])
    height, width = maps["weight"][0].shape
    panel = NARROW / max(scales, 3)
    figure, grid = plt.subplots(
        len(rows),
        scales,
        figsize=(panel * scales, (0.9 * panel * height / width + 0.2) * len(rows) + 0.2),
        layout="compressed",
        squeeze=False,
    )
    for line, (title, images) in zip(grid, rows.items(), strict=True):
        for scale, (axis, image) in enumerate(zip(line, images, strict=True), start=1):
            inside = without_border(image)
            show_map(axis, image, SEQUENTIAL, float(inside.min()), float(inside.max()))
            if line is grid[0]:
                axis.set_title(f"scale {scale}")
        line[0].set_ylabel(title)
    return figure


def internals_caption(pair: Pair, task: str, network: str) -> str:
    """Say in Markdown what :func:`plot_internals` shows."""
    return (
        f"**{get_task(task).folder}, pair {pair.name}**; {network}. $w_1$ is the weight of the "
        f"{get_task(task).a} (Eq. 3), $α_1$ the coefficient of the spatial expert (Eq. 9); the experts' "
        "outputs are mean absolute values over the channels."
    )


def _show_image(axes: Axes, image: NDArray, title: str = "") -> None:
    axes.imshow(image, cmap="gray", vmin=0, vmax=255)
    axes.set_title(title)
    _strip(axes)


def _strip(axes: Axes) -> None:
    """Take ticks and frame away, but not the labels."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _inspect(pair: Pair, model: WDualMine) -> dict[str, list[NDArray]]:
    """Run the network on a pair whose sides it takes; give its maps (H_s, W_s), finest scale first."""
    device = next(model.parameters()).device
    with torch.inference_mode():
        fusion = model(luma_tensor(pair.luma_a).to(device), luma_tensor(pair.luma_b).to(device))

    def maps(tensors: list[Tensor | None]) -> list[NDArray]:
        return [tensor[0].cpu().numpy() for tensor in tensors if tensor is not None]

    return {
        "residual": [fusion.residual[0, 0].cpu().numpy()],
        "weight": [weight[0] for weight in maps([stage.weight for stage in fusion.stages])],
        "spatial": [np.abs(x).mean(axis=0) for x in maps([stage.spatial for stage in fusion.stages])],
        "wavelet": [np.abs(x).mean(axis=0) for x in maps([stage.wavelet for stage in fusion.stages])],
        "mixing": [alpha[0] for alpha in maps([stage.mixing for stage in fusion.stages])],
    }
