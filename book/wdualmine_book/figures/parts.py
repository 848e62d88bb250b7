"""What a network is made of, read from its modules: shapes, parameters, kernels and equations.

Shapes come from a forward pass without data; numbers of parameters, kernels and equations from the modules
and their docstrings: another width, or an expert switched off, is another description.
"""

import copy
import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from wdualmine.losses import Objective
from wdualmine.model import WDualMine


@dataclass(frozen=True)
class Part:
    """What a module is, as a block of a figure says it.

    Attributes:
        shapes: of its output tensors, without the batch.
        parameters: number of learned parameters.
        equations: numbers of the paper's equations that it computes, such as "4-5"; empty if none.
        layers: its convolutions and linear layers in words.
    """

    shapes: tuple[tuple[int, ...], ...]
    parameters: int
    equations: str
    layers: str

    @property
    def shape(self) -> str:
        """The shape of the first output, as printed."""
        return format_shape(self.shapes[0])


def format_shape(shape: Sequence[int]) -> str:
    """Print a shape: "16 × 256 × 256"."""
    return " × ".join(map(str, shape))


def equations_of(thing: Any) -> str:
    """Read from a docstring which equations of the paper a module or function computes: "4-5"; "" if none."""
    found = re.search(r"Eq\. (\d+(?:-\d+)?)", inspect.getdoc(thing) or "")
    return found[1] if found else ""


def inspect_network(
    model: WDualMine, objective: Objective | None = None, size: int = 256, batch: int = 1
) -> dict[str, Part]:
    """Describe every module of a network, and of its objective, by running both without data.

    Args:
        model: the network; it is left as it is.
        objective: its modules are named ``objective.<name>``.
        size: side of the square images; divisible by ``model.multiple``.
        batch: pairs a step.

    Returns:
        The modules that ran, by name ("stages.0.mixer"), and the whole network under "".

    Raises:
        WdualmineError: the network does not take images of this size.
    """
    # On the device "meta" tensors have shapes and no content: nothing is computed.
    network = copy.deepcopy(model).to("meta")
    image = torch.empty(batch, 1, size, size, device="meta")
    parts: dict[str, Part] = {}
    _watch(network, "", parts)
    fusion = network(image, image)
    if objective is not None:
        watched = copy.deepcopy(objective).to("meta")
        _watch(watched, "objective.", parts)
        watched([fusion], image, image)
    return parts


def _watch(module: nn.Module, prefix: str, parts: dict[str, Part]) -> None:
    for name, child in module.named_modules():

        def note(which: nn.Module, _: Any, output: Any, name: str = prefix + name) -> None:
            shapes = tuple(tuple(tensor.shape[1:]) for tensor in _tensors(output))
            count = sum(parameter.numel() for parameter in which.parameters())
            parts[name] = Part(shapes, count, equations_of(type(which)), _layers(which))

        child.register_forward_hook(note)


def _tensors(output: Any) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, dict):
        yield from output.values()
    elif output is not None:
        for item in output:
            yield from _tensors(item)


def _layers(module: nn.Module) -> str:
    words = []
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            word = f"{layer.kernel_size[0]}×{layer.kernel_size[1]}"
            words.append(word + (f" d{layer.dilation[0]}" if layer.dilation[0] > 1 else ""))
        elif isinstance(layer, nn.Conv1d):
            words.append(f"ECA {layer.kernel_size[0]}")
        elif isinstance(layer, nn.Linear):
            words.append(f"{layer.in_features}→{layer.out_features}")
    return ", ".join(words)
