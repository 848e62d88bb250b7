"""The learned method: a trained network, loaded and applied to images of any size."""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from wdualmine.data.tasks import TASKS
from wdualmine.errors import WdualmineError
from wdualmine.fusion import Fuse
from wdualmine.methods.pieces import residual_in_pieces
from wdualmine.model import ModelConfig, WDualMine
from wdualmine.records import first_reason, read_shapes, read_tensors
from wdualmine.runtime import pick_device

WEIGHTS = Path(__file__).parents[1] / "weights"
#: What a task's file in :data:`WEIGHTS` is called after, by the objective of its training.
SUFFIXES = {"paper": "", "recovery": "-recovery"}
#: Pixels of an image that is fused as a whole, in up to 1 GiB; a larger one is fused in pieces.
WHOLE = 768 * 768
LARGEST_WEIGHT = 1e6  # of a file that is accepted: such a network leaves float32, and the image is black


def load_model(source: str | Path, objective: str = "paper", device: torch.device | str = "cpu") -> WDualMine:
    """Load a trained network, ready for inference.

    Args:
        source: a task ("ct-mri", "pet-mri", "spect-mri") for the weights that come with the package, a
            safetensors file, or a run folder.
        objective: of a task, the weights that were trained for the paper's objective ("paper") or to keep
            the signals of both sources ("recovery").
        device: where to put it; see :func:`~wdualmine.runtime.pick_device`.

    Raises:
        WdualmineError: there are no such weights, the file is not a network of this package, or the device
            does not run.
    """
    if not isinstance(source, str | Path):
        raise WdualmineError(f"weights {source!r}: give a task ({', '.join(TASKS)}), a file or a run folder")
    if objective not in SUFFIXES:
        raise WdualmineError(f"unknown objective {objective!r}; choose one of {', '.join(SUFFIXES)}")
    path = WEIGHTS / f"{source}{SUFFIXES[objective]}.safetensors" if str(source) in TASKS else Path(source)
    if path.is_dir():
        path = path / "model.safetensors"
    if not path.is_file():
        raise WdualmineError(
            f"{path}: no such weights; give a task ({', '.join(TASKS)}), a safetensors file or a run folder"
        )
    shapes, metadata = read_shapes(path)
    try:
        config = ModelConfig(**metadata["experiment"]["model"])
        with torch.device("meta"):  # takes no memory: what is declared need not be what is there
            declared = {name: tuple(t.shape) for name, t in WDualMine(config).state_dict().items()}
        for name in sorted(shapes.keys() | declared.keys()):
            if shapes.get(name) != declared.get(name):
                raise ValueError(f"{name}: {shapes.get(name)}, where {declared.get(name)} is declared")
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise WdualmineError(
            f"{path}: not weights of this network ({first_reason(error)}); train them again"
        ) from error
    tensors, _ = read_tensors(path)
    for name, tensor in tensors.items():
        if not tensor.abs().max() <= LARGEST_WEIGHT:  # not so for NaN, either
            raise WdualmineError(
                f"{path}: {name} holds a value that is no number or above {LARGEST_WEIGHT:g}; train again"
            )
    model = WDualMine(config)
    model.load_state_dict(tensors)
    # Channels last is the layout in which both kinds of processor convolve fastest.
    model = model.to(pick_device(str(device))).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model.eval().requires_grad_(False)


def fuse_with(model: WDualMine, residual_scale: float | None = None) -> Fuse:
    """Make the fusing function of a network: any image size, on the network's device.

    Sides are padded by replication to what the network needs and cropped back. An image of more than
    :data:`WHOLE` pixels is fused in pieces, to the same result up to rounding (1e-5).

    Args:
        model: the network.
        residual_scale: the lambda of Eq. 11 at inference; None takes the network's own.
    """

    return lambda a, b: fuse_padded(model, a, b, residual_scale)[0]


def fuse_padded(
    model: WDualMine, a: Tensor, b: Tensor, residual_scale: float | None = None
) -> tuple[Tensor, Tensor]:
    """Fuse images of any size, as :func:`fuse_with` does; give I_f and tanh(R), both of the images' size.

    Raises:
        WdualmineError: they are no two tensors (N, 1, H, W) of one shape and of the network's type.
    """
    device = next(model.parameters()).device
    a, b = (image.to(device) if isinstance(image, Tensor) else image for image in (a, b))
    model.check(a, b)
    height, width = a.shape[-2:]
    if height * width > WHOLE:
        residual = residual_in_pieces(model, a, b)
        scale = model.config.residual_scale if residual_scale is None else residual_scale
        return a.add(b).div_(2).add_(residual, alpha=scale).clamp_(0, 1), residual  # Eq. 11
    pad = (0, -width % model.multiple, 0, -height % model.multiple)
    a, b = (F.pad(image, pad, mode="replicate") for image in (a, b))
    fusion = model(a, b, residual_scale)
    return fusion.fused[..., :height, :width], fusion.residual[..., :height, :width]
