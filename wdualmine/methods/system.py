"""What a network is made of and, where it is trained, what for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from wdualmine.model import NetworkConfig as NetworkConfig

#: A number of all axes, or one of each.
ByAxis = int | Sequence[int]


def each(value: ByAxis, axes: int) -> Sequence[int]:
    """Return a number an axis."""
    return (value,) * axes if isinstance(value, int) else value


class Network(nn.Module):
    """What the training loop and the fusing function ask of a network.

    Its call maps two lumas (N, 1, H, W) in [0, 1], with sides divisible by ``multiple``, to a named tuple of
    tensors, whose ``fused`` has their shape and range.
    """

    config: Any
    multiple: ByAxis = 1
    #: Receptive-field radius in pixels; None where a fused pixel depends on the whole image.
    reach: ByAxis | None = None

    def prepare(self) -> None:
        """Fill, before training, the layers that do not learn; most networks have none."""

    def authors_layers(self) -> dict[str, nn.Module]:
        """Return the layers by the names that the authors' file of weights has for them."""
        raise NotImplementedError


class ReflectConv(nn.Conv2d):
    """A convolution that keeps the size: borders are reflected, or replicated where an image is too small."""

    def forward(self, image: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C', H, W)."""
        side = self.kernel_size[0] // 2
        mode = "reflect" if min(image.shape[-2:]) > side else "replicate"
        return super().forward(F.pad(image, (side,) * 4, mode=mode))


class Fused(NamedTuple):
    """The output of a network that gives nothing but the fused image, (N, 1, H, W) in [0, 1]."""

    fused: Tensor


@dataclass(frozen=True)
class System:
    """What a network is made of and, where it is trained, what for.

    An objective is a module. Its ``inputs(a, b, generator)`` gives the two images that the network is to
    fuse in a step and any targets after them, all (N, 1, H, W); its call gives the loss and its unweighted
    terms by name, from the network's outputs for pieces of the batch and these images and targets.
    """

    name: str  #: of the system in experiments; several methods can use the same weights
    network: Callable[[Any], nn.Module]  #: makes the network from its configuration
    #: makes that configuration; its defaults are the size that is used here
    config: Callable[..., Any]
    #: makes the objective from the configuration and the weights of its terms; None where it is not trained
    objective: Callable[[Any, Any], nn.Module] | None = None
    weights: Callable[..., Any] | None = None  #: makes these weights, with their defaults
    #: fields of :class:`~wdualmine.experiments.Schedule` for the preset "paper": the publication's where it
    #: states them and they fit this loop, else ours
    schedule: Mapping[str, Any] = field(default_factory=dict)
    smoke: Mapping[str, Any] = field(default_factory=dict)  #: fields of the configuration that tests shrink
    half_precision: bool = False  #: whether its trained weights are kept in 16 bits
    read: Callable[[Network, Path], None] | None = None  #: fills the network from its authors' weights
