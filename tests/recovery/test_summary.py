"""Shares, detectabilities and their intervals, by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from wdualmine.errors import WdualmineError
from wdualmine.recovery.summary import leave_one_out, relate, summarize_recovery


def volume(name: str) -> str:
    return name[0]


def made(seed: int, gain: float = 1.0) -> pd.DataFrame:
    """Scores of 40 signals a source, of two classes, in 8 pairs of 4 volumes."""
    rng = np.random.default_rng(seed)
    count = 80
    answers = {
        f"{name}_{part}": values
        for name in ("filter", "hotelling")
        for part, values in (
            ("answer", gain * rng.normal(2, 0.5, count)),
            ("mean", rng.normal(0, 0.1, count)),
            ("square", rng.uniform(0.5, 1.5, count)),
        )
    }
    return pd.DataFrame(
        {
            "pair": [f"{v}{k}" for v in "pqrs" for k in "12"] * 10,
            "source": ["a"] * 40 + ["b"] * 40,
            "shape": ["disc", "line"] * 40,
            "size": 5.0,
            "angle": 0.0,
            "amplitude": 30.0,
            "row": np.arange(count),
            "column": 0,
            "recovery": gain * (np.tile(np.linspace(-0.06, 1, 40), 2) + rng.normal(0, 0.01, count)),
            "found": (rng.random(count) < 0.6).astype(float),
            "rating": np.round(rng.normal(3, 1, count), 1),  # with ties
            "false_rating": np.round(rng.normal(2, 1, count), 1),
            **answers,
        }
    )


def by_hand(scores: pd.DataFrame) -> dict[str, float]:
    """The statistics of one source, with loops."""
    recovery, count = list(scores["recovery"]), len(scores)
    reported, localized, d_primes = 0.0, 0.0, {"filter": [], "hotelling": []}
    for _, own in scores.groupby(["shape", "size"]):
        for found, rating in zip(own["found"], own["rating"], strict=True):
            above = [(rating > false) + 0.5 * (rating == false) for false in own["false_rating"]]
            localized += found * sum(above) / len(own)
            reported += found * (rating > np.quantile(own["false_rating"], 0.9))
        for name, values in d_primes.items():
            spread = own[f"{name}_square"].mean() - own[f"{name}_mean"].mean() ** 2
            values.append(own[f"{name}_answer"].mean() / np.sqrt(spread))
    return {
        "recovery": sum(recovery) / count,
        "p10": float(np.quantile(recovery, 0.1)),
        "lost": sum(value < 0.25 for value in recovery) / count,
        "inverted": sum(value < 0 for value in recovery) / count,
        "search": sum(scores["found"]) / count,
        "reported": reported / count,
        "localization": localized / count,
        "detectability": sum(d_primes["filter"]) / 2,
        "hotelling": sum(d_primes["hotelling"]) / 2,
    }


def test_statistics_over_all_volumes_and_without_each() -> None:
    scores = made(0)
    table = leave_one_out(scores, volume).set_index(["source", "without", "statistic"])["value"]
    assert set(table.index.get_level_values("without")) == {"", *"pqrs"}
    for source in "ab":
        for without in ("", *"pqrs"):
            kept = scores[(scores["source"] == source) & (scores["pair"].map(volume) != without)]
            expected = by_hand(kept)
            assert dict(table[source, without]) == pytest.approx(expected)


def test_every_pair_is_a_volume_unless_said_otherwise() -> None:
    assert set(leave_one_out(made(0))["without"]) == {"", *(f"{v}{k}" for v in "pqrs" for k in "12")}


def test_values_and_shares_have_the_jackknifes_intervals() -> None:
    own, reference = (leave_one_out(made(seed), volume) for seed in (0, 1))
    found = relate(own, reference, 0.9).set_index(["source", "statistic"]).sort_index()
    pick = [
        frame.set_index(["source", "statistic", "without"])["value"].sort_index()
        for frame in (own, reference)
    ]
    quantile = stats.t.ppf(0.95, 3)
    for key in found.index:
        one, other = (frame.loc[key] for frame in pick)
        for numbers, (name, low, high) in (
            (one, ("value", "low", "high")),
            ((one / other).where(other > 0), ("share", "share_low", "share_high")),
        ):
            left = np.array([numbers[v] for v in "pqrs"])
            half = quantile * np.sqrt(3 / 4 * ((left - left.mean()) ** 2).sum())
            expected = [numbers[""], numbers[""] - half, numbers[""] + half]
            assert list(found.loc[key, [name, low, high]]) == pytest.approx(expected, nan_ok=True)


def test_the_same_scores_are_all_of_themselves() -> None:
    summary = summarize_recovery(made(0), made(0), volume)
    assert (summary[["share", "share_low", "share_high"]] == 1).all(axis=None)


def test_twice_the_answers_are_twice_the_detectability() -> None:
    table = summarize_recovery(made(0, gain=2.0), made(0), volume).set_index(["statistic", "source"])["share"]
    assert list(table["detectability"]) == pytest.approx([2, 2])
    assert list(table["hotelling"]) == pytest.approx([2, 2])
    assert list(table["recovery"]) == pytest.approx([2, 2])
    assert list(table["search"]) == [1, 1]


def test_one_volume_has_no_interval_and_nothing_has_no_share() -> None:
    nothing = made(1).assign(found=0.0)
    summary = summarize_recovery(made(0), nothing, lambda name: "one volume")
    assert summary[["low", "high", "share_low", "share_high"]].isna().all(axis=None)
    assert summary.set_index("statistic").loc["search", "share"].isna().all()
    assert summary["value"].notna().all()


def test_what_an_observer_does_not_look_at_is_left_out() -> None:
    scores = made(0)
    for name in ("hotelling_answer", "hotelling_mean", "hotelling_square"):
        scores.loc[scores["shape"] == "line", name] = np.nan
    discs = scores[scores["shape"] == "disc"]
    both, one = (
        leave_one_out(frame, volume).set_index(["source", "statistic", "without"])["value"]
        for frame in (scores, discs)
    )
    assert both["a", "hotelling", ""] == one["a", "hotelling", ""]
    blind = leave_one_out(scores.assign(hotelling_answer=np.nan, hotelling_square=np.nan), volume)
    assert blind.loc[blind["statistic"] == "hotelling", "value"].isna().all()


def test_other_signals_are_refused_and_another_order_is_not() -> None:
    shuffled = made(0).sample(frac=1, random_state=0)
    assert (summarize_recovery(made(0), shuffled, volume)["share"].round(12) == 1).all()
    with pytest.raises(WdualmineError, match="measured with other signals; measure both with one seed"):
        summarize_recovery(made(0), made(0).assign(row=7), volume)
