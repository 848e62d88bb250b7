"""Training of the spatial transformer: pairs moved by random moves that are known, alone or with fusion.

The published alignment is the truth; nothing is labeled. Both images of a pair are turned, scaled and
mirrored alike and each changed in brightness, the MRI is moved, and the network is asked for the move: by the
cross entropy of what it tries, and by the distance of each cell to where it belongs after every step.
"""

import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wdualmine.checkpoints import write_tensors
from wdualmine.data import TASKS, DataSource, Pair, find_data, load_fold, load_pairs, volume_of
from wdualmine.experiments import FOLDS
from wdualmine.methods import LIGHT, load_network
from wdualmine.records import write_csv
from wdualmine.recovery.objective import source_correlation_loss
from wdualmine.recovery.signals import HEAD_LEVEL
from wdualmine_book.records import results_folder
from wdualmine_book.scans.learned import load_transformer
from wdualmine_book.scans.stn import (
    CELL,
    SEARCHES,
    SIDE,
    Registered,
    Search,
    SpatialTransformer,
    apply,
    chain,
    fit,
    grid,
    sample,
)  # fmt: skip

#: What a move of training is at most: a shift along either axis, a turn in degrees, a mean length of a field.
LARGEST = (30.0, 12.0, 6.0)

#: Standard deviation of a true place, in steps of a search.
SPREAD = 0.6


@dataclass(frozen=True)
class Schedule:
    """How long a network is trained, with Adam and one cycle of the learning rate."""

    steps: int = 600
    batch_size: int = 8
    learning_rate: float = 3e-3
    seed: int = 0


@dataclass(frozen=True)
class Batch:
    """Moved pairs: images (N, 1, 256, 256), where each cell belongs (N, C, 2), and the cells of the head."""

    fixed: Tensor
    moving: Tensor
    aligned: Tensor
    truth: Tensor
    head: Tensor


def training_pairs(source: DataSource, fold: int | None) -> dict[str, list[Pair]]:
    """Return the training pairs of each task; those of a fold show no patient that it holds out in any task.

    Some MRIs are in two tasks under one volume number.
    """
    if fold is None:
        return {task: load_pairs(task, "train", data=source) for task in TASKS}
    test = [pair for task in TASKS for pair in load_fold(source, task, "test", fold, FOLDS)]
    held = {volume_of(pair.name) for pair in test}
    same = held & shared_volumes(source)
    pairs = {task: load_fold(source, task, "train", fold, FOLDS) for task in TASKS}
    return {task: [p for p in own if volume_of(p.name) not in same] for task, own in pairs.items()}


def shared_volumes(source: DataSource) -> set[str]:
    """Return the numbers of volumes of which two tasks show one and the same MRI."""
    seen: dict[bytes, str] = {}
    found = set()
    for task in TASKS:
        for pair in load_pairs(task, "train", data=source) + load_pairs(task, "test", data=source):
            if seen.setdefault(pair.image_b.tobytes(), task) != task:
                found.add(volume_of(pair.name))
    return found


