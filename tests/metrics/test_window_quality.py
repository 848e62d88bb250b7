"""Qs, Qw, Qe, Qc and Qy against the same definitions with a loop over the windows."""

import math

import numpy as np
import pytest
from hypothesis import given
from sample_images import noise_triple, smooth_triple, triples
from tolerances import TOLERANCES

from wdualmine.errors import WdualmineError
from wdualmine.metrics import METRICS
from wdualmine.metrics.piella import qe, qe_ssim, qs, qs_ssim, qw, qw_edges, qw_ssim
from wdualmine.metrics.qc import qc, qc_result_slip
from wdualmine.metrics.qy import qy

EXACT = TOLERANCES["literal"].value
UNIFORM = np.full((8, 8), 1 / 64)
SSIM = (2.55**2, 7.65**2)


def gaussian(side):
    k = np.arange(side) - side // 2
    kernel = np.exp(-np.add.outer(k**2, k**2) / (2 * 1.5**2))
    return kernel / kernel.sum()


def windows(kernel, *images):
    """The patches of all images at each whole position, as floats."""
    side = len(kernel)
    for i, j in np.ndindex(*(size - side + 1 for size in images[0].shape)):
        yield [image[i : i + side, j : j + side].astype(float) for image in images]


def moments(kernel, x, y):
    """Means, variances and covariance, centered first so that a flat patch has a variance of 0."""
    mean_x, mean_y = (x * kernel).sum(), (y * kernel).sum()
    x, y = x - mean_x, y - mean_y
    return (
        mean_x,
        mean_y,
        *(
            value if abs(value) > 1e-12 else 0
            for value in ((x * x * kernel).sum(), (y * y * kernel).sum(), (x * y * kernel).sum())
        ),
    )


def quality(kernel, x, y, c1=0, c2=0):
    mean_x, mean_y, variance_x, variance_y, covariance = moments(kernel, x, y)
    level = 1 if mean_x == mean_y == c1 == 0 else (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    if variance_x == variance_y == c2 == 0:
        return level
    return level * (2 * covariance + c2) / (variance_x + variance_y + c2)


def literal_piella(a, b, fused, kernel, constants=(0, 0)):
    """Qs and Qw."""
    values, weights = [], []
    for x, y, f in windows(kernel, a, b, fused):
        variance_x, variance_y = moments(kernel, x, y)[2:4]
        share = variance_x / (variance_x + variance_y) if variance_x + variance_y else 0.5
        values.append(
            share * quality(kernel, x, f, *constants) + (1 - share) * quality(kernel, y, f, *constants)
        )
        weights.append(max(variance_x, variance_y))
    return np.mean(values), np.average(values, weights=weights)


def edges(image):
    padded = np.pad(image.astype(float), 1)
    result = np.zeros(image.shape)
    for i, j in np.ndindex(*image.shape):
        patch = padded[i : i + 3, j : j + 3]
        result[i, j] = math.hypot((patch[0] - patch[2]).sum(), (patch[:, 0] - patch[:, 2]).sum())
    return result


@pytest.mark.parametrize("make", [noise_triple, smooth_triple])
def test_piella_agrees_with_loops(make):
    images = make((19, 22))
    outlines = [edges(image) for image in images]
    plain, weighted = literal_piella(*images, UNIFORM)
    assert qs(*images) == pytest.approx(plain, abs=EXACT)
    assert qw(*images) == pytest.approx(weighted, abs=EXACT)
    assert qe(*images) == pytest.approx(weighted * literal_piella(*outlines, UNIFORM)[1], abs=EXACT)
    plain, weighted = literal_piella(*images, gaussian(11), SSIM)
    of_edges = literal_piella(*outlines, gaussian(11), SSIM)[1]
    assert qs_ssim(*images) == pytest.approx(plain, abs=EXACT)
    assert qw_ssim(*images) == pytest.approx(weighted, abs=EXACT)
    assert qw_edges(*images) == pytest.approx(of_edges, abs=EXACT)
    assert qe_ssim(*images) == pytest.approx(weighted * of_edges, abs=EXACT)


@pytest.mark.parametrize("make", [noise_triple, smooth_triple])
def test_cvejic_agrees_with_loops(make):
    a, b, fused = make((19, 22))
    for function, kernel, slip in ((qc, UNIFORM, False), (qc_result_slip, gaussian(7), True)):
        values = []
        for x, y, f in windows(kernel, a, b, fused):
            first, second = moments(kernel, x, f)[4], moments(kernel, y, f)[4]
            if first + second == 0:
                values += [] if slip else [(quality(kernel, x, f) + quality(kernel, y, f)) / 2]
                continue
            share = first / (first + second)
            cut = share if slip else min(max(share, 0), 1)
            value = cut * quality(kernel, x, f) + (1 - cut) * quality(kernel, y, f)
            values.append((share > 1) * 1.0 if slip and not 0 <= share <= 1 else value)
        assert function(a, b, fused) == pytest.approx(np.mean(values), abs=EXACT)


@pytest.mark.parametrize("make", [noise_triple, smooth_triple])
def test_yang_agrees_with_loops(make):
    a, b, fused = make((19, 22))
    kernel, values = gaussian(7), []
    for x, y, f in windows(kernel, a, b, fused):
        variance_x, variance_y = moments(kernel, x, y)[2:4]
        share = variance_x / (variance_x + variance_y) if variance_x + variance_y else 0.5
        first, second = quality(kernel, x, f), quality(kernel, y, f)
        alike = quality(kernel, x, y) >= 0.75
        values.append(share * first + (1 - share) * second if alike else max(first, second))
    assert qy(a, b, fused) == pytest.approx(np.mean(values), abs=EXACT)


@given(triples(low=11, high=20))
def test_symmetry_and_range(images):
    a, b, fused = images
    for function in (qs, qw, qe, qs_ssim, qw_ssim, qe_ssim, qc, qc_result_slip, qy):
        try:
            value = function(a, b, fused)
        except WdualmineError as error:
            assert str(error).startswith("Q")  # noqa: PT017
            continue
        assert -1 - EXACT <= value <= 1 + EXACT
        if function is not qc_result_slip:  # which takes a share above 1 and below 0 differently
            assert value == pytest.approx(function(b, a, fused), abs=1e-8)


def test_equal_images_are_perfect_and_a_copy_may_be():
    a, b, _ = smooth_triple((30, 33))
    for key in ("Qs", "Qw", "Qe", "Qc", "Qy"):
        for convention in METRICS[key].conventions:
            assert convention.function(a, a, a) == pytest.approx(1)
    a, b = noise_triple((30, 33))[:2]  # nowhere alike
    assert qy(a, b, a) == pytest.approx(1)
    assert qs(a, b, a) < 0.9


def test_refusals():
    for function, side in ((qs, 8), (qw, 8), (qe, 8), (qc, 8), (qs_ssim, 11), (qw_edges, 11), (qy, 7)):
        with pytest.raises(WdualmineError, match=f"too small; use at least {side} x {side}"):
            function(*noise_triple((side - 1, 30)))
    flat, other = np.full((12, 12), 5, np.uint8), noise_triple((12, 12))[0]
    with pytest.raises(WdualmineError, match="Qw: no window of a source has contrast"):
        qw(flat, flat, other)
    with pytest.raises(WdualmineError, match="Qc: no window of a source varies"):
        qc_result_slip(flat, flat, other)
