"""Bringing two sources into one space with SimpleITK: by their headers, registered, or as they were before.

The first source stays and the second moves: a transform takes the first's points to the second's, in
millimeters of the patient (L, P, S), of images without a spacing in pixels.
"""

from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wdualmine.data.volumes import TO_LPS, Volume
from wdualmine.errors import WdualmineError
from wdualmine.files import written_whole
from wdualmine.fusion import luma_tensor
from wdualmine.registration.check import APART, distance, mutual_information
from wdualmine.registration.classical import KINDS, find_transform

if TYPE_CHECKING:
    from SimpleITK import Image, Transform

GRIDS = ("a", "b", "finest")
#: A source has to cover this share of the grid.
LEAST = 0.01
#: A registration that leaves less than this share of the mutual information has gone astray.
KEPT = 0.95


@dataclass(frozen=True)
class Alignment:
    """How two sources are brought into one space.

    Raises:
        WdualmineError: there is no such registration or grid.
    """

    register: str | None = None  #: "rigid", "affine" or "deformable"; None takes the headers' word
    grid: str = "finest"  #: whose pixels the result has: "a", "b", or the smaller ones
    transform: Path | None = None  #: a file, written by a registration, read without one

    def __post_init__(self) -> None:
        for name, given, known in (("register", self.register, KINDS), ("grid", self.grid, GRIDS)):
            if given is not None and given not in known:
                raise WdualmineError(f"{name} {given}: choose {', '.join(known[:-1])} or {known[-1]}")
        if self.transform and self.transform.suffix.lower() not in (".tfm", ".h5"):
            raise WdualmineError(f"{self.transform}: a transform needs a name ending in .tfm or .h5")

    @property
    def moves(self) -> bool:
        """Whether one source is moved, beyond what headers say."""
        return bool(self.register or self.transform)


#: As the headers say.
AS_IS = Alignment()


def align_images(
    a: NDArray,
    b: NDArray,
    how: Alignment,
    names: tuple[str, str] = ("image A", "image B"),
    spacings: tuple[tuple[float, float] | None, tuple[float, float] | None] = (None, None),
    allow: bool = False,
) -> tuple[NDArray, NDArray, str]:
    """Register two images (H, W) or (H, W, 3) by their luma, or apply a transform, onto one grid.

    Spacings are millimeters between rows and between columns; where one is unknown, pixels are compared.

    Returns:
        The images, of their own types, and a sentence that says what was done.

    Raises:
        WdualmineError: they are too small or do not overlap, the transform is of no use, or (unless allowed)
            they match less than before.
    """
    images: list[Image] = []
    lumas: list[Image] = []
    for array, name, spacing in zip((a, b), names, spacings, strict=True):
        luma = luma_tensor(array, name)[0, 0].numpy()
        for made, values in ((images, array), (lumas, luma)):
            made.append(_image(values, np.ndim(values) == 3))
            if None not in spacings and spacing:
                made[-1].SetSpacing(spacing[::-1])
    unit = "pixels" if None in spacings else "mm"
    aligned, _, said = _align((images[0], images[1]), (lumas[0], lumas[1]), how, names, unit, allow)
    return _array(aligned[0]), _array(aligned[1]), said


