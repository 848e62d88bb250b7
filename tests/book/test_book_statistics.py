"""Differences over seeds and volumes, and Holm's correction."""

import numpy as np
import pytest
from scipy import stats

from wdualmine.errors import WdualmineError
from wdualmine_book.statistics import crossed_interval, crossed_p_value, holm


def test_holm_by_hand():
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.9, 0.6])).tolist() == [1, 1]
    assert holm(np.array([0.02])).tolist() == [0.02]


@pytest.mark.parametrize(("seeds", "of_seeds", "of_pairs"), [(3, 0.2, 0.1), (3, 0.0, 0.3), (5, 0.1, 0.0)])
def test_crossed_interval_covers_the_truth_as_often_as_it_says(
    seeds: int, of_seeds: float, of_pairs: float
) -> None:
    rng = np.random.default_rng(0)
    hits, trials = 0, 400
    for _ in range(trials):
        noise = [
            rng.normal(0, of_seeds, (seeds, 1)),
            rng.normal(0, of_pairs, 24),
            rng.normal(0, 0.1, (seeds, 24)),
        ]
        low, high = crossed_interval(0.5 + sum(noise))
        hits += low <= 0.5 <= high
    assert 0.92 * trials <= hits  # nominal 0.95, less two standard deviations of 400 trials


def test_crossed_interval_is_students_where_only_seeds_differ() -> None:
    seeds = np.array([0.1, 0.4, 0.2])
    interval = crossed_interval(np.repeat(seeds[:, None], 10, axis=1))
    expected = stats.t.interval(0.95, 2, seeds.mean(), stats.sem(seeds))
    assert interval == pytest.approx(expected)


def test_crossed_interval_of_equal_scores_is_zero_and_its_errors() -> None:
    assert crossed_interval(np.zeros((2, 24))) == (0, 0)
    with pytest.raises(WdualmineError, match="1 seeds and 24 volumes"):
        crossed_interval(np.zeros((1, 24)))


@pytest.mark.parametrize("seed", range(20))
def test_crossed_p_value_agrees_with_the_interval(seed: int) -> None:
    rng = np.random.default_rng(seed)
    differences = 0.1 + rng.normal(0, 0.1, (3, 1)) + rng.normal(0, 0.1, (3, 24))
    p = crossed_p_value(differences)
    for level in (0.5, 0.9, 0.95):
        low, high = crossed_interval(differences, level)
        assert (p < 1 - level) == (low > 0 or high < 0)
    assert crossed_p_value(np.zeros((2, 24))) == 1
    assert crossed_p_value(np.ones((2, 24))) == 0
