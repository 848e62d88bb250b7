"""One training loop for every task, preset and variant; stopped anywhere, it resumes to the same bits.

Order of the pairs, crops, flips and rotations are drawn from a generator seeded by (seed, epoch), so that
an epoch depends on nothing but the weights it starts from. After each epoch the weights, Adam's state and the
log are written as one file, whole or not at all.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from wdualmine.checkpoints import write_tensors
from wdualmine.data import DataSource, Pair, Task, find_data, load_fold, load_pairs, tasks_of
from wdualmine.data.source import DATA_VARIABLE
from wdualmine.errors import WdualmineError
from wdualmine.evaluation import Candidate, evaluate
from wdualmine.experiments import FOLDS, Experiment, Schedule
from wdualmine.fusion import luma_tensor
from wdualmine.methods import fuse_with, get_system
from wdualmine.methods.system import Network, each
from wdualmine.model import LAYOUTS, in_fastest_layout
from wdualmine.progress import task_bar
from wdualmine.records import (
    Run,
    describe_run,
    load_run,
    lock_folder,
    now,
    seal,
    summarize,
    write_csv,
    write_json,
)
from wdualmine.resuming import CHECKPOINT, FILES, State, claim, refuse_other_files, restore, write_checkpoint
from wdualmine.runtime import code_state, hardware, pick_device

UNTRAINED = "untrained"  # the network with its first weights, scored beside the trained one
MOST_THREADS = 1024
PIXELS_AT_ONCE = 256 * 256  # of a piece on a CPU: larger ones are slower (benchmarks/training.py)


def train(
    experiment: Experiment,
    output: str | Path,
    data: str | Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    progress: bool = True,
) -> Run:
    """Train a network, score it on the test pairs and leave a run folder.

    A folder with a checkpoint of the same experiment and data is resumed; a finished one is returned as it
    is. On one machine, with one number of threads, the weights do not depend on interruptions, to the bit.

    Args:
        experiment: what to train (:func:`~wdualmine.experiments.make_experiment`).
        output: the run's folder.
        data: a folder or "phantom"; None looks where :func:`~wdualmine.data.find_data` says.
        device: see :func:`~wdualmine.runtime.pick_device`.
        threads: CPU threads for torch; None leaves its setting.
        progress: show a bar on a terminal and print a line per epoch.

    Raises:
        WdualmineError: there is no such number of threads, the folder holds another run or one that is not
            whole, another process writes to it, the data cannot be read, a pair is smaller than the patch or
            of another size, or the loss is no longer finite.
    """
    if not isinstance(experiment, Experiment):
        raise WdualmineError(f"experiment {experiment!r}: give what wdualmine.make_experiment makes")
    output = Path(output)
    torch_device = pick_device(device)
    source = find_data(data)
    if getattr(experiment.model, "dimensions", 2) == 3:
        raise WdualmineError(f"{experiment.method}: is trained on volumes; train w-dualmine or light")
    refuse_other_files(output)
    with numerics(threads), lock_folder(output):
        code = f"wdualmine.training, {get_system(experiment.method).network.__module__}"
        description = describe_run("training", source, experiment.task, torch_device, code)
        description["experiment"] = experiment.as_dict()
        say: Callable[[str], object] = print if progress else str
        if claim(output, description):
            say(f"{experiment.name} was finished before, nothing to do: {output}")
            return load_run(output)
        say(f"{experiment.name} on {source.describe()}, {torch_device}")
        state = initial_state(experiment, torch_device)
        restore(output / CHECKPOINT, state, experiment, description)
        session = {
            "started": now(),
            "from_epoch": len(state.log),
            "code": code_state(code),
            "hardware": hardware(torch_device),
        }
        state.sessions.append(session)
        images = []
        for task in tasks_of(experiment.task):
            first, second = stack(load_split(source, experiment, "train", task))
            images.append((first.to(torch_device), second.to(torch_device)))
        for epoch in range(len(state.log), experiment.schedule.epochs):
            row = train_epoch(state, images, experiment, epoch, progress)
            state.log.append(row)
            write_checkpoint(output / CHECKPOINT, state, description)
            say(
                f"{experiment.name} epoch {epoch + 1}/{experiment.schedule.epochs}: "
                f"loss {row['total']:.4f}, {row['seconds']:.1f} s"
            )
        return finish(output, state, experiment, source, description)


def check_same_data(run: Run, data: str | Path | None = None) -> None:
    """Compare the data found here with a run's.

    Raises:
        WdualmineError: it differs.
    """
    source = find_data(data)
    known = run.info.data
    if source.fingerprint(run.info.task) != known.fingerprint:
        raise WdualmineError(
            f"{run.folder}: was computed on {known.name} ({known.fingerprint[:10]}), but here is "
            f"{source.describe()}; name its data with --data or {DATA_VARIABLE}"
        )


def load_split(source: DataSource, experiment: Experiment, split: str, task: str | Task) -> list[Pair]:
    """Read the pairs of a task that an experiment is trained on ("train") or scored on ("test")."""
    limit = getattr(experiment.schedule, f"{split}_pairs")
    if experiment.fold is None:
        return load_pairs(task, split, limit, data=source)
    return load_fold(source, task, split, experiment.fold, FOLDS)[:limit]


def stack(pairs: Sequence[Pair]) -> tuple[Tensor, Tensor]:
    """Put the lumas of all pairs into two tensors (N, 1, H, W) in [0, 1].

    Raises:
        WdualmineError: a pair has another size than the first.
    """
    shape = pairs[0].luma_a.shape
    for pair in pairs:
        if pair.luma_a.shape != shape:
            raise WdualmineError(
                f"training pair {pair.name} is {pair.luma_a.shape[0]} x {pair.luma_a.shape[1]}, "
                f"the first one {shape[0]} x {shape[1]}; bring all to one size"
            )
    return (
        torch.cat([luma_tensor(pair.luma_a) for pair in pairs]),
        torch.cat([luma_tensor(pair.luma_b) for pair in pairs]),
    )


def augment(
    first: Tensor, second: Tensor, patch_size: int | None, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Crop, flip and rotate each pair of a batch at random, both images alike (Section 5.1.2).

    Rotations are by multiples of 90 degrees, which resample nothing (choice; the paper says "rotation"); an
    image that is not square is rotated by 0 or 180.

    Args:
        first: (N, 1, H, W), or blocks (N, 1, D, H, W), whose slices are turned over at random, too.
        second: the same shape.
        patch_size: side of the crop; None takes the whole image.
        generator: on the CPU.
    """
    both = torch.cat((first, second), dim=1)
    height, width = both.shape[-2:]
    rows, columns = (patch_size, patch_size) if patch_size else (height, width)
    patches = []
    for image in both:
        top = int(torch.randint(height - rows + 1, (), generator=generator))
        left = int(torch.randint(width - columns + 1, (), generator=generator))
        turns, flip = (int(value) for value in torch.randint(4, (2,), generator=generator))
        patch = image[..., top : top + rows, left : left + columns]
        patch = torch.rot90(patch, turns if rows == columns else turns // 2 * 2, dims=(-2, -1))
        if flip % 2:
            patch = patch.flip(-1)
        if flip // 2:
            patch = patch.flip(-2)
        if patch.ndim == 4 and torch.randint(2, (), generator=generator):
            patch = patch.flip(-3)
        patches.append(patch)
    return torch.stack(patches).split(1, dim=1)


def fuse_in_pieces(model: nn.Module, first: Tensor, second: Tensor) -> list[Any]:
    """Fuse a batch, two of (N, 1, H, W): on a CPU in pieces whose feature maps stay in the cache.

    Autograd goes back piece by piece, too, from the last to the first.
    """
    count = len(first)
    if first.device.type == "cpu":
        count = max(1, PIXELS_AT_ONCE // first[0].numel())
    return [model(a, b) for a, b in zip(first.split(count), second.split(count), strict=True)]


def initial_state(experiment: Experiment, device: torch.device) -> State:
    """Make what a run starts from: the weights that the experiment's seed draws, and a fresh Adam."""
    with torch.random.fork_rng():
        torch.manual_seed(experiment.seed)
        model = get_system(experiment.method).network(experiment.model)
        if isinstance(model, Network):
            model.prepare()
        objective = make_objective(experiment)
    model = in_fastest_layout(model.to(device))
    objective.to(device)
    parameters = [*model.parameters(), *objective.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=experiment.schedule.learning_rate)
    return State(model, objective, optimizer, [], [])


def make_objective(experiment: Experiment) -> nn.Module:
    """Make what an experiment trains for, from its weights of the terms."""
    make = get_system(experiment.method).objective
    assert make is not None  # make_experiment sees to it
    return make(experiment.model, experiment.loss)


def learning_rate(schedule: Schedule, progress: float) -> float:
    """Return Adam's learning rate when a share of all steps, 0 to 1, is done.

    With one cycle it rises linearly from a tenth over the first tenth of the steps, then falls to 0 along
    half a period of the cosine.
    """
    if not schedule.one_cycle:
        return schedule.learning_rate
    if progress < 0.1:
        return schedule.learning_rate * (0.1 + 9 * progress)
    return schedule.learning_rate * (1 + math.cos(math.pi * (progress - 0.1) / 0.9)) / 2


def train_epoch(
    state: State,
    images: Sequence[tuple[Tensor, Tensor]],
    experiment: Experiment,
    epoch: int,
    progress: bool,
) -> dict[str, float]:
    """Train one epoch in place; of several tasks, batches of each in turn and as many pairs of each.

    Args:
        state: what training changes.
        images: I_1 and I_2 of all training pairs of a task, (N, 1, H, W), on the network's device; one entry
            a task.
        experiment: schedule and seed.
        epoch: its number, from 0; with the seed it determines order and augmentation.
        progress: show a bar on a terminal.

    Returns:
        A row of the log: means over the pairs of the total loss, its terms and, of W-DUALMINE, the residual;
        the learning rate and the seconds.

    Raises:
        WdualmineError: the pairs do not fit the schedule or the network, or the loss is no longer finite.
    """
    schedule = experiment.schedule
    for first, _ in images:
        _check_size(first, schedule, state.model)
    generator = torch.Generator().manual_seed(experiment.seed * 1_000_003 + epoch)
    orders = [torch.randperm(len(first), generator=generator) for first, _ in images]
    count = min(map(len, orders)) * len(orders)
    count = max(min(count, schedule.epoch_pairs or count), len(orders))
    orders = [order[: count // len(orders)].split(schedule.batch_size) for order in orders]
    batches = [
        (*both, batch) for turn in zip(*orders, strict=True) for both, batch in zip(images, turn, strict=True)
    ]
    sums: dict[str, Tensor] = {}
    started = time.perf_counter()
    with task_bar(f"{experiment.name} epoch {epoch + 1}", len(batches), progress) as advance:
        for step, (first, second, batch) in enumerate(batches):
            rate = learning_rate(schedule, (epoch + step / len(batches)) / schedule.epochs)
            for group in state.optimizer.param_groups:
                group["lr"] = rate
            a, b = augment(first[batch], second[batch], schedule.patch_size, generator)
            a, b, *targets = (
                image.contiguous(memory_format=LAYOUTS[image.ndim - 2])
                for image in state.objective.inputs(a, b, generator)
            )
            state.optimizer.zero_grad(set_to_none=True)
            pieces = fuse_in_pieces(state.model, a, b)
            total, terms = state.objective(pieces, a, b, *targets)
            total.backward()
            state.optimizer.step()
            logged = {"total": total, **terms}
            if hasattr(pieces[0], "residual"):
                logged["residual"] = torch.cat([piece.residual for piece in pieces]).abs().mean()
            for name, value in logged.items():
                sums[name] = sums.get(name, 0) + value.detach() * len(batch)
            advance()
    pairs = sum(len(batch) for *_, batch in batches)
    means = {name: float(value) / pairs for name, value in sums.items()}
    if not all(map(math.isfinite, means.values())):
        raise WdualmineError(
            f"the loss is no longer finite in epoch {epoch + 1} ({means['total']}); lower the learning rate "
            f"{schedule.learning_rate:g}; the checkpoint of the epoch before is kept"
        )
    return {
        "epoch": epoch + 1,
        **means,
        "learning_rate": rate,
        "seconds": round(time.perf_counter() - started, 3),
    }


def _check_size(images: Tensor, schedule: Schedule, model: Any) -> None:
    height, width = images.shape[-2:]
    if schedule.patch_size and min(height, width) < schedule.patch_size:
        raise WdualmineError(f"patch size {schedule.patch_size}: larger than the {height} x {width} images")
    sides = (schedule.patch_size,) if schedule.patch_size else (height, width)
    multiple = each(model.multiple, 2)[-1]
    if any(side % multiple for side in sides):
        raise WdualmineError(
            f"training on sides of {' x '.join(map(str, sides))}: the network needs multiples of "
            f"{multiple}; set a patch size that is one"
        )


def finish(
    output: Path, state: State, experiment: Experiment, source: DataSource, description: dict[str, Any]
) -> Run:
    """Score a trained network and an untrained one and write the record; run.json last, as the seal."""
    device = next(state.model.parameters()).device
    untrained = initial_state(experiment, device).model.eval().requires_grad_(False)
    trained = state.model.eval().requires_grad_(False)
    tensors = trained.state_dict()
    if get_system(experiment.method).half_precision:
        tensors = {name: tensor.half() for name, tensor in tensors.items()}
        trained.load_state_dict(tensors)  # what is scored is what is kept
    candidates = [
        Candidate(experiment.method, fuse_with(trained), seed=experiment.seed),
        Candidate(UNTRAINED, fuse_with(untrained), seed=experiment.seed),
    ]
    # A GPU convolves with 10 bits of mantissa by torch's default: good enough to train, not to score.
    torch.backends.cudnn.allow_tf32 = False
    started = time.perf_counter()
    frame = pd.concat(
        [
            evaluate(candidates, load_split(source, experiment, "test", task), task.key)
            for task in tasks_of(experiment.task)
        ],
        ignore_index=True,
    )
    write_tensors(output / "model.safetensors", tensors, {"experiment": experiment.as_dict()})
    write_csv(output / "log.csv", pd.DataFrame(state.log))
    write_csv(output / "metrics.csv", frame)
    write_json(
        output / "run.json",
        description
        | {
            "files": seal(output, FILES),
            "experiment_hash": experiment.hash,
            "parameters": sum(parameter.numel() for parameter in trained.parameters()),
            "sessions": state.sessions,
            "finished": now(),
            "train_seconds": round(sum(row["seconds"] for row in state.log), 2),
            "evaluation_seconds": round(time.perf_counter() - started, 2),
            "results": summarize(frame),
        },
    )
    (output / CHECKPOINT).unlink(missing_ok=True)
    (output / "started.json").unlink(missing_ok=True)
    return load_run(output)


@contextmanager
def numerics(threads: int | None) -> Iterator[None]:
    """Compute deterministically, with a given number of threads, and leave torch as it was.

    Raises:
        WdualmineError: the number is not from 1 to :data:`MOST_THREADS`.
    """
    if threads is not None and not (isinstance(threads, int) and 1 <= threads <= MOST_THREADS):
        raise WdualmineError(f"threads {threads}: give a number from 1 to {MOST_THREADS}")
    threads_before = torch.get_num_threads()
    cudnn = torch.backends.cudnn
    flags = cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32
    if threads is not None:
        torch.set_num_threads(threads)
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        torch.set_num_threads(threads_before)
        cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32 = flags
