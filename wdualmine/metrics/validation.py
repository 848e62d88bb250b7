"""What may be scored: three 8-bit images of one size, none of them constant."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from wdualmine.data.color import to_grey
from wdualmine.data.images import as_array, check_image, size_of
from wdualmine.errors import WdualmineError
from wdualmine.metrics.metric import Image

#: What the images are called in messages where the caller gives no names, such as file names.
NAMES = ("source A", "source B", "the fused image")


def check_triple(
    a: ArrayLike, b: ArrayLike, fused: ArrayLike, names: Sequence[str] = NAMES
) -> tuple[Image, Image, Image]:
    """Bring two sources and a fused image to uint8, or say by name what is wrong with which.

    Each is (H, W) or (H, W, 3), with whole values 0-255 of any type that holds them.

    Returns:
        The three as uint8 arrays; an RGB image with equal channels comes back as grey (H, W).

    Raises:
        WdualmineError: sizes differ, wrong channel count, NaN, values outside 0-255, a float image of unclear
            range, or an image that is constant in grey.
    """
    images = [to_8_bit(image, name) for image, name in zip((a, b, fused), names, strict=True)]
    for image, name in zip(images[1:], names[1:], strict=True):
        if image.shape[:2] != images[0].shape[:2]:
            sizes = f"is {size_of(image)} but {names[0]} is {size_of(images[0])} (height x width)"
            raise WdualmineError(f"{name}: {sizes}; register or crop them to one size first")
    for image, name in zip(images, names, strict=True):
        if is_constant(image):
            what = f"is constant in grey (every pixel is {to_grey(image).flat[0]})"
            raise WdualmineError(f"{name}: {what}, so CC and others are undefined; leave this pair out")
    return images[0], images[1], images[2]


def is_constant(image: Image) -> bool:
    """Return whether an image, uint8 (H, W) or (H, W, 3), has one grey level only."""
    grey = to_grey(image)
    return bool((grey == grey.flat[0]).all())


def to_8_bit(image: ArrayLike, name: str) -> Image:
    """Bring one image to uint8 without changing a value, or say why that cannot be done.

    Raises:
        WdualmineError: see :func:`check_triple`; nothing is ever scaled, rounded or clipped silently.
    """
    array = as_array(image, name)
    if array.dtype.kind in "iu":  # check_image takes fewer integer types
        _require_range(array, name)
        array = array.astype(np.uint8)
    array = check_image(array, name)
    if array.dtype.kind == "f":
        _require_range(array, name)
        if array.max() <= 1:
            raise WdualmineError(
                f"{name}: is a float image with no value above 1, which may mean [0, 1] or 0-255; "
                "pass uint8, for [0, 1] as (image * 255).round().astype('uint8')"
            )
        if (array != np.floor(array)).any():
            raise WdualmineError(f"{name}: holds fractional values; round it to uint8 first")
    return array.astype(np.uint8, copy=False)


def require_size(metric: str, image: Image, side: int) -> None:
    """Refuse an image (H, W) with fewer than `side` rows or columns."""
    if min(image.shape) < side:
        what = f"an image of {size_of(image)} is too small"
        raise WdualmineError(f"{metric}: {what}; use at least {side} x {side} pixels")


def _require_range(array: np.ndarray, name: str) -> None:
    if array.dtype != np.uint8 and array.size and (array.min() < 0 or array.max() > 255):
        found = f"values from {array.min():g} to {array.max():g}"
        raise WdualmineError(f"{name}: holds {found}, outside 0-255; convert it to 8 bits first")
