import struct
import zlib

import imageio.v3 as imageio
import numpy as np
import pytest

from wdualmine.data.images import check_image, read_image, write_image
from wdualmine.errors import WdualmineError

RNG = np.random.default_rng(1)
GREY = RNG.integers(0, 256, (6, 5), dtype=np.uint8)
COLOR = RNG.integers(0, 256, (6, 5, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("grey.png", GREY),
        ("color.png", COLOR),
        ("deep.png", GREY.astype(np.uint16) * 257),
        ("deep.tif", GREY.astype(np.uint16) * 257),
        ("float.tiff", GREY.astype(np.float32) / 255),
        ("grey.bmp", GREY),
        ("UPPER.PNG", GREY),
    ],
)
def test_there_and_back(tmp_path, name, image):
    path = write_image(tmp_path / "new" / name, image)
    back = read_image(path)
    assert back.dtype == image.dtype
    assert (back == image).all()
    assert [file.name for file in path.parent.iterdir()] == [name]


def test_three_equal_channels_are_grey(tmp_path):
    imageio.imwrite(tmp_path / "a.png", np.repeat(GREY[..., None], 3, -1))
    assert (read_image(tmp_path / "a.png") == GREY).all()


def test_alpha_channel(tmp_path):
    imageio.imwrite(tmp_path / "a.png", np.dstack([COLOR, np.full((6, 5), 255, np.uint8)]))
    assert (read_image(tmp_path / "a.png") == COLOR).all()
    imageio.imwrite(tmp_path / "a.png", np.dstack([COLOR, GREY]))
    with pytest.raises(WdualmineError, match=r"a\.png: has a transparent alpha channel"):
        read_image(tmp_path / "a.png")


def test_missing_truncated_and_no_image(tmp_path):
    with pytest.raises(WdualmineError, match=r"gone\.png: no such image file"):
        read_image(tmp_path / "gone.png")
    with pytest.raises(WdualmineError, match="no such image file"):
        read_image(tmp_path)
    whole = write_image(tmp_path / "whole.png", RNG.integers(0, 256, (64, 64), dtype=np.uint8)).read_bytes()
    for size in (0, 4, 20, 60, len(whole) // 2, len(whole) - 30):
        (tmp_path / "cut.png").write_bytes(whole[:size])
        with pytest.raises(WdualmineError, match=r"cut\.png: not a readable image") as caught:
            read_image(tmp_path / "cut.png")
        assert "\n" not in str(caught.value)
    (tmp_path / "text.png").write_text("not an image")
    with pytest.raises(WdualmineError, match=r"text\.png: not a readable image"):
        read_image(tmp_path / "text.png")


def test_sixteen_bit_color(tmp_path):
    deep = COLOR.astype(np.uint16) * 257
    assert (read_image(write_image(tmp_path / "deep.tif", deep)) == deep).all()
    with pytest.raises(WdualmineError, match=r"deep\.png: 16-bit color pixels need a \.tif"):
        write_image(tmp_path / "deep.png", deep)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)
    header = struct.pack(">IIBBBBB", 5, 6, 16, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "deep.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    assert (imageio.imread(tmp_path / "deep.png") == COLOR).all()  # the loss that is refused
    with pytest.raises(WdualmineError, match=r"deep\.png: is a 16-bit color PNG"):
        read_image(tmp_path / "deep.png")


def test_nan_in_a_float_image(tmp_path):
    image = GREY.astype(np.float32)
    image[2, 3] = np.nan
    write_image(tmp_path / "nan.tif", image)
    with pytest.raises(WdualmineError, match=r"nan\.tif: holds NaN"):
        read_image(tmp_path / "nan.tif")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 5, 5), np.uint8), r"x: has shape \(4, 5, 5\)"),
        (np.zeros((2, 4, 5, 3), np.uint8), "x: has shape"),
        (np.zeros(9, np.uint8), "x: has shape"),
        (np.zeros((0, 5), np.uint8), "x: is empty"),
        (np.zeros((4, 5), np.int64), "x: has pixel type int64"),
        (np.full((4, 5), np.inf), "x: holds NaN or infinite"),
    ],
)
def test_wrong_arrays(array, message):
    with pytest.raises(WdualmineError, match=message):
        check_image(array, "x")


def test_single_channel_and_bool_arrays():
    assert check_image(GREY[..., None], "x").shape == GREY.shape
    assert check_image(GREY > 100, "x").max() == 255


@pytest.mark.parametrize("name", ["a.jpeg2000", "a", "a.npy"])
def test_unknown_suffix_is_not_written(tmp_path, name):
    with pytest.raises(WdualmineError, match="unknown image suffix"):
        write_image(tmp_path / name, GREY)
    assert not list(tmp_path.iterdir())


def test_failed_write_leaves_the_old_file(tmp_path):
    path = write_image(tmp_path / "a.png", GREY)
    with pytest.raises(WdualmineError, match=r"a\.png: float pixels need a \.tif"):
        write_image(path, GREY.astype(np.float32))
    with pytest.raises(WdualmineError, match=r"a\.png: cannot be written"):
        write_image(path, np.zeros((3, 3), complex))
    assert (read_image(path) == GREY).all()
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WdualmineError, match="a file is where a folder is needed"):
        write_image(tmp_path / "file" / "a.png", GREY)
