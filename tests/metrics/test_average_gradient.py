import math

import numpy as np
import pytest
from hypothesis import given
from sample_images import noise_triple, triples

from wdualmine.errors import WdualmineError
from wdualmine.metrics.average_gradient import (
    METRIC,
    average_gradient,
    average_gradient_forward,
    average_gradient_per_cell,
)


def literal_sum(image):
    """Central differences, one-sided on the border, pixel by pixel."""
    height, width = image.shape
    values = image.tolist()
    total = 0.0
    for i in range(height):
        for j in range(width):
            up, down = max(i - 1, 0), min(i + 1, height - 1)
            left, right = max(j - 1, 0), min(j + 1, width - 1)
            vertical = (values[down][j] - values[up][j]) / (down - up)
            horizontal = (values[i][right] - values[i][left]) / (right - left)
            total += math.sqrt((vertical**2 + horizontal**2) / 2)
    return total


def literal_forward(image):
    height, width = image.shape
    values = image.tolist()
    total = 0.0
    for i in range(height - 1):
        for j in range(width - 1):
            vertical, horizontal = values[i + 1][j] - values[i][j], values[i][j + 1] - values[i][j]
            total += math.sqrt((vertical**2 + horizontal**2) / 2)
    return total / ((height - 1) * (width - 1))


@given(triples(low=2))
def test_all_conventions_agree_with_loops(images):
    a, b, fused = images
    height, width = fused.shape
    total = literal_sum(fused)
    assert average_gradient(a, b, fused) == pytest.approx(total / (height * width), abs=1e-9)
    cells = (height - 1) * (width - 1)
    assert average_gradient_per_cell(a, b, fused) == pytest.approx(total / cells, abs=1e-9)
    assert average_gradient_forward(a, b, fused) == pytest.approx(literal_forward(fused), abs=1e-9)
    assert 0 <= average_gradient(a, b, fused) <= METRIC.range[1]


def test_known_values():
    ramp = np.tile(np.arange(0, 40, 4, dtype=np.uint8), (6, 1))  # 4 levels a pixel along one axis
    flat = np.full((6, 10), 200, np.uint8)
    for function in (average_gradient, average_gradient_forward):
        assert function(ramp, ramp, ramp) == pytest.approx(4 / math.sqrt(2))
        assert function(ramp, ramp, flat) == 0
    assert average_gradient_per_cell(ramp, ramp, ramp) == pytest.approx(4 / math.sqrt(2) * 60 / 45)
    corner = np.array([[0, 255], [255, 0]], np.uint8)
    assert average_gradient(corner, corner, corner) == METRIC.range[1]


def test_an_inverted_image_is_as_steep():
    a, b, fused = noise_triple((9, 12))
    assert average_gradient(a, b, fused) == pytest.approx(average_gradient(a, b, 255 - fused))


def test_single_column_is_refused():
    column = np.arange(5, dtype=np.uint8)[:, None]
    for convention in METRIC.conventions:
        with pytest.raises(WdualmineError, match="AG: an image of 5 x 1 is too small"):
            convention.function(column, column, column)