class Batches:
    """Draws moved pairs, as many of each task, rigidly moved ones and bent ones in turn."""

    def __init__(self, pairs: dict[str, list[Pair]], seed: int, size: int) -> None:
        self.random = torch.Generator().manual_seed(seed)
        self.size = size
        self.images = [
            torch.from_numpy(np.stack([np.stack((pair.luma_a, pair.luma_b)) for pair in own]))
            for own in pairs.values()
        ]

    def draw(self, bent: bool) -> Batch:
        """Draw a batch."""
        count, uniform = self.size, self.uniform
        tasks = torch.randint(len(self.images), (count,), generator=self.random).tolist()
        chosen = [self.images[t][self.integer(len(self.images[t]))] for t in tasks]
        both = torch.stack(chosen).float() / 255
        pixels = grid(SIDE, 1, both)
        kept = (torch.rand(count, generator=self.random) > 0.15).float()  # the others stay where they lay
        pose = affine(
            kept * uniform(-15, 15), 1 + kept * uniform(-0.12, 0.12), kept[:, None] * uniform(-8, 8, 2),
            1 - 2 * (uniform(0, 1) < 0.5).float(),
        )  # fmt: skip
        share = uniform(0, 1) * (uniform(0, 1) > 0.1)
        turn = affine(share * uniform(-LARGEST[1], LARGEST[1]), 1 + 0 * share,
                      share[:, None] * uniform(-LARGEST[0], LARGEST[0], 2), 1 + 0 * share)  # fmt: skip
        bend = Bend(uniform(0, LARGEST[2]) * float(bent), self.random)
        moved = apply(pose, apply(turn, pixels + bend(pixels.expand(count, -1, -1))))
        still = apply(pose, pixels)
        fixed, aligned = sample(both, still.unflatten(1, (SIDE, SIDE))).split(1, dim=1)
        moving = sample(both[:, 1:], moved.unflatten(1, (SIDE, SIDE)))
        head = F.avg_pool2d((torch.maximum(fixed, aligned) > HEAD_LEVEL / 255).float(), CELL).flatten(1) > 0.5
        target = apply(inverse(turn), grid(SIDE // CELL, CELL, both)).expand(count, -1, -1)
        truth = target
        for _ in range(8):
            truth = target - bend(truth)
        one, other = self.look(count), self.look(count)
        return Batch(one(fixed), other(moving), other(aligned), truth, head.float())

    def uniform(self, low: float, high: float, *more: int) -> Tensor:
        """Draw so many numbers a pair."""
        return low + (high - low) * torch.rand(self.size, *more, generator=self.random)

    def integer(self, count: int) -> int:
        """Draw a number below a count."""
        return int(torch.randint(count, (), generator=self.random))

    def look(self, count: int) -> Callable[[Tensor], Tensor]:
        """Return a change of brightness and contrast, one for each of so many images."""
        gamma = torch.exp(0.25 * torch.randn(count, 1, 1, 1, generator=self.random))
        gain = self.uniform(0.75, 1.15, 1, 1, 1)
        return lambda image: (image.clamp(min=1e-4) ** gamma * gain).clamp(0, 1) * (image > 1e-4)


class Bend:
    """A random smooth shift of given mean lengths, from a coarse grid of random shifts."""

    def __init__(self, length: Tensor, random: torch.Generator) -> None:
        nodes = int(torch.randint(7, 15, (), generator=random))  # over the frame and half of it beyond
        shift = torch.randn(len(length), 2, nodes, nodes, generator=random)
        fine = F.interpolate(shift, size=(96, 96), mode="bicubic", align_corners=True)
        self.shift = fine * (length / fine.norm(dim=1).mean(dim=(1, 2)))[:, None, None, None]

    def __call__(self, points: Tensor) -> Tensor:
        """Return the shift at points (N, C, 2)."""
        at = ((2 * points + 1) / SIDE - 1) / 1.5
        found = F.grid_sample(self.shift, at.unsqueeze(1), padding_mode="border", align_corners=True)
        return found[:, :, 0].transpose(1, 2)


def affine(degrees: Tensor, scale: Tensor, shift: Tensor, mirror: Tensor) -> Tensor:
    """Return transforms (N, 2, 3) about the frame's center."""
    angle = degrees * math.pi / 180
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    linear = torch.stack((cosine * mirror, -sine, sine * mirror, cosine), dim=1).unflatten(1, (2, 2))
    center = torch.full((2, 1), (SIDE - 1) / 2)
    return torch.cat((linear, center + shift.unsqueeze(2) - linear @ center), dim=2)


def inverse(matrix: Tensor) -> Tensor:
    """Return the inverse transforms (N, 2, 3)."""
    linear = torch.linalg.inv(matrix[..., :2])
    return torch.cat((linear, -linear @ matrix[..., 2:]), dim=2)


def search_loss(logits: Tensor, matrix: Tensor, right: Tensor, search: Search) -> Tensor:
    """Cross entropy of a search, the truth shared by the places around; what is out of reach does not count.

    Args:
        logits: of the search, (N, turns, shifts, shifts).
        matrix: where it began, (N, 2, 3).
        right: the true transforms.
        search: its steps.
    """
    left = chain(inverse(matrix), right)
    degrees = torch.atan2(left[:, 1, 0], left[:, 0, 0]) * 180 / math.pi
    center = torch.full((2, 1), (SIDE - 1) / 2)
    shift = (left[:, :, :2].transpose(1, 2) @ (left[:, :, :2] @ center + left[:, :, 2:] - center)).squeeze(2)
    place = torch.stack(
        (degrees / search.degrees, shift[:, 1] / search.cell, shift[:, 0] / search.cell), dim=1
    )
    share = torch.ones_like(logits)
    reach = torch.tensor([search.turns, search.shifts, search.shifts])
    for axis, steps in enumerate(reach.tolist()):
        distance = torch.arange(-steps, steps + 1) - place[:, axis, None]
        size = [len(logits), 1, 1, 1]
        size[axis + 1] = 2 * steps + 1
        share = share * torch.exp(-(distance**2) / (2 * SPREAD**2)).reshape(size)
    share = (share / share.sum(dim=(1, 2, 3), keepdim=True).clamp(min=1e-9)).flatten(1)
    inside = (place.abs() <= reach).all(dim=1).float()
    entropy = -(share * logits.flatten(1).log_softmax(dim=1)).sum(dim=1)
    return (entropy * inside).sum() / inside.sum().clamp(min=1)


def point_losses(answer: Registered, truth: Tensor, head: Tensor) -> list[Tensor]:
    """Mean distance to where the head's cells belong, in cells, after each step."""
    return [
        (((field - truth).square().sum(dim=2) + 0.01).sqrt() * head).sum() / head.sum() / CELL
        for field in answer.fields
    ]


def fusion_loss(light: nn.Module, batch: Batch, answer: Registered) -> Tensor:
    """Return what fusing the registered pair loses: correlation with the sources where they lay, distance.

    The distance, mean and absolute, is to the fused image of the aligned pair.
    """
    fused = light(batch.fixed, sample(batch.moving, answer.field)).unclipped
    with torch.no_grad():
        aim = light(batch.fixed, batch.aligned).fused
    return source_correlation_loss(fused, batch.fixed, batch.aligned) + 4 * (fused - aim).abs().mean()


def train(
    pairs: dict[str, list[Pair]],
    schedule: Schedule,
    network: SpatialTransformer | None = None,
    light: nn.Module | None = None,
) -> Iterator[tuple[SpatialTransformer, dict[str, float]]]:
    """Train a network, a new one or the given, and yield it with its losses after each step.

    Every other batch is bent. With a frozen network that fuses, the fusion loss joins the others.
    """
    torch.manual_seed(schedule.seed)
    network = network or SpatialTransformer()
    network = network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    batches = Batches(pairs, schedule.seed, schedule.batch_size)
    optimizer = torch.optim.AdamW(network.parameters(), lr=schedule.learning_rate, weight_decay=1e-3)
    rate = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, schedule.learning_rate, total_steps=schedule.steps, pct_start=0.15
    )
    for step in range(schedule.steps):
        bent = step % 2 == 1
        kind = "deformable" if bent else "affine" if step % 8 == 6 else "rigid"
        batch = batches.draw(bent)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            answer = network(batch.fixed, batch.moving, kind)
            fusion = fusion_loss(light, batch, answer) if light else torch.zeros(())
        right = fit(grid(SIDE // CELL, CELL, batch.head), batch.truth, batch.head)
        searched = [
            search_loss(logits, matrix, right, search)
            for logits, matrix, search in zip(answer.logits, answer.matrices, SEARCHES, strict=True)
        ]
        points = point_losses(answer, batch.truth, batch.head)
        loss = sum(searched) + sum(points) + 10 * fusion
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimizer.step()
        rate.step()
        pixels = {f"pixels_{number}": CELL * float(x.detach()) for number, x in enumerate(points)}
        losses = {f"search_{n}": float(x.detach()) for n, x in enumerate(searched)} | {
            "fusion": float(fusion.detach())
        }
        yield network, {"step": step, "bent": float(bent), **losses, **pixels}


#: The stages of a training: what each begins with, and its schedule; the last with and without fusion.
STAGES = {
    "first": (None, Schedule()),
    "stn": ("first", Schedule(steps=80, learning_rate=5e-4, seed=1)),
    "joint": ("first", Schedule(steps=80, learning_rate=5e-4, seed=1)),
}


def train_stages(output: Path, fold: int | None = None, data: str | Path | None = None) -> None:
    """Train all stages and write each as a safetensors file with its log; those that are there are kept.

    Args:
        output: a folder.
        fold: the volumes to hold out, see :func:`training_pairs`; its light network fuses for "joint".
        data: see :func:`~wdualmine.data.find_data`.
    """
    source = find_data(data)
    pairs = training_pairs(source, fold)
    which = "seed0" if fold is None else f"fold-{fold}-seed0"
    light = load_network(LIGHT, results_folder() / "light" / f"all-{which}")
    torch.set_num_threads(1)
    for stage, (before, schedule) in STAGES.items():
        path = output / f"{stage}.safetensors"
        if path.is_file():
            continue
        start = (
            None
            if before is None
            else load_transformer(output / f"{before}.safetensors").requires_grad_(True)
        )
        began, rows = time.process_time(), []
        made = {"schedule": asdict(schedule), "fold": fold, "stage": stage}
        for network, losses in train(pairs, schedule, start, light if stage == "joint" else None):
            rows.append(losses)
            if len(rows) % 100 and len(rows) < schedule.steps:
                continue
            write_csv(path.with_suffix(".csv"), pd.DataFrame(rows).round(4))
            made |= {"transformer": asdict(network.config), "seconds": round(time.process_time() - began)}
            whole = path if len(rows) == schedule.steps else output / "unfinished.safetensors"
            write_tensors(whole, {name: tensor.half() for name, tensor in network.state_dict().items()}, made)


if __name__ == "__main__":
    folder, *number = sys.argv[1:]
    train_stages(Path(folder), int(number[0]) if number else None)
