"""Volumes: NIfTI files, DICOM series and NumPy arrays of three dimensions, with their geometry.

NIfTI is read with nibabel, because SimpleITK fills what a cut file lacks with zeros and says nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wdualmine.data.images import SUFFIXES as IMAGES
from wdualmine.data.scans import read_geometry
from wdualmine.errors import WdualmineError, one_line
from wdualmine.files import written_whole

SUFFIXES = (".nii", ".nii.gz")
#: Volumes of other programs, which are refused by name.
OTHERS = (".hdr", ".img", ".mgh", ".mgz", ".mha", ".mhd", ".mnc", ".nrrd")
#: Volumes that take more memory are refused before they are read, because a short file can declare any size.
MAX_BYTES = 2**31
#: A header with its extensions takes less; it is read whole before anything else.
MAX_HEADER = 2**24
#: Slices of a series may be shifted against each other by so many degrees.
TILT = 0.5
#: From millimeters to the right, the front and the head (NIfTI) to those to the left, the back and the head.
TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Volume:
    """Values on a grid."""

    values: NDArray  #: (X, Y, Z), of the type and in the units of the file
    affine: NDArray[np.float64] | None = None  #: (4, 4), from voxels to millimeters; None for an array
    header: Any = None  #: NIfTI's, for what is written like it; None for what is none
    name: str = "volume"  #: what messages call it
    frame: str | None = None  #: of a DICOM series, UID of the frame of reference, in which the affine holds

    @property
    def oriented(self) -> bool:
        """Whether a header says how the volume lies, rather than its spacing alone."""
        return self.header is None or self.header["qform_code"] > 0 or self.header["sform_code"] > 0

    @property
    def axial(self) -> int:
        """The axis that runs nearest to the direction from feet to head; the last of an array."""
        if self.affine is None:
            return 2
        axes = self.affine[:3, :3] / np.linalg.norm(self.affine[:3, :3], axis=0)
        return int(np.abs(axes[2]).argmax())


def are_volumes(a: Path, b: Path, output: Path, volume: bool | None = None) -> bool:
    """Decide whether two sources are volumes or images.

    A folder, a DICOM series or images, and a NumPy array of three dimensions, the last of them 1, 3 or 4, may
    be either: its partner decides, else ``volume``, else the name of the output.

    Raises:
        WdualmineError: one is a volume and the other an image, or nothing decides.
    """
    if a.is_dir() and b.is_dir():  # series, or slices that are matched by name
        return output.name.lower().endswith(SUFFIXES)
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
    if path.is_dir():
        return None
    if path.name.lower().endswith(SUFFIXES + OTHERS):
        return "volume"
    if path.suffix.lower() != ".npy":
        return "image"
    try:
        shape = np.load(path, mmap_mode="r", allow_pickle=False).shape
    except (OSError, ValueError):
        return None  # reading it says what is wrong
    if len(shape) == 3:
        return None if shape[-1] in (1, 3, 4) else "volume"
    return "image" if len(shape) == 2 else None


def read_volume(path: str | Path) -> Volume:
    """Read a volume: NIfTI, a NumPy array, or a folder that holds one DICOM series.

    Raises:
        WdualmineError: the file is missing, damaged, no volume of real, finite numbers in three dimensions,
            takes more than 2 GiB, or its affine is no map to millimeters; a folder holds no series or
            several, or its slices are not evenly spaced, are turned or tilted, or two are at one place.
    """
    path = Path(path)
    if path.is_dir():
        with _readable(path):
            return _finite(_read_series(path))
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
        # A compressed file slice by slice, else it is in memory twice; reshaped it would be read anew.
        if path.name.lower().endswith(".gz") and array.shape == shape:
            first = np.asarray(array[..., 0])
            values = np.empty(shape, first.dtype, order="F")
            for number in range(shape[-1]):
                values[..., number] = array[..., number]
        else:
            values = np.asarray(array).reshape(shape)
        return _finite(Volume(values, affine, header, str(path)))


def _finite(volume: Volume) -> Volume:
    values = volume.values
    if not np.isfinite([values.min(), values.max()]).all():  # NaN is both; no copy is made
        raise WdualmineError(f"{volume.name}: holds NaN or infinite values; replace them first")
    return volume


def _check_header(path: Path) -> None:
    """Refuse a NIfTI whose extensions, which may inflate to any size, are too large, or with no geometry."""
    import nibabel

    with nibabel.openers.ImageOpener(str(path)) as file:
        block = file.read(nibabel.Nifti2Header.sizeof_hdr)
    for kind in (nibabel.Nifti2Header, nibabel.Nifti1Header):
        if kind.may_contain_header(block):
            header = kind(block[: kind.sizeof_hdr], check=False)
            if not header["vox_offset"] <= MAX_HEADER:
                raise WdualmineError(f"{path}: declares a header above {MAX_HEADER} bytes; export it again")
            codes, spacing = (header["qform_code"], header["sform_code"]), header["pixdim"][1:4]
            if not set(map(int, codes)) <= set(range(6)):
                what = f"has the orientation codes {codes[0]} (qform) and {codes[1]} (sform), not 0 to 5"
                raise WdualmineError(f"{path}: {what}; export it again")
            if not codes[1] and not (np.isfinite(spacing) & (spacing != 0)).all():
                what = f"has a spacing of {' x '.join(f'{size:g}' for size in spacing)} mm"
                raise WdualmineError(f"{path}: {what}; export it again")
            return


def _read_series(folder: Path) -> Volume:
    """Read the DICOM series of a folder, its slices in the order of their places."""
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)  # what it warns of is looked at here
    reader = SimpleITK.ImageSeriesReader()
    names = [reader.GetGDCMSeriesFileNames(str(folder), key) for key in reader.GetGDCMSeriesIDs(str(folder))]
    if len(names) != 1:
        found = f"{len(names)} series ({' and '.join(str(len(files)) for files in names)} slices)"
        remedy = "put each in a folder of its own" if names else "give a folder of DICOM slices"
        raise WdualmineError(f"{folder}: holds {found if names else 'no DICOM series'}; {remedy}")
    slices = [read_geometry(Path(name)) for name in names[0]]
    places = np.array([place.affine for place in slices if place and place.affine is not None])
    if len(places) < max(2, len(slices)) or not slices[0]:
        what = "holds one slice" if len(slices) == 1 else "has slices that do not say where they are"
        raise WdualmineError(f"{folder}: {what}; give a series of several slices with their places")
    axes, shapes = places[:, :3, :2], {place.shape for place in slices if place}
    if len(shapes) > 1 or np.abs(axes - axes[0]).max() > 1e-3:
        raise WdualmineError(
            f"{folder}: its slices differ in size, spacing or orientation; keep those of one"
        )
    normal = np.cross(axes[0, :, 1], axes[0, :, 0])
    along = places[:, :3, 3] @ (normal / np.linalg.norm(normal))
    order = np.argsort(along)
    steps, step = np.diff(along[order]), float(np.median(np.diff(along[order])))
    if steps.min() <= 0.01 * step:
        what = f"has two slices at one place ({along[order][steps.argmin()]:g} mm), such as phases or echoes"
        raise WdualmineError(f"{folder}: {what}; keep one of each")
    if steps.max() > 1.1 * step or steps.min() < 0.9 * step:
        odd = int(np.abs(steps - step).argmax())
        what = f"{steps[odd]:g} mm from {along[order][odd]:g} to {along[order][odd + 1]:g}, else {step:g}"
        raise WdualmineError(f"{folder}: its slices are not evenly spaced ({what}), so one may be missing")
    way = places[order[-1], :3, 3] - places[order[0], :3, 3]
    tilt = np.degrees(np.arccos(min(1.0, (along[order[-1]] - along[order[0]]) / float(np.linalg.norm(way)))))
    if tilt > TILT:
        what = f"was taken with the gantry tilted by {tilt:.1f} degrees"
        raise WdualmineError(f"{folder}: {what}; correct that first, such as with dcm2niix")
    if (size := prod((*slices[0].shape, len(slices), 4))) > MAX_BYTES:
        raise WdualmineError(f"{folder}: takes {size / 2**30:.1f} GiB, more than the limit of 2; crop it")
    files = [names[0][number] for number in order]
    kinds = set()
    for file in files:  # the rescale slope of each decides its type
        header = SimpleITK.ImageFileReader()
        header.SetFileName(file)
        header.ReadImageInformation()
        kinds.add(header.GetPixelID())
        if header.GetNumberOfComponents() > 1:
            raise WdualmineError(f"{file}: is in color; save it as grey, one number a voxel")
    if len(kinds) > 1:
        reader.SetOutputPixelType(SimpleITK.sitkFloat64)
    reader.SetFileNames(files)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = axes[0, :, 1], axes[0, :, 0]
    affine[:3, 2], affine[:3, 3] = way / (len(files) - 1), places[order[0], :3, 3]
    values = SimpleITK.GetArrayFromImage(reader.Execute()).T
    return Volume(values, TO_LPS @ affine, None, str(folder), slices[0].frame)


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


def write_volume(path: str | Path, values: NDArray, like: Volume, metadata: bool = False) -> Path:
    """Write a volume whole or not at all, with the affine and the header's geometry of another.

    Descriptive fields and extensions of the header, which may name a patient, are left out unless their
    `metadata` are asked for.

    Raises:
        WdualmineError: the suffix is of no volume like that one, or the file cannot be written.
    """
    path = check_written(Path(path), like)
    with written_whole(path) as temporary:
        if like.affine is None:
            np.save(temporary, values)
        else:
            import nibabel

            header = nibabel.Nifti1Header() if like.header is None else like.header.copy()
            if not metadata:
                for field in ("descrip", "db_name", "aux_file", "intent_name"):
                    if field in header:
                        header[field] = b""
                header.extensions.clear()
            header.set_data_dtype(values.dtype)
            header.set_slope_inter(1, 0)
            header.set_xyzt_units("mm")
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
