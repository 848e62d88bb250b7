import math

import numpy as np
import pytest
from hypothesis import given
from sample_images import noise_triple, triples
from skimage.metrics import mean_squared_error as library_error
from skimage.metrics import peak_signal_noise_ratio
from tolerances import TOLERANCES

from wdualmine.metrics.psnr import METRIC, psnr, psnr_fused_peak, psnr_standard


@given(triples())
def test_conventions_follow_from_the_mean_squared_error(images):
    a, b, fused = images
    error = (library_error(a, fused) + library_error(b, fused)) / 2
    if error == 0:
        assert psnr(*images) == psnr_standard(*images) == psnr_fused_peak(*images) == math.inf
        return
    scaled = [image / 255 for image in images]
    scaled_error = (library_error(scaled[0], scaled[2]) + library_error(scaled[1], scaled[2])) / 2
    expected = 20 * math.log10(255 / math.sqrt(scaled_error))
    assert psnr(*images) == pytest.approx(expected, abs=TOLERANCES["library"].value)
    assert psnr_standard(*images) == pytest.approx(
        20 * math.log10(255 / math.sqrt(error)), abs=TOLERANCES["library"].value
    )
    if fused.max():
        assert psnr_fused_peak(*images) == pytest.approx(
            20 * math.log10(fused.max() / math.sqrt(error)), abs=TOLERANCES["library"].value
        )
    assert METRIC.range[0] <= psnr(*images) <= METRIC.range[1]


def test_standard_is_that_of_scikit_image_for_equal_sources():
    a, _, fused = noise_triple((20, 30))
    assert psnr_standard(a, a, fused) == pytest.approx(
        peak_signal_noise_ratio(a, fused, data_range=255), abs=TOLERANCES["library"].value
    )


def test_grey_among_color_counts_as_three_equal_channels():
    a, b, fused = noise_triple((8, 9, 3))
    grey = b[..., 0]
    repeated = np.stack([grey] * 3, axis=-1)
    assert psnr(a, grey, fused) == psnr(a, repeated, fused)
    assert psnr(a, b, grey) == psnr(a, b, repeated)
    assert psnr(repeated, repeated, fused) == psnr(grey, grey, fused)


def test_known_values():
    black, white = np.zeros((4, 4), dtype=np.uint8), np.full((4, 4), 255, dtype=np.uint8)
    assert psnr(black, black, white) == pytest.approx(METRIC.range[0], abs=TOLERANCES["library"].value)
    assert psnr_standard(black, black, white) == pytest.approx(0, abs=TOLERANCES["library"].value)
    assert psnr_fused_peak(white, white, black) == -math.inf
