"""How near a system that was trained here comes to its authors' network or published images.

A record of kind "nearness" holds the scores of the networks trained until their own validation loss no longer
fell: ``metrics.csv`` and, as in a ranking, ``recovery.csv``. ``background.csv`` has the mean grey level of
the background (:mod:`wdualmine.background`) in these networks' images and in their authors', and the scores
with that made black.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from wdualmine.background import background_scores, blacken
from wdualmine.data import Pair, volume_of
from wdualmine.data.color import to_grey
from wdualmine.errors import WdualmineError
from wdualmine.evaluation import Candidate, evaluate
from wdualmine.fusion import Fuse, fuse_images
from wdualmine.methods import get_method, load_fuse
from wdualmine.metrics import score
from wdualmine.progress import task_bar
from wdualmine.records import Run, write_csv
from wdualmine.recovery.measure import measure_recovery
from wdualmine.recovery.summary import leave_one_out
from wdualmine.statistics import compare
from wdualmine_book.metrics.published import published_files, published_image
from wdualmine_book.printing import html_grid
from wdualmine_book.recorder import Parts, Request
from wdualmine_book.records import committed_runs, records_by_task
from wdualmine_book.recovery.record import SUFFIX, light_networks, load_recovery
from wdualmine_book.systems import retrained
from wdualmine_book.systems.retrained import RETRAINED, SYSTEMS
from wdualmine_book.titles import title

KIND = "nearness"
METRICS = ("CC", "MI", "FMI", "Qabf", "SSIM")
#: A system reaches its authors' where it is within one of their standard deviations over the pairs in these.
DECISIVE = ("CC", "Qabf", "SSIM")
#: Systems of which the authors published images, stretched, and no weights.
IMAGES = ("adafuse", "asfe-fusion")


def nearness(request: Request) -> pd.DataFrame:
    """Score the networks trained here on a task's test pairs, and record them as a run of kind "nearness".

    Of a system whose authors published images the scores are of stretched images, as those are.
    """
    task, parts = request.task, Parts(request)
    unseen, _ = light_networks(task, request.source, request.pairs)
    methods = [m for m in SYSTEMS if (path := m.weights(task.key)) is not None and path.is_file()]
    if not methods:
        raise WdualmineError(
            f"{retrained.WEIGHTS}: holds no network for {task.key}; train one by `wdualmine-book retrain "
            f"NAME {task.key} -o RUN` and copy its weights to NAME/{task.key}.safetensors there"
        )
    frames, recovery, background = [], [], []
    with task_bar(f"{task.key} nearness", len(methods), request.progress) as advance:
        for method in methods:
            name, fuse = method.name, load_fuse(method, task.key)
            system = name.removesuffix(RETRAINED)
            own = [Candidate(name, fuse, system in IMAGES)]
            measure = partial(evaluate, own, request.pairs, task.key, metrics=METRICS)
            frames.append(parts(f"{name}-metrics", measure))
            recovery.append(parts(name, partial(_recovery, fuse, unseen)).assign(method=name, view="luma"))
            for who, images in {name: _fused(fuse, system in IMAGES), **_authors(system, request)}.items():
                blacken = partial(_blackened, images, request.pairs)
                background.append(parts(f"{who}-background", blacken).assign(method=who))
            advance()
    write_csv(request.output / "background.csv", pd.concat(background, ignore_index=True).round(6))
    write_csv(request.output / "recovery.csv", pd.concat(recovery, ignore_index=True).round(6))
    parts.clear()
    return pd.concat(frames, ignore_index=True)


def _recovery(fuse: Fuse, pairs: Sequence[Pair]) -> pd.DataFrame:
    return leave_one_out(measure_recovery(fuse, pairs, volume_of), volume_of)


def _fused(fuse: Fuse, stretch: bool) -> Callable[[Pair], NDArray]:
    return lambda pair: fuse_images(pair.image_a, pair.image_b, fuse, stretch)


def _authors(system: str, request: Request) -> dict[str, Callable[[Pair], NDArray]]:
    """Return what gives the authors' image of a pair, by its name in the ranking; empty if not at hand."""
    if system in IMAGES:
        files = published_files(request.task, request.source).get(system, {})
        return {f"{system}{SUFFIX}": lambda pair: published_image(files, pair.name, system)} if files else {}
    method = get_method(system)
    at_hand = method.weights(request.task.key)
    return {system: _fused(load_fuse(method, request.task.key), False)} if at_hand else {}


def _blackened(images: Callable[[Pair], NDArray], pairs: Sequence[Pair]) -> pd.DataFrame:
    rows = []
    for pair in pairs:
        fused = images(pair)
        found = background_scores(pair.grey_a, pair.grey_b, to_grey(fused))
        scores = score(pair.image_a, pair.image_b, blacken(pair, fused), DECISIVE)
        rows.append({"pair": pair.name, "level": found["background_mean"]} | scores)
    return pd.DataFrame(rows)


