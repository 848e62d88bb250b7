"""Files that are no plain image: each ends in one clear error or in the right pixels, never in harm."""

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from wdualmine.data.images import check_image, read_image, write_image
from wdualmine.errors import WdualmineError

GREY = np.random.default_rng(1).integers(0, 256, (12, 9), dtype=np.uint8)
COLOR = np.random.default_rng(2).integers(0, 256, (12, 9, 3), dtype=np.uint8)
Write = Callable[[Path], object]


def png(path: Path, width: int, height: int) -> None:
    """A whole PNG, checksums and all, that declares another size than it holds."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)


def inflating_strip(path: Path) -> None:
    """A TIFF of 12 x 9 pixels whose one strip inflates to 16 MiB."""
    tifffile.imwrite(path, GREY, compression="zlib")
    with tifffile.TiffFile(path) as file:
        tags = file.pages.first.tags
        offset, count = tags["StripOffsets"], tags["StripByteCounts"]
    bomb, whole = zlib.compress(bytes(2**24)), bytearray(path.read_bytes())
    for tag, value in ((offset, len(whole)), (count, len(bomb))):
        whole[tag.offset + 2 : tag.offset + 12] = struct.pack("<HII", 4, 1, value)
    path.write_bytes(bytes(whole) + bomb)


def frames(path: Path, form: str) -> None:
    first, second = Image.fromarray(GREY), Image.fromarray(255 - GREY)
    first.save(path, form, save_all=True, append_images=[second])


def palette(transparency: int | None = None) -> Image.Image:
    image = Image.fromarray(GREY % 4)
    image = image.convert("P")
    image.putpalette([200, 0, 0, 0, 150, 0, 0, 0, 90, 7, 8, 9])
    if transparency is not None:
        image.info["transparency"] = transparency
    return image


POSTSCRIPT = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 12\n(WITNESS) (w) file closefile\nshowpage\n"


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("script.png", lambda p: p.write_text(POSTSCRIPT), "its content is no PNG, JPEG, TIFF or BMP"),
        ("script.tif", lambda p: p.write_text(POSTSCRIPT), "its content is no PNG"),
        ("a.png", lambda p: Image.fromarray(GREY).save(p, "GIF"), "its content is no PNG"),
        ("a.png", lambda p: Image.fromarray(COLOR).save(p, "WEBP"), "its content is no PNG"),
        ("a.png", lambda p: Image.fromarray(COLOR).save(p, "PPM"), "its content is no PNG"),
        ("moving.png", lambda p: frames(p, "PNG"), "holds 2 frames"),
        ("pages.tif", lambda p: frames(p, "TIFF"), "holds several pages"),
        ("huge.png", lambda p: png(p, 60_000, 60_000), "declares 60000 x 60000 pixels"),
        ("huge.png", lambda p: png(p, 12_000, 12_000), "more than the limit"),
        ("short.png", lambda p: png(p, 400, 400), "not a readable image"),
        ("bomb.tif", inflating_strip, "inflates to more than the image"),
        ("cmyk.jpg", lambda p: Image.fromarray(COLOR).convert("CMYK").save(p), "color space CMYK"),
        ("cmyk.tif", lambda p: Image.fromarray(COLOR).convert("CMYK").save(p), "color space SEPARATED"),
        ("ycc.tif", lambda p: Image.fromarray(COLOR).convert("YCbCr").save(p), "color space YCBCR"),
        ("lab.tif", lambda p: tifffile.imwrite(p, COLOR, photometric="cielab"), "color space CIELAB"),
        ("clear.png", lambda p: palette(1).save(p, transparency=1), "transparent alpha channel"),
        ("white.tif", lambda p: tifffile.imwrite(p, GREY / 255, photometric="miniswhite"), "white is zero"),
        ("lzw.tif", lambda p: Image.fromarray(GREY).save(p, compression="tiff_lzw"), "needs imagecodecs"),
        ("pipe.png", os.mkfifo, "no such image file"),
    ],
)  # fmt: skip
def test_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, write: Write, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if "imagecodecs" in message:
        monkeypatch.setitem(__import__("sys").modules, "imagecodecs", None)
    write(tmp_path / name)
    with pytest.raises(WdualmineError, match=message) as caught:
        read_image(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == [name]  # a program in it has written nothing


@pytest.mark.parametrize(
    ("name", "write", "expected"),
    [
        ("named.png", lambda p: Image.fromarray(GREY).save(p, "BMP"), GREY),
        ("named.jpg", lambda p: tifffile.imwrite(p, COLOR), COLOR),
        ("palette.png", lambda p: palette().save(p), np.asarray(palette().convert("RGB"))),
        ("palette.tif", lambda p: palette().save(p), np.asarray(palette().convert("RGB"))),
        ("white.tif", lambda p: tifffile.imwrite(p, 255 - GREY, photometric="miniswhite"), GREY),
        ("planes.tif", lambda p: tifffile.imwrite(p, np.moveaxis(COLOR, -1, 0), photometric="rgb",
                                                  planarconfig="separate"), COLOR),
        ("zlib.tif", lambda p: tifffile.imwrite(p, COLOR, compression="zlib"), COLOR),
        ("tiles.tif", lambda p: tifffile.imwrite(p, GREY, tile=(16, 16), compression="zlib"), GREY),
        ("bits.png", lambda p: Image.fromarray(GREY > 99).save(p), (GREY > 99) * np.uint8(255)),
        ("bits.tif", lambda p: Image.fromarray(GREY > 99).save(p), (GREY > 99) * np.uint8(255)),
    ],
)  # fmt: skip
def test_is_read_exactly(tmp_path: Path, name: str, write: Write, expected: np.ndarray) -> None:
    write(tmp_path / name)
    assert np.array_equal(read_image(tmp_path / name), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_the_orientation_is_applied(tmp_path: Path, orientation: int, suffix: str) -> None:
    """The corner of row 0 and column 0, as TIFF 6.0 defines the tag, written out for each value."""
    stored = {
        1: GREY, 2: GREY[:, ::-1], 3: GREY[::-1, ::-1], 4: GREY[::-1],
        5: GREY.T, 6: GREY.T[::-1], 7: GREY.T[::-1, ::-1], 8: GREY.T[:, ::-1],
    }[orientation]  # fmt: skip
    path = tmp_path / f"turned.{suffix}"
    if suffix == "png":
        exif = Image.Exif()
        exif[274] = orientation
        Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif)
    else:
        tifffile.imwrite(path, stored, extratags=[(274, "H", 1, orientation, True)])
    assert np.array_equal(read_image(path), GREY)


def test_a_flipped_bit_of_a_png_changes_no_pixel_unnoticed(tmp_path: Path) -> None:
    whole = write_image(tmp_path / "whole.png", GREY).read_bytes()
    for place in range(0, 8 * len(whole), 13):
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << place % 8
        (tmp_path / "damaged.png").write_bytes(damaged)
        if place // 8 >= len(whole) - 12:  # the end mark, after all pixels, may be read
            continue
        with pytest.raises(WdualmineError, match=r"damaged\.png"):
            read_image(tmp_path / "damaged.png")


def test_the_limit_of_pixels_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_image(tmp_path / "a.png", GREY)
    monkeypatch.setenv("WDUALMINE_MAX_PIXELS", "107")
    with pytest.raises(WdualmineError, match=r"9 x 12 pixels, more than the limit of 107.*MAX_PIXELS higher"):
        read_image(path)
    monkeypatch.setenv("WDUALMINE_MAX_PIXELS", "108")
    assert read_image(path).shape == GREY.shape
    monkeypatch.setenv("WDUALMINE_MAX_PIXELS", "many")
    with pytest.raises(WdualmineError, match="WDUALMINE_MAX_PIXELS many: give a number"):
        read_image(path)


@pytest.mark.parametrize(
    "value", [[[1, 2], [3]], torch.ones(2, 2, requires_grad=True), np.ma.masked_array(GREY, GREY > 9)]
)
def test_what_is_no_array_is_named(value: object) -> None:
    with pytest.raises(WdualmineError, match=r"^scan: is "):
        check_image(value, "scan")  # type: ignore[arg-type]


def test_a_folder_is_not_overwritten_by_an_image(tmp_path: Path) -> None:
    (tmp_path / "out.png").mkdir()
    with pytest.raises(WdualmineError, match=r"out\.png: is a folder"):
        write_image(tmp_path / "out.png", GREY)
