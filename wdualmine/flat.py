"""The flat interface: what ``import wdualmine as wd`` offers and no other module defines."""

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wdualmine.data.color import is_color
from wdualmine.data.images import check_image, check_suffix, read_image, write_image
from wdualmine.data.pairs import check_folder_order
from wdualmine.data.scans import Window, read_geometry
from wdualmine.data.tasks import TASKS, get_task
from wdualmine.data.volumes import Volume, are_volumes, check_written, read_volume, write_volume
from wdualmine.errors import WdualmineError
from wdualmine.fusion import Fuse, fuse_images
from wdualmine.methods.classical import blend as blend_with_average
from wdualmine.methods.learned import WHOLE, describe_weights, fuse_with, load_fuse
from wdualmine.methods.method import NETWORK, Method
from wdualmine.methods.registry import get_method
from wdualmine.progress import task_bar
from wdualmine.registration.align import AS_IS, Alignment, align_images, align_volumes
from wdualmine.registration.check import require_one_place, require_registered
from wdualmine.runtime import available_memory, pick_device
from wdualmine.volumes import fuse_volumes

NAMES = ("image A", "image B")
PathLike = str | os.PathLike[str]
AnyMethod = str | Method | Fuse | nn.Module


@overload
def fuse(
    a: Tensor,
    b: Tensor,
    method: AnyMethod = ...,
    task: str | None = ...,
    *,
    weights: PathLike | None = ...,
    residual_scale: float | None = ...,
    blend: float = ...,
    stretch: bool = ...,
    allow: bool = ...,
    register: str | None = ...,
    device: str = ...,
) -> Tensor: ...
@overload
def fuse(
    a: PathLike | NDArray,
    b: PathLike | NDArray,
    method: AnyMethod = ...,
    task: str | None = ...,
    *,
    weights: PathLike | None = ...,
    residual_scale: float | None = ...,
    blend: float = ...,
    stretch: bool = ...,
    allow: bool = ...,
    register: str | None = ...,
    grid: str = ...,
    transform: PathLike | None = ...,
    output: PathLike | None = ...,
    device: str = ...,
) -> NDArray: ...
def fuse(
    a: PathLike | NDArray | Tensor,
    b: PathLike | NDArray | Tensor,
    method: AnyMethod = "w-dualmine",
    task: str | None = None,
    *,
    weights: PathLike | None = None,
    residual_scale: float | None = None,
    blend: float = 1.0,
    stretch: bool = True,
    allow: bool = False,
    register: str | None = None,
    grid: str = "finest",
    transform: PathLike | None = None,
    output: PathLike | None = None,
    device: str = "auto",
) -> NDArray | Tensor:
    """Fuse two images of any size, or two volumes.

    Args:
        a: CT, PET or SPECT: a file, an array (H, W) or (H, W, 3), or a tensor (H, W), (C, H, W) or
            (N, C, H, W) of 1 or 3 channels; uint8, uint16 or float in [0, 1]. At most one source may be in
            color: its luma is fused and its chroma kept. Of files also a volume, NIfTI or the folder of a
            DICOM series, which is fused slice by slice.
        b: the MRI, likewise; a tensor goes with a tensor of as many dimensions.
        method: a name (:func:`~wdualmine.list_methods`), "module:function", a network, or a function of two
            lumas (N, 1, H, W) in [0, 1].
        task: whose weights a network takes, "ct-mri", "pet-mri" or "spect-mri"; by default "pet-mri" where a
            source is in color, else "ct-mri".
        weights: a run folder or a file of weights, ours or the authors', instead of those that are found.
        residual_scale: the lambda of Eq. 11 at inference, from -2 to 2; the paper's is 0.5.
        blend: this much of the method, the rest of the average; from 0 to 1.
        stretch: stretch the fused luma to the full range and round down, as published images are; False
            rounds to the nearest level and keeps intensities, as volumes always do.
        allow: go on with sources that seem swapped, mirrored, turned or shifted.
        register: "rigid", "affine" or "deformable": move the second source onto the first before.
        grid: whose pixels the result has, "a", "b", or "finest", those of the source with the smaller ones.
        transform: a file, .tfm or .h5: written by a registration, read and applied without one.
        output: a file for the result, too, which replaces no source; of volumes with the geometry of the
            grid; of tensors none is written.
        device: see :func:`~wdualmine.runtime.pick_device`.

    Returns:
        The fused image, an array or tensor as the sources are, of their size, channels and (wider) type; of
        volumes (X, Y, Z), in the units and of the type of the first.

    Raises:
        WdualmineError: an image cannot be read or used (:func:`~wdualmine.fusion.fuse_images`), the sources
            seem swapped or not registered, there is no such method or no such weights, the weights were
            trained for another task, or the memory does not suffice.
    """
    way = Way(method, task, weights, residual_scale, blend, device)
    target = Path(output) if output else None
    how = Alignment(register, grid, Path(transform) if transform else None)
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        if target:
            raise WdualmineError(f"output {target}: is for files and arrays; write what is returned")
        return _fuse_tensors(way, a, b, stretch, allow, how)
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        raise WdualmineError("one source is a tensor, the other not; give two tensors, or files and arrays")
    files = [Path(source) for source in (a, b) if isinstance(source, str | os.PathLike)]
    if target:
        refuse_sources(target, *files)
    if len(files) == 2:
        kind = "fused.nii" if files[0].is_dir() else "fused.png"
        if are_volumes(files[0], files[1], target or Path(kind)):
            return way.fuse_volume_files(files[0], files[1], target, allow=allow, how=how).values
    if target:
        check_suffix(target)  # before the work
    if len(files) == 2:
        fused = way.fuse_files(files[0], files[1], stretch, allow, how=how)
    else:
        (first, name_a), (second, name_b) = _read(a, NAMES[0]), _read(b, NAMES[1])
        fused = way.fuse(first, second, (name_a, name_b), stretch, allow, how)
    if target:
        write_image(target, fused)
    return fused


