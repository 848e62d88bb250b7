"""What a way to fuse is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wdualmine.fusion import Fuse
from wdualmine.methods.system import System

#: Bytes that a network takes, at most, for an image that it fuses as a whole, or for a piece of a larger one.
NETWORK = 2**30


@dataclass(frozen=True)
class Method:
    """A way to fuse."""

    name: str  #: how it is called in records and on the command line
    title: str  #: how it is called in tables
    source: str  #: the publication, or what it is
    fuse: Fuse | None = None  #: lumas to luma; None where weights have to be loaded first
    system: System | None = None  #: of a network, what it is made of and trained for
    #: of a network, from a task to the file of its weights; it may not exist
    weights: Callable[[str], Path | None] = lambda _: None
    #: of a network, fields of its configuration that this method changes
    settings: Mapping[str, Any] = field(default_factory=dict)
    bytes_a_pixel: int = 130  #: of memory, at most, that fusing takes, as benchmarks/fusion.py measures it

    @property
    def learned(self) -> bool:
        """Whether the method needs weights."""
        return self.fuse is None

    def memory(self, pixels: int) -> int:
        """Compute how many bytes of memory fusing so many pixels takes, about."""
        return max(NETWORK if self.learned else 0, self.bytes_a_pixel * pixels)
