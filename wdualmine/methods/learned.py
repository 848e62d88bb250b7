"""The learned methods: a trained network, loaded and applied to images of any size."""

from copy import copy
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wdualmine.checkpoints import read_shapes, read_tensors
from wdualmine.data.tasks import ALL, TASKS
from wdualmine.errors import WdualmineError, one_line
from wdualmine.fusion import Fuse, check_unit
from wdualmine.methods.authors import convert
from wdualmine.methods.method import Method
from wdualmine.methods.pieces import SIDE, SLICES, fused_in_pieces
from wdualmine.methods.registry import W_DUALMINE, get_method
from wdualmine.methods.system import Network, each
from wdualmine.model import WDualMine, in_fastest_layout
from wdualmine.runtime import pick_device

#: Pixels of an image that is fused as a whole, in up to 1 GiB; a larger one is fused in pieces.
WHOLE = 768 * 768
LARGEST_WEIGHT = 1e6  # of a file that is accepted: such a network leaves float32, and the image is black


def load_model(source: str | Path, device: torch.device | str = "cpu") -> WDualMine:
    """Load a trained network of the paper, ready for inference.

    Args:
        source: a task ("ct-mri", "pet-mri", "spect-mri") for the weights that come with the package, a
            safetensors file, or a run folder.
        device: where to put it; see :func:`~wdualmine.runtime.pick_device`.

    Raises:
        WdualmineError: there are no such weights, the file is not a network of this package, or the device
            does not run.
    """
    if not isinstance(source, str | Path):
        raise WdualmineError(f"weights {source!r}: give a task ({', '.join(TASKS)}), a file or a run folder")
    model = load_network(W_DUALMINE, source, device)
    assert isinstance(model, WDualMine)
    return model


def load_network(
    method: Method, source: str | Path, device: torch.device | str = "cpu"
) -> WDualMine | Network:
    """Load the trained network of any learned method, ready for inference.

    Args:
        method: a learned one of the registry.
        source: as for :func:`load_model`.
        device: where to put it.

    Raises:
        WdualmineError: there are no such weights, the file is not a network of this package, or it is that of
            another method.
    """
    path, system = weights_file(method, source), method.system
    assert system is not None
    shapes, metadata = read_shapes(path)
    try:
        experiment = metadata["experiment"]
        trained = experiment.get("method", W_DUALMINE.name)
        if trained == system.name:
            config = replace(system.config(**experiment["model"]), **method.settings)
            with torch.device("meta"):  # takes no memory: what is declared need not be what is there
                declared = {name: tuple(t.shape) for name, t in system.network(config).state_dict().items()}
            for name in sorted(shapes.keys() | declared.keys()):
                if shapes.get(name) != declared.get(name):
                    raise ValueError(f"{name}: {shapes.get(name)}, where {declared.get(name)} is declared")
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise WdualmineError(
            f"{path}: not weights of this network ({one_line(error)}); train them again"
        ) from error
    if trained != system.name:
        raise WdualmineError(f"{path}: holds a network of {trained}; give --method {trained}")
    tensors, _ = read_tensors(path)
    for name, tensor in tensors.items():
        if not tensor.abs().max() <= LARGEST_WEIGHT:  # not so for NaN, either
            raise WdualmineError(
                f"{path}: {name} holds a value that is no number or above {LARGEST_WEIGHT:g}; train again"
            )
    model = system.network(config)
    model.load_state_dict(tensors)
    return in_fastest_layout(model.to(pick_device(str(device)))).eval().requires_grad_(False)


def weights_file(method: Method, source: str | Path) -> Path:
    """Find the file of a network's weights.

    Args:
        method: a learned one of the registry.
        source: as for :func:`load_model`.

    Raises:
        WdualmineError: there are no such weights.
    """
    system, task = method.system, str(source).lower()
    packaged = task in TASKS
    assert system is not None
    path = method.weights(task) if packaged else Path(source)
    if path and path.is_dir():
        path = path / "model.safetensors"
    if path and path.is_file():
        return convert(system, path) if system.read and path.suffix != ".safetensors" else path
    if packaged and system.read:
        raise WdualmineError(
            f"{method.name}: its authors' weights are not here; run `wdualmine data fetch --networks`, or "
            "give --weights FILE"
        )
    if packaged:
        raise WdualmineError(
            f"{method.name} comes without weights for {source}: train them with `wdualmine train {source} "
            f"--method {system.name} -o RUN` and give --weights RUN"
        )
    raise WdualmineError(
        f"{path}: no such weights; give a task ({', '.join(TASKS)}), a safetensors file or a run folder"
    )


def describe_weights(method: Method, source: str | Path) -> tuple[str | None, str]:
    """Return the task that weights were trained for (None for all) and a label that says which they are.

    Args:
        method: a learned one of the registry.
        source: as for :func:`load_model`.

    Raises:
        WdualmineError: there are no such weights, or they do not say what they were trained for.
    """
    path = weights_file(method, source)
    metadata = read_shapes(path)[1]
    if "authors" in metadata:
        return None, f"its authors' weights ({metadata['authors'] or source})"
    trained = metadata.get("experiment")
    if not isinstance(trained, dict) or trained.get("task") not in (*TASKS, ALL):
        raise WdualmineError(f"{path}: does not say what it was trained for; train it again")
    task = str(trained["task"])
    which = "all tasks" if task == ALL else task
    label = f"the package's weights for {which}"
    if str(source).lower() not in TASKS:
        how = ", ".join(str(trained.get(key)) for key in ("preset", "variant"))
        label = f"{source} (trained for {which}: {how}, seed {trained.get('seed')})"
    return None if task == ALL else task, label


