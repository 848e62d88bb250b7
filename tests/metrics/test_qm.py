import numpy as np
import pytest
from hypothesis import given
from sample_images import noise_triple, smooth_triple, triples

from wdualmine.errors import WdualmineError
from wdualmine.metrics.qm import METRIC, qm


def haar(x):
    """Average and three details of each 2 x 2 pixels, one block at a time."""
    bands = np.zeros((4, x.shape[0] // 2, x.shape[1] // 2))
    for i, j in np.ndindex(*bands.shape[1:]):
        p, q, r, s = x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].ravel()
        bands[:, i, j] = (p + q + r + s, p + q - r - s, p - q + r - s, p - q - r + s)
    return bands / 2


def literal(a, b, fused):
    images = [image.astype(float) for image in (a, b, fused)]
    value = 1
    for power in (2 / 3, 1 / 3):
        bands = [haar(image) for image in images]
        kept = total = 0
        for source in bands[:2]:
            for i, j in np.ndindex(*source.shape[1:]):
                weight = sum(source[k, i, j] ** 2 for k in (1, 2, 3))
                kept += weight * sum(np.exp(-abs(source[k, i, j] - bands[2][k, i, j])) for k in (1, 2, 3))
                total += weight
        value *= (kept / total) ** power
        images = [band[0] for band in bands]
    return value


@pytest.mark.parametrize("make", [noise_triple, smooth_triple])
def test_agrees_with_loops(make):
    a, b, fused = make((16, 24))
    assert qm(a, b, fused) == pytest.approx(literal(a, b, fused), rel=1e-12)


@given(triples(low=4, high=20))
def test_symmetry_and_range_or_a_reason(images):
    a, b, fused = images
    try:
        value = qm(a, b, fused)
    except WdualmineError as error:
        assert str(error).startswith("Qm: ")  # noqa: PT017
        return
    assert METRIC.range[0] <= value <= METRIC.range[1] + 1e-12
    assert value == pytest.approx(qm(b, a, fused), rel=1e-12)
    assert qm(a, b, np.clip(fused, 1, 254) + np.uint8(1)) >= 0


def test_only_exact_copies_count():
    a, b, _ = smooth_triple((32, 32))
    assert qm(a, a, a) == pytest.approx(3)
    # A brighter copy has the same details; one that is a tenth darker has not.
    assert qm(a, a, np.clip(a, 0, 250) // 1) == pytest.approx(qm(a, a, np.clip(a, 0, 250)))
    assert qm(a, b, np.maximum(a, b)) > qm(a, b, (a // 2 + b // 2))


def test_refusals():
    with pytest.raises(WdualmineError, match="Qm: an image of 3 x 8 is too small"):
        qm(*noise_triple((3, 8)))
    flat = np.full((8, 8), 5, np.uint8)
    with pytest.raises(WdualmineError, match="Qm: the sources have no detail"):
        qm(flat, flat, flat)
