"""Fusing images of any size and type: the edge between files or arrays and the methods.

Inside, an image is a float32 tensor (N, 1, H, W) of luma in [0, 1]; here arrays become such tensors, a method
fuses them, and the result becomes an array of the kind that came in.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wdualmine.data.color import LUMA_WEIGHTS, is_color, join_color, split_color
from wdualmine.data.images import check_image
from wdualmine.errors import WdualmineError

#: A way to fuse: two lumas (N, 1, H, W) in [0, 1], any size, to one of the same shape; no side effects.
Fuse = Callable[[Tensor, Tensor], Tensor]


def fuse_images(
    image_a: NDArray,
    image_b: NDArray,
    fuse: Fuse,
    stretch: bool = True,
    names: tuple[str, str] = ("image A", "image B"),
) -> NDArray:
    """Fuse two registered images.

    Args:
        image_a: uint8, uint16 or float in [0, 1]; (H, W) or (H, W, 3). At most one image may be in color: its
            luma is fused and its chroma kept.
        image_b: the same height and width.
        fuse: how.
        stretch: stretch the fused luma to the full range (min-max) and round down, as the published images
            of this field were saved; False rounds to the nearest level and keeps intensities.
        names: what to call the images in an error, such as their file names.

    Returns:
        The fused image, with the size and the pixel type of the sources (the wider type, if they differ); in
        color if a source is.

    Raises:
        WdualmineError: sizes differ, both are in color, a float image leaves [0, 1], or
            :func:`~wdualmine.data.images.check_image` objects.
    """
    image_a, image_b = check_image(image_a, names[0]), check_image(image_b, names[1])
    if image_a.shape[:2] != image_b.shape[:2]:
        raise WdualmineError(
            f"{names[0]} is {_size(image_a)} but {names[1]} is {_size(image_b)}; "
            "register and resample them first"
        )
    if is_color(image_a) and is_color(image_b):
        raise WdualmineError(f"{names[0]} and {names[1]} are both in color; one must be grey (the MRI)")
    luma_a, luma_b = luma_tensor(image_a, names[0]), luma_tensor(image_b, names[1])
    with torch.inference_mode():
        fused = fuse(luma_a, luma_b)[0, 0].double().clamp(0, 1).cpu().numpy()
    color = image_a if is_color(image_a) else image_b if is_color(image_b) else None
    return finish(fused, color, np.result_type(image_a, image_b), stretch)


def luma_tensor(image: NDArray, name: str = "image") -> Tensor:
    """Give the luma of an image array as a float32 tensor (1, 1, H, W) in [0, 1]."""
    if image.dtype == np.uint8:
        luma = split_color(image)[0] / np.float32(255)
    else:
        luma = _to_unit(image, name)
        luma = luma @ np.array(LUMA_WEIGHTS) if is_color(image) else luma
    return torch.from_numpy(np.ascontiguousarray(luma, dtype=np.float32))[None, None]


def finish(fused: NDArray[np.float64], color: NDArray | None, dtype: np.dtype, stretch: bool) -> NDArray:
    """Turn a fused luma (H, W) in [0, 1] into an image of a pixel type, with the chroma of a color source."""
    spread = fused.max() - fused.min()
    if stretch and spread > 0:
        fused = (fused - fused.min()) / spread
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
    source = _to_unit(color, "color image")
    target = _to_unit(luma, "luma")
    rgb = np.clip(source + (target - source @ np.array(LUMA_WEIGHTS))[..., None], 0, 1)
    return (rgb if dtype.kind == "f" else np.rint(rgb * np.iinfo(dtype).max)).astype(dtype)


def _to_unit(image: NDArray, name: str) -> NDArray[np.float64]:
    if image.dtype.kind != "f":
        return image / float(np.iinfo(image.dtype).max)
    if image.min() < 0 or image.max() > 1:
        raise WdualmineError(
            f"{name}: float pixels from {image.min():g} to {image.max():g}; scale them to [0, 1] first"
        )
    return image.astype(np.float64)


def _size(image: NDArray) -> str:
    return f"{image.shape[0]} x {image.shape[1]}"
