import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from wdualmine.data import volume_of
from wdualmine.errors import WdualmineError
from wdualmine.statistics import (
    SIGNIFICANT,
    compare,
    detectable,
    flip_test,
    jackknife_interval,
    mean_and_error,
    smallest_p,
)

COLUMNS = [
    "metric", "pairs", "groups", "first", "second", "difference", "low", "high", "error", "wins", "p",
    "p_corrected", "detectable",
]  # fmt: skip


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
    assert row["p"] == smallest_p(24)
    assert (table["p_corrected"] >= table["p"]).all()
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
    assert forth["low"].tolist() == pytest.approx(list(-back["high"]))


def test_the_interval_is_students(frames):
    first, second = frames
    row = compare(first, second, ["EN"]).iloc[0]
    difference = first["EN"] - second["EN"]
    expected = stats.t.interval(0.95, 23, difference.mean(), stats.sem(difference))
    assert (row["low"], row["high"]) == pytest.approx(expected)


VOLUMES = ["16009", "16010", "16011", "2004", "2010", "41010", "41011", "41012", "28011"]


def test_a_volume_counts_once_however_many_slices_it_has():
    first = pd.DataFrame({"pair": VOLUMES, "EN": [1.0, 1, 1, 2, 4, 0, 0, 0, 5]})
    second = pd.DataFrame({"pair": VOLUMES, "EN": 0.0})
    row = compare(first, second, group=volume_of).iloc[0]
    assert (row["pairs"], row["groups"], row["difference"], row["wins"]) == (9, 4, pytest.approx(9 / 4), 3)
    assert row["p"] == 2 / 8  # the volume without a difference has no sign
    once = compare(first.iloc[[0, 3, 5, 8]].assign(EN=[1.0, 3, 0, 5]), second.iloc[[0, 3, 5, 8]]).iloc[0]
    assert row[["difference", "low", "high", "p"]].tolist() == pytest.approx(
        once[["difference", "low", "high", "p"]].tolist()
    )


def test_volumes_of_two_tasks_are_not_one_another():
    frames = [pd.DataFrame({"pair": VOLUMES, "EN": np.arange(9.0) + k}) for k in (0, 1)]
    both = [pd.concat([frame.assign(task=task) for task in ("ct-mri", "pet-mri")]) for frame in frames]
    assert compare(*both, group=volume_of)["groups"].tolist() == [8]


@pytest.mark.parametrize("groups", [3, 10])
def test_slices_of_a_volume_do_not_make_a_difference_of_nothing(groups):
    """Where volumes differ and slices do not, a test over slices finds something in most of all trials."""
    rng = np.random.default_rng(0)
    names = [f"{volume + 1}{k:03d}" for volume in range(groups) for k in range(8)]
    found = {"by volume": 0, "by slice": 0, "outside": 0}
    for _ in range(200):
        values = np.repeat(rng.normal(0, 1, groups), 8) + rng.normal(0, 0.1, len(names))
        frames = pd.DataFrame({"pair": names, "EN": values}), pd.DataFrame({"pair": names, "EN": 0.0})
        by_volume, by_slice = compare(*frames, group=volume_of), compare(*frames)
        found["by volume"] += by_volume["p"][0] < SIGNIFICANT
        found["by slice"] += by_slice["p"][0] < SIGNIFICANT
        found["outside"] += by_volume["low"][0] > 0 or by_volume["high"][0] < 0
    assert found["by volume"] <= 16  # 0.05 of 200, and two standard deviations
    assert found["outside"] <= 16
    assert found["by slice"] > 80


def test_a_single_volume_says_nothing_of_others(frames):
    table = compare(*frames, group=lambda name: "one")
    assert table[["low", "high"]].isna().all(axis=None)
    assert (table[["p", "p_corrected"]] == 1).all(axis=None)
    assert np.isinf(table["detectable"]).all()


@pytest.mark.parametrize("groups", [3, 6, 10])
def test_the_p_value_is_that_of_scipys_permutation_test(groups, rng):
    values = rng.normal(0.4, 1, (groups, 4))
    p, *_ = flip_test(values)
    for column, own in zip(values.T, p, strict=True):
        reference = stats.permutation_test(
            (column, np.zeros(groups)), lambda x, y: np.mean(x - y), permutation_type="samples"
        )
        assert own == pytest.approx(reference.pvalue)
    assert flip_test(np.arange(1.0, groups + 1)[:, None])[0][0] == smallest_p(groups)


