"""Statistics of the book: what counts as a difference, one over seeds and volumes, and Holm's correction."""

from collections.abc import Iterable, Mapping

import numpy as np

from wdualmine.errors import WdualmineError
from wdualmine.statistics import SIGNIFICANT, Floats, detectable

#: The margin of equivalence, by metric: what another seed of the same training changed at most, rounded up
#: to two digits, among the first three seeds of each of W-DUALMINE's trainings; set by these, it stays
#: where it is as seeds are added. The paper gives one training per row, so a smaller difference between two
#: rows says nothing about the methods. The other metrics have no such record, and no margin.
MARGIN: Mapping[str, float] = {"EN": 0.19, "MI": 0.14, "CC": 0.00014, "PSNR": 0.0054, "FMI": 0.00081}


def margin(metric: str) -> float:
    """Return how large a difference must be to count: :data:`MARGIN`, or 0 for the other metrics."""
    return MARGIN.get(metric, 0.0)


def higher(differences: Iterable[float], metric: str) -> list[bool]:
    """Say of each difference between two means whether the first is higher by more than the margin."""
    return [bool(difference > margin(metric)) for difference in differences]


def no_lower(differences: Iterable[float], metric: str) -> list[bool]:
    """Say of each difference between two means whether the first is lower by no more than the margin."""
    return [bool(difference >= -margin(metric)) for difference in differences]


def alike(differences: Iterable[float], metric: str) -> list[bool]:
    """Say of each difference between two means whether it is within the margin."""
    return [bool(abs(difference) <= margin(metric)) for difference in differences]


def crossed_interval(differences: Floats, level: float = 0.95) -> tuple[float, float]:
    """Confidence interval of a mean difference over training seeds and volumes, which are crossed.

    Another training run and another patient would both change the number, so both count as random: the
    two-way random-effects variance of the mean, with Student's t at Satterthwaite's degrees of freedom. Few
    seeds make it wide, as they should; a bootstrap over three seeds would exclude a true zero far too often.

    Args:
        differences: (seeds, volumes), one method's scores minus another's, each seed with itself; at least
            two of each.
        level: confidence level.

    Returns:
        Lower and upper end.

    Raises:
        WdualmineError: there is only one seed or one volume.

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


def crossed_detectable(differences: Floats, questions: int) -> float:
    """Return the smallest mean difference that the test finds four times in five.

    It is that of Holm's first step, the p value times the number of questions below 0.05, as nothing is found
    that does not pass it. Arguments, error and source as :func:`crossed_interval`.
    """
    from scipy import stats

    _, error, degrees = _crossed(differences)
    critical = float(stats.t.isf(SIGNIFICANT / (2 * questions), degrees))
    return float(detectable(np.array([error]), critical, degrees + 1)[0])


def _crossed(differences: Floats) -> tuple[float, float, float]:
    """Mean of (seeds, volumes), its standard error and the degrees of freedom of that."""
    seeds, volumes = differences.shape
    if min(seeds, volumes) < 2:
        raise WdualmineError(f"{seeds} seeds and {volumes} volumes: an interval needs two of each")
    mean = differences.mean()
    of_seeds, of_volumes = differences.mean(axis=1), differences.mean(axis=0)
    rest = differences - of_seeds[:, None] - of_volumes + mean
    # Mean squares of seeds, of volumes and of their interaction, with their degrees of freedom.
    freedom = np.array([seeds - 1, volumes - 1, (seeds - 1) * (volumes - 1)])
    squares = np.array(
        [volumes * of_seeds.var(ddof=1), seeds * of_volumes.var(ddof=1), (rest**2).sum() / freedom[2]]
    )
    combined = squares[0] + squares[1] - squares[2]
    if combined < squares[:2].max():  # an estimate below one of its parts: take the larger part alone
        freedom, squares = freedom[:2], squares[:2] * (squares[:2] == squares[:2].max())
        combined = squares.max()
    if combined <= 0:
        return float(mean), 0.0, 1.0
    degrees = combined**2 / (squares**2 / freedom).sum()
    return float(mean), float(np.sqrt(combined / differences.size)), float(degrees)


def holm(p: Floats) -> Floats:
    """Correct p values of different volumes for their number, at most 1.

    Source: S. Holm, 1979, https://www.jstor.org/stable/4615733.
    """
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted
