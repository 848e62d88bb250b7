"""Exploring one pair: change the method, the weights, the residual scale or the region, and see the scores.

:class:`Explorer` computes and needs no widgets; :mod:`wdualmine_book.sliders` puts some before it;
:func:`draw_scales` is the picture that a page without a kernel shows. The network runs once a pair and set of
weights: its residual is kept, and the rest of Eq. 11 takes milliseconds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from wdualmine.data import Pair, find_data, get_task, load_pairs
from wdualmine.data.color import to_grey
from wdualmine.data.images import read_image
from wdualmine.data.pairs import image_files
from wdualmine.errors import WdualmineError
from wdualmine.fusion import Fuse, fuse_images, luma_tensor
from wdualmine.methods import CLASSICAL, W_DUALMINE, load_model
from wdualmine.methods.learned import cropped, padded
from wdualmine.methods.registry import WEIGHTS
from wdualmine.metrics import PAPER_METRICS, score
from wdualmine.model import WDualMine
from wdualmine.records import find_runs
from wdualmine_book.metrics.published import METHODS as PUBLISHED_METHODS
from wdualmine_book.metrics.published import published_folder
from wdualmine_book.printing import experiment_of_weights
from wdualmine_book.records import reference_runs, study_runs

PACKAGE = "package"  # the weights that come with the package
PUBLISHED = {title.lower(): folder for folder, title in PUBLISHED_METHODS.items()}
SMALLEST = 16  # pixels, side of a window


@dataclass(frozen=True)
class View:
    """Everything that determines one picture and its scores.

    Attributes:
        task: "ct-mri", "pet-mri" or "spect-mri".
        pair: name of a test pair.
        method: "w-dualmine", a key of :data:`~wdualmine.methods.CLASSICAL`, or, where the published images
            are, "adafuse" or "asfe-fusion".
        weights: a key of :meth:`Explorer.weights`; used by W-DUALMINE alone.
        residual_scale: the lambda of Eq. 11, 0 to 1; None takes the network's own.
        stretch: as in :func:`~wdualmine.fusion.fuse_images`; published images stay as they are.
        center: of the window, fractions of the width and height, 0 to 1; a window never leaves the image.
        size: sides of the window as a fraction of the image's, above 0; 1 is the whole image.

    Raises:
        WdualmineError: a number out of its range.
    """

    task: str
    pair: str
    method: str = W_DUALMINE.name
    weights: str = PACKAGE
    residual_scale: float | None = None
    stretch: bool = True
    center: tuple[float, float] = (0.5, 0.5)
    size: float = 1.0

    def __post_init__(self) -> None:
        if self.residual_scale is not None and not 0 <= self.residual_scale <= 1:
            raise WdualmineError(f"residual scale {self.residual_scale}: give a number from 0 to 1")
        if not all(0 <= fraction <= 1 for fraction in self.center) or not 0 < self.size <= 1:
            raise WdualmineError(
                f"window of size {self.size} at {self.center}: give fractions of the image, from 0 to 1"
            )

    def crop(self, image: NDArray) -> NDArray:
        """Cut the window out of an image (H, W) or (H, W, 3)."""

        def span(side: int, center: float) -> slice:
            length = min(side, max(SMALLEST, round(side * self.size)))
            start = min(max(round(side * center - length / 2), 0), side - length)
            return slice(start, start + length)

        return image[span(image.shape[0], self.center[1]), span(image.shape[1], self.center[0])]


class Explorer:
    """Fuses and scores whatever a :class:`View` names, and keeps what is slow to compute.

    Args:
        data: see :func:`~wdualmine.data.find_data`.
        runs: folders of training runs, or folders that hold some, whose weights can be chosen beside the
            package's and those below ``results/studies``; runs without weights are passed over.

    Raises:
        WdualmineError: the data cannot be found, or a record cannot be read.
    """

    def __init__(self, data: str | Path | None = None, runs: Iterable[str | Path] = ()) -> None:
        self.source = find_data(data)
        found = [*find_runs(runs), *study_runs()]
        self.runs = [run for run in found if (run.folder / "model.safetensors").is_file()]
        # Caches of this object, not of its class, so that they go when it goes.
        self._load_pairs = lru_cache(maxsize=None)(self._load_pairs_of)
        self._model = lru_cache(maxsize=16)(self._load_model)
        self._residual = lru_cache(maxsize=64)(self._compute_residual)
        self._scores = lru_cache(maxsize=256)(self._compute_scores)

    def first(self, task: str) -> View:
        """Give the view of a task's first test pair, fused by the network with the package's weights."""
        key = get_task(task).key
        return View(key, next(iter(self.pairs(key))))

    def pairs(self, task: str) -> dict[str, Pair]:
        """Give the test pairs of a task by name."""
        return self._load_pairs(get_task(task).key)

    def methods(self) -> dict[str, str]:
        """Give the titles of the methods that can be chosen, by name."""
        titles = {name: method.title for name, method in CLASSICAL.items()}
        published = {
            name: f"{PUBLISHED_METHODS[folder]}, published image" for name, folder in PUBLISHED.items()
        }
        there = published if published_folder(self.source) else {}
        return {W_DUALMINE.name: W_DUALMINE.title} | titles | there

    def weights(self, task: str) -> dict[str, Path]:
        """Give the files of weights that were trained on a task, by the name to choose them by.

        A run of another system is left out, and one on a fold of volumes: it may have been trained on the
        very pairs shown.
        """
        task = get_task(task).key
        choices = {PACKAGE: WEIGHTS / f"{task}.safetensors"}
        for run in self.runs:
            experiment = run.info.trained
            own = experiment.method == W_DUALMINE.name
            if own and run.info.task == task and experiment.fold is None:
                name = f"{experiment.variant}, seed {experiment.seed} ({run.label})"
                name = f"{name} in {run.folder}" if name in choices else name
                choices[name] = run.folder / "model.safetensors"
        return choices

    def describe(self, view: View) -> str:
        """Say in one line which pair of which data a view shows, and how its weights were trained."""
        weights = view.weights
        if weights == PACKAGE:
            experiment = experiment_of_weights(self._weights_file(view.task, PACKAGE))
            labels = [run.label for run in reference_runs() if run.info.experiment == experiment]
            weights += f" ({labels[0] if labels else experiment.preset})"
        return f"{get_task(view.task).folder} pair {view.pair} ({self.source.name}), weights: {weights}"

    def residual_scale(self, view: View) -> float:
        """Give the lambda of Eq. 11 that a view means: its own, else that of the weights."""
        if view.residual_scale is not None:
            return view.residual_scale
        return self._model(view.task, view.weights).config.residual_scale

    def fuse(self, view: View) -> NDArray[np.uint8]:
        """Give the fused image, whole: (H, W), or (H, W, 3) in color.

        The same as :func:`~wdualmine.fusion.fuse_images` gives with the method, to the bit.

        Raises:
            WdualmineError: an unknown name in the view, or a file that cannot be read.
        """
        pair = self._pair(view)
        _check("method", view.method, self.methods())
        if view.method in PUBLISHED:
            folder = published_folder(self.source) or Path()
            files = image_files(folder / PUBLISHED[view.method] / get_task(view.task).folder)
            _check("published image", view.pair, files)
            return read_image(files[view.pair])
        fuse = CLASSICAL[view.method].fuse if view.method in CLASSICAL else None
        return fuse_images(pair.image_a, pair.image_b, fuse or self._from_residual(view), view.stretch)

    def average(self, view: View) -> View:
        """Give the view of the stretched average of the same pair and region: the baseline of every view."""
        return replace(view, method="average", weights=PACKAGE, residual_scale=None, stretch=True)

    def difference(self, view: View) -> NDArray[np.int16]:
        """Give the fused image minus the stretched average, in grey levels (H, W), whole."""
        fused, average = (to_grey(self.fuse(v)).astype(np.int16) for v in (view, self.average(view)))
        return fused - average

    def scores(self, view: View) -> dict[str, float]:
        """Score the view's region with the paper's metrics; NaN where a window is constant in an image."""
        return dict(self._scores(view))

    def compare(self, view: View) -> pd.DataFrame:
        """Give the scores of a view beside those of the stretched average: one row a metric."""
        table = pd.DataFrame({"score": self.scores(view), "average": self.scores(self.average(view))})
        return table.assign(difference=table["score"] - table["average"])

    def _pair(self, view: View) -> Pair:
        pairs = self.pairs(view.task)
        _check("pair", view.pair, pairs)
        return pairs[view.pair]

    def _from_residual(self, view: View) -> Fuse:
        residual = self._residual(view.task, view.pair, view.weights)
        scale = self.residual_scale(view)
        return lambda a, b: ((a + b) / 2 + scale * residual).clamp(0, 1)  # Eq. 11

    def _load_pairs_of(self, task: str) -> dict[str, Pair]:
        return {pair.name: pair for pair in load_pairs(task, data=self.source)}

    def _load_model(self, task: str, weights: str) -> WDualMine:
        return load_model(self._weights_file(task, weights))

    def _weights_file(self, task: str, weights: str) -> Path:
        choices = self.weights(task)
        _check("weights", weights, choices)
        return choices[weights]

    def _compute_residual(self, task: str, pair: str, weights: str) -> Tensor:
        """Give tanh(R) of Eq. 11 for a pair, (1, 1, H, W), padded and cropped as the fusion is."""
        model, images = self._model(task, weights), self._pair(View(task, pair))
        with torch.inference_mode():
            a, b = luma_tensor(images.luma_a), luma_tensor(images.luma_b)
            return cropped(model(*padded(model, a, b)).residual, a)

    def _compute_scores(self, view: View) -> dict[str, float]:
        pair = self._pair(view)
        a, b, fused = (view.crop(image) for image in (pair.image_a, pair.image_b, self.fuse(view)))
        try:
            return score(a, b, fused, names=(f"{view.pair} (A)", f"{view.pair} (B)", "the fused image"))
        except WdualmineError:
            if view.size == 1:
                raise
            return dict.fromkeys(PAPER_METRICS, np.nan)


def draw(explorer: Explorer, view: View) -> Figure:
    """Draw a view's region: the sources, the fused image, and its difference from the stretched average."""
    pair, task = explorer.pairs(view.task)[view.pair], get_task(view.task)
    images = {task.a: pair.image_a, task.b: pair.image_b, _title(explorer, view): explorer.fuse(view)}
    figure = Figure(figsize=(6.4, 6.9), dpi=80)  # outside pyplot: nothing to close, and no layout to solve
    axes = figure.subplots(
        2, 2, gridspec_kw={"left": 0, "right": 1, "bottom": 0, "top": 0.96, "wspace": 0.02, "hspace": 0.08}
    )
    for axis, (title, image) in zip(axes.flat, images.items(), strict=False):
        _show(axis, view.crop(image), title)
    difference = view.crop(explorer.difference(view))
    limit = _limit(difference)
    _show_difference(axes[1, 1], difference, limit, f"minus the stretched average, ±{limit} of 255")
    return figure