def align_volumes(a: Volume, b: Volume, how: Alignment, allow: bool = False) -> tuple[Volume, Volume, str]:
    """Bring two volumes onto one grid: as their headers say, and registered or by a transform if asked for.

    Volumes that are on one grid, to half a millimeter, stay as they are unless they are to be moved.

    Returns:
        The volumes, the values of each of its own type and in its own units, and a sentence, or "".

    Raises:
        WdualmineError: a header does not say where its volume is (unless allowed), they have other frames of
            reference, they do not overlap or are too small, the transform is of no use, or (unless allowed)
            they match less than before.
    """
    if not allow and not how.moves and a.frame and b.frame and a.frame != b.frame:
        what = f"has another frame of reference than {a.name}, so their places cannot be compared"
        raise WdualmineError(f"{b.name}: {what}; give --register rigid, or go on with --allow")
    arrays = [volume for volume in (a, b) if volume.affine is None]
    same = a.values.shape == b.values.shape
    if not how.moves and on_one_grid(a, b):
        return a, b, ""
    if len(arrays) == 1 or (arrays and not how.moves):
        what = f"has shape {b.values.shape} but {a.name} {a.values.shape}" if not same else "is moved"
        remedy = f"{arrays[0].name} has no spacing or place; save it as NIfTI"
        raise WdualmineError(f"{b.name}: {what}, and {remedy}")
    for volume in () if allow else (a, b):
        if not volume.oriented:
            what = "its header does not say how it lies (qform and sform codes are 0)"
            raise WdualmineError(f"{volume.name}: {what}; export it again, or go on with --allow")
    images = _placed(a), _placed(b)
    unit = "voxels" if arrays else "mm"
    aligned, kept, said = _align(images, images, how, (a.name, b.name), unit, allow)
    grid = (a, b)[kept]
    first, second = (
        replace(volume, values=_array(image).T, affine=grid.affine, header=grid.header, frame=grid.frame)
        for volume, image in zip((a, b), aligned, strict=True)
    )
    return first, second, said


def on_one_grid(a: Volume, b: Volume) -> bool:
    """Return whether two volumes have one shape and, as far as both say where they are, one place."""
    if a.values.shape != b.values.shape or a.affine is None or b.affine is None:
        return a.values.shape == b.values.shape
    return distance(a.affine, b.affine, a.values.shape) <= APART


def _image(values: NDArray, color: bool = False) -> "Image":
    """Make SimpleITK's image of an array, the last axis first."""
    import SimpleITK

    kind = {"f": np.float64 if values.dtype.itemsize > 4 else np.float32}.get(values.dtype.kind)
    array = np.ascontiguousarray(values, kind or values.dtype.newbyteorder("="))
    return SimpleITK.GetImageFromArray(array, isVector=color)


def _array(image: "Image") -> NDArray:
    import SimpleITK

    return SimpleITK.GetArrayFromImage(image)


def _placed(volume: Volume) -> "Image":
    """Make SimpleITK's image of a volume, where its header puts it."""
    image = _image(volume.values.T)
    if volume.affine is not None:
        place = TO_LPS @ volume.affine
        spacing = np.linalg.norm(place[:3, :3], axis=0)
        image.SetSpacing(spacing.tolist())
        image.SetDirection((place[:3, :3] / spacing).ravel().tolist())
        image.SetOrigin(place[:3, 3].tolist())
    return image


def _align(
    images: "tuple[Image, Image]",
    lumas: "tuple[Image, Image]",
    how: Alignment,
    names: tuple[str, str],
    unit: str,
    allow: bool,
) -> "tuple[tuple[Image, Image], int, str]":
    """Return the images on one grid, the number of the one that it is of, and what was done."""
    import SimpleITK

    dimensions = images[0].GetDimension()
    there: Any = SimpleITK.Transform(dimensions, SimpleITK.sitkIdentity)
    before = there
    if how.register:
        there = find_transform(*lumas, how.register, names)
        if how.transform:
            _write_transform(how.transform, there)
    elif how.transform:
        there = _read_transform(how.transform, dimensions)
    sizes = [float(np.prod(image.GetSpacing())) for image in images]
    # By a hair: spacings are stored in single precision.
    kept = int(sizes[1] < 0.999 * sizes[0]) if how.grid == "finest" else GRIDS.index(how.grid)
    if kept:
        there = _inverse(there, images[1])
    fixed, moving = images[kept], images[1 - kept]
    covered = _covered(fixed, moving, there)
    if covered < LEAST:
        what = f"covers {covered:.1%} of" if covered else "does not overlap"
        remedy = "give another --transform" if how.transform else "give --register rigid"
        remedy = "crop both to one part" if how.register else remedy
        raise WdualmineError(f"{names[1 - kept]}: {what} {names[kept]} in scanner space; {remedy}")
    aligned = _resample(moving, fixed, there)
    size, spacing = (
        " x ".join(f"{n:g}" for n in numbers) for numbers in (fixed.GetSize(), fixed.GetSpacing())
    )
    said = f"on the grid of {names[kept]} ({size}" + f", {spacing} mm" * (unit == "mm") + ")"
    if covered < 0.995:
        said += f", of which {names[1 - kept]} covers {covered:.0%}"
    if how.moves:
        moved = _moves(fixed, there)
        luma = lumas[kept]
        told = [_information(luma, _resample(lumas[1 - kept], luma, t)) for t in (before, there)]
        said = (
            f"{names[1 - kept]}: moved by {moved.mean():.1f} {unit}, at most {moved.max():.1f} "
            f"({how.register or how.transform}), {said}; normalized mutual information "
            f"{told[0]:.3f} before, {told[1]:.3f} after"
        )
        if told[1] < KEPT * told[0] and not allow:
            raise WdualmineError(f"{said}, a worse match; try another registration, or go on with --allow")
    else:
        said = f"{names[1 - kept]}: resampled {said}"
    pair = (aligned, fixed) if kept else (fixed, aligned)
    return pair, kept, said


