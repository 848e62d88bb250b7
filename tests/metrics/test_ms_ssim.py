import numpy as np
import pytest
from hypothesis import given
from literal_mef import WINDOW, literal_mef
from sample_images import make_image, noise_triple, smooth_triple, triples
from scipy.signal import convolve2d

from wdualmine.errors import WdualmineError
from wdualmine.metrics.ms_ssim import METRIC, ms_ssim, ms_ssim_mef


def halve(image):
    """Block means, element by element; an odd last row or column is its own neighbor."""
    height, width = image.shape
    return np.array(
        [
            [
                np.mean(
                    [image[min(i + k, height - 1), min(j + m, width - 1)] for k in (0, 1) for m in (0, 1)]
                )
                for j in range(0, width, 2)
            ]
            for i in range(0, height, 2)
        ]
    )


def reference(x, y):
    """The published algorithm with two-dimensional convolutions."""
    x, y = x.astype(float), y.astype(float)
    value = 1.0
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        if scale:
            x, y = halve(x), halve(y)
        mean_x, mean_y = (convolve2d(z, WINDOW, "valid") for z in (x, y))
        var_x = convolve2d(x**2, WINDOW, "valid") - mean_x**2
        var_y = convolve2d(y**2, WINDOW, "valid") - mean_y**2
        cov = convolve2d(x * y, WINDOW, "valid") - mean_x * mean_y
        similarity = (2 * cov + 7.65**2) / (var_x + var_y + 7.65**2)
        if scale == 4:
            similarity *= (2 * mean_x * mean_y + 2.55**2) / (mean_x**2 + mean_y**2 + 2.55**2)
        value *= similarity.mean() ** weight
    return value


@pytest.mark.parametrize("make", [noise_triple, smooth_triple])
def test_agrees_with_convolutions(make):
    a, b, fused = make((181, 176))
    expected = (reference(a, fused) + reference(b, fused)) / 2
    assert 0 < expected < 1
    assert ms_ssim(a, b, fused) == pytest.approx(expected, abs=1e-9)


def test_mef_agrees_with_loops():
    images = smooth_triple((47, 44))
    scales = [[image.astype(float) for image in images]]
    for _ in range(2):
        scales.append([halve(image) for image in scales[-1]])
    weights = np.array([0.0448, 0.2856, 0.3001])
    expected = np.prod(
        [literal_mef(*scale) ** w for scale, w in zip(scales, weights / weights.sum(), strict=True)]
    )
    assert ms_ssim_mef(*images) == pytest.approx(expected, abs=1e-9)


@given(triples(low=176, high=180))
def test_symmetry_and_range(images):
    a, b, fused = images
    for convention in METRIC.conventions:
        value = convention.function(a, b, fused)
        assert 0 <= value <= 1 + 1e-9
        assert value == pytest.approx(convention.function(b, a, fused), abs=1e-9)
    assert ms_ssim(a, a, a) == pytest.approx(1)


def test_an_inverted_source_counts_as_0():
    a = make_image("noise", 0, (176, 176))
    assert ms_ssim(a, a, 255 - a) == 0


def test_small_images_are_refused():
    small = noise_triple((175, 200))
    with pytest.raises(
        WdualmineError, match=r"MS-SSIM: an image of 175 x 200 is too small.*at least 176 x 176"
    ):
        ms_ssim(*small)
    with pytest.raises(WdualmineError, match="at least 44 x 44"):
        ms_ssim_mef(*(image[:43] for image in small))
