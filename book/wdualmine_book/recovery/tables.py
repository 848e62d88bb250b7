"""What survives fusion in tables: every method beside each scan alone and beside the average."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from wdualmine.data import TASKS, get_task, volume_of
from wdualmine.methods import CLASSICAL, LIGHT
from wdualmine.metrics import METRICS
from wdualmine.records import Run
from wdualmine.recovery.summary import relate
from wdualmine.statistics import jackknife_interval
from wdualmine_book.records import committed_runs, records_by_task
from wdualmine_book.recovery.baselines import BASELINES
from wdualmine_book.recovery.record import (
    ALONE,
    BLENDS,
    KIND,
    RANKING_METRICS,
    RETIRED,
    SCALES,
    load_recovery,
)
from wdualmine_book.systems.retrained import NETWORKS

#: Methods that stand for themselves; the others are points of a front, a baseline's parameters or a seed.
RANKED = (*CLASSICAL, *NETWORKS, RETIRED)
WINDOWS = tuple(name for name in BASELINES if name.startswith("windowed"))
DETAILS = tuple(name for name in BASELINES if name.startswith("detail"))
SOURCES = ("first-source", "second-source")
#: Of an interval that is asked for each metric on each task, so that 95 % are of all of them together.
AGREEMENT_LEVEL = 1 - 0.05 / (len(RANKING_METRICS) * len(TASKS))
#: The volume of a task whose MRI is also in another task, in a fold that its network was trained on.
SHARED = {"ct-mri": "21"}
SEED = f"{LIGHT.name}-seed-"
#: So few volumes have no interval worth printing: Student's t of one degree of freedom is 12.7.
FEW_VOLUMES = 2


class Goals(NamedTuple):
    """What the light network was asked for before it was trained, of the worse kept scan."""

    correlation: float  #: CC less the average's
    detection: float  #: d' over the average's
    search: float  #: share of what the scan alone shows, on CT-MRI
    contrast: float  #: mean recovery
    farther: float  #: CC less the average's, where more d' was asked for
    farther_detection: float


GOALS = Goals(-0.004, 1.2, 0.95, 0.85, -0.02, 1.5)


def recovery_runs() -> list[Run]:
    """Return the committed rankings: those in ``results/recovery``."""
    return committed_runs("recovery")


def rankings(runs: Iterable[Run]) -> dict[str, Run]:
    """Return the ranking of each task that has one, in the paper's order."""
    return records_by_task([run for run in runs if "recovery.csv" in run.info.files], KIND)


@cache
def survival(run: Run, reference: str = ALONE, view: str = "luma", level: float = 0.95) -> pd.DataFrame:
    """Relate each method of a ranking to a reference: each source alone, or a method.

    The light network's row is the mean of its seeds.

    Args:
        run: a ranking.
        reference: :data:`~wdualmine_book.recovery.record.ALONE` or a method's name.
        view: "luma" or "color".
        level: of the intervals, NaN where there are no more volumes than :data:`FEW_VOLUMES`.

    Returns:
        A row a method, source and statistic: as :func:`wdualmine.recovery.summary.relate`, after a column
        method. Empty where the view was not measured.
    """
    table = statistics(run, view)
    keys = ["source", "statistic", "without", "value"]
    methods = {str(name): own[keys] for name, own in table.groupby("method", sort=False)}
    if reference not in methods:
        return pd.DataFrame()
    parts = [
        relate(own, methods[reference], level).assign(method=name)
        for name, own in methods.items()
        if name != ALONE
    ]
    whole = pd.concat(parts, ignore_index=True)
    if table["without"].nunique() - 1 <= FEW_VOLUMES:  # "" is none left out
        whole[["low", "high", "share_low", "share_high"]] = np.nan
    return whole


def statistics(run: Run, view: str = "luma") -> pd.DataFrame:
    """Return the rows of a view of ``recovery.csv``; the light network's are the means of its seeds."""
    table = load_recovery(run)
    table = _one_light(table[table["view"] == view])
    keys = ["method", "source", "statistic", "without"]
    return table.groupby(keys, sort=False)["value"].mean().reset_index()


