import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wdualmine.data.color import join_color, split_color, to_grey, to_rgb

COLOR = arrays(np.uint8, (5, 7, 3), elements=st.integers(0, 255))


def every_color(step: int = 5) -> np.ndarray:
    level = np.arange(0, 256, step, dtype=np.uint8)
    return np.stack(np.meshgrid(level, level, level), -1).reshape(level.size, -1, 3)


def test_worked_values():
    # Rec. BT.601 by hand: 0.299 * 255 = 76.245, 0.587 * 255 = 149.685, 0.114 * 255 = 29.07.
    image = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0]]], np.uint8)
    assert to_grey(image).tolist() == [[76, 150, 29, 255, 0]]
    luma, chroma = split_color(image)
    assert luma.tolist() == [[76, 150, 29, 255, 0]]
    # Cr = 0.713 (R - Y) + 128 and Cb = 0.564 (B - Y) + 128, clipped.
    assert chroma[0].tolist() == [[255, 85], [21, 43], [107, 255], [128, 128], [128, 128]]


def test_agrees_with_an_independent_conversion():
    """Scikit-image's YCbCr is of studio range: undone here, it has to give the same to one level."""
    from skimage.color import rgb2ycbcr

    image = every_color(17)
    reference = (rgb2ycbcr(image) - [16, 128, 128]) * [255 / 219, 255 / 224, 255 / 224] + [0, 128, 128]
    luma, chroma = split_color(image)
    assert np.abs(luma - reference[..., 0]).max() <= 1
    assert np.abs(chroma.astype(int) - np.clip(reference[..., [2, 1]], 0, 255)).max() <= 1.6


def test_luma_is_the_grey_image_to_one_level():
    image = every_color()
    difference = np.abs(split_color(image)[0].astype(int) - to_grey(image))
    assert difference.max() <= 1
    assert (difference == 0).mean() > 0.99


def test_there_and_back_on_every_color():
    image = every_color()
    back = join_color(*split_color(image)).astype(int)
    # Saturated red and blue chroma is clipped at 255; elsewhere only rounding is lost.
    clipped = (split_color(image)[1] == 255).any(-1)
    assert np.abs(back - image)[~clipped].max() <= 2


@given(COLOR)
def test_new_luma_carries_the_chroma(image):
    luma, chroma = split_color(image)
    assert (luma.dtype, luma.shape, chroma.dtype, chroma.shape) == (np.uint8, (5, 7), np.uint8, (5, 7, 2))
    changed = join_color(255 - luma, chroma)
    assert changed.dtype == np.uint8
    assert changed.shape == image.shape


@given(arrays(np.uint8, (4, 6), elements=st.integers(0, 255)))
def test_grey_stays_grey(image):
    luma, chroma = split_color(image)
    assert chroma is None
    assert join_color(luma, None) is luma
    assert to_grey(image) is image
    rgb = to_rgb(image)
    assert (to_grey(rgb) == image).all()
    luma, chroma = split_color(rgb)
    assert (luma == image).all()
    assert (chroma == 128).all()
    assert (join_color(luma, chroma) == rgb).all()


def test_published_result_has_the_chroma_of_its_source(harvard, published):
    """AdaFuse's SPECT results keep the source's chroma: their own, read back, is the same to rounding."""
    from wdualmine.data.images import read_image

    path = sorted((published / "adafuse" / "SPECT-MRI").glob("*.png"))[0]
    _, ours = split_color(read_image(harvard / "SPECT-MRI" / "test" / "SPECT" / path.name))
    fused = read_image(path)
    unclipped = ((fused > 0) & (fused < 255)).all(-1)
    _, theirs = split_color(fused)
    assert unclipped.sum() > 1000
    assert np.abs(ours.astype(int) - theirs)[unclipped].max() <= 2


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 2, 3)])
def test_does_not_write_to_its_input(shape):
    image = np.full(shape, 200, np.uint8)
    image.setflags(write=False)
    join_color(*split_color(image))
    to_grey(image)
