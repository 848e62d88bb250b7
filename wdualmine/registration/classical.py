"""Classical registration with SimpleITK: mutual information, from coarse to fine, the same result every time."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from wdualmine.errors import WdualmineError
from wdualmine.progress import task_bar

if TYPE_CHECKING:
    from SimpleITK import Image, ImageRegistrationMethod, Transform

KINDS = ("rigid", "affine", "deformable")
#: What each level sees: about so many pixels along the longest side, and at most so many, drawn with a seed.
SIDES, SAMPLES = (32, 64, 128), 200_000
#: Bins of the mutual information, and the sigma of the blur before it as a share of the longest side, with
#: which PET and SPECT register nearer to the published alignment (2 of 256 pixels).
BINS, BLUR = 24, 1 / 128
#: Steps of a level; spans of the splines along each side; pixels that each side needs.
STEPS, SPANS, FEWEST = 150, 8, 4


def find_transform(fixed: "Image", moving: "Image", kind: str, names: tuple[str, str]) -> "Transform":
    """Find the transform that takes points of one image to those of another.

    Rigid first, from where the headers put the images or from their centers, whichever the coarsest level
    prefers; affine, and then deformable (cubic B-splines), go on from there.

    Args:
        fixed: the image that stays, of 2 or 3 dimensions and one component.
        moving: the other.
        kind: "rigid", "affine" or "deformable".
        names: what to call them in an error.

    Raises:
        WdualmineError: an image is constant or has fewer than 4 pixels along a side, or they do not match.

    Source: D. Mattes and others, 2003, DOI 10.1109/TMI.2003.809072 (the measure and the splines).
    """
    import SimpleITK

    images = []
    for image, name in zip((fixed, moving), names, strict=True):
        values = SimpleITK.GetArrayViewFromImage(image)
        if min(image.GetSize()) < FEWEST or values.min() == values.max():
            size = " x ".join(map(str, image.GetSize()))
            what = f"is constant or too small ({size}; {FEWEST} along each side are needed)"
            raise WdualmineError(f"{name}: {what} to be registered; leave --register out")
        image = SimpleITK.Cast(image, SimpleITK.sitkFloat32)
        images.append(SimpleITK.SmoothingRecursiveGaussian(image, BLUR * _extent(image)))
    levels = [(_shrink(images[0], side), _shrink(images[1], side)) for side in SIDES]
    searches = {"rigid": 3, "affine": 5, "deformable": 7}[kind]
    with task_bar("register", searches) as advance:
        try:
            tried = [_descend(*levels[0], start, 2.0, advance=lambda: None) for start in _starts(*images)]
            advance()
            found: Any = min(tried, key=lambda each: each[0])[1]
            for level in levels[1:]:
                found = _descend(*level, found, advance=advance)[1]
            if kind == "rigid":
                return found
            affine = SimpleITK.AffineTransform(fixed.GetDimension())
            affine.SetCenter(found.GetCenter())
            affine.SetMatrix(found.GetMatrix())
            affine.SetTranslation(found.GetTranslation())
            for level in levels[1:]:
                affine = _descend(*level, affine, advance=advance)[1]
            if kind == "affine":
                return affine
            mesh = [SPANS] * fixed.GetDimension()
            bent: Any = SimpleITK.BSplineTransformInitializer(images[0], mesh)
            for level in levels[:2]:
                bent = _descend(*level, bent, before=affine, advance=advance)[1]
            return SimpleITK.CompositeTransform([affine, bent])
        except RuntimeError as error:  # all samples of one are outside of the other
            what = f"finds no match in {names[0]}; crop both to one part, or give --transform"
            raise WdualmineError(f"{names[1]}: {what}") from error


def _starts(fixed: "Image", moving: "Image") -> "Iterator[Transform]":
    """Yield where to begin: as the headers say, centers on each other, and centers of mass."""
    import SimpleITK

    kind = (SimpleITK.Euler2DTransform, SimpleITK.Euler3DTransform)[fixed.GetDimension() - 2]
    start = kind()
    start.SetCenter(
        fixed.TransformContinuousIndexToPhysicalPoint([(side - 1) / 2 for side in fixed.GetSize()])
    )
    yield start
    filters = SimpleITK.CenteredTransformInitializerFilter
    for center in (filters.GEOMETRY, filters.MOMENTS):
        yield kind(SimpleITK.CenteredTransformInitializer(fixed, moving, kind(), center))


def _descend(
    fixed: "Image",
    moving: "Image",
    transform: Any,
    voxels: float = 1.0,
    before: "Transform | None" = None,
    advance: Callable[[], None] = lambda: None,
) -> tuple[float, Any]:
    """Improve a transform, of what `before` leaves; return minus the mutual information and the transform."""
    import SimpleITK

    method = SimpleITK.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)  # sums in one order
    method.SetMetricAsMattesMutualInformation(BINS)
    count = int(np.prod(fixed.GetSize()))
    if count > SAMPLES:
        method.SetMetricSamplingStrategy(method.RANDOM)
        method.SetMetricSamplingPercentage(SAMPLES / count, seed=1)
    method.SetInterpolator(SimpleITK.sitkLinear)
    step = voxels * min(fixed.GetSpacing())
    if before is None:
        method.SetOptimizerAsRegularStepGradientDescent(step, step / 100, STEPS)
        method.SetOptimizerScalesFromPhysicalShift()
    else:
        method.SetMovingInitialTransform(before)
        method.SetOptimizerAsLBFGSB(numberOfIterations=STEPS // 5)
    method.SetInitialTransform(transform, inPlace=True)
    try:
        method.Execute(fixed, moving)
        value = method.GetMetricValue()
    except RuntimeError:
        value = np.inf
    advance()
    return value, transform


def _extent(image: "Image") -> float:
    return max(np.multiply(image.GetSize(), image.GetSpacing()))


def _shrink(image: "Image", side: int) -> "Image":
    """Average an image over bins to about so many pixels along its longest side, alike along the others."""
    import SimpleITK

    wanted = _extent(image) / side
    pairs = zip(image.GetSize(), image.GetSpacing(), strict=True)
    factors = [max(1, min(round(wanted / spacing), count // FEWEST)) for count, spacing in pairs]
    return SimpleITK.BinShrink(image, factors)
