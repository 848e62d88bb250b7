"""Color: a functional image (PET, SPECT) is fused in luma and keeps its chroma.

The rule is OpenCV's 8-bit YCrCb, fixed-point with 14 fractional bits and ITU-R BT.601 weights, because it
reproduces the published color results of this data set to the digit. Full range, 8 bits a channel.
"""

import numpy as np
from numpy.typing import NDArray

LUMA_WEIGHTS = (0.299, 0.587, 0.114)  # ITU-R BT.601

_BITS = 14
_HALF = 1 << (_BITS - 1)
_LUMA = (4899, 9617, 1868)  # LUMA_WEIGHTS * 2**14
_RED_DIFFERENCE, _BLUE_DIFFERENCE = 11682, 9241  # 0.713 and 0.564
_RED, _GREEN_FROM_RED, _GREEN_FROM_BLUE, _BLUE = 22987, -11698, -5636, 29049  # 1.403, -0.714, -0.344, 1.773


def is_color(image: NDArray) -> bool:
    """Return whether an image array is (H, W, 3) rather than (H, W)."""
    return image.ndim == 3


def to_grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the grey image that the metrics score: round(0.299 R + 0.587 G + 0.114 B), or grey itself."""
    if not is_color(image):
        return image
    # In thousandths, so that a tie rounds up on every machine.
    red, green, blue = np.moveaxis(image.astype(np.int64), -1, 0)
    return ((299 * red + 587 * green + 114 * blue + 500) // 1000).astype(np.uint8)


def to_rgb(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Repeat a grey image (H, W) to (H, W, 3); return a color image as it is."""
    return image if is_color(image) else np.repeat(image[..., None], 3, axis=-1)


def split_color(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Separate an image (H, W) or (H, W, 3) into luma Y (H, W) and chroma (H, W, 2), None of a grey one.

    The chroma is Cr, then Cb, each centered at 128.
    """
    if not is_color(image):
        return image, None
    red, green, blue = np.moveaxis(image.astype(np.int64), -1, 0)
    luma = (_LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue + _HALF) >> _BITS
    center = 128 << _BITS
    differences = _RED_DIFFERENCE * (red - luma), _BLUE_DIFFERENCE * (blue - luma)
    chroma = np.stack([(difference + center + _HALF) >> _BITS for difference in differences], axis=-1)
    return luma.astype(np.uint8), np.clip(chroma, 0, 255).astype(np.uint8)


def join_color(luma: NDArray[np.uint8], chroma: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    """Put chroma back under a new luma, if there is any: :func:`split_color` undone, up to 8-bit rounding."""
    if chroma is None:
        return luma
    y = luma.astype(np.int64)
    red_difference, blue_difference = np.moveaxis(chroma.astype(np.int64) - 128, -1, 0)
    green = _GREEN_FROM_RED * red_difference + _GREEN_FROM_BLUE * blue_difference
    channels = _RED * red_difference, green, _BLUE * blue_difference
    rgb = np.stack([y + ((channel + _HALF) >> _BITS) for channel in channels], axis=-1)
    return np.clip(rgb, 0, 255).astype(np.uint8)
