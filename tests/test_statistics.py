import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tolerances import TOLERANCES

from wdualmine.errors import WdualmineError
from wdualmine.statistics import (
    bootstrap_interval,
    compare,
    crossed_interval,
    crossed_p_value,
    holm,
    wilcoxon,
)

COLUMNS = ["metric", "pairs", "first", "second", "difference", "low", "high", "wins", "p", "p_holm"]


def scores(values, **columns):
    return pd.DataFrame({"pair": [f"{i}" for i in range(len(values))], "EN": values, **columns})


@pytest.fixture
def frames(rng):
    base = rng.normal(5, 1, 24)
    first = scores(base + 0.1 + rng.normal(0, 0.05, 24), MI=rng.normal(3, 1, 24), Nabf=base / 100)
    second = scores(base, MI=rng.normal(3, 1, 24), Nabf=base / 50)
    return first, second


def test_a_row_a_metric(frames):
    first, second = frames
    table = compare(first, second)
    assert list(table.columns) == COLUMNS
    assert table["metric"].tolist() == ["EN", "MI", "Nabf"]
    row = table.set_index("metric").loc["EN"]
    assert row["pairs"] == 24
    assert row["difference"] == pytest.approx((first["EN"] - second["EN"]).mean())
    assert row["low"] < row["difference"] < row["high"]
    assert row["low"] > 0  # the first is better by 0.1, with a spread of 0.05
    assert row["p"] == pytest.approx(stats.wilcoxon(first["EN"], second["EN"]).pvalue)
    assert table["p_holm"].tolist() == pytest.approx(list(holm(table["p"].to_numpy())))
    assert table.set_index("metric").loc["Nabf", "wins"] == 24  # lower is better


def test_pairs_are_matched_by_name_not_by_position(frames):
    first, second = frames
    pd.testing.assert_frame_equal(
        compare(first, second), compare(first, second.sample(frac=1, random_state=1))
    )
    several = [
        pd.concat([frame.assign(task="ct-mri"), frame.assign(task="pet-mri")], ignore_index=True)
        for frame in frames
    ]
    assert compare(*several)["pairs"].tolist() == [48] * 3


def test_swapping_the_methods_turns_the_sign(frames):
    forth, back = compare(*frames), compare(*reversed(frames))
    assert forth["difference"].tolist() == pytest.approx(list(-back["difference"]))
    assert forth["p"].tolist() == pytest.approx(back["p"].tolist())
    width = (forth["high"] - forth["low"]).max()
    assert forth["low"].tolist() == pytest.approx(list(-back["high"]), abs=0.02 * width)


def test_the_same_seed_gives_the_same_interval(frames):
    pd.testing.assert_frame_equal(compare(*frames), compare(*frames))
    assert not compare(*frames, seed=1)["low"].equals(compare(*frames)["low"])


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize("draw", ["normal", "exponential", "lognormal"])
def test_the_interval_is_scipys_bca(level, draw, rng):
    values = getattr(rng, draw)(size=(24, 1)) if draw != "normal" else rng.normal(size=(24, 1))
    low, high = bootstrap_interval(values, level, resamples=20_000)
    reference = stats.bootstrap(
        (values[:, 0],), np.mean, confidence_level=level, n_resamples=20_000, method="BCa", rng=5
    ).confidence_interval
    tolerance = TOLERANCES["bootstrap"].value * (reference.high - reference.low)
    assert (low[0], high[0]) == pytest.approx(tuple(reference), abs=tolerance)


def test_the_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(24, 400))
    low, high = bootstrap_interval(samples, 0.9, resamples=1000)
    assert 0.84 < ((low < 0) & (high > 0)).mean() < 0.94


def test_identical_methods_have_no_difference(frames):
    first, _ = frames
    table = compare(first, first)
    assert (table[["difference", "low", "high", "wins"]] == 0).all(axis=None)
    assert (table[["p", "p_holm"]] == 1).all(axis=None)
    shifted = compare(scores(np.arange(5.0)), scores(np.arange(5.0) + 2))
    assert shifted[["low", "high"]].to_numpy().tolist() == [[-2, -2]]


@settings(max_examples=40, deadline=None)  # scipy goes through all signs where few values tie
@given(st.lists(st.floats(-10, 10).map(lambda x: round(x, 3)), min_size=3, max_size=30))
def test_intervals_and_p_values_are_always_sound(values):
    values = np.array(values)
    low, high = bootstrap_interval(values[:, None], resamples=200)
    assert np.isfinite([low, high]).all()
    assert values.min() - 1e-9 <= low[0] <= high[0] <= values.max() + 1e-9
    assert 0 <= wilcoxon(values) <= 1


def test_holm_by_hand():
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.9, 0.6])).tolist() == [1, 1]
    assert holm(np.array([0.02])).tolist() == [0.02]


def test_bad_input_is_named(frames):
    first, second = frames
    cases = [
        (first, second.iloc[1:], {}, "pair 0: is scored for one method only"),
        (first, pd.concat([second, second.iloc[:1]]), {}, "pair 0: has several rows"),
        (first.iloc[:2], second.iloc[:2], {}, "2 pairs: too few"),
        (first.drop(columns="pair"), second, {}, "pair: both frames need this column"),
        (first, second, {"metrics": ["CC"]}, "CC: is not a column of both frames"),
        (first, second, {"level": 95}, "level 95: must lie between 0 and 1"),
        (first.assign(EN=np.inf), second, {}, "EN: is not finite on pair 0"),
        (first[["pair", "EN"]], second[["pair", "MI"]], {}, "no metric in common"),
    ]
    for x, y, options, message in cases:
        with pytest.raises(WdualmineError, match=message):
            compare(x, y, **options)


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
    with pytest.raises(WdualmineError, match="1 seeds and 24 pairs"):
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
