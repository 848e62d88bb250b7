import numpy as np
import pytest
from hypothesis import given
from sample_images import noise_triple, smooth_triple, triples

from wdualmine.errors import WdualmineError
from wdualmine.metrics.qcb import METRIC, qcb


def literal_contrast(image):
    height, width = image.shape
    image = image.astype(float)
    image = np.floor((image - image.min()) / (image.max() - image.min()) * 255 + 0.5)

    def frequencies(n):  # -1 to 1 in units of half the sampling rate, 0 in the middle
        return np.arange(-(n // 2), n - n // 2) * 2 / n

    v, u = np.meshgrid(frequencies(height) * height / 30, frequencies(width) * width / 30, indexing="ij")
    r = np.sqrt(u**2 + v**2)
    sensitivity = np.exp(-((r / 15.3870) ** 2)) - 0.7622 * np.exp(-((r / 1.3456) ** 2))
    seen = np.fft.ifft2(np.fft.ifftshift(np.fft.fftshift(np.fft.fft2(image)) * sensitivity))
    assert abs(seen.imag).max() < 1e-9
    padded = np.pad(seen.real, 15)
    k = np.arange(-15, 16)
    means = []
    for sigma in (2, 4):
        kernel = np.exp(-np.add.outer(k**2, k**2) / (2 * sigma**2)) / (2 * np.pi * sigma**2)
        patches = np.lib.stride_tricks.sliding_window_view(padded, (31, 31))
        means.append((patches * kernel).sum(axis=(2, 3)))
    contrast = abs(means[0] / means[1] - 1)
    return contrast**3 / (contrast**2 + 0.0001)


def literal(a, b, fused):
    x, y, f = map(literal_contrast, (a, b, fused))
    values = []
    for i, j in np.ndindex(*fused.shape):
        total = x[i, j] ** 2 + y[i, j] ** 2
        values.append(
            sum(c[i, j] ** 2 / total * min(c[i, j] / f[i, j], f[i, j] / c[i, j]) for c in (x, y)),
        )
    return np.mean(values)


@pytest.mark.parametrize("make", [noise_triple, smooth_triple])
@pytest.mark.parametrize("shape", [(24, 30), (25, 24), (40, 37)])
def test_agrees_with_loops(make, shape):
    a, b, fused = make(shape)
    assert qcb(a, b, fused) == pytest.approx(literal(a, b, fused), abs=1e-8)


@given(triples(low=2, high=20))
def test_symmetry_and_range_or_a_reason(images):
    a, b, fused = images
    try:
        value = qcb(a, b, fused)
    except WdualmineError as error:
        assert str(error).startswith("Qcb: ")  # noqa: PT017
        return
    assert METRIC.range[0] <= value <= METRIC.range[1]
    assert value == pytest.approx(qcb(b, a, fused), abs=1e-12)
    assert qcb(a, a, a) == pytest.approx(1)


def test_stretching_an_image_changes_nothing():
    a, b, fused = smooth_triple((40, 40))
    fused = np.clip(fused, 10, 60)
    stretched = np.floor((fused - 10.0) / 50 * 255 + 0.5).astype(np.uint8)
    assert qcb(a, b, fused) == pytest.approx(qcb(a, b, stretched))
    assert qcb(a, b, a) > qcb(a, b, np.roll(a, 9, axis=1))


@pytest.mark.parametrize("index", range(3))
def test_a_constant_image_is_refused_by_name(index):
    images = list(noise_triple((20, 20)))
    images[index] = np.full((20, 20), 9, np.uint8)
    with pytest.raises(
        WdualmineError, match=f"Qcb: {('source A', 'source B', 'the fused image')[index]} is const"
    ):
        qcb(*images)
