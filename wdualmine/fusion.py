"""Fusing images of any size and type: the edge between files or arrays and the methods.

Inside, an image is a float32 tensor (N, 1, H, W) of luma in [0, 1]; here arrays become such tensors, a method
fuses them, and the result becomes an array of the kind that came in.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wdualmine.data.color import LUMA_WEIGHTS, is_color, join_color, split_color
from wdualmine.data.images import check_image, size_of
from wdualmine.errors import WdualmineError

#: A way to fuse: two lumas (N, 1, H, W) in [0, 1], any size, to one of the same shape; no side effects. A
#: function that gives a NumPy array will do, too.
Fuse = Callable[[Tensor, Tensor], Tensor]
#: By how much a fused image may leave [0, 1] before it is taken for one in other units.
OUTSIDE = 10.0
#: By how much a source may, from the rounding of sums.
ROUNDING = 1e-3
ROWS = 256  # of an image that are converted at once, which takes up to 100 bytes a pixel


def fuse_images(
    image_a: NDArray,
    image_b: NDArray,
    fuse: Fuse,
    stretch: bool = True,
    names: tuple[str, str] = ("image A", "image B"),
) -> NDArray:
    """Fuse two registered images; :func:`wdualmine.fuse` looks whether they are, too.

    Args:
        image_a: uint8, uint16 or float in [0, 1]; (H, W) or (H, W, 3). At most one image may be in color: its
            luma is fused and its chroma kept.
        image_b: the same height and width.
        fuse: how.
        stretch: stretch the fused luma to the full range (min-max) and round down, as the published images
            of this field were saved; False rounds to the nearest level and keeps intensities.
        names: what to call the images in an error, such as their file names.

    Returns:
        The fused image, of the sources' size and pixel type (the wider, if they differ); in color if one is.

    Raises:
        WdualmineError: sizes differ, both are in color, a float image leaves [0, 1],
            :func:`~wdualmine.data.images.check_image` objects, or `fuse` gives no image of the sources' size.
    """
    image_a, image_b = check_image(image_a, names[0]), check_image(image_b, names[1])
    if image_a.shape[:2] != image_b.shape[:2]:
        sizes = f"{names[0]} is {size_of(image_a)} but {names[1]} is {size_of(image_b)} (height x width)"
        raise WdualmineError(f"{sizes}; bring them on one grid first, as `fuse --register` does")
    if is_color(image_a) and is_color(image_b):
        raise WdualmineError(f"{names[0]} and {names[1]} are both in color; one must be grey (the MRI)")
    check_function(fuse)
    luma_a, luma_b = luma_tensor(image_a, names[0]), luma_tensor(image_b, names[1])
    with torch.inference_mode():
        fused = check_fused(fuse(luma_a, luma_b), luma_a)
        del luma_a, luma_b  # of a large image
        luma = fused[0, 0].to(torch.promote_types(fused.dtype, torch.float32)).cpu().numpy()
    color = image_a if is_color(image_a) else image_b if is_color(image_b) else None
    return finish(luma, color, np.result_type(image_a, image_b), stretch)


def check_function(fuse: object) -> None:
    """Refuse what is no way to fuse (:data:`Fuse`), and say what makes one of it."""
    if isinstance(fuse, nn.Module):
        kind = type(fuse).__name__
        raise WdualmineError(f"fuse {kind}: is a network; wdualmine.fuse_with makes a function of it")
    if not callable(fuse):
        raise WdualmineError(f"fuse {fuse!r}: give a function; wdualmine.load_fuse makes one of a method")


def check_fused(fused: object, luma: Tensor, name: str = "") -> Tensor:
    """Return what a fusing function gave for a luma (N, 1, H, W) as a tensor, if it is an image like that.

    Raises:
        WdualmineError: it is no tensor or array of floats, of another shape, not finite, or far outside of
            [0, 1], as in other units; the message begins with the pair's name.
    """
    given = f"{name}: the fusing function gave" if name else "the fusing function gave"
    if isinstance(fused, np.ndarray) and fused.dtype.kind == "f":
        fused = torch.from_numpy(np.ascontiguousarray(fused))
    if not isinstance(fused, Tensor) or not fused.is_floating_point():
        kind = fused.dtype if isinstance(fused, Tensor) else type(fused).__name__
        hint = "; of a network, wdualmine.fuse_with makes such a function" * hasattr(fused, "fused")
        raise WdualmineError(f"{given} {kind}; it must give a tensor of floats{hint}")
    if fused.shape != luma.shape:
        shapes = f"shape {tuple(fused.shape)} for images of shape {tuple(luma.shape)}"
        raise WdualmineError(f"{given} {shapes}; it must give one of the same shape")
    low, high = map(float, fused.aminmax())  # NaN is both; no copy of a large image is made
    if not (math.isfinite(low) and math.isfinite(high)):
        raise WdualmineError(f"{given} NaN or infinity; it must give numbers in [0, 1]")
    if low < -OUTSIDE or high > 1 + OUTSIDE:
        raise WdualmineError(f"{given} values from {low:g} to {high:g}; it must give numbers in [0, 1]")
    return fused


def check_unit(*images: Tensor) -> None:
    """Refuse images in other units than a network's: of no floats, or values outside of [0, 1]."""
    for image in images:
        if not isinstance(image, Tensor) or not image.is_floating_point():
            kind = image.dtype if isinstance(image, Tensor) else type(image).__name__
            raise WdualmineError(f"image of type {kind}: a network needs a tensor of floats in [0, 1]")
        low, high = map(float, image.aminmax())
        if not (low >= -ROUNDING and high <= 1 + ROUNDING):  # not so for NaN, either
            what = f"image with values from {low:g} to {high:g}"
            raise WdualmineError(f"{what}: a network needs them in [0, 1]; divide levels of 8 bits by 255")


