"""Classical registration with SimpleITK: mutual information, from coarse to fine, repeatable."""

from collections.abc import Iterator
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
#: Steps of a level at most, and of one that deforms; variance, in pixels, of what smooths a deformation.
STEPS, BENDS, SMOOTHING = 150, 50, 3.0
#: Each side needs so many pixels.
FEWEST = 4


def find_transform(fixed: "Image", moving: "Image", kind: str, names: tuple[str, str]) -> "Transform":
    """Find the transform that takes points of one image to those of another.

    Rigid first, from where the headers put the images or from their centers, whichever the coarsest level
    prefers. Affine and deformable (displacements smoothed at every step) go on from there.

    Args:
        fixed: the image that stays, of 2 or 3 dimensions and one component.
        moving: the other.
        kind: "rigid", "affine" or "deformable".
        names: what to call them in an error.

    Raises:
        WdualmineError: an image is constant or has fewer than 4 pixels along a side, or they do not match.

    Source: D. Mattes and others, 2003, DOI 10.1109/TMI.2003.809072 (the measure).
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
    threads = SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads()
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)  # sums in one order
    levels = [(_shrink(images[0], side), _shrink(images[1], side)) for side in SIDES]
    with task_bar("register", len(SIDES) if kind == "rigid" else len(SIDES) + 2) as advance:
        try:
            tried = [_descend(*levels[0], start, 2.0) for start in _starts(*images)]
            transform: Any = min(tried, key=lambda each: each[0])[1]
            advance()
            for level in levels[1:]:
                _descend(*level, transform)
                advance()
            if kind == "affine":
                rigid = transform.GetMatrix(), transform.GetTranslation(), transform.GetCenter()
                transform = SimpleITK.AffineTransform(*rigid)
                for level in levels[1:]:
                    _descend(*level, transform)
                    advance()
            elif kind == "deformable":
                bent = SimpleITK.Transform(fixed.GetDimension(), SimpleITK.sitkIdentity)
                for level in levels[:2]:
                    bent = _bend(*level, transform, bent)
                    advance()
                transform = SimpleITK.CompositeTransform([transform, bent])
            return transform
        except RuntimeError as error:  # all of one is outside of the other
            what = f"finds no match in {names[0]}; crop both to one part, or give --transform"
            raise WdualmineError(f"{names[1]}: {what}") from error
        finally:
            SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)


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


def _method(fixed: "Image") -> "ImageRegistrationMethod":
    import SimpleITK

    method = SimpleITK.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(BINS)
    count = int(np.prod(fixed.GetSize()))
    if count > SAMPLES:
        method.SetMetricSamplingStrategy(method.RANDOM)
        method.SetMetricSamplingPercentage(SAMPLES / count, seed=1)
    method.SetInterpolator(SimpleITK.sitkLinear)
    return method


def _descend(fixed: "Image", moving: "Image", transform: Any, pixels: float = 1.0) -> tuple[float, Any]:
    """Improve a transform in steps of so many pixels at most; return the cost, infinite where none is."""
    method = _method(fixed)
    step = pixels * min(fixed.GetSpacing())
    if type(transform).__name__ == "AffineTransform":  # regular steps leave the optimum that rigid found
        method.SetOptimizerAsLBFGS2(numberOfIterations=BENDS)
    else:
        method.SetOptimizerAsRegularStepGradientDescent(step, step / 100, STEPS)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(transform, inPlace=True)
    try:
        method.Execute(fixed, moving)
        return method.GetMetricValue(), transform
    except RuntimeError:
        if pixels == 1.0:
            raise
        return float("inf"), transform  # from that start


def _bend(fixed: "Image", moving: "Image", rigid: "Transform", bent: Any) -> Any:
    """Improve the displacements that a rigid transform leaves; their smoothing keeps them small and even."""
    import SimpleITK

    grid = fixed.GetSize(), fixed.GetOrigin(), fixed.GetSpacing(), fixed.GetDirection()
    field = SimpleITK.TransformToDisplacementField(bent, SimpleITK.sitkVectorFloat64, *grid)
    bent = SimpleITK.DisplacementFieldTransform(field)
    bent.SetSmoothingGaussianOnUpdate(SMOOTHING, SMOOTHING)
    method = _method(fixed)
    method.SetMovingInitialTransform(rigid)
    method.SetInitialTransform(bent, inPlace=True)
    method.SetOptimizerAsGradientDescent(1.0, BENDS, estimateLearningRate=method.EachIteration)
    method.SetOptimizerScalesFromPhysicalShift()
    method.Execute(fixed, moving)
    return bent


def _extent(image: "Image") -> float:
    return max(np.multiply(image.GetSize(), image.GetSpacing()))


def _shrink(image: "Image", side: int) -> "Image":
    """Average an image over bins to about so many pixels along its longest side, alike along the others."""
    import SimpleITK

    wanted = _extent(image) / side
    pairs = zip(image.GetSize(), image.GetSpacing(), strict=True)
    factors = [max(1, min(round(wanted / spacing), count // FEWEST)) for count, spacing in pairs]
    return SimpleITK.BinShrink(image, factors)
