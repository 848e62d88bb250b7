import math

import numpy as np
import pytest
from hypothesis import given
from sample_images import make_image, noise_triple, triples
from trivial_methods import mean_score

from wdualmine.errors import WdualmineError
from wdualmine.metrics.nabf import METRIC, nabf, nabf_petrovic, nabf_unit_range


def mirrored(index, size):
    return -index if index < 0 else 2 * (size - 1) - index if index >= size else index


def literal_edges(image):
    height, width = image.shape
    strength, angle = np.empty(image.shape), np.empty(image.shape)
    for i in range(height):
        for j in range(width):
            right = down = 0.0
            for k, weight in ((-1, 1), (0, 2), (1, 1)):
                row, column = mirrored(i + k, height), mirrored(j + k, width)
                right += weight * (image[row, mirrored(j + 1, width)] - image[row, mirrored(j - 1, width)])
                down += weight * (
                    image[mirrored(i + 1, height), column] - image[mirrored(i - 1, height), column]
                )
            right, down = right / 8, down / 8
            strength[i, j] = math.sqrt(right**2 + down**2)
            if right == 0 and down == 0:
                angle[i, j] = 0
            else:
                angle[i, j] = math.copysign(math.pi / 2, right) if down == 0 else math.atan(right / down)
    return strength, angle


def literal(a, b, fused, scale=1.0):
    """Kumar's and Petrovic's artifacts, and the loss that completes Kumar's to one."""
    edges = [literal_edges(image.astype(float) / scale) for image in (a, b)]
    strength_f, angle_f = literal_edges(fused.astype(float) / scale)
    kumar = petrovic = preserved = loss = total = 0.0
    for i, j in np.ndindex(*fused.shape):
        f = strength_f[i, j]
        kept, weights, strengths = [], [], []
        for strength, angle in edges:
            g = strength[i, j]
            ratio = 0.0 if g == 0 or f == 0 else min(f / g, g / f)
            parallel = abs(abs(angle[i, j] - angle_f[i, j]) - math.pi / 2) * 2 / math.pi
            q_strength = 0.9999 / (1 + math.exp(-19 * (ratio - 0.5)))
            q_angle = 0.9995 / (1 + math.exp(-22 * (parallel - 0.5)))
            kept.append(math.sqrt(q_strength * q_angle))
            weights.append(g**1.5 if g >= 2 else 0.001)
            strengths.append(g)
        lost = sum((1 - q) * w for q, w in zip(kept, weights, strict=True))
        preserved += sum(q * w for q, w in zip(kept, weights, strict=True))
        if all(f > g for g in strengths):
            kumar += lost
            petrovic += (2 - sum(kept)) * sum(weights)
        else:
            loss += lost
        total += sum(weights)
    assert (preserved + loss + kumar) / total == pytest.approx(1)  # the point of Kumar's change
    return kumar / total, petrovic / total


@pytest.mark.parametrize("seed", range(8))
def test_all_conventions_agree_with_loops(seed):
    shape = (9, 12)
    a, b = make_image("blocks", seed, shape), make_image("few levels", seed, shape)
    for fused in (make_image("noise", seed, shape), np.maximum(a, b), 255 - a):
        kumar, petrovic = literal(a, b, fused)
        assert nabf(a, b, fused) == pytest.approx(kumar, abs=1e-12)
        assert nabf_petrovic(a, b, fused) == pytest.approx(petrovic, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_unit_range_agrees_with_loops_over_a_scaled_image(seed):
    # On eighths of 8, so that dividing by 256 is exact and equal strengths stay equal.
    a, b, fused = (make_image("noise", seed + k, (9, 12)) for k in (0, 50, 90))
    assert nabf_unit_range(a, b, fused) == pytest.approx(literal(a, b, fused, scale=256)[0], abs=1e-12)


@given(triples(low=2))
def test_symmetry_and_range(images):
    a, b, fused = images
    for convention, top in zip(METRIC.conventions, (1, 2, 1), strict=True):
        value = convention.function(a, b, fused)
        assert 0 <= value <= top
        assert value == pytest.approx(convention.function(b, a, fused), abs=1e-12)
    assert nabf_petrovic(a, b, fused) >= nabf(a, b, fused) - 1e-12


def test_known_values():
    a, b, fused = noise_triple((16, 16))
    flat = np.full((16, 16), 100, np.uint8)
    for convention in METRIC.conventions:
        assert convention.function(a, b, flat) == 0  # no edge, no artifact
        assert convention.function(a, a, a) == 0
    assert nabf(flat, flat, a) > 0.9  # every edge is invented
    assert nabf(a, b, fused) < nabf(flat, b, fused)


def test_single_row_is_refused():
    row = np.arange(5, dtype=np.uint8)[None]
    with pytest.raises(WdualmineError, match="Nabf: an image of 1 x 5 is too small"):
        nabf(row, row, row)


def test_a_noisy_background_shows_on_the_unit_range_only(harvard, published):
    """AdaFuse's background is not black: faint edges, which Kumar's threshold ignores."""
    assert mean_score(nabf, harvard, published, "CT-MRI", "adafuse") < 0.001
    assert mean_score(nabf_unit_range, harvard, published, "CT-MRI", "adafuse") > 0.2
