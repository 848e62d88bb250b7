"""The observers against closed forms, the FDA's, and what could deceive them."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from tolerances import TOLERANCES
from torch import Tensor

from wdualmine.blur import gaussian_blur
from wdualmine.data import Pair
from wdualmine.fusion import Fuse
from wdualmine.methods import average, maximum
from wdualmine.recovery.measure import first_source, measure_alone, measure_recovery, second_source
from wdualmine.recovery.observers import (
    CHANCE,
    REGION,
    ROUND,
    Seen,
    difference_of_gaussians,
    hotelling_template,
    trained_weights,
)
from wdualmine.recovery.signals import REACH, SHAPES, SPACING, draw_signals
from wdualmine.recovery.summary import leave_one_out, summarize_recovery
from wdualmine_book.recovery.uptake import ColorMap

OBSERVERS = ["found", "rating", "false_rating", "filter_answer", "filter_square", "hotelling_answer"]
#: Of these, no contrast is any part.
STATISTICS = ["search", "reported", "localization", "detectability", "hotelling"]


def noise_pair(name: str, deviation: float = 20, side: int = 320, smooth: float = 0) -> Pair:
    """White or smooth Gaussian noise of its own in each source, the head as large as the image."""
    noise = np.random.default_rng([int(name), side]).normal(0, 1, (2, side, side))
    if smooth:
        tensor = gaussian_blur(torch.from_numpy(noise[:, None]), smooth, round(3 * smooth))
        noise = tensor[:, 0].numpy() / tensor.std().item()
    first, second = np.clip(np.rint(127 + deviation * noise), 11, 255).astype(np.uint8)
    return Pair(name, first, second)


PAIRS = [noise_pair(str(k), smooth=1.5, side=220) for k in range(3)]
ALONE = measure_alone(PAIRS)


def value(
    fuse: Fuse, pairs: list[Pair] = PAIRS, alone: pd.DataFrame = ALONE, column: str = "value"
) -> pd.Series:
    scores = measure_recovery(fuse, pairs)
    return summarize_recovery(scores, alone).set_index(["source", "statistic"])[column]


@pytest.mark.parametrize("fuse", [average, maximum, second_source])
def test_no_increasing_linear_map_of_any_image_changes_an_answer(fuse: Fuse) -> None:
    def mapped(a: Tensor, b: Tensor) -> Tensor:
        """Another gain and level for each image, with and without signals."""
        fused = fuse(a, b)
        gain = 0.3 + 0.4 * float((1e4 * (a + 2 * b).double().sum()) % 1)
        return gain * fused.double() + 0.2

    plain, other = (measure_recovery(f, PAIRS) for f in (fuse, mapped))
    np.testing.assert_allclose(
        other[OBSERVERS], plain[OBSERVERS], atol=TOLERANCES["recovery"].value, rtol=1e-4
    )
    assert not np.allclose(other["recovery"], plain["recovery"]) or fuse is second_source
    # What is free of a source is rated as it is without the signal: rounding decides such a tie.
    kept = [name for name in STATISTICS if name != "localization" or fuse is not second_source]
    first, second = (
        table[table["statistic"].isin(kept)] for table in (leave_one_out(plain), leave_one_out(other))
    )
    pd.testing.assert_frame_equal(first, second, rtol=1e-4, atol=TOLERANCES["recovery"].value)


def test_an_image_that_is_one_source_shows_all_of_it_and_is_at_chance_for_the_other() -> None:
    share = value(first_source, column="share")["a"]
    assert (share[["recovery", "p10", *STATISTICS]] == 1).all()
    scores = measure_recovery(first_source, PAIRS)
    blind = scores[scores["source"] == "b"]
    assert (blind["filter_answer"] == 0).all()
    assert (blind["recovery"] == 0).all()
    bound = stats.binom.ppf(0.999, len(blind), CHANCE)  # all places of a region are as likely
    assert blind["found"].sum() <= bound
    share = summarize_recovery(scores, ALONE).set_index(["source", "statistic"])["share"]["b"]
    assert share["detectability"] == share["hotelling"] == 0


def test_d_prime_in_white_noise_is_the_closed_form() -> None:
    deviation, pairs = 20.0, [noise_pair(str(k)) for k in range(6)]
    alone = measure_recovery(first_source, pairs, signals=3)
    alone = alone[alone["source"] == "a"]
    found = summarize_recovery(alone, alone).set_index("statistic")["value"]
    channels = difference_of_gaussians().reshape(10, -1)
    matched, channelized = [], []
    for (name, size), own in alone.groupby(["shape", "size"]):
        shape = SHAPES[name][0](size, 0.0)
        energy = ((shape - shape.mean()) ** 2).sum()
        amplitude = own["amplitude"].abs().mean() / deviation
        matched.append(amplitude * np.sqrt(energy))
        if name in ROUND:
            signal = channels @ np.pad(shape, 10).ravel()
            channelized.append(amplitude * np.sqrt(signal @ np.linalg.pinv(channels @ channels.T) @ signal))
    # The deviation of the answers at 78,000 places a pair; a held-out template of ten channels loses some.
    assert found["detectability"] == pytest.approx(np.mean(matched), rel=0.03)
    assert found["hotelling"] == pytest.approx(np.mean(channelized), rel=0.1)


def test_a_larger_signal_is_found_more_often() -> None:
    pairs = [noise_pair(str(k), smooth=1.5, side=220) for k in range(2)]
    found = [
        measure_recovery(average, pairs, amplitudes=[amplitude])["found"].mean() for amplitude in (5, 20, 60)
    ]
    assert found[0] < found[1] - 0.1 < found[2] - 0.4


def sharpened(fuse: Fuse, sharpness: float) -> Fuse:
    return lambda a, b: (1 + sharpness) * fuse(a, b) - sharpness * gaussian_blur(fuse(a, b), 2, 6)


def plus_noise(a: Tensor, b: Tensor) -> Tensor:
    return average(a, b) + 0.15 * torch.randn(a.shape, generator=torch.Generator().manual_seed(0))


def test_what_adds_nothing_gains_nothing() -> None:
    plain = value(average)
    windowed = value(lambda a, b: (1.25 * (average(a, b) - 0.1)).clamp(0, 1))
    kept = [series[series.index.isin(STATISTICS, level=1)] for series in (windowed, plain)]
    pd.testing.assert_series_equal(*kept, rtol=0.02)
    assert windowed["a", "recovery"] > 1.2 * plain["a", "recovery"]
    noisy = value(plus_noise)
    for statistic in ("localization", "detectability", "hotelling"):
        assert (noisy.xs(statistic, level=1) < plain.xs(statistic, level=1)).all()


def test_sharpening_helps_the_matched_filter_and_not_the_hotelling_observer() -> None:
    """A linear filter whitens clutter for an observer that cannot; one that can has nothing from it."""
    plain, sharp = value(average), value(sharpened(average, 3))
    for source in "ab":
        assert sharp[source, "detectability"] > 1.1 * plain[source, "detectability"]
        assert sharp[source, "hotelling"] == pytest.approx(plain[source, "hotelling"], rel=0.05)


def literal(number: int, present: bool) -> np.ndarray:
    """Make the integers of the reference's images; see the test."""
    rows, columns = np.mgrid[:41, :41]
    k = rows * 41 + columns + number * 41 * 41
    image = (k * k * 7919 + k * 104729) % 65537 / 65537
    if present:
        image = image + 0.5 * np.exp(-((rows - 20) ** 2 + (columns - 20) ** 2) / (2 * 3**2))
    return image


