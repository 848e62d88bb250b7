"""The ranking: every method at hand by the field's metrics and by what survives of known signals.

A record of kind "ranking" holds

- ``metrics.csv``, a row a method and pair: the field's metrics of the image as it is, not stretched. Beside
  the real pairs are the images that AdaFuse and ASFE-Fusion published, stretched as they are, and the limits
  of CC and PSNR. The baselines have CC alone.
- ``recovery.csv``, a row a method, view, source and statistic of
  :func:`~wdualmine.recovery.summary.leave_one_out`, with and without each volume, so that any two methods can
  be compared. It is of the folds :data:`CLEAN`. The view is "luma", or "color", where signals in PET and
  SPECT change the uptake and are looked for in the image in color.
- ``amplitudes.csv``, a row a method, source and amplitude: recovery and the share found.
- ``noise.csv``, a row a method and source: the gain of noise.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd

from wdualmine.data import SPLITS, DataSource, Pair, Task, load_fold, load_pairs, volume_of
from wdualmine.errors import WdualmineError
from wdualmine.evaluation import Candidate, evaluate
from wdualmine.experiments import FOLDS
from wdualmine.fusion import Fuse
from wdualmine.methods import CLASSICAL, LIGHT, W_DUALMINE, blend, load_fuse, maximum
from wdualmine.metrics import score
from wdualmine.progress import task_bar
from wdualmine.records import Run, write_csv
from wdualmine.recovery.measure import measure_alone, measure_recovery
from wdualmine.recovery.summary import leave_one_out
from wdualmine_book.metrics.published import published_files, published_image
from wdualmine_book.recorder import Parts, Request, limit_rows
from wdualmine_book.records import committed_runs
from wdualmine_book.recovery.baselines import BASELINES
from wdualmine_book.recovery.noise import noise_gain
from wdualmine_book.recovery.uptake import find_color_map
from wdualmine_book.systems.retrained import trained_networks

KIND = "ranking"
#: What the field prints.
RANKING_METRICS = ("EN", "MI", "CC", "PSNR", "FMI", "Qabf", "SSIM", "VIF", "SCD", "SD", "Qcb", "Nabf")
#: The t of the blends (1 - t) average + t maximum: the trivial front.
BLENDS = (0.2, 0.4, 0.6, 0.8)
#: The folds whose volumes the light network never saw and that nothing was chosen on: fold 1 chose it.
CLEAN = (0, 2)
#: Residual scales of the light network beside its own, 1.
SCALES = (0.25, 0.5, 0.75, 1.5, 2.0)
#: Rows of ``recovery.csv`` that hold the statistics of each source alone.
ALONE = "alone"
#: The paper's network, trained for contrast alone, which this book showed before. Its weights have left the
#: package; the records still have its rows.
RETIRED = "w-dualmine-recovery"
SUFFIX = "-published"  # of a method whose rows score the images that its authors published
AMPLITUDES = (5.0, 10.0, 15.0, 30.0, 45.0, 60.0)
#: Methods that are looked at more closely: against the amplitude, in noise.
SHOWN = ("average", "maximum", "laplacian-pyramid", "detail-average", W_DUALMINE.name, LIGHT.name)


def ranking(request: Request) -> pd.DataFrame:
    """Measure every method on a task's test pairs, and record it as a run of kind "ranking".

    Methods: those with nothing to learn, those of :mod:`~wdualmine_book.recovery.baselines`, blends
    ``blend-T`` for T of :data:`BLENDS`, W-DUALMINE, the authors' networks that were fetched, and the light
    network of each seed: each unseen pair is fused by the network that was trained without its volume. Of
    seed 0 also with the residual scales S of :data:`SCALES`, as ``light-S``.
    """
    task, progress = request.task, request.progress
    unseen, light = light_networks(task, request.source, request.pairs)
    ways: dict[str, Fuse | Mapping[str, Fuse]] = {
        **{name: method.fuse for name, method in CLASSICAL.items() if method.fuse},
        **{f"blend-{t:.1f}": blend(maximum, t) for t in BLENDS},
        **{m.name: load_fuse(m, task.key) for m in trained_networks(task.key) if m is not LIGHT},
        **light,
        **BASELINES,
    }
    ways = {name: ways[name] for name in request.wanted(ways)}
    views = {"luma": {}, **color_view(task, request.source)}
    parts = Parts(request)
    frames: list[pd.DataFrame] = []
    recovery: list[pd.DataFrame] = []

    def add(name: str, view: str, make: Callable[[], pd.DataFrame]) -> None:
        table = parts(f"{name}-{view}", lambda: leave_one_out(make(), volume_of))
        recovery.append(table.assign(method=name, view=view))

    with task_bar(f"{task.key} ranking", len(ways) + 1, progress) as advance:
        for view, options in ({} if request.only else views).items():
            add(ALONE, view, partial(measure_alone, unseen, group=volume_of, **options))
        advance()
        for name, fuse in ways.items():
            frames.append(parts(f"{name}-metrics", partial(_metrics, name, fuse, request)))
            for view, options in views.items():
                if view == "luma" or name not in BASELINES:
                    add(name, view, partial(measure_recovery, fuse, unseen, volume_of, **options))
            advance()
    columns = ["method", "view", "source", "statistic", "without", "value"]
    write_csv(request.output / "recovery.csv", pd.concat(recovery, ignore_index=True)[columns].round(6))
    if shown := {name: ways[name] for name in SHOWN if name in ways}:
        write_csv(request.output / "amplitudes.csv", parts("amplitudes", lambda: amplitudes(shown, unseen)))
        write_csv(request.output / "noise.csv", parts("noise", lambda: _noise(shown, unseen)))
    parts.clear()
    if not request.only:
        frames += [limit_rows(request.pairs, task), *_published(request.pairs, task, request.source)]
    return pd.concat(frames, ignore_index=True)


def light_networks(
    task: Task, source: DataSource, pairs: Sequence[Pair]
) -> tuple[list[Pair], dict[str, dict[str, Fuse]]]:
    """Find the light networks that never saw some of the pairs.

    Returns:
        The pairs of the folds :data:`CLEAN`, and by method the fusing function for each of them. Of data that
        has no such folds all pairs and no method.
    """
    try:
        fold_of = {pair.name: fold for fold in CLEAN for pair in load_fold(source, task, "test", fold, FOLDS)}
    except WdualmineError:  # fewer volumes than folds: of other data, which no network has seen
        return list(pairs), {}
    unseen = [pair for pair in pairs if pair.name in fold_of]
    folders = {
        (run.info.trained.seed, run.info.trained.fold): run.folder
        for run in light_runs()
        if run.info.trained.variant.startswith("fold-")
    }
    ways: dict[str, dict[str, Fuse]] = {}
    for seed in sorted({seed for seed, _ in folders}):
        scales: dict[str, float | None] = {f"{LIGHT.name}-seed-{seed}": None}
        if seed == 0:
            scales = {LIGHT.name: None, **{f"{LIGHT.name}-{scale:g}": scale for scale in SCALES}}
        for name, scale in scales.items():
            networks = {fold: load_fuse(LIGHT, folders[seed, fold], residual_scale=scale) for fold in CLEAN}
            ways[name] = {pair.name: networks[fold_of[pair.name]] for pair in unseen}
    return unseen, ways


def light_runs() -> list[Run]:
    """Return the committed trainings of the light network: those in ``results/light``."""
    return committed_runs("light")


def color_view(task: Task, source: DataSource) -> dict[str, dict[str, Any]]:
    """Return how to measure a task in color, from the color map of its images; empty of grey images."""
    if not task.color:
        return {}
    images = [pair.image_a for split in SPLITS for pair in load_pairs(task, split, data=source)]
    try:
        return {"color": {"color_map": find_color_map(images), "in_color": True}}
    except WdualmineError:  # of images that were not made with a color table
        return {}


def amplitudes(ways: Mapping[str, Fuse | Mapping[str, Fuse]], pairs: Sequence[Pair]) -> pd.DataFrame:
    """Measure recovery and search against the amplitude: a row a method, source and amplitude."""
    frames = []
    for name, fuse in ways.items():
        scores = measure_recovery(fuse, pairs, volume_of, amplitudes=AMPLITUDES)
        scores["amplitude"] = scores["amplitude"].abs()
        means = scores.groupby(["source", "amplitude"])[["recovery", "found"]].mean()
        frames.append(means.reset_index().assign(method=name))
    return pd.concat(frames, ignore_index=True)


def load_recovery(run: Run) -> pd.DataFrame:
    """Read ``recovery.csv`` of a ranking."""
    return run.table("recovery.csv", text="without").fillna({"without": ""})


def _metrics(name: str, fuse: Fuse | Mapping[str, Fuse], request: Request) -> pd.DataFrame:
    keys = ("CC",) if name in BASELINES else RANKING_METRICS
    if not isinstance(fuse, Mapping):
        return evaluate([Candidate(name, fuse, False)], request.pairs, request.task.key, metrics=keys)
    frames = [
        evaluate([Candidate(name, fuse[pair.name], False)], [pair], request.task.key, metrics=keys)
        for pair in request.pairs
        if pair.name in fuse
    ]
    return pd.concat(frames, ignore_index=True)


def _noise(ways: Mapping[str, Fuse | Mapping[str, Fuse]], pairs: Sequence[Pair]) -> pd.DataFrame:
    rows = [
        {"method": name, "source": source, "gain": gain}
        for name, fuse in ways.items()
        for source, gain in noise_gain(fuse, pairs).items()
    ]
    return pd.DataFrame(rows)


def _published(pairs: Sequence[Pair], task: Task, source: DataSource) -> list[pd.DataFrame]:
    frames = []
    for method, files in published_files(task, source).items():
        images = [published_image(files, pair.name, method) for pair in pairs]
        scores = [
            score(p.image_a, p.image_b, image, RANKING_METRICS)
            for p, image in zip(pairs, images, strict=True)
        ]
        frames.append(
            pd.DataFrame(scores).assign(
                task=task.key,
                split="test",
                pair=[pair.name for pair in pairs],
                method=f"{method}{SUFFIX}",
                stretch=True,
            )
        )
    return frames