def nearness_runs() -> dict[str, Run]:
    """Return the committed records of this kind by task: those in ``results/retrained``."""
    return records_by_task(committed_runs("retrained"), KIND)


def trainings() -> dict[str, Run]:
    """Return the committed trainings by method and task, such as "sdnet-retrained ct-mri"."""
    runs = [run for run in committed_runs("retrained") if run.info.experiment]
    return {f"{run.info.trained.method} {run.info.task}": run for run in runs}


def nearness_table(run: Run, ranking: Run, trained: Mapping[str, Run]) -> pd.DataFrame:
    """Tabulate how near each system comes to its authors' on the same pairs.

    Args:
        run: a record of kind "nearness".
        ranking: of the same task, with the authors' networks and published images.
        trained: see :func:`trainings`.

    Returns:
        A row a system: method (without a suffix), reached, ``reached_black`` (with the background made black
        in all images), the ``background`` of both in grey levels, ``background_authors``, epochs, megapixels
        (seen in training), and a metric's mean, ``CC``, that of the authors' ``CC_authors``, the difference's
        interval over the volumes ``CC_low`` and ``CC_high`` and one standard deviation of the authors' over
        pairs ``CC_deviation``; and the contrast kept of both sources, ``recovery_a`` and
        ``recovery_a_authors`` and so on.
    """
    kept = {
        name: load_recovery(record).query("without == '' and view == 'luma' and statistic == 'recovery'")
        for name, record in (("own", run), ("authors", ranking))
    }
    values = {name: table.set_index(["method", "source"])["value"] for name, table in kept.items()}
    images = run.table("background.csv", text="pair").drop(columns="pair").groupby("method")
    black, spread = images.mean(), images.std(ddof=0)
    rows = []
    for name in dict.fromkeys(run.metrics["method"]):
        system = name.removesuffix(RETRAINED)
        stretch = system in IMAGES
        authors = f"{system}{SUFFIX}" if stretch else system
        own = run.metrics[run.metrics["method"] == name]
        other = ranking.metrics[ranking.metrics["method"] == authors]
        trained_as = get_method(name).system
        assert trained_as is not None
        row: dict[str, Any] = {"method": system} | _budget(trained.get(f"{trained_as.name} {run.info.task}"))
        for difference in compare(own, other, METRICS, volume_of).to_dict("records"):
            metric = difference["metric"]
            row |= {
                metric: own[metric].mean(),
                f"{metric}_authors": other[metric].mean(),
                f"{metric}_low": difference["low"],
                f"{metric}_high": difference["high"],
                f"{metric}_deviation": other[metric].std(ddof=0),
            }
        for source in "ab":
            row[f"recovery_{source}"] = values["own"].get((name, source))
            row[f"recovery_{source}_authors"] = values["authors"].get((authors, source))
        gaps = {m: abs(row[m] - row[f"{m}_authors"]) for m in DECISIVE}
        row["reached"] = all(gaps[m] <= row[f"{m}_deviation"] for m in DECISIVE)
        row["background"] = black.loc[name, "level"]
        row["background_authors"] = black["level"].get(authors)
        row["reached_black"] = authors in black.index and all(
            abs(black.loc[name, m] - black.loc[authors, m]) <= spread.loc[authors, m] for m in DECISIVE
        )
        rows.append(row)
    return pd.DataFrame(rows)


def _budget(run: Run | None) -> dict[str, Any]:
    if run is None:
        return {"epochs": None, "megapixels": None}
    log = run.table("log.csv")
    schedule = run.info.trained.schedule
    pairs = run.info.convergence["training_pairs"]  # type: ignore[attr-defined]
    return {"epochs": len(log), "megapixels": len(log) * pairs * (schedule.patch_size or 256) ** 2 / 1e6}


def render_nearness(table: pd.DataFrame, names: Sequence[str]) -> str:
    """Print :func:`nearness_table` as HTML: own value, the authors' in brackets; names are the modalities."""
    rows = []
    for row in table.to_dict("records"):
        cells = {
            "System": title(row["method"]),
            "Reached": "yes" if row["reached"] else "no",
            "Megapixels": f"{row['megapixels']:,.0f}" if row["megapixels"] else "–",
        }
        for metric in METRICS:
            mark = "" if metric not in DECISIVE or _within(row, metric) else "*"
            cells[metric] = f"{row[metric]:.3f}{mark} ({row[f'{metric}_authors']:.3f})"
        if (authors := row["background_authors"]) is not None:
            cells["Background"] = f"{row['background']:.1f} ({authors:.1f})"
        for source, name in zip("ab", names, strict=True):
            authors = row[f"recovery_{source}_authors"]
            beside = f" ({authors:.2f})" if authors == authors and authors is not None else ""
            cells[f"Contrast {name}"] = f"{row[f'recovery_{source}']:.2f}{beside}"
        rows.append(cells)
    return html_grid(pd.DataFrame(rows))


def _within(row: Mapping[Any, Any], metric: str) -> bool:
    return bool(abs(row[metric] - row[f"{metric}_authors"]) <= row[f"{metric}_deviation"])