def test_channels_and_template_are_those_of_the_fda() -> None:
    """``dog_cho_2d.m`` ("dense") and ``npwe_2d.m`` (no eye filter) of DIDSR/LCD_CT, commit a27dcfc.

    Run in GNU Octave 7.3 on images 0 to 59 without and 60 to 119 with a signal, 30 of each to train on.
    """
    channels = difference_of_gaussians()
    norms = [
        0.000684450196259, 0.00545662811343, 0.0148183312614, 0.0232036932005, 0.0314247748884,
        0.0438047172894, 0.0613257188038, 0.0858560063129, 0.120198405433, 0.168255364348,
    ]  # fmt: skip
    library, hotelling = (TOLERANCES[name].value for name in ("library", "hotelling"))
    np.testing.assert_allclose(np.linalg.norm(channels, axis=(1, 2)), norms, atol=library)
    np.testing.assert_allclose(channels[[0, 9], 20, 20], [3.38534516939e-05, 0.118562750607], atol=library)
    absent = np.array([literal(k, False) for k in range(60)])
    present = np.array([literal(k + 60, True) for k in range(60)])

    def d_prime(weights: np.ndarray, with_signal: np.ndarray, without: np.ndarray) -> float:
        first, second = with_signal @ weights, without @ weights
        return (first.mean() - second.mean()) / np.sqrt((first.var(ddof=1) + second.var(ddof=1)) / 2)

    seen, blind = (x.reshape(60, -1) @ channels.reshape(10, -1).T for x in (present, absent))
    covariance = (np.cov(seen[:30].T) + np.cov(blind[:30].T)) / 2
    template = hotelling_template(seen[:30].mean(axis=0) - blind[:30].mean(axis=0), covariance)
    assert d_prime(template, seen[30:], blind[30:]) == pytest.approx(8.60017042172, rel=hotelling)
    pixels = (present[:30].mean(axis=0) - absent[:30].mean(axis=0)).ravel()
    matched = d_prime(pixels, present[30:].reshape(30, -1), absent[30:].reshape(30, -1))
    assert matched == pytest.approx(5.22173609365, rel=1e-8)


