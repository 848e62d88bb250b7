import numpy as np
import pytest
from sample_images import noise_triple, smooth_triple
from tolerances import TOLERANCES

from wdualmine.errors import WdualmineError
from wdualmine.metrics.viff import viff


def literal(a, b, fused):
    """The publication's measure with full two-dimensional windows, cut to whole ones."""
    noise, value = 0.005 * 255 * 255, 0.0
    images = [image.astype(float) for image in (a, b, fused)]
    for scale, weight in enumerate((1, 0, 0.15, 1)):
        side = 2 ** (4 - scale) + 1
        k = np.arange(side) - side // 2
        kernel = np.exp(-np.add.outer(k**2, k**2) / (2 * (side / 5) ** 2))
        kernel /= kernel.sum()

        def mean(x, kernel=kernel, side=side):
            return (np.lib.stride_tricks.sliding_window_view(x, (side, side)) * kernel).sum(axis=(2, 3))

        if scale:
            images = [mean(image)[::2, ::2] for image in images]
        f = images[2]
        maps = []
        for s in images[:2]:
            variance_s = np.maximum(mean(s * s) - mean(s) ** 2, 0)
            variance_f = np.maximum(mean(f * f) - mean(f) ** 2, 0)
            shared = mean(s * f) - mean(s) * mean(f)
            gain = shared / (variance_s + 1e-10)
            rest = variance_f - gain * shared
            none = (variance_s < 1e-10) | (variance_f < 1e-10) | (gain < 0)
            gain, rest = np.where(none, 0, gain), np.maximum(np.where(none, variance_f, rest), 1e-10)
            variance_s = np.where(variance_s < 1e-10, 0, variance_s)
            maps.append(
                (gain, np.log10(1 + gain**2 * variance_s / (rest + noise)), np.log10(1 + variance_s / noise))
            )
        first = maps[0][0] < maps[1][0]
        kept, total = (np.where(first, maps[0][k], maps[1][k]) for k in (1, 2))
        # The publication adds 1e-7 to decimal logarithms, the package to natural ones.
        value += weight / 2.15 * (kept + 1e-7 / np.log(10)).sum() / (total + 1e-7 / np.log(10)).sum()
    return value


@pytest.mark.parametrize("make", [noise_triple, smooth_triple])
def test_agrees_with_the_publication(make):
    a, b, fused = make((50, 57))
    assert viff(a, b, fused) == pytest.approx(literal(a, b, fused), abs=TOLERANCES["literal"].value)


def test_the_fainter_source_decides():
    a, b, fused = smooth_triple((64, 64))
    assert viff(a, a, a) == pytest.approx(1)
    assert viff(a, b, fused) == pytest.approx(viff(b, a, fused))
    assert viff(a, b, a) < viff(a, b, fused)
    assert 0 <= viff(a, b, np.full_like(a, 9)) < 0.01


def test_too_small():
    with pytest.raises(WdualmineError, match="VIFF: an image of 40 x 60 is too small"):
        viff(*noise_triple((40, 60)))
