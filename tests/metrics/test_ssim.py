import numpy as np
import pytest
from hypothesis import given
from literal_mef import WINDOW, literal_mef
from sample_images import make_image, noise_triple, smooth_triple, triples
from trivial_methods import frontier, mean_score

from wdualmine.errors import WdualmineError
from wdualmine.metrics.ssim import METRIC, ssim, ssim_mef, ssim_sum_uniform_7


def literal(x, y, window, range_, sample):
    """Mean SSIM over all whole windows; `sample` divides the variances by n - 1."""
    side = len(window)
    c1, c2 = (0.01 * range_) ** 2, (0.03 * range_) ** 2
    correction = side**2 / (side**2 - 1) if sample else 1
    values = []
    for i in range(x.shape[0] - side + 1):
        for j in range(x.shape[1] - side + 1):
            p, q = (image[i : i + side, j : j + side].astype(float) for image in (x, y))
            mean_p, mean_q = (window * p).sum(), (window * q).sum()
            var_p, var_q = ((window * (z - m) ** 2).sum() * correction for z, m in ((p, mean_p), (q, mean_q)))
            cov = (window * (p - mean_p) * (q - mean_q)).sum() * correction
            level = (2 * mean_p * mean_q + c1) / (mean_p**2 + mean_q**2 + c1)
            values.append(level * (2 * cov + c2) / (var_p + var_q + c2))
    return np.mean(values)


@pytest.mark.parametrize("make", [noise_triple, smooth_triple])
def test_all_conventions_agree_with_loops(make):
    a, b, fused = make((24, 19))
    gaussian = [literal(source, fused, WINDOW, 255, sample=False) for source in (a, b)]
    assert ssim(a, b, fused) == pytest.approx(np.mean(gaussian), abs=1e-9)
    uniform = [literal(source, fused, np.full((7, 7), 1 / 49), 2, sample=True) for source in (a, b)]
    assert ssim_sum_uniform_7(a, b, fused) == pytest.approx(np.sum(uniform), abs=1e-6)
    assert ssim_mef(a, b, fused) == pytest.approx(literal_mef(*map(np.float64, (a, b, fused))), abs=1e-9)


@pytest.mark.parametrize("kind", ["sparse", "blocks", "almost constant"])
def test_mef_agrees_with_loops_on_flat_windows(kind):
    a, b, fused = (make_image(kind, seed, (20, 22)) for seed in (1, 2, 3))
    assert ssim_mef(a, b, fused) == pytest.approx(literal_mef(*map(np.float64, (a, b, fused))), abs=1e-6)


@given(triples(low=11, high=20))
def test_symmetry_and_range(images):
    a, b, fused = images
    for convention, top in zip(METRIC.conventions, (1, 2, 1), strict=True):
        value = convention.function(a, b, fused)
        assert -top - 1e-9 <= value <= top + 1e-9
        assert value == pytest.approx(convention.function(b, a, fused), abs=1e-9)
    assert ssim(a, a, a) == pytest.approx(1)
    assert ssim_sum_uniform_7(a, a, a) == pytest.approx(2)


def test_mef_takes_an_image_fused_with_itself_as_it_is():
    a, _, _ = noise_triple((20, 20))
    assert ssim_mef(a, a, a) == pytest.approx(1, abs=1e-6)


def test_constant_images_compare_by_level():
    black, white = np.zeros((12, 12), np.uint8), np.full((12, 12), 255, np.uint8)
    assert ssim(white, white, white) == pytest.approx(1)
    assert ssim(black, black, white) == pytest.approx(0.01**2 / (1 + 0.01**2))


def test_small_images_are_refused():
    small = noise_triple((10, 30))
    for function in (ssim, ssim_mef):
        with pytest.raises(WdualmineError, match=r"10 x 30 is too small.*at least 11 x 11"):
            function(*small)
    with pytest.raises(WdualmineError, match="at least 7 x 7"):
        ssim_sum_uniform_7(*(image[:6] for image in small))


@frontier("SSIM", ["CT-MRI", ("PET-MRI", "maximum"), ("SPECT-MRI", "average, stretched")])
def test_real_images(harvard, published, task, method, expected, tolerance):
    assert mean_score(ssim, harvard, published, task, method) == pytest.approx(expected, abs=tolerance)