def test_no_other_signal_reaches_a_search_region() -> None:
    for _, drawn in draw_signals(PAIRS[0].luma_a, PAIRS[0].luma_b, 9, (1,)):
        places = np.array([(signal.row, signal.column) for signal in drawn])
        apart = np.abs(places[:, None] - places).max(axis=2)[~np.eye(len(places), dtype=bool)]
        assert len(places) > 3
        assert np.hypot(*(places[:, None] - places).T)[~np.eye(len(places), dtype=bool)].min() >= SPACING
        assert apart.min() > 2 * REGION + REACH


def test_weights_of_channels_are_trained_on_other_volumes() -> None:
    rng = np.random.default_rng(0)
    answers, means = rng.normal(3, 1, (6, 2)), rng.normal(0, 0.1, (6, 2))
    squares = np.array([x @ x.T for x in rng.normal(0, 1, (6, 2, 5))])
    seen = [Seen(*x) for x in zip(answers, means, squares, strict=True)]
    scores = pd.DataFrame({"source": "a", "shape": ["disc"] * 5 + ["ring"], "size": 5.0})
    volumes = pd.Series(list("xxyyzx"))
    weights = trained_weights(seen, scores, volumes)
    others = [2, 3, 4]  # of what volume x has
    covariance = squares[others].mean(axis=0) - np.outer(*[means[others].mean(axis=0)] * 2)
    expected = np.linalg.solve(covariance, answers[others].mean(axis=0))
    for k in (0, 1):
        np.testing.assert_allclose(
            weights[k] / np.linalg.norm(weights[k]), expected / np.linalg.norm(expected)
        )
        assert weights[k] @ covariance @ weights[k] == pytest.approx(1)
    assert not np.allclose(weights[2], weights[0])
    assert np.isnan(weights[5]).all()  # no other volume has its class


#: From blue over green, the brightest, to red.
RAINBOW = ColorMap(np.array([[0, 0, 255], [0, 255, 0], [255, 0, 0]], float), np.array([0, 0.5, 1]))


def rainbow(name: str) -> Pair:
    """Uptake shown in color, beside a grey image."""
    pair = noise_pair(name, smooth=1.5, side=140)
    return Pair(name, np.rint(RAINBOW.color(pair.luma_a / 255)).astype(np.uint8), pair.image_b)


def test_color_shows_uptake_that_luma_does_not() -> None:
    pairs = [rainbow(str(k)) for k in range(3)]
    options = {"color_map": RAINBOW}
    in_luma, in_color = (
        summarize_recovery(measure_recovery(average, pairs, **kw), measure_alone(pairs, **kw)).set_index(
            ["source", "statistic"]
        )
        for kw in (options, options | {"in_color": True})
    )
    for statistic in ("search", "detectability"):
        assert in_color.loc[("a", statistic), "value"] > 2 * in_luma.loc[("a", statistic), "value"]


def test_source_a_in_its_colors_shows_all_of_it() -> None:
    pairs, options = [rainbow(str(k)) for k in range(2)], {"color_map": RAINBOW, "in_color": True}
    alone = measure_alone(pairs, **options)
    scores = summarize_recovery(measure_recovery(first_source, pairs, **options), alone)
    share = scores[scores["source"] == "a"].set_index("statistic")["share"]
    assert (share[["recovery", *STATISTICS]] == 1).all()


def flat(a: Tensor, b: Tensor) -> Tensor:
    return torch.full_like(a, 0.5)


def test_an_image_of_nothing_is_at_chance() -> None:
    scores = measure_recovery(flat, PAIRS)
    assert scores["found"].sum() <= stats.binom.ppf(0.999, len(scores), CHANCE)
    assert (scores[["rating", "false_rating", "filter_answer", "filter_square"]].abs() < 1e-6).all(axis=None)
