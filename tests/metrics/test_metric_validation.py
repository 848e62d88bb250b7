"""Bad input: one line that names the image and the reason, never a wrong value."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sample_images import KINDS, make_image, noise_triple

from wdualmine.data.color import to_grey
from wdualmine.errors import WdualmineError
from wdualmine.metrics import METRICS, PAPER_METRICS, score

NAMES = ("ct.png", "mri.png", "fused.png")
A, B, F = noise_triple((12, 15))
UNIT = F / 255

REFUSED = {
    "another size": (F[:, :-1], r"^fused.png: is 12 x 14 but ct.png is 12 x 15"),
    "transposed": (F.T, r"^fused.png: is 15 x 12 but ct.png is 12 x 15"),
    "negative": (F.astype(int) - 1, r"^fused.png: holds values from -1 to 25\d, outside 0-255"),
    "16 bits": (F.astype(np.uint16) * 257, r"^fused.png: holds values .* outside 0-255"),
    "float in [0, 1]": (UNIT, r"^fused.png: is a float image with no value above 1"),
    "float32 in [0, 1]": (UNIT.astype(np.float32), r"^fused.png: is a float image with no value above 1"),
    "float in [-1, 1]": (2 * UNIT - 1, r"^fused.png: holds values from -1 to 1, outside 0-255"),
    "float beyond 255": (1.5 * F, r"^fused.png: holds values .* outside 0-255"),
    "fractions": (0.9 * F + 0.05, r"^fused.png: holds fractional values"),
    "NaN": (np.where(F[3, 4] == F, np.nan, F), r"^fused.png: holds NaN"),
    "infinity": (np.where(F[3, 4] == F, np.inf, F), r"^fused.png: holds NaN or infinite"),
    "masked": (np.ma.masked_equal(F, F[3, 4]), r"^fused.png: is a masked array"),
    "constant": (np.full_like(F, 7), r"^fused.png: is constant in grey \(every pixel is 7\)"),
    "constant float": (np.full(F.shape, 7.0), r"^fused.png: is constant"),
    "two channels": (np.stack([F, F - F], axis=-1), r"^fused.png: "),
    "five channels": (np.stack([F] * 5, axis=-1), r"^fused.png: has shape \(12, 15, 5\)"),
    "channels first": (np.stack([F] * 3), r"^fused.png: has shape \(3, 12, 15\)"),
    "a batch": (F[None, None], r"^fused.png: has shape \(1, 1, 12, 15\)"),
    "flat": (F.ravel(), r"^fused.png: has shape \(180,\)"),
    "empty": (F[:0], r"^fused.png: "),
    "a number": (3, r"^fused.png: has shape \(\)"),
    "text": ("fused.png", r"^fused.png: "),
    "none": (None, r"^fused.png: "),
    "complex": (F.astype(complex), r"^fused.png: has pixel type complex128"),
    "dates": (F.astype("datetime64[D]"), r"^fused.png: has pixel type datetime64"),
    "ragged": ([[1, 2], [3]], r"^fused.png: "),
    "gradients": (torch.ones(12, 15, requires_grad=True), r"^fused.png: is no array"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_by_name_in_one_line(case):
    image, message = REFUSED[case]
    with pytest.raises(WdualmineError, match=message) as raised:
        score(A, B, image, names=NAMES)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("position", range(3))
def test_each_of_the_three_is_checked_under_its_own_name(position):
    images = [A, B, F]
    images[position] = np.where(F > 250, np.nan, F)
    with pytest.raises(WdualmineError, match=f"^{NAMES[position]}: holds NaN"):
        score(*images, names=NAMES)
    with pytest.raises(WdualmineError, match=("^source A", "^source B", "^the fused image")[position]):
        score(*images)


@pytest.mark.parametrize(
    "same",
    [
        F.astype(np.int64),
        F.astype(np.uint16),
        F.astype(float),
        F.tolist(),
        F[..., None],
        np.stack([F] * 3, axis=-1),
    ],
    ids=["int64", "uint16", "whole floats", "lists", "one channel", "three equal channels"],
)
def test_other_ways_to_hold_the_same_8_bits_score_the_same(same):
    assert score(A, B, same) == score(A, B, F)


def test_a_color_image_of_one_grey_is_constant():
    fused = np.zeros((12, 15, 3), dtype=np.uint8)
    fused[:6] = (3, 0, 0)
    fused[6:] = (0, 2, 0)
    with pytest.raises(WdualmineError, match="constant in grey"):
        score(A, B, fused)


def test_the_input_is_not_changed():
    images = [image.copy() for image in (A, B, F)]
    for image in images:
        image.setflags(write=False)
    score(*images, list(set(METRICS) - {"MS-SSIM", "VIF", "VIFF"}))
    for image, original in zip(images, (A, B, F), strict=True):
        np.testing.assert_array_equal(image, original)


def in_range(key, value):
    low, high = METRICS[key].range
    return low - 1e-9 <= value <= high + 1e-9


def corrupt(image, kind, rng):
    """An image as bad input may look like; a copy, of any type and shape."""
    values = image.astype(float)
    spot = tuple(rng.integers(side) for side in image.shape)
    if kind == "nan":
        values[spot] = np.nan
    elif kind == "infinity":
        values[spot] = np.inf
    elif kind == "negative":
        values[spot] = -1
    elif kind == "too large":
        values[spot] = 256
    elif kind == "unit":
        values /= 255
    elif kind == "fraction":
        values[spot] += 0.5
    elif kind == "constant":
        values[:] = values[spot]
    elif kind == "cropped":
        values = values[1:]
    elif kind == "channels":
        return np.stack([image] * int(rng.choice([2, 4, 5])), axis=-1)
    elif kind == "object":
        return image.astype(object)
    return values


CORRUPTIONS = (
    "nan",
    "infinity",
    "negative",
    "too large",
    "unit",
    "fraction",
    "constant",
    "cropped",
    "channels",
    "object",
)


@settings(max_examples=20 * settings.default.max_examples)
@given(
    seed=st.integers(0, 10**9),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    kinds=st.tuples(*[st.sampled_from((*KINDS, "constant"))] * 3),
    color=st.tuples(*[st.booleans()] * 3),
    derived=st.sampled_from(["free", "average", "source", "negative"]),
)
def test_no_image_gets_a_wrong_silent_answer(seed, shape, kinds, color, derived):
    """Any 8-bit images give values in range or an error; never a NaN, and infinity for equal images only."""
    a, b, fused = (
        np.stack([make_image(kind, seed + i + 7 * channel, shape) for channel in range(3)], axis=-1)
        if colored
        else make_image(kind, seed + i, shape)
        for i, (kind, colored) in enumerate(zip(kinds, color, strict=True))
    )
    if derived != "free" and a.shape == b.shape:
        fused = {"average": (a // 2 + b // 2), "source": a, "negative": 255 - a}[derived]
    constant = any(np.ptp(to_grey(image)) == 0 for image in (a, b, fused))
    if constant or min(shape) < 3:
        with pytest.raises(WdualmineError, match="constant in grey" if constant else "at least 3 x 3"):
            score(a, b, fused)
        return
    scores = score(a, b, fused)
    assert list(scores) == list(PAPER_METRICS)
    equal = all((x == fused).all() for x in (a, b)) if a.shape == b.shape == fused.shape else False
    for key, value in scores.items():
        assert in_range(key, value), (key, value)
        assert math.isfinite(value) or (key == "PSNR" and equal)


@settings(max_examples=4 * settings.default.max_examples)
@given(st.integers(0, 10**9), st.sampled_from(CORRUPTIONS), st.integers(0, 2), st.sampled_from(KINDS))
def test_corrupted_input_is_an_error_that_names_it(seed, corruption, position, kind):
    rng = np.random.default_rng(seed)
    images = [make_image(kind, seed + i, (8, 9)) for i in range(3)]
    # An image with no level above 1 cannot be told from one in [0, 1] once it is of floats.
    assume(all(np.ptp(image) > 1 for image in images))
    corrupted = corrupt(images[position], corruption, rng)
    assume(corruption != "cropped" or np.ptp(corrupted) > 1)  # neither can one that lost its bright row
    images[position] = corrupted
    if corruption == "channels" and corrupted.shape[-1] == 4:
        corrupted[0, 0, 3] ^= 1 if corrupted[0, 0, 3] != 254 else 2  # an alpha channel, not opaque
    with pytest.raises(WdualmineError) as raised:
        score(*images, names=NAMES)
    named = NAMES[1] if corruption == "cropped" and position == 0 else NAMES[position]
    assert str(raised.value).startswith(named)


@given(
    st.integers(0, 10**9),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.tuples(*[st.sampled_from((*KINDS, "constant"))] * 3),
)
def test_every_metric_gives_a_value_in_range_or_an_error(seed, shape, kinds):
    images = [make_image(kind, seed + i, shape) for i, kind in enumerate(kinds)]
    for key in METRICS:
        try:
            value = score(*images, [key])[key]
        except WdualmineError:
            continue
        assert in_range(key, value), (key, value)
        assert math.isfinite(value) or key == "PSNR"
