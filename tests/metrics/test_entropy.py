import numpy as np
import pytest
from hypothesis import given
from sample_images import triples
from scipy import stats
from skimage.measure import shannon_entropy
from tolerances import TOLERANCES

from wdualmine.metrics.entropy import METRIC, entropy


@given(triples())
def test_entropy_is_that_of_two_libraries(images):
    fused = images[2]
    value = entropy(*images)
    assert value == pytest.approx(shannon_entropy(fused), abs=TOLERANCES["library"].value)
    counts = np.unique(fused, return_counts=True)[1]
    assert value == pytest.approx(stats.entropy(counts, base=2), abs=TOLERANCES["library"].value)
    assert METRIC.range[0] <= value <= METRIC.range[1]


def test_known_values():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert entropy(levels, levels, levels) == 8
    assert entropy(levels, levels, levels // 128) == 1
    constant = np.full_like(levels, 9)
    assert entropy(levels, levels, constant) == 0
    assert not np.signbit(entropy(levels, levels, constant))  # 0, not -0
