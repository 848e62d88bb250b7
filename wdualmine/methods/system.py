"""What a learned system is made of: a network, an objective, and the sizes at which both are used."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from wdualmine.errors import WdualmineError


@dataclass(frozen=True)
class NetworkConfig:
    """What a network is built from; a system adds its fields, all of them plain values."""

    def as_dict(self) -> dict[str, Any]:
        """Give the configuration as plain values, for records and checkpoints."""
        return asdict(self)


@dataclass(frozen=True)
class TermWeights:
    """The weights of an objective's terms; a system adds a field a term, named as the term is."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 <= value < float("inf"):
                raise WdualmineError(f"loss weight {name} = {value}: give a finite number of at least 0")


class Network(nn.Module):
    """What the training loop and the fusing function ask of a network.

    Its call maps two lumas (N, 1, H, W) in [0, 1], with sides divisible by ``multiple``, to a named tuple of
    tensors, whose ``fused`` has their shape and range.
    """

    config: Any
    multiple: int = 1
    #: Within how many pixels lies what a fused pixel depends on; None where it may lie anywhere.
    reach: int | None = None


class SystemObjective(nn.Module):
    """What a network is trained for: a weighted sum of named terms."""

    def __init__(self, weights: TermWeights) -> None:
        super().__init__()
        self.weights = weights

    def inputs(self, image1: Tensor, image2: Tensor, _: torch.Generator) -> tuple[Tensor, ...]:
        """Say what the network is to fuse in a step, two tensors (N, 1, H, W), and after them any targets."""
        return image1, image2

    @abstractmethod
    def terms(self, output: Any, image1: Tensor, image2: Tensor, *targets: Tensor) -> dict[str, Tensor]:
        """Give the unweighted terms by name, all scalars.

        Args:
            output: what the network gave for the batch.
            image1: the first of :meth:`inputs`.
            image2: the second.
            *targets: the others.
        """

    def forward(
        self, pieces: Sequence[Any], image1: Tensor, image2: Tensor, *targets: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Give the weighted sum and its terms; the output comes in pieces of the batch, in order."""
        output = type(pieces[0])(*(torch.cat(parts) for parts in zip(*pieces, strict=True)))
        terms = self.terms(output, image1, image2, *targets)
        weighted = [weight * terms[name] for name, weight in asdict(self.weights).items()]
        return torch.stack(weighted).sum(), terms


class Fused(NamedTuple):
    """The output of a network that gives nothing but the fused image, (N, 1, H, W) in [0, 1]."""

    fused: Tensor


class Cost(NamedTuple):
    """What a published network costs for a 256 x 256 pair."""

    parameters: float
    flop: float


@dataclass(frozen=True)
class System:
    """A learned system.

    Attributes:
        name: of the system in experiments; several methods can use the same weights.
        network: makes the network from its configuration.
        config: the class of that configuration, whose defaults are the size that is trained here.
        objective: makes the objective from both configurations.
        weights: the class of the weights of the objective's terms, whose defaults are the publication's.
        schedule: fields of :class:`~wdualmine.experiments.Schedule` for the preset "paper": the publication's
            where it states them and they fit this loop, else ours.
        smoke: fields of the configuration that tests shrink.
        published: the published network's size, where it is far from the one here.
    """

    name: str
    network: Callable[[Any], nn.Module]
    config: type
    objective: Callable[[Any, Any], nn.Module]
    weights: type
    schedule: Mapping[str, Any] = field(default_factory=dict)
    smoke: Mapping[str, Any] = field(default_factory=dict)
    published: Cost | None = None