def _resample(moving: "Image", fixed: "Image", there: "Transform") -> "Image":
    """Resample linearly onto a grid; outside is what is darkest."""
    import SimpleITK

    vector = moving.GetNumberOfComponentsPerPixel() > 1
    outside = 0.0 if vector else float(SimpleITK.GetArrayViewFromImage(moving).min())
    return SimpleITK.Resample(moving, fixed, there, SimpleITK.sitkLinear, outside)


def _covered(fixed: "Image", moving: "Image", there: "Transform") -> float:
    """Compute which share of a grid another image covers."""
    import SimpleITK

    ones = SimpleITK.Image(moving.GetSize(), SimpleITK.sitkUInt8) + 1
    ones.CopyInformation(moving)
    inside = SimpleITK.Resample(ones, fixed, there, SimpleITK.sitkNearestNeighbor, 0)
    return float(SimpleITK.GetArrayViewFromImage(inside).mean())


def _information(a: "Image", b: "Image") -> float:
    return mutual_information(_array(a).astype(np.float64), _array(b).astype(np.float64))


def _moves(fixed: "Image", there: "Transform") -> NDArray[np.float64]:
    """Compute how far points of a grid move, nine along each side."""
    lattice = product(*(np.linspace(0, side - 1, 9) for side in fixed.GetSize()))
    points = [fixed.TransformContinuousIndexToPhysicalPoint(index) for index in lattice]
    return np.linalg.norm(np.subtract([there.TransformPoint(point) for point in points], points), axis=1)


def _inverse(there: "Transform", grid: "Image") -> "Transform":
    """Invert a transform, a deformable one on a grid."""
    import SimpleITK

    try:
        return there.GetInverse()
    except RuntimeError:
        place = grid.GetSize(), grid.GetOrigin(), grid.GetSpacing(), grid.GetDirection()
        field = SimpleITK.TransformToDisplacementField(there, SimpleITK.sitkVectorFloat64, *place)
        return SimpleITK.DisplacementFieldTransform(SimpleITK.InvertDisplacementField(field, 50))


def _write_transform(path: Path, transform: "Transform") -> None:
    import SimpleITK

    try:
        with written_whole(path) as temporary:
            SimpleITK.WriteTransform(transform, str(temporary))
    except RuntimeError as error:
        raise WdualmineError(f"{path}: cannot be written; make room or choose another folder") from error


def _read_transform(path: Path, dimensions: int) -> "Transform":
    import SimpleITK

    if not path.is_file():
        raise WdualmineError(f"{path}: no such transform; give --register to make it")
    try:
        transform = SimpleITK.ReadTransform(str(path))
    except RuntimeError as error:
        raise WdualmineError(f"{path}: not a readable transform; make it again with --register") from error
    if transform.GetDimension() != dimensions or not np.isfinite(transform.GetParameters()).all():
        what = f"is no transform of {dimensions} dimensions with finite numbers"
        raise WdualmineError(f"{path}: {what}; make it again with --register")
    return transform