def _one_light(table: pd.DataFrame) -> pd.DataFrame:
    """Call every seed of the light network by the network's name."""
    names = table["method"]
    return table.assign(method=names.where(~names.str.startswith(SEED), LIGHT.name))


def without_shared(run: Run) -> dict[str, float]:
    """Return what search finds with the light network without the volume of :data:`SHARED`, by source."""
    table = statistics(run)
    own = table[(table["without"] == SHARED.get(run.info.task, "none")) & (table["statistic"] == "search")]
    values = own.set_index(["method", "source"])["value"]
    return {s: values[LIGHT.name, s] / values[ALONE, s] for s in "ab"} if len(own) else {}


def wide(run: Run, statistic: str, column: str, reference: str = ALONE, view: str = "luma") -> pd.DataFrame:
    """Return a column of :func:`survival`, such as "share", of a statistic; a row a method: a, b, worse."""
    table = survival(run, reference, view)
    if table.empty:
        return pd.DataFrame(columns=["a", "b", "worse"])
    own = table[table["statistic"] == statistic].pivot(index="method", columns="source", values=column)
    return own.assign(worse=own[["a", "b"]].min(axis=1))


def correlation(run: Run, metric: str = "CC") -> pd.Series:
    """Return a metric's mean over the unseen pairs by method; the light network's over its seeds."""
    return unseen_scores(run).groupby("method")[metric].mean()


def unseen_scores(run: Run) -> pd.DataFrame:
    """Return the metrics of the unseen pairs, not stretched; the light network's are means over its seeds."""
    scores = run.metrics[~run.metrics["stretch"].astype(bool) & run.metrics["pair"].isin(unseen_pairs(run))]
    return _one_light(scores).groupby(["method", "pair"])[list(RANKING_METRICS)].mean().reset_index()


def unseen_pairs(run: Run) -> list[str]:
    """Return the pairs that the light network never saw; all where none is recorded."""
    own = run.metrics["method"] == LIGHT.name
    return sorted(run.metrics.loc[own if own.any() else slice(None), "pair"].unique())


def worst_pairs(run: Run, count: int = 3) -> list[str]:
    """Name the unseen pairs in which the light network's SSIM falls furthest below the average's."""
    scores = unseen_scores(run).pivot(index="pair", columns="method", values="SSIM")
    return [str(pair) for pair in (scores[LIGHT.name] - scores["average"]).nsmallest(count).index]


def best_of(run: Run, names: Sequence[str], least: float = GOALS.correlation) -> str:
    """Name the baseline that shows most of the worse kept source at a CC within a limit of the average's."""
    gap = correlation(run)
    gap = gap - gap["average"]
    shares = wide(run, "search", "share")["worse"]
    within = [name for name in names if name in shares.index and gap.get(name, -1) >= least]
    return str(shares[within].idxmax()) if within else ""


class Reached(NamedTuple):
    """A goal for the light network on a task: what was asked, what is, and whether it is reached."""

    goal: str
    value: str
    reached: bool


