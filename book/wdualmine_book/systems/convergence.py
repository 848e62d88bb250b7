"""Training a system of others until its own validation loss no longer falls."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wdualmine.checkpoints import read_tensors, write_tensors
from wdualmine.data import Pair, find_data, volume_of
from wdualmine.experiments import Experiment, make_experiment
from wdualmine.methods import get_system
from wdualmine.records import Run, describe_run, load_run, lock_folder, now
from wdualmine.resuming import CHECKPOINT, State, claim, refuse_other_files, restore, write_checkpoint
from wdualmine.runtime import code_state, hardware, pick_device
from wdualmine.training import finish, initial_state, load_split, numerics, stack, train_epoch

#: Every so many volumes, one is held out of training; so many of its slices give the validation loss.
EVERY = 5
VALIDATION_PAIRS = 12
#: Epochs in which the validation loss has not fallen by the share GAIN: the rate falls, then training ends.
PATIENCE = 4
GAIN = 0.005
#: Learning rates as shares of the first, in turn.
RATES = (1.0, 0.1)
MOST_EPOCHS = 300
SCHEDULE: dict[str, Any] = {"batch_size": 8, "patch_size": 128, "epochs": MOST_EPOCHS}
BEST = "best.safetensors"


def train_to_convergence(
    method: str,
    task: str,
    output: str | Path,
    data: str | Path | None = None,
    threads: int | None = None,
    learning_rate: float = 1e-3,
    progress: bool = True,
    **schedule: int,
) -> Run:
    """Train a system on a task's training pairs until its own validation loss no longer falls.

    Of every :data:`EVERY` volumes one is kept for validation: its whole slices, under the system's own
    objective. When that loss has not fallen by a share of :data:`GAIN` for :data:`PATIENCE` epochs, the rate
    becomes a tenth; the second time, training ends, and the weights of the lowest loss are kept.

    Args:
        method: a system that is trained here.
        task: "ct-mri", "pet-mri" or "spect-mri".
        output: the run's folder; a training that was stopped goes on there.
        data: see :func:`~wdualmine.data.find_data`.
        threads: of torch.
        learning_rate: Adam's first.
        progress: show a bar and print a line per epoch.
        **schedule: fields of :class:`~wdualmine.experiments.Schedule` other than :data:`SCHEDULE`'s.

    Raises:
        WdualmineError: as :func:`wdualmine.training.train` does.
    """
    experiment = make_experiment(
        task, "paper", method=method, **SCHEDULE | {"learning_rate": learning_rate} | schedule
    )
    output, device, source = Path(output), pick_device("cpu"), find_data(data)
    refuse_other_files(output)
    code = f"{__name__}, {get_system(method).network.__module__}"
    say: Callable[[str], object] = print if progress else str
    with numerics(threads), lock_folder(output):
        description = describe_run("training", source, experiment.task, device, code)
        description["experiment"] = experiment.as_dict()
        training, validation = split(load_split(source, experiment, "train", task))
        description["convergence"] = {
            "patience": PATIENCE,
            "gain": GAIN,
            "rates": RATES,
            "training_pairs": len(training),
            "validation_pairs": len(validation),
        }
        if claim(output, description):
            return load_run(output)
        state = initial_state(experiment, device)
        restore(output / CHECKPOINT, state, experiment, description)
        session = {"started": now(), "from_epoch": len(state.log), "code": code_state(code)}
        state.sessions.append(session | {"hardware": hardware(device)})
        images = stack(training)
        while (rate := next_rate([row["validation"] for row in state.log])) and len(state.log) < MOST_EPOCHS:
            epoch = len(state.log)
            own = replace(experiment.schedule, learning_rate=rate * learning_rate)
            row = train_epoch(state, [images], replace(experiment, schedule=own), epoch, progress)
            row["validation"] = validate(state, validation, experiment)
            if row["validation"] < min((row["validation"] for row in state.log), default=float("inf")):
                write_tensors(output / BEST, state.model.state_dict(), {"epoch": epoch + 1})
            state.log.append(row)
            write_checkpoint(output / CHECKPOINT, state, description)
            say(
                f"{experiment.name} epoch {epoch + 1}: validation {row['validation']:.6f}, {row['seconds']} s"
            )
        tensors, _ = read_tensors(output / BEST)
        state.model.load_state_dict(tensors)
        run = finish(output, state, experiment, source, description)
        (output / BEST).unlink()
        return run


def split(pairs: Sequence[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Divide training pairs by volume into those to train on and those to validate on."""
    held_out = set(sorted({volume_of(pair.name) for pair in pairs}, key=int)[::EVERY])
    parts: tuple[list[Pair], list[Pair]] = ([], [])
    for pair in pairs:
        parts[volume_of(pair.name) in held_out].append(pair)
    return parts[0], parts[1][:: max(1, len(parts[1]) // VALIDATION_PAIRS)]


def next_rate(losses: Sequence[float]) -> float:
    """Say which share of the first rate the next epoch has, from the validation losses so far; 0 ends it."""
    best, since, step = float("inf"), 0, 0
    for loss in losses:
        since += 1
        if loss < best * (1 - GAIN):
            best, since = loss, 0
        elif since == PATIENCE:
            since, step = 0, step + 1
    return RATES[step] if step < len(RATES) else 0.0


@torch.no_grad()
def validate(state: State, pairs: Sequence[Pair], experiment: Experiment) -> float:
    """Return the mean of a system's own objective over whole pairs; what it draws is the same every time."""
    for layer in state.model.modules():  # some networks give what their objective asks for in training alone
        if isinstance(layer, nn.BatchNorm2d):
            layer.eval()
    generator = torch.Generator().manual_seed(experiment.seed)
    total = 0.0
    for pair in pairs:
        first, second = stack([pair])
        images: tuple[Tensor, ...] = state.objective.inputs(first, second, generator)
        total += float(state.objective([state.model(*images[:2])], *images)[0])
    state.model.train()
    return total / len(pairs)
