"""Slices as scanners and programs leave them, beside image files: DICOM, and NumPy arrays.

Nothing but pixels leaves this module: no name, date or number of a patient.
"""

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from wdualmine.errors import WdualmineError

#: Least and greatest value of the part of a range that is shown, in the units of the file.
Window = tuple[float, float]

SUFFIXES = (".dcm", ".npy")
#: Environment variable that moves the limit of pixels.
PIXELS_VARIABLE = "WDUALMINE_MAX_PIXELS"


@dataclass(frozen=True, eq=False)
class Geometry:
    """Where the pixels of a DICOM slice are; None for what the file does not say."""

    shape: tuple[int, int]  #: rows and columns
    spacing: tuple[float, float] | None  #: millimeters between the centers of rows and of columns
    affine: NDArray[np.float64] | None  #: (4, 4), from row, column and 0 to millimeters of the patient
    frame: str | None  #: UID of the frame of reference, in which the affine holds


def check_size(path: Path, width: int, height: int, limit: int) -> None:
    """Refuse an image of more pixels than a limit."""
    if width * height > limit:
        raise WdualmineError(
            f"{path}: declares {width} x {height} pixels, more than the limit of {limit}; "
            f"set {PIXELS_VARIABLE} higher if that is right and the memory is there"
        )


def scan_format(path: Path) -> str | None:
    """Return, by its content, whether a file is "DICOM" or "NPY", or neither."""
    with path.open("rb") as file:
        beginning = file.read(132)
    if beginning[128:] == b"DICM":
        return "DICOM"
    return "NPY" if beginning.startswith(b"\x93NUMPY") else None


def read_scan(path: Path, form: str, limit: int, window: Window | None = None) -> NDArray:
    """Read a slice of the form that :func:`scan_format` says, with at most so many pixels.

    DICOM: rescaled by slope and intercept, shown in the window asked for (in Hounsfield units of a CT), else
    in the file's own, else in the range of its values; photometric interpretations MONOCHROME1 (inverted),
    MONOCHROME2, RGB, YBR and PALETTE COLOR. An array: 8 or 16 bits unsigned or float in [0, 1] as it is; of
    another type or range with a window only.

    Returns:
        (H, W) or (H, W, 3): uint8 for up to 8 bits stored and in color, uint16 for more; an array's own type,
        or uint16 where a window was asked for.

    Raises:
        WdualmineError: pydicom is missing, or the file cannot be read or shown, as the message says.
    """
    return _read_dicom(path, limit, window) if form == "DICOM" else _read_array(path, limit, window)


def check_window(window: Window, name: str, values: NDArray) -> Window:
    """Return a window, or raise if its ends are not finite and in order, or it shows none of the values."""
    low, high = window
    if not -math.inf < low < high < math.inf:
        what = "give two finite numbers, the first must be below the second"
        raise WdualmineError(f"{name}: window {low:g} to {high:g}; {what}")
    least, greatest = float(values.min()), float(values.max())
    if least >= high or greatest <= low:
        what = f"window {low:g} to {high:g} shows none of its values, {least:g} to {greatest:g}"
        raise WdualmineError(f"{name}: {what}; choose one that overlaps them")
    return window


def show(values: NDArray, window: Window, dtype: DTypeLike) -> NDArray:
    """Scale the window to the full range of a type, floats to [0, 1], cut off what is outside, and round."""
    low, high = window
    scaled = np.clip((values.astype(np.float64) - low) / (high - low), 0, 1)
    if np.dtype(dtype).kind == "u":
        scaled = np.rint(scaled * np.iinfo(dtype).max)
    return scaled.astype(dtype)


def _read_dicom(path: Path, limit: int, window: Window | None) -> NDArray:
    import pydicom
    from pydicom.pixels import apply_color_lut, apply_rescale, convert_color_space

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # values that break the standard in ways that do not matter here
        data = pydicom.dcmread(path)
        if "PixelData" not in data:
            raise WdualmineError(f"{path}: holds no image; give a slice")
        frames = int(data.get("NumberOfFrames") or 1)
        if frames != 1:
            raise WdualmineError(f"{path}: holds {frames} frames; save the one to use as a file of its own")
        check_size(path, int(data.Columns), int(data.Rows), limit)
        stored = data.pixel_array
        photometric = str(data.PhotometricInterpretation)
        if window is not None and (photometric == "PALETTE COLOR" or stored.ndim == 3):
            raise WdualmineError(f"{path}: is in color, which has no window; leave it out")
        if photometric == "PALETTE COLOR":
            color = apply_color_lut(stored, data)
            return color if color.dtype == np.uint8 else (color >> 8).astype(np.uint8)
        if stored.ndim == 3:
            if stored.dtype != np.uint8:  # the upper 8 of the bits stored
                stored = (stored >> max(int(data.BitsStored) - 8, 0)).astype(np.uint8)
            if photometric.startswith("YBR"):
                stored = convert_color_space(stored, photometric, "RGB")
            return stored
        if photometric not in ("MONOCHROME1", "MONOCHROME2"):
            raise WdualmineError(f"{path}: has the photometric interpretation {photometric}; save it as grey")
        _check_rescale(path, data)
        values = apply_rescale(stored, data).astype(np.float64)
        if window is not None:
            check_window(window, str(path), values)
        dtype = np.uint8 if int(data.BitsStored) <= 8 else np.uint16
        shown = show(values, window or _own_window(data) or _range(values), dtype)
    return ~shown if photometric == "MONOCHROME1" else shown


