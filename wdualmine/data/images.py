"""Reading and writing image files: the one place where it is decided what an image file may be.

Decided by content, never by name: PNG, JPEG, TIFF or BMP, one image of a stated size, grey or RGB. A file
that says its colors in another way is converted where that is exact and refused where it is not.
"""

import io
import os
import warnings
import zlib
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, UnidentifiedImageError

from wdualmine.data.scans import (
    PIXELS_VARIABLE,
    Window,
    check_size,
    check_window,
    read_scan,
    scan_format,
    show,
)
from wdualmine.data.scans import SUFFIXES as SCANS
from wdualmine.errors import WdualmineError, one_line
from wdualmine.files import write_bytes

if TYPE_CHECKING:
    from tifffile import TiffPage

#: File suffixes of the images that are written, and read when a folder is searched.
SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".jpg", ".jpeg")
#: The same with slices that are only read.
READ_SUFFIXES = (*SUFFIXES, *SCANS)
#: How a file of each format begins.
SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG", b"BM": "BMP",
    b"II*\0": "TIFF", b"MM\0*": "TIFF", b"II+\0": "TIFF", b"MM\0+": "TIFF",
}  # fmt: skip
#: Larger images are refused before they are decoded, because a short file can declare any size.
MAX_PIXELS = 2**26  # 8192 x 8192

_ORIENTATION = 274  # the tag of EXIF and TIFF


def read_image(path: str | Path, window: Window | None = None) -> NDArray:
    """Read a grey or RGB image, turned as its orientation tag says; DICOM slices and NumPy arrays, too.

    Args:
        path: an image file; its content decides the format, not its name.
        window: show this part of the file's values, in their units, as the full range; None takes all, of a
            DICOM slice its own window (see :func:`~wdualmine.data.scans.read_scan`).

    Returns:
        uint8, uint16 or float array, (H, W) or (H, W, 3). An RGB file whose three channels are equal comes
        back as grey; a fully opaque alpha channel is dropped; palettes and white-is-zero are converted.

    Raises:
        WdualmineError: the file is missing, damaged (the checksums of a PNG count) or no PNG, JPEG, TIFF or
            BMP; has too many pixels, several pages or frames, a transparent pixel, a color space other than
            grey and RGB, NaN or infinity; or is a color PNG of 16 bits a channel.
    """
    path = Path(path)
    if not path.is_file():
        raise WdualmineError(f"{path}: no such image file; check the path")
    limit = _pixel_limit()
    try:
        if scan := scan_format(path):
            return np.ascontiguousarray(check_image(read_scan(path, scan, limit, window), str(path)))
        form = _format(path)
        image, orientation = _read_tiff(path, limit) if form == "TIFF" else _read_raster(path, form, limit)
    except (WdualmineError, ImportError):
        raise
    except MemoryError as error:
        raise WdualmineError(f"{path}: not enough memory to read it; make it smaller") from error
    except Exception as error:
        text = f"{path}: not a readable image ({one_line(error)}); fetch or export it again"
        raise WdualmineError(text) from error
    image = np.ascontiguousarray(_turn(check_image(image, str(path)), orientation))
    if window is None:
        return image
    if image.ndim == 3:
        raise WdualmineError(f"{path}: is in color, which has no window; leave it out")
    return show(image, check_window(window, str(path), image), image.dtype)


def _pixel_limit() -> int:
    text = str(os.environ.get(PIXELS_VARIABLE) or MAX_PIXELS)
    if not (text.isdecimal() and int(text)):
        raise WdualmineError(f"{PIXELS_VARIABLE} {text}: give a number of pixels, such as {MAX_PIXELS}")
    return int(text)


def _format(path: Path) -> str:
    with path.open("rb") as file:
        beginning = file.read(8)
    for signature, name in SIGNATURES.items():
        if beginning.startswith(signature):
            return name
    if path.name.lower().endswith((".nii", ".nii.gz")):
        raise WdualmineError(
            f"{path}: is a volume where an image is needed; `fuse` and `report` take volumes together"
        )
    raise ValueError("its content is no PNG, JPEG, TIFF or BMP")