@dataclass(frozen=True)
class Way:
    """A method with all that is chosen for it; the fields are the arguments of :func:`fuse`."""

    method: AnyMethod = "w-dualmine"
    task: str | None = None
    weights: PathLike | None = None
    residual_scale: float | None = None
    blend: float = 1.0
    device: str = "auto"

    def __post_init__(self) -> None:
        if not (isinstance(self.blend, int | float) and 0 <= self.blend <= 1):
            raise WdualmineError(f"blend {self.blend}: give a number from 0 (the average) to 1 (the method)")
        if not isinstance(self.chosen, Method):  # known before anything is read
            if self.weights is not None:
                raise WdualmineError(f"weights {self.weights}: are for methods by name; leave them out")
            if self.residual_scale is not None and not isinstance(self.chosen, nn.Module):
                scale = f"residual scale {self.residual_scale}"
                raise WdualmineError(f"{scale}: is for networks, not for a function; leave it out")
        _ = self.task and get_task(self.task)

    @property
    def chosen(self) -> Method | Fuse | nn.Module:
        """The method, by whatever it was given."""
        return get_method(self.method) if isinstance(self.method, str) else self.method

    def fuse_files(
        self,
        a: Path,
        b: Path,
        stretch: bool = True,
        allow: bool = False,
        windows: tuple[Window | None, Window | None] = (None, None),
        how: Alignment = AS_IS,
    ) -> NDArray:
        """Fuse two image files; see :func:`fuse`, for windows :func:`~wdualmine.data.images.read_image`."""
        first, second = (read_image(path, window=w) for path, w in zip((a, b), windows, strict=True))
        if not allow:
            check_folder_order(a, b)
        if not allow and not how.moves:
            require_one_place(a, b)
        places = [read_geometry(path) if how.moves else None for path in (a, b)]
        spacings = [place.spacing if place else None for place in places]
        return self.fuse(first, second, (str(a), str(b)), stretch, allow, how, (spacings[0], spacings[1]))

    def fuse_volume_files(
        self,
        a: Path,
        b: Path,
        output: Path | None = None,
        axis: int | None = None,
        windows: tuple[Window | None, Window | None] = (None, None),
        allow: bool = False,
        how: Alignment = AS_IS,
        metadata: bool = False,
    ) -> Volume:
        """Fuse two volumes, and write the result where that is asked for; see :func:`fuse`.

        For windows and the axis (default: axial slices) see :func:`~wdualmine.volumes.fuse_volumes`, for
        metadata :func:`~wdualmine.data.volumes.write_volume`.
        """
        if output:
            refuse_sources(output, a, b)
        if axis not in (None, 0, 1, 2):
            raise WdualmineError(f"axis {axis}: choose 0, 1 or 2")
        if not allow:
            check_folder_order(a, b)
        first, second = read_volume(a), read_volume(b)
        if output:
            check_written(output, first)
        first, second, said = align_volumes(first, second, how, allow)
        if said:
            print(said, file=sys.stderr)
        if metadata and first.header is None:
            what = "is on the grid of a volume without a NIfTI header, so there are no metadata to keep"
            raise WdualmineError(f"{output}: {what}; leave out --keep-metadata, or choose another --grid")
        across = first.axial if axis is None else axis
        with task_bar("fuse", first.values.shape[across]) as advance:
            fuser, _ = self.function(color=False)
            values = fuse_volumes(first, second, fuser, across, windows, allow, advance)
        if output:
            write_volume(output, values, first, metadata)
        return replace(first, values=values)

    def fuse(
        self,
        a: NDArray,
        b: NDArray,
        names: tuple[str, str] = NAMES,
        stretch: bool = True,
        allow: bool = False,
        how: Alignment = AS_IS,
        spacings: tuple[tuple[float, float] | None, tuple[float, float] | None] = (None, None),
    ) -> NDArray:
        """Fuse two arrays; see :func:`fuse`, for spacings :func:`~wdualmine.registration.align_images`."""
        first, second = check_image(a, names[0]), check_image(b, names[1])
        if how.moves:
            first, second, said = align_images(first, second, how, names, spacings, allow)
            print(said, file=sys.stderr)
        if not allow:
            require_registered(first, second, names)
        function, _ = self.function(is_color(first) or is_color(second))
        height, width = first.shape[:2]
        self._check_memory(height, width)
        with task_bar("fuse", 1, enabled=height * width > WHOLE) as advance:
            fused = fuse_images(first, second, function, stretch, names)
            advance()
        channels = [np.shape(image)[2] for image in (a, b) if np.ndim(image) == 3]
        if fused.ndim == 3 or not channels:
            return fused
        return np.repeat(fused[..., None], 3 if max(channels) > 2 else 1, axis=2)

    def function(self, color: bool) -> tuple[Fuse, str]:
        """Return the function that fuses sources in color or not, and, of a network, what its weights are."""
        method, label = self.chosen, ""
        if isinstance(method, nn.Module):
            function = fuse_with(method, self.residual_scale)
        elif not isinstance(method, Method):
            function = method
        else:
            asked = get_task(self.task).key if self.task else None
            source = str(self.weights or asked or ("pet-mri" if color else "ct-mri"))
            device = pick_device(self.device) if method.learned else "cpu"
            function = load_fuse(method, source, device, self.residual_scale)
            if method.learned:
                trained, which = describe_weights(method, source)
                wanted = [asked] if asked else [key for key, task in TASKS.items() if task.color == color]
                if trained and trained not in wanted:
                    raise WdualmineError(
                        f"{source}: was trained for {trained}, not for {' or '.join(wanted)}; give other "
                        f"weights, or --task {trained} to use these all the same"
                    )
                label = f"{method.name} with {which}"
        return blend_with_average(function, self.blend) if self.blend < 1 else function, label

    def _check_memory(self, height: int, width: int) -> None:
        """Print what fusing takes where that is much, and refuse what does not fit."""
        method = self.chosen
        if not isinstance(method, Method) or (needed := method.memory(height * width)) <= NETWORK:
            return
        free = available_memory(pick_device(self.device) if method.learned else torch.device("cpu"))
        what = f"{height} x {width} pixels with {method.name} take about {needed / 2**30:.1f} GiB of memory"
        if free is not None and needed > free:
            remedy = "choose another method, or fuse parts of the images"
            raise WdualmineError(f"{what}, and {free / 2**30:.1f} are free; {remedy}")
        print(what, file=sys.stderr)


