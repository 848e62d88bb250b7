import math

import numpy as np
import pytest
from hypothesis import given
from sample_images import make_image, noise_triple, triples
from trivial_methods import frontier, mean_score

from wdualmine.errors import WdualmineError
from wdualmine.metrics.qabf import METRIC, qabf, qabf_equal_slip, qabf_unit_range


def literal_edges(image):
    """Sobel strength and orientation, pixel by pixel, zeros beyond the border; y down, x to the left."""
    height, width = image.shape

    def value(i, j):
        return float(image[i, j]) if 0 <= i < height and 0 <= j < width else 0.0

    strength, angle = np.empty(image.shape), np.empty(image.shape)
    for i in range(height):
        for j in range(width):
            x = y = 0.0
            for k, weight in ((-1, 1), (0, 2), (1, 1)):
                x += weight * (value(i + k, j - 1) - value(i + k, j + 1))
                y += weight * (value(i + 1, j + k) - value(i - 1, j + k))
            strength[i, j] = math.sqrt(x * x + y * y)
            angle[i, j] = math.pi / 2 if x == 0 else math.atan(y / x)
    return strength, angle


def literal(a, b, fused, scale=None):
    (strength_a, angle_a), (strength_b, angle_b), (strength_f, angle_f) = map(literal_edges, (a, b, fused))
    numerator = denominator = 0.0
    for i, j in np.ndindex(*fused.shape):
        for strength, angle in ((strength_a, angle_a), (strength_b, angle_b)):
            g, f = strength[i, j], strength_f[i, j]
            if g > f:
                ratio = f / g
            elif g < f:
                ratio = g / f
            else:
                ratio = 1.0 if scale is None else f / scale
            parallel = 1 - abs(angle[i, j] - angle_f[i, j]) / (math.pi / 2)
            kept = 0.9994 / (1 + math.exp(-15 * (ratio - 0.5)))
            kept *= 0.9879 / (1 + math.exp(-22 * (parallel - 0.8)))
            numerator += kept * g
            denominator += g
    return numerator / denominator


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", ["noise", "blocks", "few levels"])
def test_all_conventions_agree_with_loops(kind, seed):
    a, b = (make_image(kind, seed + k, (9, 12)) for k in (0, 100))
    for fused in (np.maximum(a, b), make_image("blocks", seed, (9, 12))):
        assert qabf(a, b, fused) == pytest.approx(literal(a, b, fused), abs=1e-12)
        assert qabf_equal_slip(a, b, fused) == pytest.approx(literal(a, b, fused, 1), abs=1e-12)
        assert qabf_unit_range(a, b, fused) == pytest.approx(literal(a, b, fused, 255), abs=1e-12)


@given(triples())
def test_symmetry_and_range(images):
    a, b, fused = images
    for convention in METRIC.conventions:
        value = convention.function(a, b, fused)
        assert 0 <= value <= 1
        assert value == pytest.approx(convention.function(b, a, fused), abs=1e-12)


def test_equal_images_reach_the_constants_of_the_publication():
    a, _, _ = noise_triple((16, 16))
    best = 0.9994 / (1 + math.exp(-7.5)) * 0.9879 / (1 + math.exp(-4.4))
    assert qabf(a, a, a) == pytest.approx(best, abs=1e-12)
    assert best == pytest.approx(0.9748, abs=1e-4)


def test_a_fused_image_equal_to_the_stronger_source_beats_noise():
    a, b, fused = noise_triple((24, 24))
    assert qabf(a, b, a) > qabf(a, b, fused)


def test_constant_sources_have_no_edge_to_keep():
    a, _, fused = noise_triple((8, 8))
    flat = np.full((8, 8), 50, np.uint8)
    with pytest.raises(WdualmineError, match="Qabf: both sources are constant"):
        qabf(flat, np.zeros_like(flat), fused)
    assert 0 <= qabf(a, flat, np.zeros_like(flat)) < 1e-3  # a black fused image keeps nothing


@frontier("Qabf")
def test_real_images(harvard, published, task, method, expected, tolerance):
    measured = mean_score(qabf, harvard, published, task, method)
    assert measured == pytest.approx(expected, abs=tolerance)


def test_unit_range_takes_the_edges_from_the_pixelwise_maximum(harvard, published):
    measured = mean_score(qabf_unit_range, harvard, published, "CT-MRI", "maximum")
    assert measured == pytest.approx(0.500, abs=1e-3)  # 0.582 as published
    average = mean_score(qabf_unit_range, harvard, published, "CT-MRI", "average")
    assert average == pytest.approx(0.349, abs=1e-3)  # which keeps no edge exactly, so is as published