def test_the_corrected_p_value_by_hand():
    rng = np.random.default_rng(0)
    values = rng.normal([1.0, 0.3, 0.0], 1, (8, 3))
    patterns = np.array(np.meshgrid(*[[1, -1]] * 8)).reshape(8, -1)
    t = np.abs(np.array([stats.ttest_1samp(values * signs[:, None], 0).statistic for signs in patterns.T]))
    _, corrected, critical = flip_test(values)
    observed = np.abs(stats.ttest_1samp(values, 0).statistic)
    order = np.argsort(-observed)
    steps = [(t[:, order[k:]].max(axis=1) >= observed[order[k]] - 1e-9).mean() for k in range(3)]
    assert corrected[order] == pytest.approx(np.maximum.accumulate(steps))
    assert (t.max(axis=1) >= critical * (1 - 1e-9)).mean() < SIGNIFICANT


@given(st.integers(0, 10_000), st.integers(2, 18), st.integers(1, 6))
def test_corrected_p_values_are_sound(seed, groups, questions):
    values = np.random.default_rng(seed).normal(0.5, 1, (groups, questions)).round(1)
    p, corrected, critical = flip_test(values)
    assert (p >= smallest_p(groups) * (1 - 1e-9)).all()
    assert (corrected >= p).all()
    assert (corrected <= 1).all()
    assert (critical == np.inf) == (smallest_p(groups) >= SIGNIFICANT)
    again = flip_test(np.repeat(values, 2, axis=1))[1]
    assert again[::2] == pytest.approx(corrected)  # a question asked twice costs nothing


def test_ten_volumes_answer_questions_about_34_metrics():
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1, (10, 34))
    values[:, 0] += 4
    assert flip_test(values)[1][0] < SIGNIFICANT < len(values[0]) * flip_test(values)[0][0]


def test_nothing_is_found_where_nothing_is():
    rng = np.random.default_rng(0)
    found = sum((flip_test(rng.normal(0, 1, (8, 12)))[1] < SIGNIFICANT).any() for _ in range(300))
    assert found <= 24  # 0.05 of 300, and two standard deviations


@pytest.mark.parametrize(("groups", "questions"), [(10, 1), (10, 12), (15, 5)])
def test_a_detectable_difference_is_found_four_times_in_five(groups, questions):
    rng = np.random.default_rng(0)
    found = []
    for _ in range(200):
        values = rng.normal(0, 1, (groups, questions))
        _, error = mean_and_error(values)
        size = detectable(error, flip_test(values)[2], groups)[0]
        values = rng.normal(0, 1, (groups, questions))
        values[:, 0] += size
        found.append(flip_test(values)[1][0] < SIGNIFICANT)
    assert 0.7 < np.mean(found) < 0.9
    assert flip_test(rng.normal(0, 1, (3, 2)))[2] == np.inf


def test_the_jackknife_of_a_mean_is_students_interval(rng):
    values = rng.normal(2, 1, 12)
    value, left = values.mean(keepdims=True), np.array([[np.delete(values, k).mean()] for k in range(12)])
    for level in (0.95, 0.5):
        low, high = jackknife_interval(value, left, level)
        expected = stats.t.interval(level, 11, values.mean(), stats.sem(values))
        assert (low[0], high[0]) == pytest.approx(expected)
    assert np.isnan(jackknife_interval(value, left[:1])).all()


def test_identical_methods_have_no_difference(frames):
    first, _ = frames
    table = compare(first, first)
    assert (table[["difference", "low", "high", "wins"]] == 0).all(axis=None)
    assert (table[["p", "p_corrected"]] == 1).all(axis=None)
    shifted = compare(scores(np.arange(5.0)), scores(np.arange(5.0) + 2))
    assert shifted[["low", "high"]].to_numpy().tolist() == [[-2, -2]]


def test_bad_input_is_named(frames):
    first, second = frames
    cases = [
        (first, second.iloc[1:], {}, "pair 0: is scored for one method only"),
        (first, pd.concat([second, second.iloc[:1]]), {}, "pair 0: has several rows"),
        (first.iloc[:2], second.iloc[:2], {}, "2 pairs: too few"),
        (first.drop(columns="pair"), second, {}, "pair: both frames need this column"),
        (first, second, {"metrics": ["CC"]}, "CC: is not a column of both frames"),
        (first.assign(EN=np.inf), second, {}, "EN: is not finite on pair 0"),
        (first[["pair", "EN"]], second[["pair", "MI"]], {}, "no metric in common"),
    ]
    for x, y, options, message in cases:
        with pytest.raises(WdualmineError, match=message):
            compare(x, y, **options)
