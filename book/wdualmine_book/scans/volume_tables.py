"""What three dimensions give, in tables: means over volumes, differences with intervals, and the goals."""

from collections.abc import Sequence

import pandas as pd

from wdualmine.data.tasks import get_task
from wdualmine.methods import LIGHT
from wdualmine.methods.registry import LIGHT_3D
from wdualmine.records import Run
from wdualmine.statistics import mean_and_error, t_quantile
from wdualmine_book.printing import html_grid
from wdualmine_book.records import committed_runs, records_by_task
from wdualmine_book.scans.volume_record import CC_MARGIN, CONTINUITY_SHARE, SEARCH_MARGIN, SMOOTHED
from wdualmine_book.titles import title

KIND = "volumes"
#: The two sources alone, which every measure is read beside.
ALONE = ("first-source", "second-source")
SCORES = {
    "continuity": "continuity (bits)",
    "share": "of the sources'",
    "neighbors": "next slice",
    "scatter": "scatter",
    "recovery": "recovery",
    "found": "found",
    "CC": "CC, 3-D",
    "SSIM": "SSIM, 3-D",
}


def volume_runs(runs: Sequence[Run] = ()) -> dict[str, Run]:
    """Give the records of volumes by task: of the given runs, then those in ``results/scans``."""
    return records_by_task([*runs, *committed_runs("scans")], KIND)


def volume_scores(runs: Sequence[Run]) -> pd.DataFrame:
    """Give the scores of all volumes of records.

    Returns:
        A row a method and volume: task, pair, method and the columns of :data:`SCORES`. Recovery and found
        are means over the two sources; ``share`` is continuity over the mean of the two sources alone.
    """
    frame = pd.concat([run.metrics for run in runs], ignore_index=True)
    frame["found"] = frame[["found_a", "found_b"]].mean(axis=1)
    frame["recovery"] = frame[["recovery_a", "recovery_b"]].mean(axis=1)
    alone = frame[frame["method"].isin(ALONE)].groupby(["task", "pair"])["continuity"].mean()
    places = pd.MultiIndex.from_frame(frame[["task", "pair"]])
    frame["share"] = frame["continuity"] / alone.reindex(places).to_numpy()
    return frame


def volume_table(runs: Sequence[Run]) -> pd.DataFrame:
    """Average over volumes: a row a method, the columns of :data:`SCORES` and ``efficiency``.

    The last is the share of spheres found over that found in their own source alone.
    """
    frame = volume_scores(runs)
    table = frame.groupby("method", sort=False)[list(SCORES)].mean()
    counts = {
        source: (frame[f"found_{source}"] * frame[f"spheres_{source}"]).groupby(frame["method"]).sum()
        for source in "ab"
    }
    alone = sum(counts[source][name] for source, name in zip("ab", ALONE, strict=True))
    table["efficiency"] = (counts["a"] + counts["b"]) / alone
    return table


def gains(runs: Sequence[Run], second: str = LIGHT.name, level: float = 0.95) -> pd.DataFrame:
    """Compare the network in three dimensions with another method, volume by volume.

    Returns:
        A row a score: difference, low and high (Student's t over the volumes), and their number.
    """
    frame = volume_scores(runs).set_index(["task", "pair"])
    own, other = (frame[frame["method"] == name][list(SCORES)] for name in (LIGHT_3D.name, second))
    differences = (own - other.loc[own.index]).to_numpy()
    mean, error = mean_and_error(differences)
    half = t_quantile((1 + level) / 2, len(differences)) * error
    columns = {"difference": mean, "low": mean - half, "high": mean + half, "volumes": len(differences)}
    return pd.DataFrame(columns, index=list(SCORES))


def goals(runs: Sequence[Run]) -> pd.DataFrame:
    """Hold the record against what was to be reached: a row a goal, its value, interval, bound, and whether.

    A goal is reached where the interval is on its side of the bound.
    """
    frame = gains(runs)
    share = volume_scores(runs).query("method == @LIGHT_3D.name")["share"].to_numpy()[:, None]
    mean, error = (float(x[0]) for x in mean_and_error(share))
    half = t_quantile(0.975, len(share)) * error
    rows = {
        "continuity above slice by slice": (*frame.loc["continuity", ["difference", "low", "high"]], 0.0),
        "continuity over that of the sources": (mean, mean - half, mean + half, 1 - CONTINUITY_SHARE),
        "CC beside slice by slice": (*frame.loc["CC", ["difference", "low", "high"]], -CC_MARGIN),
        "found beside slice by slice": (*frame.loc["found", ["difference", "low", "high"]], -SEARCH_MARGIN),
    }
    result = pd.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high", "bound"])
    return result.assign(reached=result["low"] > result["bound"])


def render_volumes(runs: Sequence[Run]) -> str:
    """Print as HTML the means over the volumes of one or several tasks."""
    table = volume_table(runs)
    names = SCORES | {"efficiency": "search efficiency"}
    grid = table.rename(columns=names).map(lambda value: f"{value:.3f}")
    grid.insert(0, "Method", [volume_title(name) for name in table.index])
    return html_grid(grid.reset_index(drop=True), "comparison sortable")


def volume_title(name: str) -> str:
    """Return what a method of a record of volumes is called."""
    if name.endswith(SMOOTHED):
        return f"{title(name.removesuffix(SMOOTHED))}, blurred across slices"
    if name == LIGHT.name:
        return f"{title(name)}, slice by slice"
    return LIGHT_3D.title if name == LIGHT_3D.name else title(name)


def volumes_words(runs: Sequence[Run]) -> str:
    """Say of which volumes records are, such as "CT-MRI 2, 21 and PET-MRI 25"."""
    parts = []
    for run in runs:
        own = ", ".join(map(str, sorted(run.metrics["pair"].astype(int).unique())))
        parts.append(f"{get_task(run.info.task).folder} {own}")
    return "; ".join(parts)
