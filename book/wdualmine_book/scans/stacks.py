"""Stacks: the volumes that the data set's slices make, by the volume and slice numbers of their names."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wdualmine.data import DataSource, Pair, load_pairs
from wdualmine.data.manifest import volume_and_slice
from wdualmine.data.tasks import SPLITS
from wdualmine.experiments import FOLDS

#: Slices of the blocks that networks are trained on; a shorter run of slices is passed over.
DEPTH = 8
#: From one block to the next, in slices.
STRIDE = 4


@dataclass(frozen=True, eq=False)
class Stack:
    """Consecutive slices of one volume, of both modalities."""

    task: str  #: key of the task
    volume: int  #: number of the volume
    first: int  #: number of its first slice
    a: NDArray[np.uint8]  #: luma of modality A, (D, H, W)
    b: NDArray[np.uint8]  #: the MRI, (D, H, W)

    @property
    def name(self) -> str:
        """Its volume, such as "25"; of its own task, it is the only stack that is scored."""
        return str(self.volume)


def stacks_of(pairs: Sequence[Pair], task: str) -> list[Stack]:
    """Put pairs together to stacks of at least :data:`DEPTH` consecutive slices, by their names."""
    by_place = {volume_and_slice(pair.name): pair for pair in pairs}
    runs: list[list[tuple[int, int]]] = []
    for place in sorted(by_place):
        if not runs or place != (runs[-1][-1][0], runs[-1][-1][1] + 1):
            runs.append([])
        runs[-1].append(place)
    return [
        Stack(
            task,
            *run[0],
            np.stack([by_place[place].luma_a for place in run]),
            np.stack([by_place[place].luma_b for place in run]),
        )
        for run in runs
        if len(run) >= DEPTH
    ]


def load_stacks(source: DataSource, task: str, side: str, fold: int) -> list[Stack]:
    """Read the stacks of one side of a volume-disjoint split, from both sides of the paper's.

    Args:
        source: of the slices.
        task: its key.
        side: "test" for the longest stack of each of the fold's volumes, "train" for all of the others.
        fold: as of :func:`~wdualmine.data.load_fold`.
    """
    pairs = [pair for split in SPLITS for pair in load_pairs(task, split, data=source)]
    held_out = set(sorted({volume_and_slice(pair.name)[0] for pair in pairs})[fold::FOLDS])
    chosen = [pair for pair in pairs if (volume_and_slice(pair.name)[0] in held_out) == (side == "test")]
    stacks = stacks_of(chosen, task)
    if side == "train":
        return stacks
    longest: dict[int, Stack] = {}
    for stack in stacks:
        if stack.volume not in longest or len(stack.a) > len(longest[stack.volume].a):
            longest[stack.volume] = stack
    return list(longest.values())


def blocks(stacks: Sequence[Stack]) -> tuple[Tensor, Tensor]:
    """Cut stacks into overlapping blocks: two tensors (N, 1, :data:`DEPTH`, H, W) in [0, 1]."""
    both = []
    for arrays in ([stack.a for stack in stacks], [stack.b for stack in stacks]):
        cut = [
            array[start : start + DEPTH]
            for array in arrays
            for start in range(0, len(array) - DEPTH + 1, STRIDE)
        ]
        both.append(torch.from_numpy(np.stack(cut)[:, None]).float() / 255)
    return both[0], both[1]
