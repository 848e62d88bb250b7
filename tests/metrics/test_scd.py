import numpy as np
import pytest
from hypothesis import given
from sample_images import noise_triple, triples
from trivial_methods import frontier, mean_score

from wdualmine.errors import WdualmineError
from wdualmine.metrics.scd import scd


def reference(a, b, fused):
    a, b, fused = (image.astype(float).ravel() for image in (a, b, fused))
    return np.corrcoef(fused - b, a)[0, 1] + np.corrcoef(fused - a, b)[0, 1]


def is_constant(image):
    return image.min() == image.max()


@given(triples())
def test_agrees_with_numpy_or_says_what_is_constant(images):
    a, b, fused = images
    differences = [fused.astype(int) - source for source in (a, b)]
    if any(map(is_constant, (a, b, *differences))):
        with pytest.raises(WdualmineError, match=r"SCD: .*constant"):
            scd(a, b, fused)
        return
    value = scd(a, b, fused)
    assert value == pytest.approx(reference(a, b, fused), abs=1e-9)
    assert -2 <= value <= 2
    assert value == pytest.approx(scd(b, a, fused), abs=1e-12)


def test_the_sum_of_the_sources_is_perfect():
    a, b, _ = noise_triple((12, 12))
    a, b = a // 2, b // 2
    assert scd(a, b, a + b) == pytest.approx(2)


def test_pixel_order_does_not_matter():
    a, b, fused = noise_triple((10, 6))
    order = np.random.default_rng(0).permutation(fused.size)
    shuffled = (image.ravel()[order].reshape(image.shape) for image in (a, b, fused))
    assert scd(a, b, fused) == scd(*shuffled)


def test_messages_name_the_image():
    a, b, fused = noise_triple((8, 8))
    with pytest.raises(WdualmineError, match="fused image minus source A is constant"):
        scd(a, b, a)
    with pytest.raises(WdualmineError, match="source A is constant"):
        scd(np.full_like(a, 3), b, fused)


@frontier("SCD")
def test_real_images(harvard, published, task, method, expected, tolerance):
    assert mean_score(scd, harvard, published, task, method) == pytest.approx(expected, abs=tolerance)
