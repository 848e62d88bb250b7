"""DICOM slices and NumPy arrays are read as images; nothing but pixels comes out of them."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from calling import call
from dicom_files import write_dicom
from numpy.typing import NDArray

from wdualmine.data.images import read_image, write_image
from wdualmine.data.pairs import image_files
from wdualmine.errors import WdualmineError
from wdualmine.registration.check import require_one_place

pydicom = pytest.importorskip("pydicom", reason="pydicom reads DICOM")

RAMP = np.arange(600, dtype=np.int16).reshape(20, 30) - 100  # as stored


def scaled(values: NDArray, low: float, high: float, top: int = 65535) -> NDArray:
    return np.rint(np.clip((values.astype(float) - low) / (high - low), 0, 1) * top)


def test_slope_intercept_and_windows(tmp_path: Path) -> None:
    units = RAMP * 2.0 - 1000
    path = write_dicom(tmp_path / "a.dcm", RAMP, RescaleSlope=2, RescaleIntercept=-1000)
    image = read_image(path)
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(image, scaled(units, units.min(), units.max()))
    np.testing.assert_array_equal(read_image(path, window=(-900, -100)), scaled(units, -900, -100))
    own = write_dicom(
        tmp_path / "b.dcm", RAMP, RescaleSlope=2, RescaleIntercept=-1000,
        WindowCenter=["-600", "40"], WindowWidth=["400", "80"],
    )  # fmt: skip
    np.testing.assert_array_equal(read_image(own), scaled(units, -800, -400))
    np.testing.assert_array_equal(read_image(own, window=(-900, -100)), scaled(units, -900, -100))


def test_photometric_interpretations(tmp_path: Path) -> None:
    eight = (RAMP % 256).astype(np.uint8)
    np.testing.assert_array_equal(read_image(write_dicom(tmp_path / "8.dcm", eight)), eight)
    inverted = write_dicom(tmp_path / "1.dcm", eight, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(read_image(inverted), 255 - eight)
    color = np.stack([eight, eight[::-1], eight[:, ::-1]], axis=-1)
    np.testing.assert_array_equal(read_image(write_dicom(tmp_path / "c.dcm", color)), color)
    with pytest.raises(WdualmineError, match="has the photometric interpretation HSV"):
        read_image(write_dicom(tmp_path / "h.dcm", eight, PhotometricInterpretation="HSV"))


def test_arrays(tmp_path: Path) -> None:
    for image in (RAMP.astype(np.uint16), (RAMP % 256).astype(np.uint8), RAMP.clip(0) / 600):
        np.save(tmp_path / "x.npy", image)
        read = read_image(tmp_path / "x.npy")
        assert read.dtype == image.dtype
        np.testing.assert_array_equal(read, image)
    np.save(tmp_path / "x.npy", RAMP.astype(float))
    np.testing.assert_array_equal(read_image(tmp_path / "x.npy", window=(0, 400)), scaled(RAMP, 0, 400))
    with pytest.raises(WdualmineError, match=r"x.npy: holds values from -100 to 499; say what to show"):
        read_image(tmp_path / "x.npy")


def test_color_of_more_bits_keeps_its_upper_ones_and_has_no_window(tmp_path: Path) -> None:
    color = np.stack([RAMP + 100, RAMP[::-1] + 3000, RAMP[:, ::-1] + 500], axis=-1).astype(np.uint16)
    path = write_dicom(tmp_path / "c.dcm", color, BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(read_image(path), color >> 4)
    with pytest.raises(WdualmineError, match=r"c.dcm: is in color, which has no window"):
        read_image(path, window=(0, 20))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((4, 5), np.nan), "holds NaN or infinite values"),
        (np.array([[0, np.inf]]), "holds NaN or infinite values"),
        (np.ones((4, 5), complex), "holds complex128; save it as integers or float"),
    ],
)
@pytest.mark.parametrize("window", [None, (-1000, 1000)])
def test_arrays_without_a_number_are_refused(
    array: NDArray, message: str, window: tuple | None, tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(WdualmineError, match=message):
        read_image(tmp_path / "x.npy", window=window)


def test_an_array_of_units_asks_for_a_window(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", RAMP)
    with pytest.raises(WdualmineError, match=r"x.npy: holds int16; say what to show with a window"):
        read_image(tmp_path / "x.npy")
    np.testing.assert_array_equal(read_image(tmp_path / "x.npy", window=(0, 400)), scaled(RAMP, 0, 400))


def test_a_window_of_other_images(tmp_path: Path) -> None:
    eight = (RAMP % 256).astype(np.uint8)
    path = write_image(tmp_path / "x.png", eight)
    np.testing.assert_array_equal(read_image(path, window=(50, 150)), scaled(eight, 50, 150, 255))
    with pytest.raises(WdualmineError, match="the first must be below the second"):
        read_image(path, window=(5, 5))
    for window in ((0, np.inf), (-np.inf, 80), (np.nan, 1)):
        with pytest.raises(WdualmineError, match="give two finite numbers"):
            read_image(path, window=window)


def test_folders_hold_them_too(tmp_path: Path) -> None:
    write_dicom(tmp_path / "1.dcm", RAMP)
    np.save(tmp_path / "2.npy", RAMP.astype(np.uint16))
    assert list(image_files(tmp_path)) == ["1", "2"]


PLACE = {
    "PixelSpacing": [0.5, 0.5],
    "ImagePositionPatient": [-10, -20, 30],
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    "FrameOfReferenceUID": "1.2.3",
}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"PixelSpacing": [1, 1]}, "has a pixel spacing of 1 x 1 mm but .* of 0.5 x 0.5 mm"),
        ({"PixelSpacing": [1, 1], "ImagePositionPatient": None}, "has a pixel spacing of 1 x 1 mm but"),
        ({"FrameOfReferenceUID": "1.2.4"}, "has another frame of reference than"),
        ({"ImagePositionPatient": [-10, -20, 530]}, "is up to 500.0 mm from"),
        ({"ImagePositionPatient": [-10, -20, 30.6]}, "is up to 0.6 mm from"),
        ({"ImageOrientationPatient": [0, 1, 0, 1, 0, 0]}, "is up to 20.5 mm from"),
        ({"PixelSpacing": [0, 0.5]}, r"its geometry is unusable \(pixel spacing 0 x 0.5 mm\)"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, r"its geometry is unusable \(position or orient"),
        ({"ImagePositionPatient": [-10.3, -20.2, 30]}, None),
        ({"PixelSpacing": [0.501, 0.501]}, None),
        (dict.fromkeys(PLACE), None),
    ],
)
def test_slices_of_other_places_are_refused(
    changed: dict[str, Any], message: str | None, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    a = write_dicom(tmp_path / "a.dcm", RAMP, **PLACE)
    place = {name: value for name, value in (PLACE | changed).items() if value is not None}
    b = write_dicom(tmp_path / "b.dcm", RAMP, **place)
    options = ("-o", tmp_path / "fused.png", "--method", "average")
    code, _, error = call(capsys, "fuse", a, b, *options)
    if message is None:
        assert code == 0, error
        return
    assert code == 2
    assert re.match(f"error: {b}: {message}", error), error
    assert error.endswith("or go on with --allow\n")
    code, _, error = call(capsys, "fuse", a, b, *options, "--allow")
    assert code == 0, error
    with pytest.raises(WdualmineError, match=message):
        require_one_place(a, b)


def test_the_report_refuses_them_too(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    eight = (RAMP % 256).astype(np.uint8)
    a = write_dicom(tmp_path / "a.dcm", eight, **PLACE)
    b = write_dicom(tmp_path / "b.dcm", eight, **PLACE | {"FrameOfReferenceUID": "1.2.4"})
    fused = write_image(tmp_path / "fused.png", eight)
    code, _, error = call(capsys, "report", a, b, fused, "-o", tmp_path / "report", "--metrics", "CC")
    assert code == 2
    assert f"{b}: has another frame of reference than {a}" in error


def test_other_files_have_no_place(tmp_path: Path) -> None:
    a = write_dicom(tmp_path / "a.dcm", RAMP, **PLACE)
    np.save(tmp_path / "b.npy", RAMP)
    require_one_place(a, tmp_path / "b.npy")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"RescaleSlope": 0, "RescaleIntercept": 5}, "has the rescale slope 0.* and intercept 5"),
        ({"RescaleSlope": 2}, "has a rescale slope but no rescale intercept"),
        ({"RescaleIntercept": -1000}, "has a rescale intercept but no rescale slope"),
    ],
)
@pytest.mark.parametrize("window", [None, (0, 400)])
def test_half_a_rescale_is_refused(
    fields: dict[str, float], message: str, window: tuple | None, tmp_path: Path
) -> None:
    path = write_dicom(tmp_path / "x.dcm", RAMP, **fields)
    with pytest.raises(WdualmineError, match=f"x.dcm: {message}"):
        read_image(path, window=window)


def test_a_window_outside_the_values_is_refused(tmp_path: Path) -> None:
    eight = (RAMP % 256).astype(np.uint8)
    np.save(tmp_path / "x.npy", RAMP)
    paths = (
        write_dicom(tmp_path / "x.dcm", RAMP),
        tmp_path / "x.npy",
        write_image(tmp_path / "x.png", eight),
        write_image(tmp_path / "x.tif", eight / 255),
    )
    for path in paths:
        with pytest.raises(
            WdualmineError, match=rf"{path.name}: window 5000 to 6000 shows none of its values"
        ):
            read_image(path, window=(5000, 6000))
        with pytest.raises(WdualmineError, match=r"; choose one that overlaps them"):
            read_image(path, window=(-900, -800))


@pytest.mark.parametrize("kind", ["cut", "no image", "frames", "huge", "pickled", "flat", "empty array"])
def test_damage_is_one_clear_line(kind: str, tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "x.dcm", RAMP)
    limit = None
    if kind == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif kind == "no image":
        data = pydicom.dcmread(path)
        del data.PixelData
        data.save_as(path)
    elif kind == "frames":
        write_dicom(path, RAMP, NumberOfFrames=3)
    elif kind == "huge":
        limit = 100
    else:
        path = tmp_path / "x.npy"
        array = {"pickled": np.array([{}]), "flat": np.zeros(7), "empty array": np.zeros((0, 4))}[kind]
        np.save(path, array, allow_pickle=True)
    with pytest.raises(WdualmineError, match=r"x\.(dcm|npy): ") as raised:
        read_image(path, limit)
    assert "\n" not in str(raised.value)
