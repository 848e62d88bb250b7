import numpy as np
import pytest
from hypothesis import given
from sample_images import triples
from sklearn.metrics import mutual_info_score
from tolerances import TOLERANCES

from wdualmine.metrics.entropy import entropy
from wdualmine.metrics.mutual_information import (
    METRIC,
    information_between,
    mutual_information,
    mutual_information_nats,
)


@given(triples())
def test_both_conventions_are_those_of_scikit_learn(images):
    a, b, fused = images
    nats = sum(mutual_info_score(source.ravel(), fused.ravel()) for source in (a, b))
    assert mutual_information_nats(a, b, fused) == pytest.approx(nats, abs=TOLERANCES["library"].value)
    assert mutual_information(a, b, fused) == pytest.approx(nats / np.log(2), abs=TOLERANCES["library"].value)
    assert METRIC.range[0] <= mutual_information(a, b, fused) <= METRIC.range[1]


@given(triples())
def test_an_image_tells_as_much_about_itself_as_its_entropy(images):
    a, b, fused = images
    own = information_between(fused, fused)
    assert own == pytest.approx(entropy(a, b, fused), abs=TOLERANCES["library"].value)
    assert mutual_information(a, b, fused) <= 2 * own + TOLERANCES["library"].value


def test_independent_images_share_nothing():
    rows, columns = np.indices((32, 32)).astype(np.uint8)
    assert information_between(rows, columns) == 0
    assert mutual_information(rows, rows, columns) == 0
    assert mutual_information(rows, columns, rows) == 5
