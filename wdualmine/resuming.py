"""What a training keeps in its folder until it is finished, and how it goes on from there."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel
from torch import Tensor, nn

from wdualmine.checkpoints import read_tensors, write_tensors
from wdualmine.errors import WdualmineError
from wdualmine.experiments import Experiment
from wdualmine.records import first_reason, load_run, write_json

CHECKPOINT = "checkpoint.safetensors"
#: What a finished training leaves beside run.json.
FILES = ("log.csv", "metrics.csv", "model.safetensors")
#: What tells one run from another, of a record, of started.json and of a checkpoint.
IDENTITY = ("kind", "experiment", "data")


@dataclass
class State:
    """What training changes: the network, the objective's heads, Adam, and the log so far."""

    model: Any  # a network of wdualmine.methods
    objective: Any  # what it is trained for
    optimizer: torch.optim.Adam
    log: list[dict[str, float]]
    sessions: list[dict[str, Any]]

    @property
    def modules(self) -> nn.ModuleDict:
        """The network and the objective, for names that are unique over both."""
        return nn.ModuleDict({"model": self.model, "objective": self.objective})


def refuse_other_files(output: Path) -> None:
    """Refuse a folder with files that training would replace and that no run of ours wrote."""
    if any((output / name).exists() for name in ("run.json", "started.json", CHECKPOINT)):
        return
    for name in FILES:
        if (output / name).exists():
            what = "is of no run, and training would replace it"
            raise WdualmineError(f"{output / name}: {what}; choose another folder")


def claim(output: Path, description: dict[str, Any]) -> bool:
    """Return whether the folder's run is finished; refuse a folder that holds another run, or half of one."""
    if (output / "run.json").exists():
        run = load_run(output)
        _check_same(output, run.info.model_dump(), description)
        remedy = "restore it, or delete the folder to train again"
        if altered := run.altered():
            what = "is missing or not the file that the run wrote"
            raise WdualmineError(f"{output / altered[0]}: {what}; {remedy}")
        read_tensors(output / "model.safetensors", remedy)
        return True
    if not (output / CHECKPOINT).exists():
        write_json(output / "started.json", description)
    return False


def _check_same(output: Path, before: dict[str, Any], description: dict[str, Any]) -> None:
    """Refuse a run of another identity than what is asked for."""
    for what in IDENTITY:
        known, asked = before.get(what), description[what]
        if what == "data":  # where the same files lie does not matter
            known, asked = isinstance(known, dict) and known.get("fingerprint"), asked["fingerprint"]
        if known != asked:
            remedy = "choose another folder, or delete this one to start over"
            raise WdualmineError(
                f"{output}: holds a run with {'other' if what == 'data' else 'another'} {what}; {remedy}"
            )


class _Progress(BaseModel, strict=True):
    """What a checkpoint says beside its tensors."""

    log: list[dict[str, float]]
    sessions: list[dict[str, Any]]


def write_checkpoint(path: Path, state: State, description: dict[str, Any]) -> None:
    """Write what :func:`restore` reads, whole or not at all."""
    tensors = dict(state.modules.state_dict())
    for name, parameter in state.modules.named_parameters():
        for key, value in state.optimizer.state[parameter].items():
            tensors[f"adam.{key}.{name}"] = value
    identity = {what: description[what] for what in IDENTITY}
    write_tensors(path, tensors, {**identity, "log": state.log, "sessions": state.sessions})


def restore(path: Path, state: State, experiment: Experiment, description: dict[str, Any]) -> None:
    """Resume from a checkpoint, if there is one, or raise a WdualmineError if it is not one of this run."""
    if not path.exists():
        return
    tensors, metadata = read_tensors(path, "delete it to start over")
    _check_same(path.parent, metadata, description)
    try:
        _Progress.model_validate(metadata)
        log = metadata["log"]
        if [row.get("epoch") for row in log] != list(range(1, len(log) + 1)):
            raise ValueError("log: does not count the epochs")
        if len(log) > experiment.schedule.epochs:
            raise ValueError(f"log: of {len(log)} epochs, where {experiment.schedule.epochs} are asked for")
        adam: dict[str, dict[str, Tensor]] = {}
        for full_name in [name for name in tensors if name.startswith("adam.")]:
            _, key, name = full_name.split(".", 2)
            adam.setdefault(name, {})[key] = tensors.pop(full_name)
        state.modules.load_state_dict(tensors)
        for name, parameter in state.modules.named_parameters():
            for key, value in adam.pop(name, {}).items():
                if value.shape != (() if key == "step" else parameter.shape):
                    raise ValueError(f"adam.{key}.{name}: of shape {tuple(value.shape)}")
                # Adam counts its steps on the CPU; its moments lie as the parameter does.
                state.optimizer.state[parameter][key] = (
                    value if key == "step" else torch.empty_like(parameter).copy_(value)
                )
        if adam:
            raise ValueError(f"adam: of {next(iter(adam))}, which the network does not have")
    except (ValueError, RuntimeError) as error:
        text = f"{path}: not a checkpoint of this run ({first_reason(error)}); delete it to start over"
        raise WdualmineError(text) from error
    state.log, state.sessions = log, metadata["sessions"]
