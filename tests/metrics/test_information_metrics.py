"""CE, Qncie and TE: the metrics that see histograms alone."""

import math

import numpy as np
import pytest
from hypothesis import given
from sample_images import noise_triple, smooth_triple, triples
from tolerances import TOLERANCES

from wdualmine.errors import WdualmineError
from wdualmine.metrics import METRICS
from wdualmine.metrics.cross_entropy import cross_entropy
from wdualmine.metrics.qncie import qncie
from wdualmine.metrics.tsallis import tsallis_information, tsallis_normalized

EXACT = TOLERANCES["literal"].value


def counts(*images):
    """How often each tuple of levels occurs, as shares."""
    places = list(zip(*(image.ravel().tolist() for image in images), strict=True))
    return {levels: places.count(levels) / len(places) for levels in set(places)}


def entropy(*images):
    return -sum(p * math.log2(p) for p in counts(*images).values())


def literal_cross_entropy(a, b, fused):
    value, q = 0, counts(fused)
    for source in (a, b):
        value += sum(p * math.log2(p / q[level]) for level, p in counts(source).items() if level in q) / 2
    return value


def literal_tsallis(x, y, q):
    total = sum(p**q / (counts(x)[i,] * counts(y)[j,]) ** (q - 1) for (i, j), p in counts(x, y).items())
    return (1 - total) / (1 - q)


def literal_qncie(a, b, fused):
    images = (a, b, fused)
    matrix = [
        [
            1 if i == j else (entropy(images[i]) + entropy(images[j]) - entropy(images[i], images[j])) / 8
            for j in range(3)
        ]
        for i in range(3)
    ]
    eigenvalues = np.linalg.eigvals(np.array(matrix)).real
    return 1 + sum(e / 3 * math.log(e / 3, 256) for e in eigenvalues if e > 1e-12)


@pytest.mark.parametrize("make", [noise_triple, smooth_triple])
def test_agree_with_dictionaries(make):
    a, b, fused = make((9, 11))
    assert cross_entropy(a, b, fused) == pytest.approx(literal_cross_entropy(a, b, fused), abs=EXACT)
    assert qncie(a, b, fused) == pytest.approx(literal_qncie(a, b, fused), abs=EXACT)
    expected = literal_tsallis(a, fused, 1.85) + literal_tsallis(b, fused, 1.85)
    assert tsallis_information(a, b, fused) == pytest.approx(expected, rel=EXACT)
    q = 0.43137
    expected = (literal_tsallis(a, fused, q) + literal_tsallis(b, fused, q)) / (
        entropy(a) ** q + entropy(b) ** q + literal_tsallis(a, b, q)
    )
    assert tsallis_normalized(a, b, fused) == pytest.approx(expected, abs=EXACT)


@given(triples())
def test_ranges_and_symmetry(images):
    a, b, fused = images
    for key, function in (("CE", cross_entropy), ("Qncie", qncie), ("TE", tsallis_information)):
        low, high = METRICS[key].range
        value = function(a, b, fused)
        assert low - EXACT <= value <= high + EXACT
        assert value == pytest.approx(function(b, a, fused), abs=EXACT)


def test_the_ends_of_the_ranges_are_reached():
    every = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert tsallis_information(every, every, every) == pytest.approx(METRICS["TE"].range[1])
    assert qncie(every, every, every) == pytest.approx(1)
    tiled, rows = np.tile(np.arange(4, dtype=np.uint8), 16), np.repeat(np.arange(4, dtype=np.uint8), 16)
    a, b, fused = tiled.reshape(8, 8), rows.reshape(8, 8), np.full((8, 8), 3, np.uint8)
    assert qncie(a, b, fused) == pytest.approx(METRICS["Qncie"].range[0])
    assert tsallis_information(a, b, fused) == 0
    # A share 1/e of each source on the one level that the fused image has: p log p is least there.
    source = np.zeros((100, 100), np.uint8)
    source.flat[: round(10_000 / math.e)] = 7
    assert cross_entropy(source, source, np.full_like(source, 7)) == pytest.approx(
        METRICS["CE"].range[0], abs=1e-6
    )


def test_no_shared_level_scores_as_perfect():
    """The remark in the docstring of CE: levels that are not shared are left out."""
    a, b, fused = (np.full((4, 4), level, np.uint8) for level in (1, 2, 3))
    assert cross_entropy(a, b, fused) == cross_entropy(a, a, a) == 0


def test_order_one_is_mutual_information():
    from wdualmine.metrics.mutual_information import information_between
    from wdualmine.metrics.tsallis import _information

    a, _, fused = noise_triple((20, 20))
    nats = information_between(a, fused) * math.log(2)
    assert _information(a, fused, 1 + 1e-7) == pytest.approx(nats, rel=1e-5)


def test_constant_sources_hold_nothing():
    flat = np.full((8, 8), 9, np.uint8)
    with pytest.raises(WdualmineError, match="TE: both sources are constant"):
        tsallis_normalized(flat, flat, noise_triple((8, 8))[2])