def _read_raster(path: Path, form: str, limit: int) -> tuple[NDArray, int]:
    """Read PNG, JPEG or BMP: the pixels as they lie in the file, and the orientation to give them."""
    with path.open("rb") as file:
        header = file.read(26)
    # Bytes 24 and 25 of a PNG are the bit depth and the color type, 0 for grey; Pillow cuts it to 8 bits.
    if form == "PNG" and len(header) == 26 and header[24] == 16 and header[25] != 0:
        raise WdualmineError(f"{path}: is a 16-bit color PNG, which is not read in full; save it as .tif")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit is ours
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            with Image.open(path, formats=[form]) as image:
                check_size(path, *image.size, limit)
                image.verify()  # the checksum of every chunk of a PNG, which decoding does not look at
            with Image.open(path, formats=[form]) as image:
                if (frames := getattr(image, "n_frames", 1)) > 1:
                    raise WdualmineError(f"{path}: holds {frames} frames; save the one to use as an image")
                return np.array(_plain(path, image)), image.getexif().get(_ORIENTATION, 1)
        except UnidentifiedImageError as error:  # its own message names the path once more
            raise ValueError(f"a damaged {form} file") from error
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _plain(path: Path, image: Image.Image) -> Image.Image:
    """Bring a decoded image to one of the modes that become arrays without loss."""
    if image.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "I;16", "I;16B"):
        raise WdualmineError(f"{path}: has the color space {image.mode}; save it as grey or RGB")
    if not image.has_transparency_data:
        return image.convert("RGB") if image.mode == "P" else image
    if image.mode.startswith("I"):
        raise WdualmineError(f"{path}: has a transparent grey level; save it without one")
    return image.convert("RGBA")


def _read_tiff(path: Path, limit: int) -> tuple[NDArray, int]:
    """Read TIFF: the pixels in grey or RGB, and the orientation to give them."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        series = file.series[0]
        if len(file.pages) > 1 or page.imagedepth > 1 or prod(series.shape) != prod(page.shape):
            raise WdualmineError(f"{path}: holds several pages or slices; save the one to use as an image")
        check_size(path, page.imagewidth, page.imagelength, limit)
        if page.is_tiled:
            check_size(path, page.tilewidth, page.tilelength, limit)
        space = getattr(page.photometric, "name", str(page.photometric))
        if space not in ("MINISBLACK", "MINISWHITE", "RGB", "PALETTE"):
            raise WdualmineError(f"{path}: has the color space {space}; save it as grey or RGB")
        allowed = (1, 8, 16) if page.sampleformat == 1 else (16, 32, 64)  # fewer bits come back unscaled
        if page.bitspersample not in allowed or page.samplesperpixel > 4:
            found = f"{page.samplesperpixel} channels of {page.bitspersample} bits"
            raise WdualmineError(f"{path}: has {found}; save it with 8 or 16 bits, or as float")
        _check_segments(path, page)
        image = page.asarray()
        if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and image.ndim == 3:
            image = np.moveaxis(image, 0, -1)
        if space == "PALETTE":
            image = _apply_palette(path, image, page.colormap)
        elif space == "MINISWHITE":
            if image.dtype.kind == "f" or image.ndim > 2:
                raise WdualmineError(f"{path}: white is zero in it; save it with black as zero")
            image = ~image
        tag = page.tags.get(_ORIENTATION)
        return image, 1 if tag is None else int(tag.value)


def _check_segments(path: Path, page: "TiffPage") -> None:
    """See before decoding that every strip or tile is there and inflates to no more than its share."""
    size = path.stat().st_size
    places = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    if len(places) < prod(page.chunked) or any(n < 1 or start + n > size for start, n in places):
        raise ValueError("a strip or tile of it is missing")
    compression = getattr(page.compression, "name", str(page.compression))
    share = prod(page.chunks) * page.bitspersample // 8 + page.chunks[0]  # rows may be padded to a byte
    if compression in ("ADOBE_DEFLATE", "DEFLATE"):
        with path.open("rb") as file:
            for start, length in places:
                file.seek(start)
                if len(zlib.decompressobj().decompress(file.read(length), share + 1)) > share:
                    raise ValueError("a strip or tile of it inflates to more than the image")
    elif compression == "LZW":
        if not find_spec("imagecodecs"):
            remedy = "run `pip install imagecodecs`, or save it uncompressed or with deflate"
            raise WdualmineError(f"{path}: is compressed with LZW, which needs imagecodecs; {remedy}")
    elif compression not in ("NONE", "PACKBITS"):
        raise WdualmineError(f"{path}: is compressed with {compression}; save it with deflate, or with none")
    # Neither PackBits nor LZW make their data much larger, so more bytes than these are no image's.
    if compression in ("PACKBITS", "LZW") and any(n > 2 * share + 64 for _, n in places):
        raise ValueError("a strip or tile of it is larger than the image")


def _apply_palette(path: Path, image: NDArray, palette: NDArray | None) -> NDArray:
    if palette is None or image.ndim != 2 or image.dtype.kind not in "bu" or image.max() >= palette.shape[1]:
        raise WdualmineError(f"{path}: its palette does not fit its pixels; save it as grey or RGB")
    # TIFF's palettes have 16 bits; those of 8 bits are written doubled, or with zeros below.
    for factor in (257, 256):
        if not (palette % factor).any():
            palette = (palette // factor).astype(np.uint8)
            break
    return palette.T[image.astype(np.intp)]


def _turn(image: NDArray, orientation: Any) -> NDArray:
    """Turn an image (H, W) or (H, W, 3) upright, from the corner and side where its first row lies."""
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return image


def as_array(image: ArrayLike, name: str) -> NDArray:
    """Return what may be an array as one, or raise a WdualmineError."""
    if image is None or isinstance(image, str | os.PathLike):
        what = "is missing" if image is None else "is a path; read it with wdualmine.read_image"
        raise WdualmineError(f"{name}: {what}")
    if np.ma.isMaskedArray(image):
        raise WdualmineError(f"{name}: is a masked array; fill the mask first")
    try:
        return np.asarray(image)
    except (TypeError, ValueError, RuntimeError) as error:  # ragged lists, tensors with gradients
        raise WdualmineError(f"{name}: is no array ({one_line(error)}); pass a NumPy array (H, W)") from error


def check_image(image: NDArray, name: str) -> NDArray:
    """Bring an array to (H, W) or (H, W, 3), or raise a WdualmineError that says what is wrong with it."""
    image = as_array(image, name)
    if image.dtype == bool:
        image = image.astype(np.uint8) * 255
    if image.ndim == 3 and image.shape[-1] == 1:
        image = image[..., 0]
    if image.ndim == 3 and image.shape[-1] in (2, 4):
        opaque = np.iinfo(image.dtype).max if image.dtype.kind == "u" else 1
        if (image[..., -1] != opaque).any():
            raise WdualmineError(f"{name}: has a transparent alpha channel; save it as grey or RGB")
        image = image[..., 0] if image.shape[-1] == 2 else image[..., :3]
    if image.ndim != 2 and image.shape[2:] != (3,):
        raise WdualmineError(f"{name}: has shape {image.shape}; a grey (H, W) or RGB (H, W, 3) is needed")
    if image.size == 0:
        raise WdualmineError(f"{name}: is empty (shape {image.shape})")
    if not (image.dtype in (np.uint8, np.uint16) or image.dtype.kind == "f"):
        raise WdualmineError(f"{name}: has pixel type {image.dtype}; save it as uint8, uint16 or float")
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise WdualmineError(f"{name}: holds NaN or infinite values; replace them first")
    if image.ndim == 3 and (image == image[..., :1]).all():
        image = image[..., 0]
    return image


def size_of(image: NDArray) -> str:
    """Return an image's height and width in words."""
    return f"{image.shape[0]} x {image.shape[1]}"


