"""Known signals: what they look like, where they are put, and that nothing is clipped."""

import numpy as np
import pytest
from heads import head_image, textured_pair
from hypothesis import given
from hypothesis import strategies as st

from wdualmine.errors import WdualmineError
from wdualmine.recovery.signals import (
    AMPLITUDES,
    MARGIN,
    REACH,
    SHAPES,
    SIDE,
    SPACING,
    Signal,
    draw_signals,
    head,
    insert,
    place_signals,
)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_fits_its_window_and_peaks_at_one(shape: str) -> None:
    function, sizes = SHAPES[shape]
    for size in sizes:
        template = function(size, 0.7)
        assert template.shape == (SIDE, SIDE)
        assert 0.95 < template.max() <= 1
        border = np.concatenate([template[0], template[-1], template[:, 0], template[:, -1]])
        assert np.abs(border).max() < 0.02


def test_shapes_have_the_size_that_they_say() -> None:
    spot = SHAPES["gaussian"][0](3.0, 0.0)
    assert spot[REACH, REACH + 3] == pytest.approx(np.exp(-0.5))
    assert SHAPES["disc"][0](5.0, 0.0).sum() == pytest.approx(np.pi * 25, rel=0.03)
    assert SHAPES["ring"][0](6.0, 0.0).sum() == pytest.approx(2 * np.pi * 6 * 2, rel=0.03)
    assert SHAPES["line"][0](15.0, 0.0).sum() == pytest.approx(15 * 2, rel=0.03)
    along = SHAPES["grating"][0](4.0, 0.0)[REACH]
    assert along[REACH + 2] == pytest.approx(-np.exp(-4 / 18))


def test_an_angle_turns_a_line() -> None:
    assert np.allclose(SHAPES["line"][0](9.0, np.pi / 2), SHAPES["line"][0](9.0, 0.0).T)


@given(seed=st.integers(0, 10_000), shape=st.sampled_from(sorted(SHAPES)))
def test_places_lie_inside_apart_and_clip_nothing(seed: int, shape: str) -> None:
    pair = textured_pair(seed)
    inside = head(pair.luma_a, pair.luma_b)
    signals = place_signals(pair.luma_a, inside, shape, 10, np.random.default_rng(seed))
    assert signals
    for number, signal in enumerate(signals):
        assert abs(signal.amplitude) in AMPLITUDES
        corner = np.s_[signal.row - MARGIN : signal.row + MARGIN, signal.column]
        assert inside[corner].all()
        for other in signals[:number]:
            assert np.hypot(signal.row - other.row, signal.column - other.column) >= SPACING
    changed = insert(pair.luma_a, signals).astype(np.float64) * 255 - pair.luma_a
    expected = np.zeros(changed.shape)
    for signal in signals:
        expected[signal.window] += signal.template
    np.testing.assert_allclose(changed, expected, atol=1e-4)


def test_the_same_seed_draws_the_same_and_another_does_not() -> None:
    pair = textured_pair()
    drawn = [list(draw_signals(pair.luma_a, pair.luma_b, 5, seed)) for seed in ((1, 2), (1, 2), (1, 3))]
    assert drawn[0] == drawn[1] != drawn[2]
    assert [source for source, _ in drawn[0]] == ["a"] * len(SHAPES) + ["b"] * len(SHAPES)


def test_both_signs_are_drawn_and_a_bright_image_gets_dark_signals_only() -> None:
    pair, full = textured_pair(), head_image(255)
    signs = {
        np.sign(s.amplitude)
        for _, signals in draw_signals(pair.luma_a, pair.luma_b, 9, (0,))
        for s in signals
    }
    assert signs == {-1, 1}
    found = place_signals(full, full > 0, "disc", 10, np.random.default_rng(0))
    assert found
    assert all(signal.amplitude < 0 for signal in found)


def test_the_head_is_the_largest_part_with_what_it_encloses() -> None:
    image = head_image(100)
    image[80, 80] = 0  # a hole
    image[0:4, 0:4] = 200  # a label in the corner
    found = head(image, np.zeros_like(image))
    assert found[80, 80]
    assert not found[:5, :5].any()
    assert not head(np.zeros_like(image), np.zeros_like(image)).any()


def test_mistakes_are_named() -> None:
    image = head_image(100)
    with pytest.raises(WdualmineError, match="unknown shape 'star'; choose one of gaussian"):
        place_signals(image, image > 0, "star", 1, np.random.default_rng(0))
    with pytest.raises(WdualmineError, match="0 signals: ask for at least 1"):
        place_signals(image, image > 0, "disc", 0, np.random.default_rng(0))
    assert Signal("disc", 2.5, 0, 15, 40, 50).window == (slice(30, 51), slice(40, 61))
