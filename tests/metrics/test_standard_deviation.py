import math

import numpy as np
import pytest
from hypothesis import given
from sample_images import noise_triple, triples
from trivial_methods import frontier, mean_score

from wdualmine.metrics.standard_deviation import METRIC, standard_deviation, standard_deviation_saturating


def literal(image):
    pixels = [int(value) for value in image.ravel()]
    mean = sum(pixels) / len(pixels)
    return math.sqrt(sum((value - mean) ** 2 for value in pixels) / len(pixels))


def literal_saturating(image):
    """MATLAB's uint8: each operation in double, then rounded half away from 0 and clamped."""

    def uint8(value):
        return min(255, max(0, math.floor(value + 0.5)))

    pixels = [int(value) for value in image.ravel()]
    mean = sum(pixels) / len(pixels)
    return math.sqrt(sum(uint8(uint8(value - mean) ** 2) for value in pixels) / len(pixels))


@given(triples())
def test_both_conventions_agree_with_loops(images):
    a, b, fused = images
    assert standard_deviation(a, b, fused) == pytest.approx(literal(fused), abs=1e-9)
    assert standard_deviation_saturating(a, b, fused) == pytest.approx(literal_saturating(fused), abs=1e-9)
    assert 0 <= standard_deviation(a, b, fused) <= METRIC.range[1]
    assert 0 <= standard_deviation_saturating(a, b, fused) <= math.sqrt(255)


def test_known_values():
    halves = np.repeat(np.array([0, 255], np.uint8), 8).reshape(4, 4)
    constant = np.full((4, 4), 77, np.uint8)
    assert standard_deviation(halves, halves, halves) == 127.5
    assert standard_deviation_saturating(halves, halves, halves) == pytest.approx(math.sqrt(255 / 2))
    assert standard_deviation(halves, halves, constant) == 0
    assert standard_deviation_saturating(halves, halves, constant) == 0


def test_neither_sources_nor_pixel_order_matter():
    a, b, fused = noise_triple((9, 7))
    shuffled = np.random.default_rng(1).permutation(fused.ravel()).reshape(fused.shape)
    assert standard_deviation(a, b, fused) == pytest.approx(standard_deviation(b, fused, shuffled), abs=1e-12)


@frontier("SD")
def test_real_images(harvard, published, task, method, expected, tolerance):
    measured = mean_score(standard_deviation, harvard, published, task, method)
    assert measured == pytest.approx(expected, abs=tolerance)


def test_saturating_arithmetic_gives_about_10_on_real_images(harvard, published):
    measured = mean_score(standard_deviation_saturating, harvard, published, "CT-MRI", "average")
    assert measured == pytest.approx(10.58, abs=0.01)