def check_suffix(path: str | Path) -> Path:
    """Refuse a name that no image can be written under, with none of :data:`SUFFIXES`."""
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise WdualmineError(f"{path}: unknown image suffix; use one of {', '.join(SUFFIXES)}")
    return path


def needs_tiff(image: NDArray) -> bool:
    """Whether an image is of a type that only TIFF holds: float, or color of 16 bits."""
    return image.dtype.kind == "f" or (image.dtype == np.uint16 and image.ndim == 3)


def write_image(path: str | Path, image: NDArray) -> Path:
    """Write an image whole or not at all, in the format of the suffix, which must hold its type."""
    path = check_suffix(path)
    if needs_tiff(image) and path.suffix.lower() not in (".tif", ".tiff"):
        kind = "float" if image.dtype.kind == "f" else "16-bit color"
        raise WdualmineError(f"{path}: {kind} pixels need a .tif file")
    if image.dtype == np.uint16 and path.suffix.lower() not in (".png", ".tif", ".tiff"):
        raise WdualmineError(f"{path}: 16-bit pixels need a .png or .tif file")
    if path.is_dir():
        raise WdualmineError(f"{path}: is a folder; name a file to write")
    try:  # in memory: at a full disk, a library's open file complains once more when it is given up
        content = _encode(image, path.suffix.lower())
    except Exception as error:
        raise WdualmineError(f"{path}: cannot be written ({one_line(error)})") from error
    write_bytes(path, content)
    return path


def _encode(image: NDArray, suffix: str) -> bytes:
    buffer = io.BytesIO()
    if suffix in (".tif", ".tiff"):
        import tifffile

        tifffile.imwrite(buffer, image)
    else:
        # By name: to look the suffix up, Pillow would import all its plugins.
        Image.fromarray(image).save(buffer, {".png": "PNG", ".bmp": "BMP"}.get(suffix, "JPEG"))
    return buffer.getvalue()
