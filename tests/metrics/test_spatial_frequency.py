import math

import numpy as np
import pytest
from hypothesis import given
from sample_images import noise_triple, triples

from wdualmine.errors import WdualmineError
from wdualmine.metrics.spatial_frequency import (
    METRIC,
    spatial_frequency,
    spatial_frequency_per_difference,
    spatial_frequency_unit_range,
)


def literal_sums(image):
    height, width = image.shape
    values = image.tolist()
    rows = sum((values[i][j] - values[i][j - 1]) ** 2 for i in range(height) for j in range(1, width))
    columns = sum((values[i][j] - values[i - 1][j]) ** 2 for i in range(1, height) for j in range(width))
    return rows, columns


@given(triples(low=2))
def test_all_conventions_agree_with_loops(images):
    a, b, fused = images
    rows, columns = literal_sums(fused)
    height, width = fused.shape
    published = math.sqrt(rows / (height * width) + columns / (height * width))
    each = math.sqrt(rows / (height * (width - 1)) + columns / ((height - 1) * width))
    assert spatial_frequency(a, b, fused) == pytest.approx(published, abs=1e-9)
    assert spatial_frequency_per_difference(a, b, fused) == pytest.approx(each, abs=1e-9)
    assert spatial_frequency_unit_range(a, b, fused) == pytest.approx(each / 255, abs=1e-12)
    assert 0 <= spatial_frequency(a, b, fused) < METRIC.range[1]
    assert 0 <= spatial_frequency_per_difference(a, b, fused) <= METRIC.range[1] * (1 + 1e-12)


def test_known_values():
    board = (255 * (np.indices((8, 8)).sum(axis=0) % 2)).astype(np.uint8)
    assert spatial_frequency_per_difference(board, board, board) == pytest.approx(255 * math.sqrt(2))
    assert spatial_frequency(board, board, board) == pytest.approx(255 * math.sqrt(2 * 7 / 8))
    flat = np.full((8, 8), 9, np.uint8)
    assert spatial_frequency(board, board, flat) == spatial_frequency_per_difference(board, board, flat) == 0


def test_transposed_image_has_the_same_frequency():
    a, b, fused = noise_triple((9, 9))
    assert spatial_frequency(a, b, fused) == pytest.approx(spatial_frequency(a.T, b.T, fused.T))


def test_single_row():
    row = np.arange(5, dtype=np.uint8)[None]
    assert spatial_frequency(row, row, row) == pytest.approx(math.sqrt(4 / 5))
    with pytest.raises(WdualmineError, match="SF: an image of 1 x 5 is too small"):
        spatial_frequency_per_difference(row, row, row)
