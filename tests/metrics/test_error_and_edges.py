"""RMSE, EI and the benchmarks' PSNR."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_images import noise_triple, smooth_triple, triples
from tolerances import TOLERANCES

from wdualmine.metrics import METRICS
from wdualmine.metrics.edge_intensity import edge_intensity
from wdualmine.metrics.psnr import psnr_root_over_pixels, psnr_standard
from wdualmine.metrics.rmse import root_mean_square_error, root_of_mean, root_over_pixels

EXACT = TOLERANCES["literal"].value


def error(x, y):
    return math.sqrt(np.mean((x.astype(float) - y.astype(float)) ** 2))


@pytest.mark.parametrize("make", [noise_triple, smooth_triple])
def test_rmse_by_its_definitions(make):
    a, b, fused = make((10, 13))
    assert root_mean_square_error(a, b, fused) == pytest.approx((error(a, fused) + error(b, fused)) / 2)
    assert root_of_mean(a, b, fused) == pytest.approx(
        math.sqrt((error(a, fused) ** 2 + error(b, fused) ** 2) / 2)
    )
    summed = [np.sqrt(((x.astype(float) - fused) ** 2).sum()) / (10 * 13) for x in (a, b)]
    assert root_over_pixels(a, b, fused) == pytest.approx(sum(summed) / 2)
    assert psnr_standard(a, b, fused) == pytest.approx(20 * math.log10(255 / root_of_mean(a, b, fused)))


@given(triples(), st.floats(0, 1))
def test_no_image_passes_half_the_distance_of_the_sources_and_copies_reach_it(images, t):
    a, b, fused = images
    least = error(a, b) / 2
    assert root_mean_square_error(a, b, fused) >= least - EXACT
    assert root_mean_square_error(a, b, a) == pytest.approx(least, abs=EXACT)
    assert root_mean_square_error(a, b, t * a + (1 - t) * b) == pytest.approx(least, abs=EXACT)


def test_psnr_of_the_benchmarks():
    a, b, fused = noise_triple((12, 15))
    error_sum = sum(np.sqrt(((x.astype(float) - fused) ** 2).sum()) for x in (a, b)) / (2 * 12 * 15)
    expected = 20 * math.log10(255 / math.sqrt(error_sum))
    assert psnr_root_over_pixels(a, b, fused) == pytest.approx(expected)
    color = np.stack([fused, b, a], axis=-1)
    parts = [psnr_root_over_pixels(a, b, channel) for channel in (fused, b, a)]
    assert psnr_root_over_pixels(a, b, color) == pytest.approx(np.mean(parts))
    assert psnr_root_over_pixels(a, a, a) == math.inf
    # On 256 x 256 pixels with equal errors it is half the usual figure plus 48.15.
    a = np.full((256, 256), 100, np.uint8)
    assert psnr_root_over_pixels(a, a, a + 9) == pytest.approx(
        psnr_standard(a, a, a + 9) / 2 + 48.15, abs=0.01
    )


def test_edge_intensity_with_loops():
    image = smooth_triple((9, 12))[2]
    padded = np.pad(image.astype(float), 1, mode="edge")
    taps = np.array([[1, 2, 1], [0, 0, 0], [-1, -2, -1]])
    total = 0
    for i, j in np.ndindex(*image.shape):
        patch = padded[i : i + 3, j : j + 3]
        total += math.hypot((patch * taps).sum(), (patch * taps.T).sum())
    assert edge_intensity(image, image, image) == pytest.approx(total / image.size)
    assert edge_intensity(image, image, np.full((5, 5), 3, np.uint8)) == 0


def test_the_steepest_pixel_bounds_the_edge_intensity():
    """Of all 3 x 3 patches of black and white the largest gradient is 255 sqrt(20)."""
    taps = np.array([[1, 2, 1], [0, 0, 0], [-1, -2, -1]])
    patches = [np.array(list(np.binary_repr(k, 9)), int).reshape(3, 3) for k in range(512)]
    steepest = max(math.hypot((patch * taps).sum(), (patch * taps.T).sum()) for patch in patches)
    assert METRICS["EI"].range[1] == pytest.approx(255 * steepest)
