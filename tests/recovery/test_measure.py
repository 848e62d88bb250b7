"""Recovery against closed forms: linear fusions, the maximum, an inverted source; and how it is asked for."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch
from heads import head_image, textured_pair
from tolerances import TOLERANCES

from wdualmine.data import Pair
from wdualmine.errors import WdualmineError
from wdualmine.fusion import Fuse
from wdualmine.methods import average, maximum
from wdualmine.recovery.measure import first_source, measure_alone, measure_recovery, second_source

FLOAT = TOLERANCES["recovery"].value
PAIRS = [textured_pair(seed, str(seed)) for seed in range(3)]


def by_source(scores: pd.DataFrame, column: str = "recovery") -> dict[str, np.ndarray]:
    return {source: own[column].to_numpy() for source, own in scores.groupby("source")}


@pytest.mark.parametrize(
    ("fuse", "a", "b"),
    [
        (average, 0.5, 0.5),
        (first_source, 1, 0),
        (second_source, 0, 1),
        (lambda a, b: 1 - a, -1, 0),
        (lambda a, b: 0.25 * a + 0.75 * b, 0.25, 0.75),
    ],
    ids=["average", "A", "B", "inverted A", "weighted"],
)
def test_linear_fusion_recovers_its_weights(fuse: Fuse, a: float, b: float) -> None:
    found = by_source(measure_recovery(fuse, PAIRS[:2], signals=1))
    np.testing.assert_allclose(found["a"], a, atol=FLOAT)
    np.testing.assert_allclose(found["b"], b, atol=FLOAT)


def test_the_maximum_keeps_the_brighter_source_whole_and_loses_the_other() -> None:
    pair = Pair("flat", head_image(180), head_image(80))  # 100 levels apart: no signal reaches the other
    scores = measure_recovery(maximum, [pair], signals=3)
    found = by_source(scores)
    np.testing.assert_allclose(found["a"], 1, atol=FLOAT)
    np.testing.assert_allclose(found["b"], 0, atol=FLOAT)
    np.testing.assert_allclose(by_source(scores, "filter_answer")["b"], 0, atol=FLOAT)


def test_a_fuse_for_each_pair_gives_what_each_gives() -> None:
    single = measure_recovery(average, PAIRS[:2], signals=1)
    same = measure_recovery({pair.name: average for pair in PAIRS}, PAIRS[:2], signals=1)
    pd.testing.assert_frame_equal(same, single)
    mixed = measure_recovery({"0": first_source, "1": second_source}, PAIRS[:2], signals=1)
    for (name, own), weights in zip(mixed.groupby("pair"), ((1, 0), (0, 1)), strict=True):
        for source, weight in zip("ab", weights, strict=True):
            found = own.loc[own["source"] == source, "recovery"]
            np.testing.assert_allclose(found, weight, atol=FLOAT, err_msg=f"{name} {source}")


def test_alone_is_each_source_by_itself() -> None:
    alone = measure_alone(PAIRS[:1], signals=1)
    np.testing.assert_allclose(alone["recovery"], 1, atol=FLOAT)
    for source, fuse in (("a", first_source), ("b", second_source)):
        own = measure_recovery(fuse, PAIRS[:1], signals=1).query("source == @source")
        pd.testing.assert_frame_equal(
            alone[alone["source"] == source].reset_index(drop=True), own.reset_index(drop=True)
        )


def test_the_signals_do_not_depend_on_the_other_pairs() -> None:
    alone = measure_recovery(average, PAIRS[1:2], signals=1)
    among = measure_recovery(average, PAIRS, signals=1)
    trained = [name for name in alone if name.startswith("hotelling")]  # on the other pairs
    pd.testing.assert_frame_equal(
        alone.drop(columns=trained), among[among["pair"] == "1"].reset_index(drop=True).drop(columns=trained)
    )
    assert alone[trained].isna().all(axis=None)


def test_a_head_full_of_signals_is_measured_too() -> None:
    pair = Pair("small", *(np.full((25, 25), level, np.uint8) for level in (120, 90)))
    scores = measure_recovery(average, [pair], signals=1)
    assert len(scores) == 10
    np.testing.assert_allclose(scores["recovery"], 0.5, atol=FLOAT)
    assert np.isfinite(scores[["rating", "filter_answer", "filter_square"]]).all(axis=None)


def test_progress_is_called_after_every_pair() -> None:
    called: list[int] = []
    measure_recovery(average, PAIRS, signals=1, progress=lambda: called.append(1))
    assert len(called) == len(PAIRS)


BLACK = Pair("black", np.zeros((64, 64), np.uint8), np.zeros((64, 64), np.uint8))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: measure_recovery(lambda a, b: a[..., ::2, :], PAIRS[:1]),
            r"0: the fusing function gave shape \(1, 1, 80, 160\)",
        ),
        (lambda: measure_recovery(lambda a, b: a * torch.nan, PAIRS[:1]), "0: .* gave NaN or infinity"),
        (
            lambda: measure_recovery(lambda a, b: 255 * average(a, b), PAIRS[:1]),
            "0: .* gave values from .* to",
        ),
        (
            lambda: measure_recovery(lambda a, b: average(a, b).numpy().astype(int), PAIRS[:1]),  # type: ignore
            "0: the fusing function gave ndarray",
        ),
        (lambda: measure_recovery(average, [BLACK]), "no pair has room for a signal"),
        (lambda: measure_recovery(average, []), "no pairs to put signals into"),
        (lambda: measure_recovery(average, PAIRS, in_color=True), "0: source a is grey"),
    ],
)
def test_what_cannot_be_measured_is_said(call: Callable[[], object], message: str) -> None:
    with pytest.raises(WdualmineError, match=message):
        call()
