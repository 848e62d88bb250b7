import numpy as np
import pytest
from hypothesis import assume, given
from sample_images import triples
from scipy.stats import pearsonr
from tolerances import TOLERANCES

from wdualmine.errors import WdualmineError
from wdualmine.metrics.correlation import METRIC, correlation, correlation_shared_mean, pearson


def assume_contrast(images):
    assume(all(np.ptp(image) > 0 for image in images))


@given(triples())
def test_correlation_is_that_of_scipy(images):
    assume_contrast(images)
    a, b, fused = images
    expected = np.mean([pearsonr(x.ravel().astype(float), fused.ravel()).statistic for x in (a, b)])
    value = correlation(a, b, fused)
    assert value == pytest.approx(expected, abs=TOLERANCES["library"].value)
    assert METRIC.range[0] <= value <= METRIC.range[1]


@given(triples())
def test_shared_mean_is_the_formula_on_record(images):
    assume_contrast(images)
    a, b, fused = (image.astype(float) for image in images)

    def term(source):
        x, y = source - a.mean(), fused - fused.mean()
        return (x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum())

    expected = (term(a) + term(b)) / 2
    assert correlation_shared_mean(*images) == pytest.approx(expected, abs=TOLERANCES["library"].value)


def test_shared_mean_equals_the_paper_where_the_means_agree():
    a = np.array([[0, 10], [20, 30]], dtype=np.uint8)
    b, fused = a.T.copy(), np.array([[5, 9], [9, 40]], dtype=np.uint8)
    assert correlation_shared_mean(a, b, fused) == correlation(a, b, fused)
    assert abs(correlation_shared_mean(a, b + 100, fused)) < abs(correlation(a, b + 100, fused))


def test_known_values():
    ramp = np.arange(64, dtype=np.uint8).reshape(8, 8)
    assert pearson(ramp, ramp) == 1
    assert pearson(ramp, 255 - ramp) == -1
    assert correlation(ramp, 255 - ramp, ramp) == 0
    with pytest.raises(WdualmineError, match="constant"):
        correlation(ramp, ramp, np.full_like(ramp, 3))
