"""Paired comparison of two methods: is the difference more than chance, and could this test have found one?

One rule for the whole project. Slices of one volume are alike, so the volume is the unit: the differences of
its slices are averaged first, and test and interval are over the volumes. Two methods differ where the
p value, corrected for the number of questions, says so. How far the scores of one method spread over the
pairs decides nothing, because both methods see the same pairs.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wdualmine.errors import WdualmineError
from wdualmine.metrics import METRICS

Floats = NDArray[np.float64]
#: Gives the volume (patient, examination) that a pair belongs to, by the pair's name.
Group = Callable[[str], str]

#: A corrected p value below it tells a difference from zero.
SIGNIFICANT = 0.05
#: Probability of finding the smallest detectable difference.
POWER = 0.8
#: Sign patterns that a test goes through at most: all of those of 15 volumes.
FLIPS = 2**14
#: Columns that say which image pair a row is about; those of them that both frames have are matched.
KEYS = ("task", "split", "pair")


def compare(
    first: pd.DataFrame,
    second: pd.DataFrame,
    metrics: Sequence[str] | None = None,
    group: Group | None = None,
) -> pd.DataFrame:
    """Compare two methods on the same pairs, volume by volume.

    Args:
        first: scores of one method, a row per pair: ``pair`` (and ``task``, ``split`` if there are several)
            and a column per metric.
        second: scores of the other on the same pairs, in any order.
        metrics: columns to compare; every metric that both frames have unless told.
        group: gives a pair's volume by its name; None takes every pair for a volume of its own.

    Returns:
        A row per metric: ``metric``, ``pairs`` and ``groups`` (their numbers), ``first``, ``second`` and
        ``difference`` (means over the volumes, each the mean of its pairs), ``low`` and ``high`` (its 95 %
        interval by Student's t), ``error`` (its standard error), ``wins`` (volumes on which the first is
        better by the metric's direction), ``p`` and ``p_corrected`` (:func:`flip_test` over all metrics) and
        ``detectable`` (the smallest difference that this test would find four times in five; infinite where
        the volumes are too few for any). With a single volume the interval is NaN and p is 1.

    Raises:
        WdualmineError: other pairs, or fewer than three, or a metric is missing or not finite.
    """
    x, y = _matched(first, second)
    if metrics is None:
        metrics = [key for key in METRICS if key in x.columns and key in y.columns]
    for key in metrics:
        if key not in x.columns or key not in y.columns:
            raise WdualmineError(f"{key}: is not a column of both frames; score it first")
    if not metrics:
        raise WdualmineError("the two frames have no metric in common; score the same metrics for both")
    x, y = x[list(metrics)].astype(float), y[list(metrics)].astype(float)
    for frame in (x, y):
        for row, column in np.argwhere(~np.isfinite(frame.to_numpy())):
            where = f"{metrics[column]}: is not finite on pair {_label(frame.index[row])}"
            raise WdualmineError(f"{where}; leave that pair out")
    pairs = len(x)
    x, y = (_group_means(frame, group) for frame in (x, y))
    differences = (x - y).to_numpy()
    mean, error = mean_and_error(differences)
    half = t_quantile(0.975, len(differences)) * error
    p, p_corrected, critical = flip_test(differences)
    signs = np.array([METRICS[key].sign if key in METRICS else 1 for key in metrics])
    return pd.DataFrame(
        {
            "metric": list(metrics),
            "pairs": pairs,
            "groups": len(differences),
            "first": x.mean().to_numpy(),
            "second": y.mean().to_numpy(),
            "difference": mean,
            "low": mean - half,
            "high": mean + half,
            "error": error,
            "wins": (differences * signs > 0).sum(axis=0),
            "p": p,
            "p_corrected": p_corrected,
            "detectable": detectable(error, critical, len(differences)),
        }
    )


def mean_and_error(values: Floats) -> tuple[Floats, Floats]:
    """Return the mean of each column of (n, columns) and its standard error; NaN of a single row."""
    n = len(values)
    if n < 2:
        return values.mean(axis=0), np.full(values.shape[1], np.nan)
    return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(n)


def t_quantile(share: float, groups: int) -> float:
    """Return the quantile of Student's t for a mean over so many volumes; NaN for a single one."""
    from scipy.special import stdtrit

    return float(stdtrit(groups - 1, share)) if groups > 1 else float("nan")


def smallest_p(groups: int) -> float:
    """Return the smallest p value that :func:`flip_test` can give so many volumes: all differ one way."""
    return max(2.0 ** (1 - groups), 1 / FLIPS)


def flip_test(differences: Floats) -> tuple[Floats, Floats, float]:
    """Test means for zero by turning the signs of whole volumes, for all questions at once.

    If the methods are alike, a volume's difference is as likely with either sign. The test goes through all
    sign patterns (a random :data:`FLIPS` of those of more than 15 volumes), and a question's p value is the
    share of patterns whose t statistic is at least as large. The corrected one counts the largest t of all
    questions not yet answered: it holds for the whole family and gains from questions that are alike. Holm's
    correction of 34 metrics could find nothing with ten volumes.

    Args:
        differences: (volumes, questions).

    Returns:
        p and corrected p, (questions,) each, and the t statistic that a question must pass at the corrected
        level :data:`SIGNIFICANT`, infinite where the volumes are too few for any.

    Sources: R. A. Fisher, *The Design of Experiments*, 1935, section 21; P. H. Westfall and S. S. Young,
    *Resampling-Based Multiple Testing*, 1993, algorithm 4.1.
    """
    groups, questions = differences.shape
    scale = np.sqrt((differences**2).mean(axis=0))
    # |mean| over the root mean square, 0 to 1: it orders as t does, and stays finite where all are equal.
    ratio = np.abs(_signs(groups) @ (differences / np.where(scale > 0, scale, 1))) / groups
    observed = ratio[0] * (1 - 1e-9)  # rounding breaks no tie
    p = (ratio >= observed).mean(axis=0)
    order = np.argsort(observed, kind="stable")  # the clearest question last
    largest = np.maximum.accumulate(ratio[:, order], axis=1)
    steps = (largest >= observed[order]).mean(axis=0)
    corrected = np.empty(questions)
    corrected[order] = np.maximum.accumulate(steps[::-1])[::-1]
    allowed = math.ceil(SIGNIFICANT * len(ratio)) - 1  # below the level, not at it
    if allowed < 1 or groups < 2:
        return p, corrected, float("inf")
    bound = float(np.sort(largest[:, -1])[-allowed])
    return p, corrected, float(bound * np.sqrt((groups - 1) / max(1 - bound**2, 1e-300)))


def _signs(groups: int) -> Floats:
    """Sign patterns (patterns, groups), the unchanged one first; a pattern's negative is the same."""
    if 2 ** (groups - 1) <= FLIPS:
        bits = np.arange(2 ** (groups - 1))[:, None] >> np.arange(groups)
        return np.where(bits & 1, -1.0, 1.0)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (FLIPS, groups))
    signs[0] = 1
    return signs


