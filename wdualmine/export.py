"""Networks as ONNX files, which run without this package: in a browser, in another language, on a device.

A file takes two lumas of any size that the network's ``multiple`` divides and the lambda of Eq. 11, and gives
the fused image and the residual, so that lambda can be moved without running it again.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from wdualmine.errors import WdualmineError
from wdualmine.files import unwritable, write_bytes
from wdualmine.methods.learned import has_residual, load_network
from wdualmine.methods.registry import W_DUALMINE, get_method

INPUTS = ("image1", "image2", "residual_scale")
OUTPUTS = ("fused", "residual")
OPSET = 18


def export_onnx(source: str | Path, output: str | Path, method: str = W_DUALMINE.name) -> Path:
    """Write a network (:func:`~wdualmine.methods.load_model`) as a file ``.onnx``, whole or not at all.

    Inputs are ``image1`` and ``image2``, float32 (1, 1, H, W) in [0, 1] with H and W divisible by the
    metadata's ``multiple``, and the scalar ``residual_scale``; outputs are ``fused`` in [0, 1] and
    ``residual`` in [-1, 1], both of the same shape. The metadata also holds the network's own
    ``residual_scale``. Within 1e-5 of what torch gives.

    The method is "w-dualmine" or "light", a network that adds a residual to the average.

    Raises:
        WdualmineError: no such weights, another suffix or method, or the packages for it are missing.
    """
    output = Path(output)
    if output.suffix.lower() != ".onnx":
        raise WdualmineError(f"{output}: name a file that ends in .onnx")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)  # before the work
    except OSError as error:
        raise unwritable(output, error) from error
    if not has_residual(get_method(method)):
        raise WdualmineError(f"{method}: adds no residual to the average; export w-dualmine or light")
    model = load_network(get_method(method), source).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    if not find_spec("onnxscript"):  # torch imports it late and with a long traceback
        raise WdualmineError("export needs the package onnxscript: pip install onnxscript")
    height, width = (model.multiple * torch.export.Dim(name) for name in ("h", "w"))
    example = torch.zeros(1, 1, 4 * model.multiple, 6 * model.multiple)
    with _quiet():
        program = torch.onnx.export(
            _Both(model),
            (example, example.clone(), torch.tensor(0.5)),
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            dynamic_shapes=({2: height, 3: width}, {2: height, 3: width}, None),
        )
    assert program is not None
    for node in program.model.graph:  # what the tracer noted about each step is a fifth of the file
        node.metadata_props.clear()
    program.model.metadata_props.update(
        multiple=str(model.multiple), residual_scale=str(model.config.residual_scale)
    )
    write_bytes(output, program.model_proto.SerializeToString())
    return output


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out torch's notes to its own developers."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


class _Both(nn.Module):
    """The network with the two outputs that the file has."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, image1: Tensor, image2: Tensor, residual_scale: Tensor) -> tuple[Tensor, Tensor]:
        residual = self.model(image1, image2).residual
        return ((image1 + image2) / 2 + residual_scale * residual).clamp(0, 1), residual  # Eq. 11
