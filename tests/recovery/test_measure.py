"""Recovery against closed forms: the average, the maximum, one source, and an inverted one."""

import numpy as np
import pandas as pd
import pytest
import torch
from heads import head_image, textured_pair
from tolerances import TOLERANCES

from wdualmine.data import Pair
from wdualmine.errors import WdualmineError
from wdualmine.methods import average, maximum
from wdualmine.recovery.measure import measure_recovery, summarize_recovery

FLOAT = TOLERANCES["recovery"].value
PAIRS = [textured_pair(seed, str(seed)) for seed in range(3)]


def by_source(scores: pd.DataFrame, column: str = "recovery") -> dict[str, np.ndarray]:
    return {source: own[column].to_numpy() for source, own in scores.groupby("source")}


@pytest.mark.parametrize(
    ("fuse", "a", "b"),
    [
        (average, 0.5, 0.5),
        (lambda a, b: a, 1, 0),
        (lambda a, b: b, 0, 1),
        (lambda a, b: 1 - a, -1, 0),
        (lambda a, b: 0.25 * a + 0.75 * b, 0.25, 0.75),
    ],
    ids=["average", "A", "B", "inverted A", "weighted"],
)
def test_linear_fusion_recovers_its_weights(fuse, a: float, b: float) -> None:
    found = by_source(measure_recovery(fuse, PAIRS, 2))
    np.testing.assert_allclose(found["a"], a, atol=FLOAT)
    np.testing.assert_allclose(found["b"], b, atol=FLOAT)


def test_the_maximum_keeps_the_brighter_source_whole_and_loses_the_other() -> None:
    pair = Pair("flat", head_image(180), head_image(80))  # 100 levels apart: no signal reaches the other
    found = by_source(measure_recovery(maximum, [pair], 3))
    np.testing.assert_allclose(found["a"], 1, atol=FLOAT)
    np.testing.assert_allclose(found["b"], 0, atol=FLOAT)


def test_visibility_is_contrast_over_what_surrounds_it() -> None:
    pair = Pair("flat", head_image(180, 240, 110), head_image(80, 240, 110))
    scores = measure_recovery(average, [pair], 8)
    far = scores[np.hypot(scores["row"] - 120, scores["column"] - 120) < 80]  # away from the head's edge
    np.testing.assert_allclose(far["visibility"], 0.5 * far["amplitude"].abs() / 2, rtol=1e-4)
    np.testing.assert_allclose(far["clutter"], 0, atol=1e-3)


def test_detectability_is_that_of_the_matched_filter() -> None:
    scores = measure_recovery(average, PAIRS, 4)
    expected = [
        (own["recovery"] * own["amplitude"].abs()).mean() / own["clutter"].std(ddof=1)
        for _, own in scores[scores["source"] == "a"].groupby(["shape", "size"])
        if len(own) > 1
    ]
    summary = summarize_recovery(scores).set_index(["source", "statistic"])["value"]
    assert summary["a", "detectability"] == pytest.approx(np.mean(expected), abs=TOLERANCES["library"].value)


def test_a_summary_counts_what_is_lost_and_inverted() -> None:
    scores = measure_recovery(average, PAIRS, 1).iloc[:8].assign(source="a")
    scores["recovery"] = [-0.5, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    summary = summarize_recovery(scores).set_index("statistic")
    assert summary.loc["lost", "value"] == 3 / 8
    assert summary.loc["inverted", "value"] == 1 / 8
    assert summary.loc["mean", "value"] == pytest.approx(0.2875)
    assert summary.loc["p10", "value"] == pytest.approx(np.quantile(scores["recovery"], 0.1))


def test_intervals_are_over_volumes_and_hold_the_value() -> None:
    summary = summarize_recovery(measure_recovery(maximum, PAIRS, 3))
    means = summary[summary["statistic"] == "mean"]
    assert (means["low"] <= means["value"]).all()
    assert (means["value"] <= means["high"]).all()
    for one in (measure_recovery(average, PAIRS[:1], 1), measure_recovery(maximum, PAIRS, 1)):
        assert summarize_recovery(one, lambda name: "one volume")["low"].isna().all()


def test_the_signals_do_not_depend_on_the_other_pairs() -> None:
    alone = measure_recovery(average, PAIRS[1:2], 2)
    among = measure_recovery(average, PAIRS, 2)
    pd.testing.assert_frame_equal(alone, among[among["pair"] == "1"].reset_index(drop=True))


def test_a_method_that_misbehaves_and_pairs_without_room_are_named() -> None:
    with pytest.raises(WdualmineError, match=r"0: the fusing function gave shape \(1, 1, 80, 160\)"):
        measure_recovery(lambda a, b: a[..., ::2, :], PAIRS[:1])
    with pytest.raises(WdualmineError, match="0: the fusing function gave NaN or infinity"):
        measure_recovery(lambda a, b: a * torch.nan, PAIRS[:1])
    with pytest.raises(WdualmineError, match=r"0: the fusing function gave values from .* to"):
        measure_recovery(lambda a, b: 255 * average(a, b), PAIRS[:1])
    with pytest.raises(WdualmineError, match="0: the fusing function gave ndarray"):
        measure_recovery(lambda a, b: average(a, b).numpy().astype(int), PAIRS[:1])
    black = Pair("black", np.zeros((64, 64), np.uint8), np.zeros((64, 64), np.uint8))
    with pytest.raises(WdualmineError, match="no pair has room for a signal"):
        measure_recovery(average, [black])