def detectable(error: Floats, critical: float, groups: float) -> Floats:
    """Return the smallest difference that a test finds four times in five (:data:`POWER`), infinite if none.

    From the standard errors of differences over so many volumes, and the t that :func:`flip_test` asks for.
    """
    from scipy.special import nctdtrinc

    if np.isinf(critical):
        return np.full(error.shape, np.inf)
    return error * float(nctdtrinc(groups - 1, 1 - POWER, critical))


def jackknife_interval(value: Floats, left: Floats, level: float = 0.95) -> tuple[Floats, Floats]:
    """Return the interval of statistics of grouped samples, from the jackknife's variance and Student's t.

    The first argument holds the statistics of all samples, (k,), the second those of the samples without each
    group in turn, (groups, k).

    Returns:
        Lower and upper end, (k,) each; NaN for a single group.

    Source: J. Shao and C. F. J. Wu, 1989, DOI 10.1214/aos/1176347263.
    """
    count = len(left)
    if count < 2:
        return np.full_like(value, np.nan), np.full_like(value, np.nan)
    half = t_quantile((1 + level) / 2, count) * np.sqrt((count - 1) * left.var(axis=0))
    return value - half, value + half


def _matched(first: pd.DataFrame, second: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    keys = [key for key in KEYS if key in first.columns and key in second.columns]
    if "pair" not in keys:
        raise WdualmineError("pair: both frames need this column to be matched by it")
    indexed = []
    for frame in (first, second):
        frame = frame.set_index([frame[key].astype(str) for key in keys])
        if len(repeated := frame.index[frame.index.duplicated()]):
            what = "has several rows; select one method, and one seed or their mean"
            raise WdualmineError(f"pair {_label(repeated[0])}: {what}")
        indexed.append(frame)
    x, y = indexed
    if len(lone := x.index.symmetric_difference(y.index)):
        what = "is scored for one method only; score the same pairs for both"
        raise WdualmineError(f"pair {_label(lone[0])}: {what}")
    if len(x) < 3:
        raise WdualmineError(f"{len(x)} pairs: too few for a paired comparison; score at least 3")
    return x, y.loc[x.index]


def _group_means(frame: pd.DataFrame, group: Group | None) -> pd.DataFrame:
    """Average the rows of each volume; volumes of different tasks or splits are different ones."""
    if group is None:
        return frame
    names = frame.index.get_level_values("pair").map(group).rename("volume")
    others = [frame.index.get_level_values(key) for key in KEYS[:2] if key in frame.index.names]
    return frame.groupby([*others, names], sort=True).mean()


def _label(index: object) -> str:
    return " ".join(index) if isinstance(index, tuple) else str(index)