def refuse_sources(output: Path, *sources: Path) -> None:
    """Refuse to write over a source, by whatever name or link."""
    for source in sources:
        if output.exists() and source.exists() and output.samefile(source):
            raise WdualmineError(f"{output}: is one of the sources; name another file for the result")


def _read(source: PathLike | NDArray, name: str) -> tuple[NDArray, str]:
    """Return an image and what to call it."""
    if isinstance(source, str | os.PathLike):
        return read_image(Path(source)), str(source)
    return source, name


def _fuse_tensors(way: Way, a: Tensor, b: Tensor, stretch: bool, allow: bool, how: Alignment) -> Tensor:
    if a.ndim != b.ndim or a.ndim not in (2, 3, 4) or a.shape[:-3] != b.shape[:-3] or not a.shape[0]:
        shapes = f"{tuple(a.shape)} and {tuple(b.shape)}"
        raise WdualmineError(f"tensors of shape {shapes}: give two of (H, W), (C, H, W) or (N, C, H, W)")
    batches = [_arrays(tensor, name) for tensor, name in zip((a, b), NAMES, strict=True)]
    fused = []
    for number, (first, second) in enumerate(zip(*batches, strict=True)):
        names = [f"{name}{f' {number} of the batch' * (a.ndim == 4)}" for name in NAMES]
        fused.append(way.fuse(first, second, (names[0], names[1]), stretch, allow, how))
    result = torch.from_numpy(np.stack(fused)).to(a.device)
    return result[0] if a.ndim == 2 else result.movedim(-1, 1).reshape(*a.shape[:-3], -1, *a.shape[-2:])


def _arrays(images: Tensor, name: str) -> NDArray:
    """Return the images of a tensor as an array (N, H, W, C), of one without channels as (1, H, W)."""
    if images.requires_grad:
        raise WdualmineError(f"{name}: has gradients, and fused images have none; pass it with .detach()")
    try:
        array = images.cpu().numpy()
    except TypeError as error:  # bfloat16
        text = f"{name}: has pixel type {images.dtype}; use uint8, uint16 or float32"
        raise WdualmineError(text) from error
    if images.ndim == 2:
        return array[None]
    return np.moveaxis(array.reshape(-1, *array.shape[-3:]), 1, -1)


def list_metrics() -> list[str]:
    """Return the keys of all metrics; ``wdualmine metrics`` says what each is."""
    from wdualmine.metrics import METRICS

    return list(METRICS)
