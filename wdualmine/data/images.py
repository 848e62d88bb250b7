"""Reading and writing image files, and the bad input that can come with them."""

import os
import tempfile
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
from numpy.typing import NDArray

from wdualmine.errors import WdualmineError

#: File suffixes that are read as images when a folder is searched.
SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".jpg", ".jpeg")


def read_image(path: str | Path) -> NDArray:
    """Read a grey or RGB image.

    Args:
        path: an image file.

    Returns:
        uint8, uint16 or float array, (H, W) or (H, W, 3). An RGB file whose three channels are equal comes
        back as grey; a fully opaque alpha channel is dropped.

    Raises:
        WdualmineError: the file is missing, truncated or not an image, or has a channel count other than 1
            or 3, or holds NaN or infinity, or is a color PNG of 16 bits a channel.
    """
    path = Path(path)
    if not path.is_file():
        raise WdualmineError(f"{path}: no such image file; check the path")
    if _is_deep_color_png(path):  # would come back cut to 8 bits, with no word about it
        raise WdualmineError(f"{path}: is a 16-bit color PNG, which is not read in full; save it as .tif")
    try:
        # Named, so that no other reader is tried on a broken file.
        plugin = "tifffile" if path.suffix.lower() in (".tif", ".tiff") else "pillow"
        image = np.asarray(imageio.imread(path, plugin=plugin))
    except Exception as error:
        raise WdualmineError(
            f"{path}: not a readable image ({_one_line(error)}); fetch or export it again"
        ) from error
    return check_image(image, str(path))


def check_image(image: NDArray, name: str) -> NDArray:
    """Bring an array to (H, W) or (H, W, 3), or say by name what is wrong with it.

    Raises:
        WdualmineError: wrong channel count or dimension, unsupported type, empty, NaN or infinity.
    """
    image = np.asarray(image)
    if image.dtype == bool:
        image = image.astype(np.uint8) * 255
    if image.ndim == 3 and image.shape[-1] == 1:
        image = image[..., 0]
    if image.ndim == 3 and image.shape[-1] in (2, 4):
        opaque = np.iinfo(image.dtype).max if image.dtype.kind == "u" else 1
        if (image[..., -1] != opaque).any():
            raise WdualmineError(f"{name}: has a transparent alpha channel; save it as grey or RGB")
        image = image[..., 0] if image.shape[-1] == 2 else image[..., :3]
    if image.ndim != 2 and not (image.ndim == 3 and image.shape[-1] == 3):
        raise WdualmineError(
            f"{name}: has shape {image.shape}; a grey (H, W) or RGB (H, W, 3) image is needed"
        )
    if image.size == 0:
        raise WdualmineError(f"{name}: is empty (shape {image.shape})")
    if not (image.dtype in (np.uint8, np.uint16) or image.dtype.kind == "f"):
        raise WdualmineError(f"{name}: has pixel type {image.dtype}; save it as uint8, uint16 or float")
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise WdualmineError(f"{name}: holds NaN or infinite values; replace them first")
    if image.ndim == 3 and (image == image[..., :1]).all():
        image = image[..., 0]
    return image


def write_image(path: str | Path, image: NDArray) -> Path:
    """Write an image whole or not at all: to a temporary file beside it, then renamed.

    Raises:
        WdualmineError: the folder cannot be made, or the suffix is no image format that holds this type.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise WdualmineError(f"{path}: unknown image suffix; use one of {', '.join(SUFFIXES)}")
    if image.dtype.kind == "f" and path.suffix.lower() not in (".tif", ".tiff"):
        raise WdualmineError(f"{path}: float pixels need a .tif file")
    if image.dtype == np.uint16 and image.ndim == 3 and path.suffix.lower() not in (".tif", ".tiff"):
        raise WdualmineError(f"{path}: 16-bit color pixels need a .tif file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    except OSError as error:
        raise WdualmineError(f"{path}: cannot be written ({_one_line(error)})") from error
    os.close(handle)
    temporary = Path(name)
    try:
        imageio.imwrite(temporary, image)
        temporary.chmod(0o644)
        temporary.replace(path)
    except Exception as error:
        raise WdualmineError(f"{path}: cannot be written ({_one_line(error)})") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _is_deep_color_png(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            header = file.read(26)
    except OSError:
        return False
    # Bytes 24 and 25 are the bit depth and the color type, 0 for grey.
    return header.startswith(b"\x89PNG") and len(header) == 26 and header[24] == 16 and header[25] != 0


def _one_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
