"""Volumes: NIfTI files and NumPy arrays of three dimensions, read and written with their geometry."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wdualmine.data.images import SUFFIXES as IMAGES
from wdualmine.errors import WdualmineError, one_line
from wdualmine.files import written_whole

SUFFIXES = (".nii", ".nii.gz")
#: Volumes of other programs, which are refused by name.
OTHERS = (".hdr", ".img", ".mgh", ".mgz", ".mha", ".mhd", ".mnc", ".nrrd")
#: Volumes that take more memory are refused before they are read, because a short file can declare any size.
MAX_BYTES = 2**31
#: A header with its extensions takes less; it is read whole before anything else.
MAX_HEADER = 2**24


@dataclass(frozen=True, eq=False)
class Volume:
    """Values on a grid."""

    values: NDArray  #: (X, Y, Z), of the type and in the units of the file
    affine: NDArray[np.float64] | None = None  #: (4, 4), from voxels to millimeters; None for an array
    header: Any = None  #: NIfTI's, for what is written like it; None for an array
    name: str = "volume"  #: what messages call it


def are_volumes(a: Path, b: Path, output: Path, volume: bool | None = None) -> bool:
    """Decide whether two sources are volumes or images.

    A NumPy array of three dimensions, the last of them 1, 3 or 4, may be either: its partner decides, else
    ``volume``, else the name of the output.

    Raises:
        WdualmineError: one is a volume and the other an image, or nothing decides.
    """
    known = {kind: path for path in (a, b) if (kind := _kind(path))}
    if len(known) == 2:
        what = f"is an image but {known['volume']} a volume"
        raise WdualmineError(f"{known['image']}: {what}; give two images or two volumes")
    if known:
        return "volume" in known
    if volume is None and output.suffix.lower() not in (".npy", *IMAGES):
        raise WdualmineError(f"{a} and {b}: may be color images or volumes; give --color or --volume")
    return output.suffix.lower() == ".npy" if volume is None else volume


def _kind(path: Path) -> str | None:
    """Return "volume" or "image", by name and of an array by its dimensions; None where it may be either."""
    if path.name.lower().endswith(SUFFIXES + OTHERS):
        return "volume"
    if path.suffix.lower() != ".npy" or path.is_dir():
        return "image"
    try:
        shape = np.load(path, mmap_mode="r", allow_pickle=False).shape
    except (OSError, ValueError):
        return None  # reading it says what is wrong
    if len(shape) == 3:
        return None if shape[-1] in (1, 3, 4) else "volume"
    return "image" if len(shape) == 2 else None


def open_volume(path: str | Path) -> Volume:
    """Read a volume's header; :func:`load_values` reads what may be large.

    Raises:
        WdualmineError: the file is missing, damaged, no volume of real numbers in three dimensions, takes
            more than 2 GiB, or its affine is no map to millimeters.
    """
    path = Path(path)
    if not path.is_file():
        raise WdualmineError(f"{path}: no such volume; check the path")
    if path.name.lower().endswith(OTHERS):
        raise WdualmineError(f"{path}: is a volume of another kind; convert it to NIfTI (.nii.gz)")
    array: Any
    affine = header = None
    with _readable(path):
        if path.suffix.lower() == ".npy":
            array = np.load(path, mmap_mode="r", allow_pickle=False)
            dtype = array.dtype
        else:
            import nibabel

            _check_header(path)
            image: Any = nibabel.load(path, keep_file_open=True)  # a compressed file is read on, not anew
            array, affine, header = image.dataobj, np.asarray(image.affine, np.float64), image.header
            dtype = array.dtype if (array.slope, array.inter) == (1, 0) else np.dtype(np.float64)
        shape = tuple(side for number, side in enumerate(array.shape) if number < 3 or side != 1)
        if len(shape) != 3 or 0 in shape:
            raise WdualmineError(f"{path}: has shape {array.shape}; a volume (X, Y, Z) is needed")
        if array.dtype.kind not in "iuf":
            what = "colors" if array.dtype.fields else "complex numbers" if array.dtype.kind == "c" else dtype
            raise WdualmineError(f"{path}: holds {what}; save it as integers or float, one number a voxel")
        if (size := prod(shape) * dtype.itemsize) > MAX_BYTES:
            limit = f"{size / 2**30:.1f} GiB, more than the limit of {MAX_BYTES / 2**30:g}"
            raise WdualmineError(f"{path}: takes {limit}; crop or resample it")
        if affine is not None and not np.isfinite(affine).all():
            raise WdualmineError(f"{path}: its affine holds NaN or infinity; export it again")
        if affine is not None and np.linalg.matrix_rank(affine[:3, :3]) < 3:
            raise WdualmineError(f"{path}: its affine has a spacing of 0 or parallel axes; export it again")
        return Volume(array if array.ndim == 3 else array.reshape(shape), affine, header, str(path))


def _check_header(path: Path) -> None:
    """Refuse a NIfTI whose extensions, which may inflate to any size, are too large."""
    import nibabel

    with nibabel.openers.ImageOpener(str(path)) as file:
        block = file.read(nibabel.Nifti2Header.sizeof_hdr)
    for kind in (nibabel.Nifti2Header, nibabel.Nifti1Header):
        if kind.may_contain_header(block):
            if not kind(block[: kind.sizeof_hdr], check=False)["vox_offset"] <= MAX_HEADER:
                raise WdualmineError(f"{path}: declares a header above {MAX_HEADER} bytes; export it again")
            return


def load_values(volume: Volume) -> Volume:
    """Read the values of a volume that :func:`open_volume` gave; they must be finite."""
    with _readable(volume.name):
        # Slice by slice, else it is in memory twice; what was reshaped would be read anew for each.
        if volume.name.lower().endswith(".gz") and volume.header.get_data_shape() == volume.values.shape:
            first = np.asarray(volume.values[..., 0])
            values = np.empty(volume.values.shape, first.dtype, order="F")
            for number in range(values.shape[-1]):
                values[..., number] = volume.values[..., number]
        else:
            values = np.asarray(volume.values)
    if not np.isfinite([values.min(), values.max()]).all():  # NaN is both; no copy is made
        raise WdualmineError(f"{volume.name}: holds NaN or infinite values; replace them first")
    return replace(volume, values=values)


def read_volume(path: str | Path) -> Volume:
    """Read a volume."""
    return load_values(open_volume(path))


@contextmanager
def _readable(path: object) -> Iterator[None]:
    """Name the file in whatever error reading it raises."""
    try:
        yield
    except (WdualmineError, ImportError):
        raise
    except MemoryError as error:
        raise WdualmineError(f"{path}: not enough memory to read it") from error
    except Exception as error:
        raise WdualmineError(f"{path}: not a readable volume ({one_line(error)}); export it again") from error


def write_volume(path: str | Path, values: NDArray, like: Volume) -> Path:
    """Write a volume whole or not at all, with the affine and the header's geometry of another.

    Descriptive fields of the header, which may name a patient, are left out.

    Raises:
        WdualmineError: the suffix is of no volume like that one, or the file cannot be written.
    """
    path = check_written(Path(path), like)
    with written_whole(path) as temporary:
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
            kind = nibabel.Nifti2Image if isinstance(header, nibabel.Nifti2Header) else nibabel.Nifti1Image
            nibabel.save(kind(values, like.affine, header), temporary)
    return path


def check_written(path: Path, like: Volume) -> Path:
    """Refuse a name for a result that is not of the kind of the volume that it is like."""
    wanted = (".npy",) if like.affine is None else SUFFIXES
    if not path.name.lower().endswith(wanted):
        names = " or ".join(wanted)
        raise WdualmineError(f"{path}: the result of {like.name} needs a name ending in {names}")
    return path
