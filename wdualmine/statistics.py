"""Paired comparison of two methods over the same image pairs: is the difference more than chance?

One rule for the whole project: two methods differ where their difference, pair by pair, can be told from
zero, with the p values of one question corrected for their number. How far the scores of one method spread
over the pairs decides nothing, because both methods see the same pairs.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wdualmine.errors import WdualmineError
from wdualmine.metrics import METRICS

Floats = NDArray[np.float64]

#: A corrected p value below it tells a difference from zero.
SIGNIFICANT = 0.05
#: Columns that say which image pair a row is about; those of them that both frames have are matched.
KEYS = ("task", "split", "pair")


def compare(
    first: pd.DataFrame,
    second: pd.DataFrame,
    metrics: Sequence[str] | None = None,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare two methods pair by pair.

    Args:
        first: scores of one method, a row a pair: ``pair`` (and ``task``, ``split`` if there are several) and
            a column a metric.
        second: scores of the other on the same pairs, in any order.
        metrics: columns to compare; every metric that both frames have unless told.
        level: confidence level of the interval.
        resamples: bootstrap resamples of the pairs, the same for every metric.
        seed: of the resampling; the same seed gives the same interval.

    Returns:
        A row a metric: ``metric``, ``pairs`` (their number), ``first`` and ``second`` (means), ``difference``
        (mean of first - second), ``low`` and ``high`` (its BCa bootstrap interval), ``wins`` (pairs on which
        the first is better by the metric's direction), ``p`` (two-sided Wilcoxon signed-rank) and ``p_holm``
        (the same, corrected for the number of metrics by Holm's method).

    Raises:
        WdualmineError: the frames do not hold the same pairs once each, a metric is missing or not finite, or
            there are fewer than three pairs.

    Sources: B. Efron, 1987, DOI 10.1080/01621459.1987.10478410; F. Wilcoxon, 1945, DOI 10.2307/3001968;
    S. Holm, 1979, https://www.jstor.org/stable/4615733.
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
    differences = (x - y).to_numpy()
    low, high = bootstrap_interval(differences, level, resamples, seed)
    p = np.array([wilcoxon(column) for column in differences.T])
    signs = np.array([-1 if key in METRICS and METRICS[key].direction == "lower" else 1 for key in metrics])
    return pd.DataFrame(
        {
            "metric": list(metrics),
            "pairs": len(differences),
            "first": x.mean().to_numpy(),
            "second": y.mean().to_numpy(),
            "difference": differences.mean(axis=0),
            "low": low,
            "high": high,
            "wins": (differences * signs > 0).sum(axis=0),
            "p": p,
            "p_holm": holm(p),
        }
    )


def bootstrap_interval(
    values: Floats, level: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> tuple[Floats, Floats]:
    """Bias-corrected and accelerated (BCa) bootstrap interval of the mean of each column.

    Args:
        values: (n, columns); whole rows are resampled, so that the columns stay paired.
        level: confidence level.
        resamples: number of resamples.
        seed: of the generator.

    Returns:
        Lower and upper end, (columns,) each; both the mean itself for a column without spread.
    """
    from scipy.special import ndtr, ndtri

    n = len(values)
    mean = values.mean(axis=0)
    # How often each row is drawn, as counts: a resampled mean is then one matrix product.
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples)
    means = counts @ values / n
    deviations = values - mean  # the jackknife's, up to a factor that cancels
    with np.errstate(divide="ignore", invalid="ignore"):
        acceleration = (deviations**3).sum(axis=0) / (6 * (deviations**2).sum(axis=0) ** 1.5)
        bias = ndtri(((means < mean).sum(axis=0) + (means <= mean).sum(axis=0)) / (2 * resamples))
        ends = []
        for tail in ((1 - level) / 2, (1 + level) / 2):
            z = bias + ndtri(tail)
            quantile = ndtr(bias + z / (1 - acceleration * z))
            ends.append(
                np.array(
                    [
                        np.quantile(column, q) if np.isfinite(q) else center
                        for column, q, center in zip(means.T, quantile, mean, strict=True)
                    ]
                )
            )
    spread = np.ptp(values, axis=0) > 0
    return np.where(spread, ends[0], mean), np.where(spread, ends[1], mean)


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
    """Two-sided p-value of the Wilcoxon signed-rank test, 1 where all differences are 0."""
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


def _label(index: object) -> str:
    return " ".join(index) if isinstance(index, tuple) else str(index)