def luma_tensor(image: NDArray, name: str = "image") -> Tensor:
    """Return the luma of an image array as a float32 tensor (1, 1, H, W) in [0, 1]."""
    if image.dtype.kind == "f" and (image.min() < 0 or image.max() > 1):
        found = f"float pixels from {image.min():g} to {image.max():g}"
        raise WdualmineError(f"{name}: {found}; scale them to [0, 1] first")
    luma = np.empty(image.shape[:2], np.float32)
    for start in range(0, len(image), ROWS):
        strip = image[start : start + ROWS]
        if image.dtype == np.uint8:
            luma[start : start + ROWS] = split_color(strip)[0] / np.float32(255)
        else:
            unit = _to_unit(strip)
            luma[start : start + ROWS] = unit @ np.array(LUMA_WEIGHTS) if is_color(image) else unit
    return torch.from_numpy(luma)[None, None]


def finish(fused: NDArray, color: NDArray | None, dtype: np.dtype, stretch: bool) -> NDArray:
    """Turn a fused luma (H, W) in [0, 1] into an image of a pixel type, with the chroma of a color source."""
    low, high = (float(np.clip(value, 0, 1)) for value in (fused.min(), fused.max()))
    result = np.empty(fused.shape if color is None else color.shape, dtype)
    for start in range(0, len(fused), ROWS):
        rows = slice(start, start + ROWS)
        strip = np.clip(fused[rows].astype(np.float64), 0, 1)
        if stretch and high > low:
            strip = (strip - low) / (high - low)
        result[rows] = _finish_strip(strip, None if color is None else color[rows], dtype, stretch)
    return result


def _finish_strip(
    fused: NDArray[np.float64], color: NDArray | None, dtype: np.dtype, stretch: bool
) -> NDArray:
    if dtype.kind == "f":
        luma: NDArray = fused
    else:
        # To a thousandth of a level first, so that float32's rounding decides no tie and no step.
        levels = np.round(fused * np.iinfo(dtype).max, 3)
        luma = (np.floor(levels) if stretch else np.rint(levels)).astype(dtype)
    if color is None:
        return luma.astype(dtype)
    if dtype == np.uint8:
        return join_color(luma, split_color(color)[1])
    # The same rule as for 8 bits, without its rounding: adding the change of luma keeps both differences.
    source = _to_unit(color)
    target = _to_unit(luma)
    rgb = np.clip(source + (target - source @ np.array(LUMA_WEIGHTS))[..., None], 0, 1)
    return (rgb if dtype.kind == "f" else np.rint(rgb * np.iinfo(dtype).max)).astype(dtype)


def _to_unit(image: NDArray) -> NDArray[np.float64]:
    return image.astype(np.float64) if image.dtype.kind == "f" else image / float(np.iinfo(image.dtype).max)
