"""What a network is made of and, where it is trained, what for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class NetworkConfig:
    """What a network is built from; a system adds its fields, all of them plain values."""

    def as_dict(self) -> dict[str, Any]:
        """Give the configuration as plain values, for records and checkpoints."""
        return asdict(self)


class Network(nn.Module):
    """What the training loop and the fusing function ask of a network.

    Its call maps two lumas (N, 1, H, W) in [0, 1], with sides divisible by ``multiple``, to a named tuple of
    tensors, whose ``fused`` has their shape and range.
    """

    config: Any
    multiple: int | tuple[int, ...] = 1  # of all sides, or of each
    #: Receptive-field radius in pixels, of all axes or of each; None where a fused pixel depends on the whole
    #: image.
    reach: int | tuple[int, ...] | None = None

    def authors_layers(self) -> dict[str, nn.Module]:
        """Return the layers by the names that the authors' file of weights has for them."""
        raise NotImplementedError


def each(value: int | Sequence[int], axes: int) -> Sequence[int]:
    """Return a number an axis, of a number for all of them or one each."""
    return (value,) * axes if isinstance(value, int) else value


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
    config: type  #: the class of that configuration, whose defaults are the size that is used here
    #: makes the objective from the configuration and the weights of its terms; None where it is not trained
    objective: Callable[[Any, Any], nn.Module] | None = None
    weights: type | None = None  #: the data class of these weights, with their defaults
    #: fields of :class:`~wdualmine.experiments.Schedule` for the preset "paper": the publication's where it
    #: states them and they fit this loop, else ours
    schedule: Mapping[str, Any] = field(default_factory=dict)
    smoke: Mapping[str, Any] = field(default_factory=dict)  #: fields of the configuration that tests shrink
    half_precision: bool = False  #: whether its trained weights are kept in 16 bits
    read: Callable[[Network, Path], None] | None = None  #: fills the network from its authors' weights
