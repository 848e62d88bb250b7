"""Paired comparison of two methods: is the difference more than chance, and could this test have found one?

One rule for the whole project. Slices of one volume are alike, so the volume is the unit: the differences of
its slices are averaged first, and test and interval are over the volumes. Two methods differ where the p value,
corrected for the number of questions, says so. How far the scores of one method spread over the pairs decides
nothing, because both methods see the same pairs.
"""

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
#: Columns that say which image pair a row is about; those of them that both frames have are matched.
KEYS = ("task", "split", "pair")


def compare(
    first: pd.DataFrame,
    second: pd.DataFrame,
    metrics: Sequence[str] | None = None,
    group: Group | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Compare two methods on the same pairs, volume by volume.

    Args:
        first: scores of one method, a row per pair: ``pair`` (and ``task``, ``split`` if there are several) and
            a column per metric.
        second: scores of the other on the same pairs, in any order.
        metrics: columns to compare; every metric that both frames have unless told.
        group: gives a pair's volume by its name; None takes every pair for a volume of its own.
        level: confidence level of the interval.

    Returns:
        A row per metric: ``metric``, ``pairs`` and ``groups`` (their numbers), ``first``, ``second`` and
        ``difference`` (means over the volumes, each the mean of its pairs), ``low`` and ``high`` (Student's t
        interval of the difference), ``error`` (its standard error), ``wins`` (volumes on which the first is
        better by the metric's direction), ``p`` (two-sided exact Wilcoxon signed-rank), ``p_holm`` (the same,
        corrected for the number of metrics by Holm's method) and ``detectable`` (:func:`detectable` for that
        number). With a single volume the interval is NaN and p is 1.

    Raises:
        WdualmineError: the frames do not hold the same pairs once each, a metric is missing or not finite, or
            there are fewer than three pairs.

    Sources: F. Wilcoxon, 1945, DOI 10.2307/3001968; S. Holm, 1979, https://www.jstor.org/stable/4615733.
    """
    if not 0 < level < 1:
        raise WdualmineError(f"level {level}: must lie between 0 and 1, such as 0.95")
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
        if not np.isfinite(frame.to_numpy()).all():
            row, column = np.argwhere(~np.isfinite(frame.to_numpy()))[0]
            raise WdualmineError(
                f"{metrics[column]}: is not finite on pair {_label(frame.index[row])}; leave that pair out"
            )
    pairs = len(x)
    x, y = (_group_means(frame, group) for frame in (x, y))
    differences = (x - y).to_numpy()
    mean, error = mean_and_error(differences)
    half = t_quantile((1 + level) / 2, len(differences)) * error
    p = np.array([wilcoxon(column) for column in differences.T])
    signs = np.array([-1 if key in METRICS and METRICS[key].direction == "lower" else 1 for key in metrics])
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
            "p_holm": holm(p),
            "detectable": detectable(error, len(differences), len(metrics)),
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


def smallest_p(groups: int, questions: int = 1) -> float:
    """Return the smallest corrected p value that the test can give: all volumes on one side.

    Args:
        groups: number of volumes.
        questions: number of questions asked at once.
    """
    return min(1.0, questions * 2.0 ** (1 - groups))


def detectable(error: Floats, groups: int, questions: int = 1) -> Floats:
    """Return the smallest difference that the test would find four times in five (:data:`POWER`).

    Args:
        error: standard error of the difference.
        groups: number of volumes.
        questions: number of questions asked at once; Holm's first step divides the level by it.

    Returns:
        Of the shape of ``error``; infinite where no difference, however large, could be found, because
        :func:`smallest_p` is not below :data:`SIGNIFICANT`.
    """
    if smallest_p(groups, questions) >= SIGNIFICANT:
        return np.full_like(error, np.inf)
    return (t_quantile(1 - SIGNIFICANT / (2 * questions), groups) + t_quantile(POWER, groups)) * error


def jackknife_interval(
    statistics: Callable[[NDArray[np.intp]], Floats], groups: Sequence[NDArray[np.intp]], level: float = 0.95
) -> tuple[Floats, Floats]:
    """Interval of statistics of grouped samples: each group is left out once.

    Args:
        statistics: gives the statistics, (k,), of the samples at some positions.
        groups: the positions of each group's samples; none empty.
        level: confidence level.

    Returns:
        Lower and upper end, (k,) each, from the jackknife's variance and Student's t; NaN for a single group.

    Source: J. Shao and C. F. J. Wu, 1989, DOI 10.1214/aos/1176347263.
    """
    value = np.asarray(statistics(np.concatenate(groups)))
    count = len(groups)
    if count < 2:
        return np.full_like(value, np.nan), np.full_like(value, np.nan)
    left = np.array([statistics(np.concatenate([*groups[:k], *groups[k + 1 :]])) for k in range(count)])
    error = np.sqrt((count - 1) * left.var(axis=0))
    half = t_quantile((1 + level) / 2, count) * error
    return value - half, value + half


def crossed_interval(differences: Floats, level: float = 0.95) -> tuple[float, float]:
    """Confidence interval of a mean difference over training seeds and pairs, which are crossed.

    Another training run and another patient would both change the number, so both count as random: the
    two-way random-effects variance of the mean, with Student's t at Satterthwaite's degrees of freedom. Few
    seeds make it wide, as they should; a bootstrap over three seeds would exclude a true zero far too often.

    Args:
        differences: (seeds, pairs), one method's scores minus another's, each seed with itself; at least two
            of each.
        level: confidence level.

    Returns:
        Lower and upper end.

    Raises:
        WdualmineError: there is only one seed or one pair.

    Source: F. E. Satterthwaite, 1946, DOI 10.2307/3002019.
    """
    from scipy import stats

    mean, error, degrees = _crossed(differences)
    if error == 0:
        return mean, mean
    half = stats.t.ppf((1 + level) / 2, degrees) * error
    return float(mean - half), float(mean + half)


def crossed_p_value(differences: Floats) -> float:
    """Two-sided p value of a mean difference of zero.

    Arguments, error and source as :func:`crossed_interval`.

    Below 1 - level exactly where that interval excludes 0; 1 where all differences are 0.
    """
    from scipy import stats

    mean, error, degrees = _crossed(differences)
    if error == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * stats.t.sf(abs(mean) / error, degrees))


def _crossed(differences: Floats) -> tuple[float, float, float]:
    """Mean of (seeds, pairs), its standard error and the degrees of freedom of that."""
    seeds, pairs = differences.shape
    if min(seeds, pairs) < 2:
        raise WdualmineError(f"{seeds} seeds and {pairs} pairs: an interval needs two of each")
    mean = differences.mean()
    of_seeds, of_pairs = differences.mean(axis=1), differences.mean(axis=0)
    rest = differences - of_seeds[:, None] - of_pairs + mean
    # Mean squares of seeds, of pairs and of their interaction, with their degrees of freedom.
    freedom = np.array([seeds - 1, pairs - 1, (seeds - 1) * (pairs - 1)])
    squares = np.array(
        [pairs * of_seeds.var(ddof=1), seeds * of_pairs.var(ddof=1), (rest**2).sum() / freedom[2]]
    )
    combined = squares[0] + squares[1] - squares[2]
    if combined < squares[:2].max():  # an estimate below one of its parts: take the larger part alone
        freedom, squares = freedom[:2], squares[:2] * (squares[:2] == squares[:2].max())
        combined = squares.max()
    if combined <= 0:
        return float(mean), 0.0, 1.0
    degrees = combined**2 / (squares**2 / freedom).sum()
    return float(mean), float(np.sqrt(combined / differences.size)), float(degrees)


def wilcoxon(differences: Floats) -> float:
    """Return the two-sided p value of the Wilcoxon signed-rank test, 1 where all differences are 0."""
    from scipy import stats

    if not differences.any():
        return 1.0
    return float(stats.wilcoxon(differences).pvalue)


def holm(p: Floats) -> Floats:
    """Holm's step-down correction of p-values for their number, at most 1."""
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def _matched(first: pd.DataFrame, second: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    keys = [key for key in KEYS if key in first.columns and key in second.columns]
    if "pair" not in keys:
        raise WdualmineError("pair: both frames need this column to be matched by it")
    indexed = []
    for frame in (first, second):
        frame = frame.set_index([frame[key].astype(str) for key in keys])
        repeated = frame.index[frame.index.duplicated()]
        if len(repeated):
            raise WdualmineError(
                f"pair {_label(repeated[0])}: has several rows; select one method, and one seed or their mean"
            )
        indexed.append(frame)
    x, y = indexed
    lone = x.index.symmetric_difference(y.index)
    if len(lone):
        raise WdualmineError(
            f"pair {_label(lone[0])}: is scored for one method only; score the same pairs for both"
        )
    if len(x) < 3:
        raise WdualmineError(f"{len(x)} pairs: too few for a paired comparison; score at least 3")
    return x, y.loc[x.index]


def _group_means(frame: pd.DataFrame, group: Group | None) -> pd.DataFrame:
    """Average the rows of each volume; volumes of different tasks or splits are different ones."""
    if group is None:
        return frame
    names = frame.index.get_level_values("pair").map(group).rename("volume")
    others = [frame.index.get_level_values(key) for key in frame.index.names if key != "pair"]
    return frame.groupby([*others, names], sort=True).mean()


def _label(index: object) -> str:
    return " ".join(index) if isinstance(index, tuple) else str(index)