def draw_scales(explorer: Explorer, view: View, scales: Sequence[float] = (0.0, 0.25, 0.5, 1.0)) -> Figure:
    """Draw a view at several residual scales, with the scores under each: what the slider does, on paper."""
    views = [replace(view, residual_scale=scale) for scale in scales]
    differences = [view.crop(explorer.difference(here)) for here in views]
    limit = _limit(np.stack(differences))
    figure, axes = plt.subplots(
        2, len(views), figsize=(2.3 * len(views), 6.2), layout="constrained", squeeze=False
    )
    figure.suptitle(explorer.describe(view), fontsize="medium")
    for (above, below), here, difference in zip(axes.T, views, differences, strict=True):
        _show(above, view.crop(explorer.fuse(here)), f"λ = {here.residual_scale:g}")
        _show_difference(below, difference, limit, f"difference, ±{limit} of 255")
        lines = [f"{name:<4} {value:8.4f}" for name, value in explorer.scores(here).items()]
        place = {"ha": "center", "va": "top", "transform": below.transAxes}
        below.text(0.5, -0.05, "\n".join(lines), family="monospace", **place)
    return figure


def _check(kind: str, name: str, known: Iterable[str]) -> None:
    if name not in known:
        raise WdualmineError(f"unknown {kind} {name!r}; choose one of {', '.join(known)}")


def _title(explorer: Explorer, view: View) -> str:
    title = explorer.methods()[view.method]
    if view.method == W_DUALMINE.name:
        title += f", λ = {explorer.residual_scale(view):.2f}"
    return title


def _show(axis: Axes, image: NDArray, title: str) -> None:
    axis.imshow(image, cmap="gray", vmin=0, vmax=255)
    axis.set_title(title, fontsize="medium")
    axis.set_axis_off()


def _show_difference(axis: Axes, difference: NDArray, limit: int, title: str) -> None:
    axis.imshow(difference, cmap="RdBu_r", vmin=-limit, vmax=limit)
    axis.set_title(title, fontsize="medium")
    axis.set_axis_off()


def _limit(difference: NDArray) -> int:
    """Give the grey level at which a difference's colors end: a power of two that few pixels pass."""
    return int(2 ** np.ceil(np.log2(max(np.percentile(np.abs(difference), 99.5), 1))))