def goals(run: Run) -> list[Reached]:
    """Hold the light network's mean over its seeds against what was asked of it before."""
    own, gap = LIGHT.name, correlation(run)
    search = wide(run, "search", "share")
    detection = wide(run, "detectability", "share", "average")
    contrast, lost = wide(run, "recovery", "value"), wide(run, "lost", "value")
    asked = {"search": search, "detection": detection, "contrast": contrast}
    others = [name for name in search.index if not name.startswith(own) and name not in SOURCES]
    near = [name for name in others if gap[name] - gap["average"] >= GOALS.correlation]

    def both(table: pd.DataFrame) -> str:
        return f"{table['a'][own]:.3f} and {table['b'][own]:.3f}"

    def ahead(table: pd.DataFrame, of: list[str]) -> bool:
        return bool((table.loc[own, ["a", "b"]] > table.loc[of, ["a", "b"]].max()).all())

    distance, most_lost = gap[own] - gap["average"], lost.loc[own, ["a", "b"]].max()
    least = {name: float(table["worse"][own]) for name, table in asked.items()}
    rows = [
        Reached(f"CC at most {-GOALS.correlation} lower", f"{distance:+.4f}", distance >= GOALS.correlation),
        Reached("search above every method's at such a CC", both(search), ahead(search, near)),
        Reached("d′ above every method's at such a CC", both(detection), ahead(detection, near)),
        Reached("search above every other method's", both(search), ahead(search, others)),
        Reached("d′ above every other method's", both(detection), ahead(detection, others)),
        Reached(
            f"d′ at least {GOALS.detection} times the average's",
            both(detection),
            least["detection"] >= GOALS.detection,
        ),
        Reached(
            f"contrast at least {GOALS.contrast}, none lost",
            f"{both(contrast)}; {most_lost:.1%} lost",
            bool(least["contrast"] >= GOALS.contrast and most_lost == 0),
        ),
    ]
    scaled = {name: scale for scale in SCALES if (name := f"{own}-{scale:g}") in gap.index}
    if reach := [name for name in scaled if gap[name] - gap["average"] >= GOALS.farther]:
        most = str(detection["worse"][reach].idxmax())
        goal = f"d′ at least {GOALS.farther_detection} times at a CC at most {-GOALS.farther} lower"
        value = f"{detection['a'][most]:.3f} and {detection['b'][most]:.3f}, λ = {scaled[most]:g}"
        rows.append(Reached(goal, value, bool(detection["worse"][most] >= GOALS.farther_detection)))
    if run.info.task == "ct-mri":
        goal = f"search at least {GOALS.search} of the scan alone"
        rows.append(Reached(goal, both(search), least["search"] >= GOALS.search))
    return rows


def beside(run: Run, reference: str) -> dict[str, tuple[float, float, float]]:
    """Return the light network's search and d' over a method's, with intervals corrected for their number.

    Returns:
        By statistic and source, such as "search a": the ratio and the ends of its interval, wide enough that
        95 % are for both statistics and sources and all tasks together.
    """
    table = survival(run, reference, level=1 - 0.05 / (4 * len(TASKS)))
    own = table[(table["method"] == LIGHT.name) & table["statistic"].isin(["search", "detectability"])]
    return {
        f"{row['statistic']} {row['source']}": (row["share"], row["share_low"], row["share_high"])
        for row in own.to_dict("records")
    }


def seeds_table(run: Run) -> pd.DataFrame:
    """Return, for each seed of the light network, search, d' and contrast of both sources and CC."""
    table, gap = load_recovery(run), run.metrics
    table = table[(table["view"] == "luma") & (table["without"] == "")]
    values = table.set_index(["method", "source", "statistic"])["value"]
    means = gap[gap["pair"].isin(unseen_pairs(run))].groupby("method")["CC"].mean()
    rows = []
    names = [LIGHT.name, *sorted(name for name in table["method"].unique() if name.startswith(SEED))]
    for name in names:
        row = {"seed": name.removeprefix(SEED).replace(LIGHT.name, "0"), "CC": means[name] - means["average"]}
        for s in "ab":
            row[f"search_{s}"] = values[name, s, "search"] / values[ALONE, s, "search"]
            row[f"d_{s}"] = values[name, s, "detectability"] / values["average", s, "detectability"]
            row[f"contrast_{s}"] = values[name, s, "recovery"]
        rows.append(row)
    return pd.DataFrame(rows)


