import numpy as np
import pytest
from hypothesis import given
from sample_images import noise_triple, smooth_triple, triples
from tolerances import TOLERANCES

from wdualmine.errors import WdualmineError
from wdualmine.metrics.qcv import qcv, qcv_plain_edges


def literal(a, b, fused, power):
    height, width = fused.shape

    def stretched(image):
        image = image.astype(float)
        return np.floor((image - image.min()) / (image.max() - image.min()) * 255 + 0.5)

    def frequencies(n):  # -1 to 1 in units of half the sampling rate, 0 in the middle
        return np.arange(-(n // 2), n - n // 2) * 2 / n

    v, u = np.meshgrid(frequencies(height) * height / 8, frequencies(width) * width / 8, indexing="ij")
    r = np.sqrt(u**2 + v**2)
    sensitivity = 2.6 * (0.0192 + 0.144 * r) * np.exp(-((0.144 * r) ** 1.1))
    taps = np.array([[1, 2, 1], [0, 0, 0], [-1, -2, -1]])
    kept = total = 0
    for source in (stretched(a), stretched(b)):
        error = np.fft.fftshift(np.fft.fft2(source - stretched(fused))) * sensitivity
        seen = np.fft.ifft2(np.fft.ifftshift(error))
        assert abs(seen.imag).max() < 1e-9
        padded = np.pad(source, 1)
        for top in range(0, height, 16):
            for left in range(0, width, 16):
                weight = square = 0
                for i in range(top, min(top + 16, height)):
                    for j in range(left, min(left + 16, width)):
                        patch = padded[i : i + 3, j : j + 3]
                        weight += np.hypot((patch * taps).sum(), (patch * taps.T).sum()) ** power
                        square += seen.real[i, j] ** 2
                kept += weight * square / 256
                total += weight
    return kept / total


@pytest.mark.parametrize("make", [noise_triple, smooth_triple])
@pytest.mark.parametrize("shape", [(32, 48), (25, 40), (33, 35)])
def test_agrees_with_loops(make, shape):
    a, b, fused = make(shape)
    for function, power in ((qcv, 5), (qcv_plain_edges, 1)):
        assert function(a, b, fused) == pytest.approx(
            literal(a, b, fused, power), rel=TOLERANCES["literal"].value
        )


@given(triples(low=2, high=20))
def test_symmetry_and_range_or_a_reason(images):
    a, b, fused = images
    try:
        value = qcv(a, b, fused)
    except WdualmineError as error:
        assert str(error).startswith("Qcv: ")  # noqa: PT017
        return
    assert value >= 0
    assert value == pytest.approx(qcv(b, a, fused), rel=1e-9)
    assert qcv(a, a, a) == 0


@pytest.mark.parametrize("index", range(3))
def test_a_constant_image_is_refused_by_name(index):
    images = list(noise_triple((20, 20)))
    images[index] = np.full((20, 20), 9, np.uint8)
    name = ("source A", "source B", "the fused image")[index]
    with pytest.raises(WdualmineError, match=f"Qcv: {name} is constant"):
        qcv(*images)
