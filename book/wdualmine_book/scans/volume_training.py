"""Training of the light network in three dimensions, on the stacks of two folds in three.

It begins as the network of results/light of the same fold, which has seen none of the fold's volumes either,
and goes on with the loop of all trainings. ``python -m wdualmine_book.scans.volume_training FOLD FOLDER``
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from wdualmine.checkpoints import read_tensors, write_tensors
from wdualmine.data import find_data
from wdualmine.data.tasks import ALL, TASKS
from wdualmine.experiments import Experiment, make_experiment
from wdualmine.methods.registry import LIGHT_3D
from wdualmine.records import Run, describe_run, load_run, lock_folder, now, seal, write_csv, write_json
from wdualmine.resuming import CHECKPOINT, State, claim, restore, write_checkpoint
from wdualmine.runtime import code_state, hardware, pick_device
from wdualmine.training import initial_state, numerics, train_epoch
from wdualmine_book.records import results_folder
from wdualmine_book.scans.stacks import blocks, load_stacks

#: The kind of its record.
KIND = "volume-training"


def train_volumes(fold: int, output: Path, data: str | Path | None = None, **schedule: Any) -> Run:
    """Train for a fold; a folder with a checkpoint is resumed, a finished one returned.

    Args:
        fold: whose volumes are left out; there must be a light network of it.
        output: the record's folder.
        data: see :func:`~wdualmine.data.find_data`.
        schedule: fields of :class:`~wdualmine.experiments.Schedule` to change.
    """
    source, device = find_data(data), pick_device("cpu")
    experiment = make_experiment(ALL, "paper", f"fold-{fold}", method=LIGHT_3D.name, **schedule)
    description = describe_run(KIND, source, ALL, device, __name__)
    description["experiment"] = experiment.as_dict()
    with numerics(1), lock_folder(output):
        if claim(output, description):
            return load_run(output)
        state = begun(experiment)
        restore(output / CHECKPOINT, state, experiment, description)
        session = {"started": now(), "from_epoch": len(state.log), "code": code_state(__name__)}
        state.sessions.append(session | {"hardware": hardware(device)})
        images = [blocks(load_stacks(source, task, "train", fold)) for task in TASKS]
        for epoch in range(len(state.log), experiment.schedule.epochs):
            state.log.append(train_epoch(state, images, experiment, epoch, progress=False))
            write_checkpoint(output / CHECKPOINT, state, description)
            print(state.log[-1], flush=True)
        tensors = {name: tensor.half() for name, tensor in state.model.state_dict().items()}
        write_tensors(output / "model.safetensors", tensors, {"experiment": experiment.as_dict()})
        write_csv(output / "log.csv", pd.DataFrame(state.log))
        seconds = round(sum(row["seconds"] for row in state.log), 2)
        written = {
            "files": seal(output, ("log.csv", "model.safetensors")),
            "experiment_hash": experiment.hash,
            "parameters": sum(parameter.numel() for parameter in state.model.parameters()),
            "sessions": state.sessions,
            "finished": now(),
            "train_seconds": seconds,
            "evaluation_seconds": 0.0,
        }
        write_json(output / "run.json", description | written)
        (output / CHECKPOINT).unlink(missing_ok=True)
        (output / "started.json").unlink(missing_ok=True)
        return load_run(output)


def begun(experiment: Experiment) -> State:
    """Make what a training starts from: the light network of the same fold, and a fresh Adam."""
    state = initial_state(experiment, pick_device("cpu"))
    path = results_folder() / "light" / f"all-fold-{experiment.fold}-seed{experiment.seed}"
    tensors, _ = read_tensors(path / "model.safetensors")
    state.model.load_state_dict(inflated(tensors, state.model))
    return state


def inflated(tensors: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Return weights of a network in two dimensions as those of the same in three.

    A kernel becomes the middle slice of one that is 0 elsewhere, so that the light network begins as the one
    in two dimensions, slice by slice, and W-DUALMINE as it on volumes of equal slices (after J. Carreira and
    A. Zisserman, 2017, arXiv:1705.07750).
    """
    result = {}
    for name, parameter in network.state_dict().items():
        result[name] = tensors[name]
        if parameter.ndim > tensors[name].ndim:
            result[name] = torch.zeros_like(parameter)
            result[name][:, :, parameter.shape[2] // 2] = tensors[name]
    return result


if __name__ == "__main__":
    from wdualmine_book.scans import volume_training  # by its name: the record has a hash of its sources

    volume_training.train_volumes(int(sys.argv[1]), Path(sys.argv[2]))
