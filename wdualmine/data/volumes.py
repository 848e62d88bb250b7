"""Volumes: NIfTI files and NumPy arrays of three dimensions, read and written with their geometry."""

import os
import tempfile
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wdualmine.errors import WdualmineError

SUFFIXES = (".nii", ".nii.gz")
#: Larger volumes are refused before they are read, because a short file can declare any size.
MAX_VOXELS = 2**30


@dataclass(frozen=True, eq=False)
class Volume:
    """Values on a grid.

    Attributes:
        values: (X, Y, Z), of the type and in the units of the file.
        affine: (4, 4), from voxels to millimeters; None for an array.
        header: NIfTI's, for what is written like it; None for an array.
        name: what messages call it.
    """

    values: NDArray
    affine: NDArray[np.float64] | None = None
    header: Any = None
    name: str = "volume"


def is_volume(path: Path) -> bool:
    """Whether a file is a volume: a NIfTI by its name, or a NumPy file of three dimensions."""
    if path.name.lower().endswith(SUFFIXES):
        return True
    if path.suffix.lower() != ".npy" or not path.is_file():
        return False
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError):
        return False  # reading it as an image says what is wrong
    return array.ndim == 3 and array.shape[-1] not in (1, 3, 4)


def read_volume(path: str | Path) -> Volume:
    """Read a volume.

    Raises:
        WdualmineError: the file is missing, damaged, has no three dimensions, too many voxels, or values that
            are not finite.
    """
    path = Path(path)
    if not path.is_file():
        raise WdualmineError(f"{path}: no such volume; check the path")
    try:
        if path.suffix.lower() == ".npy":
            array, affine, header = np.load(path, mmap_mode="r", allow_pickle=False), None, None
        else:
            import nibabel

            image: Any = nibabel.load(path)
            array, affine, header = image.dataobj, np.asarray(image.affine, np.float64), image.header
        shape = tuple(side for number, side in enumerate(array.shape) if number < 3 or side != 1)
        if len(shape) != 3 or 0 in shape:
            raise WdualmineError(f"{path}: has shape {array.shape}; a volume (X, Y, Z) is needed")
        if prod(shape) > MAX_VOXELS:
            raise WdualmineError(f"{path}: has {prod(shape)} voxels, more than the limit of {MAX_VOXELS}")
        values = np.asarray(array).reshape(shape)
    except (WdualmineError, ImportError):
        raise
    except MemoryError as error:
        raise WdualmineError(f"{path}: not enough memory to read it") from error
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise WdualmineError(f"{path}: not a readable volume ({reason}); export it again") from error
    if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        raise WdualmineError(f"{path}: holds values that are no finite numbers; replace them first")
    return Volume(values, affine, header, str(path))


def write_volume(path: str | Path, values: NDArray, like: Volume) -> Path:
    """Write a volume whole or not at all, with the affine and the header's geometry of another.

    Descriptive fields of the header, which may name a patient, are left out.

    Raises:
        WdualmineError: the suffix is that of no volume, or of none like that one.
    """
    path = check_written(Path(path), like)
    name = path.name.lower()
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = ".npy" if name.endswith(".npy") else ".nii.gz" if name.endswith(".gz") else ".nii"
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".volume-", suffix=suffix)
    os.close(handle)
    try:
        if like.affine is None:
            np.save(temporary, values)
        else:
            import nibabel

            header = like.header.copy()
            for field in ("descrip", "db_name", "aux_file", "intent_name"):
                if field in header:
                    header[field] = b""
            header.extensions.clear()
            header.set_data_dtype(values.dtype)
            header.set_slope_inter(1, 0)
            nibabel.save(type_of(like)(values, like.affine, header), temporary)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return path


def check_written(path: Path, like: Volume) -> Path:
    """Refuse a name for a result that is not of the kind of the volume that it is like.

    Raises:
        WdualmineError: so it is.
    """
    wanted = (".npy",) if like.affine is None else SUFFIXES
    if not path.name.lower().endswith(wanted):
        raise WdualmineError(
            f"{path}: the result of {like.name} needs a name ending in {' or '.join(wanted)}"
        )
    return path


def type_of(volume: Volume) -> Any:
    """The class of NIfTI image that a volume's header is of."""
    import nibabel

    return nibabel.Nifti2Image if isinstance(volume.header, nibabel.Nifti2Header) else nibabel.Nifti1Image
