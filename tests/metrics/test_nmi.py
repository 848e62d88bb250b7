import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from sample_images import KINDS, noise_triple, triples
from sklearn.metrics import normalized_mutual_info_score

from wdualmine.errors import WdualmineError
from wdualmine.metrics.nmi import normalized_mutual_information


def literal(a, b, fused):
    def entropy(items):
        counts = Counter(items)
        return -sum(n / fused.size * math.log2(n / fused.size) for n in counts.values())

    value = 0.0
    f = fused.ravel().tolist()
    for source in (a.ravel().tolist(), b.ravel().tolist()):
        joint = entropy(zip(source, f, strict=True))
        value += 2 * (entropy(source) + entropy(f) - joint) / (entropy(source) + entropy(f))
    return value


@given(triples())
def test_agrees_with_counting_and_with_scikit_learn(images):
    a, b, fused = images
    value = normalized_mutual_information(a, b, fused)
    assert value == pytest.approx(literal(a, b, fused), abs=1e-9)
    sklearn = sum(normalized_mutual_info_score(source.ravel(), fused.ravel()) for source in (a, b))
    assert value == pytest.approx(sklearn, abs=1e-9)


@given(triples(kinds=(*KINDS, "constant")))
def test_symmetry_and_range(images):
    a, b, fused = images
    if any(np.ptp(source) == 0 == np.ptp(fused) for source in (a, b)):
        with pytest.raises(WdualmineError, match=r"NMI: .*constant"):
            normalized_mutual_information(a, b, fused)
        return
    value = normalized_mutual_information(a, b, fused)
    assert 0 <= value <= 2
    assert value == pytest.approx(normalized_mutual_information(b, a, fused), abs=1e-12)


def test_known_values():
    a, b, _ = noise_triple((16, 16))
    flat = np.zeros_like(a)
    assert normalized_mutual_information(a, a, a) == pytest.approx(2)
    assert normalized_mutual_information(a, a, 255 - a) == pytest.approx(2)  # any invertible map of levels
    assert normalized_mutual_information(a, b, flat) == 0
    independent = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert normalized_mutual_information(independent // 16, independent // 16, independent % 16) == 0


def test_pixel_order_does_not_matter():
    a, b, fused = noise_triple((10, 6))
    order = np.random.default_rng(0).permutation(fused.size)
    shuffled = (image.ravel()[order].reshape(image.shape) for image in (a, b, fused))
    assert normalized_mutual_information(*shuffled) == pytest.approx(
        normalized_mutual_information(a, b, fused), abs=1e-12
    )
