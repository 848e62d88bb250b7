"""Weights as they come from outside: right ones load, any others end in one line and take no memory."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from wdualmine.checkpoints import read_shapes, read_tensors, write_tensors
from wdualmine.data import TASKS
from wdualmine.errors import WdualmineError
from wdualmine.methods import get_method, load_model, load_network
from wdualmine.model import ModelConfig, WDualMine
from wdualmine.records import Run


def weights(path: Path, run: Run, **model: Any) -> Path:
    """Copy a run's weights under metadata that declares another network."""
    tensors, metadata = read_tensors(run.folder / "model.safetensors")
    metadata["experiment"]["model"] |= model
    write_tensors(path, tensors, metadata)
    return path


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("widths", value)
        for value in (None, 8, "8,8,16,16", [], [8, 8, 16], [8, 8, 16, 0], [8, 8, 16, -1], [8, 8, 16.5, 16],
                      ["8", "8", "16", "16"], [[8]], {}, [8, 8, 16, 6000], [8, 8, 16, 10**12], [8] * 5000)
    ]
    + [("residual_scale", value) for value in (None, "0.5", [0.5], {}, float("nan"), float("inf"))]
    + [("spatial_expert", value) for value in (None, 0, "yes", [], False)]
    + [("mixer", True)],
)  # fmt: skip
def test_a_network_that_the_metadata_does_not_describe_is_refused(
    tmp_path: Path, smoke_run: Run, name: str, value: Any
) -> None:
    path = weights(tmp_path / "odd.safetensors", smoke_run, **{name: value})
    with pytest.raises(WdualmineError, match=r"odd\.safetensors: not weights of this network \(") as caught:
        load_model(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "metadata", [{}, {"experiment": 3}, {"experiment": []}, {"experiment": {"model": []}}]
)
def test_metadata_without_a_network_is_refused(tmp_path: Path, smoke_run: Run, metadata: dict) -> None:
    tensors, _ = read_tensors(smoke_run.folder / "model.safetensors")
    write_tensors(tmp_path / "odd.safetensors", tensors, metadata)
    with pytest.raises(WdualmineError, match=r"odd\.safetensors: not weights of this network"):
        load_model(tmp_path / "odd.safetensors")


def test_shapes_are_compared_before_a_network_is_built(
    tmp_path: Path, smoke_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = weights(tmp_path / "wide.safetensors", smoke_run, widths=[8, 8, 16, 6000])
    built = []
    forward = WDualMine.__init__

    def watched(self: WDualMine, config: ModelConfig) -> None:
        forward(self, config)
        built.append({parameter.device.type for parameter in self.parameters()})

    monkeypatch.setattr(WDualMine, "__init__", watched)
    with pytest.raises(WdualmineError, match="is declared"):
        load_model(path)
    assert built == [{"meta"}]


@pytest.mark.parametrize("source", [None, 3, ["ct-mri"], b"ct-mri"])
def test_what_names_no_weights_is_named(source: Any) -> None:
    with pytest.raises(WdualmineError, match=r"^weights .*: give a task \(ct-mri"):
        load_model(source)


@pytest.mark.parametrize("device", ["cuda:99", "abacus", "meta", torch.device("cuda", 99), None])
def test_a_device_that_is_not_there_is_named(device: Any) -> None:
    with pytest.raises(WdualmineError, match=f"device {device}: does not run here"):
        load_model("ct-mri", device=device)


def test_the_package_weights_have_the_metadata_that_is_asked_for(root: Path) -> None:
    for path in sorted((root / "wdualmine" / "weights").glob("*.safetensors")):
        method = get_method(read_shapes(path)[1]["experiment"].get("method", "w-dualmine"))
        assert json.dumps(load_network(method, path).config.as_dict())
        assert path in map(method.weights, (*TASKS, "all"))


@pytest.mark.parametrize("values", [{"widths": (0,)}, {"widths": "ab"}, {"residual_scale": "x"}])
def test_a_configuration_checks_its_own_values(values: dict) -> None:
    with pytest.raises(WdualmineError, match=next(iter(values))):
        ModelConfig(**values)
