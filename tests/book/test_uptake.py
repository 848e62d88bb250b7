"""Color maps that are known, found again from images."""

import numpy as np
import pytest

from wdualmine.errors import WdualmineError
from wdualmine_book.recovery.uptake import ColorMap, find_color_map


def table(*ends: tuple[int, int, int], steps: int = 20) -> np.ndarray:
    """Colors in equal steps between some ends, (n, 3) uint8."""
    at = np.linspace(0, len(ends) - 1, steps * (len(ends) - 1) + 1)
    return np.rint(
        [[np.interp(x, range(len(ends)), channel) for channel in zip(*ends, strict=True)] for x in at]
    ).astype(np.uint8)


RAINBOW = table((0, 0, 0), (0, 0, 255), (0, 255, 255), (255, 255, 0), (255, 0, 0))
HOT = table((0, 0, 0), (80, 0, 140), (255, 110, 0), (255, 255, 255))


def image(colors: np.ndarray, seed: int = 0) -> np.ndarray:
    """Every color of a table, at random places."""
    generator = np.random.default_rng(seed)
    return colors[generator.permutation(np.arange(32 * 32) % len(colors))].reshape(32, 32, 3)


@pytest.mark.parametrize("colors", [RAINBOW, HOT])
def test_the_table_is_found_in_order(colors: np.ndarray) -> None:
    found = find_color_map([image(colors)])
    np.testing.assert_array_equal(found.colors, colors)
    steps = np.linalg.norm(np.diff(colors.astype(float), axis=0), axis=1)
    np.testing.assert_allclose(found.positions[1:], np.cumsum(steps) / steps.sum(), rtol=1e-12)


def test_uptake_and_color_are_inverse() -> None:
    found = find_color_map([image(RAINBOW, seed) for seed in range(2)])
    uptake, distance = found.uptake(image(RAINBOW, 5))
    np.testing.assert_allclose(found.color(uptake), image(RAINBOW, 5), atol=1e-9)
    np.testing.assert_allclose(distance, 0, atol=1e-9)
    again, _ = found.uptake(found.color(np.linspace(0, 1, 1000)))
    np.testing.assert_allclose(again, np.linspace(0, 1, 1000), atol=1 / 4095)


def test_a_color_off_the_curve_is_told_by_its_distance() -> None:
    line = ColorMap(np.array([[0.0, 0, 0], [200, 0, 0]]), np.array([0.0, 1.0]))
    uptake, distance = line.uptake(np.array([[50, 0, 30]]))
    assert uptake[0] == pytest.approx(0.25, abs=1 / 4095)
    assert distance[0] == pytest.approx(30, abs=1e-3)


def test_what_has_no_color_map_is_named() -> None:
    with pytest.raises(WdualmineError, match="a grey image has no color map"):
        find_color_map([np.zeros((4, 4), np.uint8)])
    with pytest.raises(WdualmineError, match="1 colors are no color table"):
        find_color_map([np.zeros((4, 4, 3), np.uint8)])
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    with pytest.raises(WdualmineError, match=r"40\d\d colors are no color table"):
        find_color_map([noise])
