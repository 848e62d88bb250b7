"""Differences over seeds and volumes, and Holm's correction."""

import math

import numpy as np
import pytest
from scipy import stats

from wdualmine.errors import WdualmineError
from wdualmine_book.records import reference_runs, study_runs, training_length_runs
from wdualmine_book.results.tables import seed_ranges
from wdualmine_book.statistics import (
    MARGIN,
    alike,
    crossed_detectable,
    crossed_interval,
    crossed_p_value,
    higher,
    holm,
    no_lower,
)


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


@pytest.mark.parametrize("metric", MARGIN)
def test_the_margin_is_what_another_seed_changed_at_most(metric: str) -> None:
    """Among the first three seeds of each training: it was set before there were more."""
    runs = [*reference_runs(), *study_runs(), *training_length_runs()]
    largest = seed_ranges(runs, 3)[metric].max()
    digit = 10 ** (math.floor(math.log10(largest)) - 1)
    assert MARGIN[metric] == pytest.approx(math.ceil(largest / digit) * digit)


def test_what_counts_as_a_difference() -> None:
    assert higher([0.141, 0.139, -1], "MI") == [True, False, False]
    assert no_lower([0.141, -0.139, -0.141], "MI") == [True, True, False]
    assert alike([0.139, -0.141], "MI") == [True, False]
    assert higher([1e-9, 0], "Qabf") == [True, False]  # no record over seeds, no margin


def test_a_detectable_difference_is_found_four_times_in_five() -> None:
    rng = np.random.default_rng(1)
    samples = np.repeat(rng.normal(0, 0.1, (1000, 3, 1)), 12, axis=2)  # seeds alone make a difference
    errors = samples.mean(axis=2).std(axis=1, ddof=1) / np.sqrt(3)
    times = crossed_detectable(samples[0], 1) / errors[0]
    assert crossed_detectable(samples[1], 1) == pytest.approx(times * errors[1])
    least = times * 0.1 / np.sqrt(3)
    found = np.mean([crossed_p_value(sample + least) < 0.05 for sample in samples])
    assert found == pytest.approx(0.8, abs=0.04)
    assert crossed_detectable(samples[0], 40) > 5 * crossed_detectable(samples[0], 1)