def network_of(method: Method) -> nn.Module:
    """Make a learned method's network, untrained, of the size of the package's weights or of the default one.

    Raises:
        WdualmineError: the method learns nothing.
    """
    if method.system is None:
        raise WdualmineError(f"{method.name}: has no network")
    config = method.system.config()
    for path in map(method.weights, TASKS) if method.system.read is None else ():
        if path and path.is_file():
            config = method.system.config(**read_shapes(path)[1]["experiment"]["model"])
    return method.system.network(replace(config, **method.settings))


def has_residual(method: Method) -> bool:
    """Say whether a method is a network that adds a residual, times lambda, to the average (Eq. 11)."""
    return method.system is not None and hasattr(method.system.config(), "residual_scale")


def parameters(network: nn.Module) -> int:
    """Count the numbers that a network has to learn."""
    return sum(parameter.numel() for parameter in network.parameters())


def load_fuse(
    method: Method | str,
    source: str | Path = "ct-mri",
    device: torch.device | str = "cpu",
    residual_scale: float | None = None,
) -> Fuse:
    """Make the fusing function of any method, whether it learns or not.

    Args:
        method: one of the registry, or its name.
        source: of a learned method, as for :func:`load_model`; of another, a task, which it ignores.
        device: of a learned method.
        residual_scale: as for :func:`fuse_with`, from -2 to 2.

    Raises:
        WdualmineError: see :func:`load_network` and :func:`describe_weights`; or weights or a residual scale
            are given for a method that has none.
    """
    method = method if isinstance(method, Method) else get_method(method)
    if method.fuse is not None and not (str(source) in TASKS and residual_scale is None):
        raise WdualmineError(
            f"weights and a residual scale belong to networks, not to {method.name}; leave them out"
        )
    if residual_scale is not None and not has_residual(method):
        raise WdualmineError(f"{method.name}: has no residual scale (w-dualmine and light do); leave it out")
    if method.fuse is not None:
        return method.fuse
    path = weights_file(method, source)
    network = _network(method.name, path, path.stat().st_mtime_ns, str(device))
    describe_weights(method, source)
    return fuse_with(network, residual_scale)


@lru_cache(maxsize=2)
def _network(method: str, path: Path, modified: int, device: str) -> WDualMine | Network:
    return load_network(get_method(method), path, device)


def fuse_with(model: nn.Module, residual_scale: float | None = None) -> Fuse:
    """Make the fusing function of a network: any image size, on the network's device.

    Sides are padded by replication to what the network needs and cropped back. An image of more than
    :data:`WHOLE` pixels is fused in pieces, to the same result up to rounding (1e-5), unless the network
    looks at all of it at once, as those of AdaFuse and ASFE-Fusion do.

    Args:
        model: a network of this package, or any other that makes of two lumas a fused one, or a named tuple
            with ``fused``, of the same shape.
        residual_scale: the lambda of Eq. 11 at inference, from -2 to 2, of W-DUALMINE and the light network;
            None takes the network's own.

    Returns:
        A function of two lumas (N, 1, H, W), which raises an error where they leave [0, 1]; of a network in
        three dimensions, of volumes (N, 1, D, H, W).

    Raises:
        WdualmineError: it is no network, has no residual scale, or the scale is out of range.
    """
    if not isinstance(model, nn.Module):
        raise WdualmineError(f"{model!r}: is no network; give a torch.nn.Module")
    config: Any = getattr(model, "config", None)
    if residual_scale is not None:
        if not hasattr(config, "residual_scale"):
            raise WdualmineError(f"{type(model).__name__}: has no residual scale; leave it out")
        if not (isinstance(residual_scale, int | float) and -2 <= residual_scale <= 2):
            raise WdualmineError(f"residual scale {residual_scale}: give a number from -2 to 2")
        model = copy(model)  # with the same weights
        model.config = replace(config, residual_scale=residual_scale)
    dimensions = getattr(config, "dimensions", 2)

    def fuse(a: Tensor, b: Tensor) -> Tensor:
        own = next(model.parameters(), None)
        if own is not None:
            a, b = (image.to(own.device) if isinstance(image, Tensor) else image for image in (a, b))
        if isinstance(model, WDualMine):
            model.check(a, b)
        check_unit(a, b)
        if a.ndim != 2 + dimensions or a.shape != b.shape:
            needed = "images (N, 1, H, W)" if dimensions == 2 else "volumes (N, 1, D, H, W)"
            shapes = f"{tuple(a.shape)} and {tuple(b.shape)}"
            raise WdualmineError(f"images of shape {shapes}: this network fuses {needed} of one shape")
        local = isinstance(model, WDualMine | Network) and getattr(model, "reach", 0) is not None
        if local and a[0, 0].numel() > WHOLE:
            return fused_in_pieces(model, a, b, SIDE if dimensions == 2 else (SLICES, SIDE, SIDE))
        output = model(*padded(model, a, b))
        return cropped(getattr(output, "fused", output), a)

    fuse.volumetric = dimensions == 3  # type: ignore[attr-defined]
    return fuse


def padded(model: nn.Module, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Bring two images to sides that a network takes, by replication."""
    sides = a.shape[2:]
    multiples = each(getattr(model, "multiple", 1), len(sides))
    pad = [end for side, n in zip(sides[::-1], multiples[::-1], strict=True) for end in (0, -side % n)]
    first, second = (F.pad(image, pad, mode="replicate") for image in (a, b))
    return first, second


def cropped(image: Tensor, like: Tensor) -> Tensor:
    """Undo :func:`padded`."""
    return image[:, :, *map(slice, like.shape[2:])]