def agreement_table(run: Run, level: float = AGREEMENT_LEVEL) -> pd.DataFrame:
    """Ask of each metric whether it orders methods as search does.

    Search is of the source that a method keeps less of, so that losing one cannot be made up for.

    Args:
        run: a ranking.
        level: of the interval; it is corrected for the number of metrics and tasks unless told.

    Returns:
        A row a metric: columns metric, methods and volumes (their numbers), correlation (Spearman's, of the
        methods' means over the unseen pairs), low, high (by the jackknife over the volumes) and first (the
        method that the metric ranks first). The metric's direction is counted: 1 is agreement.
    """
    table = statistics(run)
    table = table[table["statistic"] == "search"]
    found = table.pivot(index="method", columns=["without", "source"], values="value")
    scores = unseen_scores(run)
    scores = scores.assign(volume=scores["pair"].map(volume_of))
    methods = [name for name in (*RANKED,) if name in found.index and name in set(scores["method"])]
    scores = scores[scores["method"].isin(methods)]
    volumes = [v for v in found.columns.unique("without") if v]

    def order(metric: str, without: str) -> float:
        shares = pd.DataFrame({s: found[without, s] / found[without, s][ALONE] for s in "ab"})
        means = scores[scores["volume"] != without].groupby("method")[metric].mean()[methods]
        return float(spearmanr(means, shares.loc[methods].min(axis=1)).statistic)

    rows = []
    for metric in RANKING_METRICS:
        sign = METRICS[metric].sign
        whole = sign * order(metric, "")
        left = np.array([[sign * order(metric, volume)] for volume in volumes])
        low, high = (x.clip(-1, 1) for x in jackknife_interval(np.array([whole]), left, level))
        first = (sign * scores.groupby("method")[metric].mean()).idxmax()
        rows.append((metric, len(methods), len(volumes), whole, low[0], high[0], str(first)))
    names = ["metric", "methods", "volumes", "correlation", "low", "high", "first"]
    return pd.DataFrame(rows, columns=names).sort_values("correlation", ascending=False, ignore_index=True)


class Agreement(NamedTuple):
    """Metrics that order methods as search does, against it, or not clearly, on a task."""

    agree: list[str]
    against: list[str]
    open: list[str]


def agreement(table: pd.DataFrame) -> Agreement:
    """Return what the intervals of :func:`agreement_table` say."""
    agree, against = table["low"] > 0, table["high"] < 0
    return Agreement(*(table.loc[where, "metric"].tolist() for where in (agree, against, ~(agree | against))))


def color_table(run: Run) -> pd.DataFrame:
    """Return what search finds of uptake in the luma and in the color image, as a share of the scan alone.

    Returns:
        A row a method: columns luma and color, of the functional source. Empty for grey images.
    """
    views = {view: wide(run, "search", "share", view=view) for view in ("luma", "color")}
    if views["color"].empty:
        return pd.DataFrame()
    return pd.DataFrame({view: table["a"] for view, table in views.items()}).dropna()


def noise_gains(runs: Mapping[str, Run]) -> pd.DataFrame:
    """Return how strong noise in either scan comes through: a row a method, a column a task and source."""
    parts = {
        task: run.table("noise.csv").pivot(index="method", columns="source", values="gain")
        for task, run in runs.items()
    }
    return pd.concat(parts, axis=1) if parts else pd.DataFrame()


def field_metrics(run: Run, names: Sequence[str]) -> pd.DataFrame:
    """Return the field's metrics of some methods, means over the unseen pairs, a row a method."""
    return pd.DataFrame({metric: correlation(run, metric) for metric in RANKING_METRICS}).loc[
        [name for name in names if name in set(run.metrics["method"])]
    ]


def blends() -> list[str]:
    """Return the names of the blends from average to maximum, with both ends."""
    return ["average", *(f"blend-{t:.1f}" for t in BLENDS), "maximum"]


def scales() -> list[str]:
    """Return the names of the light network from the average to its largest residual scale."""
    each = {scale: f"{LIGHT.name}-{scale:g}" for scale in SCALES} | {1.0: LIGHT.name}
    return ["average", *(each[scale] for scale in sorted(each))]


def modalities(task: str) -> Mapping[str, str]:
    """Return the modality of source "a" and of source "b"."""
    return dict(zip("ab", get_task(task).modalities, strict=True))