def _check_rescale(path: Path, data: Any) -> None:
    """Refuse a slope without an intercept or the reverse, and a slope of 0."""
    if data.get("ModalityLUTSequence"):
        return  # it replaces both
    slope, intercept = data.get("RescaleSlope"), data.get("RescaleIntercept")
    if (slope is None) != (intercept is None):
        there, missing = ("intercept", "slope") if slope is None else ("slope", "intercept")
        what = f"has a rescale {there} but no rescale {missing}, so its units are unknown"
        raise WdualmineError(f"{path}: {what}; export it again with both")
    if slope is not None and not (float(slope) and math.isfinite(slope) and math.isfinite(intercept)):
        what = f"has the rescale slope {slope} and intercept {intercept}, which lose its values"
        raise WdualmineError(f"{path}: {what}; export it again")


def read_geometry(path: Path) -> Geometry | None:
    """Read where the pixels of a slice are; None of a file that is no DICOM.

    Raises:
        WdualmineError: what the file says of its spacing, position or orientation is no place.
    """
    if scan_format(path) != "DICOM":
        return None
    import pydicom

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = pydicom.dcmread(path, stop_before_pixels=True)
            shape = int(data.Rows), int(data.Columns)
            spacing, position, orientation = (
                np.array(data[name].value, np.float64).reshape(count) if data.get(name) else None
                for name, count in (
                    ("PixelSpacing", 2), ("ImagePositionPatient", 3), ("ImageOrientationPatient", (2, 3)),
                )
            )  # fmt: skip
            frame = data.get("FrameOfReferenceUID")
        if spacing is not None and not (spacing > 0).all() & np.isfinite(spacing).all():
            raise ValueError(f"pixel spacing {spacing[0]:g} x {spacing[1]:g} mm")
        affine = None
        if spacing is not None and position is not None and orientation is not None:
            affine = np.zeros((4, 4))
            affine[:3, 0], affine[:3, 1] = orientation[1] * spacing[0], orientation[0] * spacing[1]
            affine[:3, 3], affine[3, 3] = position, 1
            if not np.isfinite(affine).all() or np.linalg.matrix_rank(affine[:3, :2]) < 2:
                raise ValueError("position or orientation")
    except Exception as error:
        text = f"{path}: its geometry is unusable ({error}); export it again, or go on with --allow"
        raise WdualmineError(text) from error
    size = None if spacing is None else (float(spacing[0]), float(spacing[1]))
    return Geometry(shape, size, affine, str(frame) if frame else None)


def read_modality(path: Path) -> str | None:
    """Return the modality of a DICOM slice as the tasks name it; None where nothing says."""
    if scan_format(path) != "DICOM":
        return None
    import pydicom

    try:
        data = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["Modality"])
    except Exception:  # reading the slice says what is wrong with it
        return None
    return {"CT": "CT", "MR": "MRI", "PT": "PET", "NM": "SPECT"}.get(str(data.get("Modality")))


def _own_window(data: Any) -> Window | None:
    """The first window that the file names, if it is one."""
    try:
        center, width = (
            float(np.atleast_1d(data[name].value)[0]) for name in ("WindowCenter", "WindowWidth")
        )
    except (KeyError, TypeError, ValueError, IndexError):
        return None
    finite = width > 0 and np.isfinite([center, width]).all()
    return (center - width / 2, center + width / 2) if finite else None


def _range(values: NDArray) -> Window:
    low, high = float(values.min()), float(values.max())
    return (low, high) if low < high else (low, low + 1)


def _read_array(path: Path, limit: int, window: Window | None) -> NDArray:
    array = np.load(path, allow_pickle=False, mmap_mode="r")
    if array.ndim not in (2, 3):
        raise WdualmineError(f"{path}: has shape {array.shape}; a grey (H, W) or RGB (H, W, 3) is needed")
    check_size(path, array.shape[1], array.shape[0], limit)
    values = np.array(array)
    if values.dtype.kind not in "biuf":
        raise WdualmineError(f"{path}: holds {values.dtype}; save it as integers or float")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise WdualmineError(f"{path}: holds NaN or infinite values; replace them first")
    if window is not None:
        return show(values, check_window(window, str(path), values), np.uint16)
    ask = "say what to show with a window (--window-a or --window-b LOW,HIGH)"
    if values.dtype.kind in "iu" and values.dtype not in (np.uint8, np.uint16):
        raise WdualmineError(f"{path}: holds {values.dtype}; {ask}")
    if values.dtype.kind == "f" and values.size and not (values.min() >= 0 and values.max() <= 1):
        found = f"values from {values.min():g} to {values.max():g}"
        raise WdualmineError(f"{path}: holds {found}; {ask}, or scale it to [0, 1]")
    return values
