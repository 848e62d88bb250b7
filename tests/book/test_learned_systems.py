"""What holds for every learned system: it trains, it fuses anything, its weights are its own."""

from dataclasses import dataclass, replace
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from torch import Tensor

from wdualmine import fuse_with
from wdualmine.checkpoints import write_tensors
from wdualmine.errors import WdualmineError
from wdualmine.experiments import PRESETS, Experiment, make_experiment
from wdualmine.fusion import fuse_images
from wdualmine.methods import Method, get_method, get_system, load_fuse, load_model, load_network
from wdualmine.methods.system import Fused, Network, NetworkConfig, System
from wdualmine.training import initial_state, train
from wdualmine_book.systems.objective import SystemObjective, TermWeights
from wdualmine_book.systems.retrained import SYSTEMS
from wdualmine_book.systems.sdnet import laplacian, sharper

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted({method.system.name for method in SYSTEMS if method.system})


def small(name: str) -> torch.nn.Module:
    """A system's network at the size of the smoke preset, with weights of seed 0."""
    return initial_state(make_experiment("ct-mri", "smoke", method=name), torch.device("cpu")).model


@pytest.mark.parametrize("name", NAMES)
def test_the_smoke_preset_trains_it_and_its_weights_fuse(
    name: str, tmp_path: Path, rng: np.random.Generator
) -> None:
    experiment = make_experiment("ct-mri", "smoke", method=name)
    assert Experiment.from_dict(experiment.as_dict()) == experiment
    assert experiment.name == f"ct-mri-smoke-{name}-seed0"
    run = train(experiment, tmp_path / "run", "phantom", "cpu", 1, progress=False)
    assert set(run.metrics["method"]) == {name, "untrained"}
    weights = experiment.as_dict()["loss"]
    total = sum(weights[term] * run.log[term] for term in weights)
    np.testing.assert_allclose(run.log["total"], total, rtol=1e-4)
    color, grey = (
        rng.integers(0, 256, (37, 50, 3)).astype(np.uint8),
        rng.integers(0, 256, (37, 50)).astype(np.uint8),
    )
    fuse = load_fuse(get_method(name), run.folder)
    fused = fuse_images(color, grey, fuse)
    assert (fused.shape, fused.dtype) == (color.shape, color.dtype)
    untrained = fuse_images(color, grey, fuse_with(small(name).eval()))
    assert not np.array_equal(fused, untrained)
    with pytest.raises(WdualmineError, match=f"holds a network of {name}; give --method {name}"):
        load_model(run.folder)


@pytest.mark.parametrize("shape", [(1, 1), (17, 33), (40, 7)])
@pytest.mark.parametrize("name", NAMES)
def test_any_size_comes_back(name: str, shape: tuple[int, int], rng: np.random.Generator) -> None:
    images = [torch.from_numpy(rng.random((1, 1, *shape))).float() for _ in "ab"]
    with torch.inference_mode():
        fused = fuse_with(small(name).eval())(*images)
    assert fused.shape == (1, 1, *shape)
    assert 0 <= fused.min() <= fused.max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_both_images_reach_the_result_and_a_pair_does_not_depend_on_its_batch(
    name: str, rng: np.random.Generator
) -> None:
    network = small(name).eval()
    a, b, other = (torch.from_numpy(rng.random((2, 1, 32, 32))).float() for _ in "abc")
    with torch.inference_mode():
        fused = network(a, b).fused
        assert not torch.equal(fused, network(other, b).fused)
        assert not torch.equal(fused, network(a, other).fused)
        torch.testing.assert_close(fused[:1], network(a[:1], b[:1]).fused, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_every_number_of_the_network_learns(name: str) -> None:
    experiment = make_experiment("ct-mri", "smoke", method=name)
    state = initial_state(experiment, torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    a, b = torch.rand(2, 2, 1, 64, 64, generator=generator)
    a, b, *targets = state.objective.inputs(a, b, generator)
    total, terms = state.objective([state.model(a, b)], a, b, *targets)
    assert set(terms) == set(experiment.as_dict()["loss"])
    total.backward()
    without = [n for n, p in state.model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert without == []


@pytest.mark.parametrize("name", NAMES)
def test_an_objective_in_pieces_is_that_of_the_whole_batch(name: str) -> None:
    state = initial_state(make_experiment("ct-mri", "smoke", method=name), torch.device("cpu"))
    model = (
        state.model.train() if name != "ifcnn-retrained" else state.model.eval()
    )  # its batch statistics are per piece
    generator = torch.Generator().manual_seed(0)
    a, b = torch.rand(2, 4, 1, 32, 32, generator=generator)
    a, b, *targets = state.objective.inputs(a, b, generator)
    whole, _ = state.objective([model(a, b)], a, b, *targets)
    pieces, _ = state.objective([model(a[:3], b[:3]), model(a[3:], b[3:])], a, b, *targets)
    torch.testing.assert_close(whole, pieces)


def test_the_paper_preset_is_a_systems_own_schedule() -> None:
    own = make_experiment("ct-mri", "paper", method="densefuse-retrained").schedule
    assert (own.epochs, own.batch_size, own.learning_rate) == (4, 2, 1e-4)
    assert (
        make_experiment("ct-mri", "quick", method="densefuse-retrained").schedule == PRESETS["quick"].schedule
    )
    assert make_experiment("ct-mri", "paper", method="densefuse-retrained", epochs=9).schedule.epochs == 9


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(WdualmineError, match="average: has nothing to learn; choose w-dualmine"):
        make_experiment("ct-mri", "smoke", method="average")
    with pytest.raises(WdualmineError, match="variant 'narrow' changes W-DUALMINE, not sdnet-retrained"):
        make_experiment("ct-mri", "smoke", "narrow", method="sdnet-retrained")
    assert make_experiment("ct-mri", "smoke", "fold-1", method="sdnet-retrained").fold == 1
    with pytest.raises(WdualmineError, match="loss weight structure = -1"):
        get_system("densefuse-retrained").weights(structure=-1)
    with pytest.raises(WdualmineError, match="unknown rule 'product'"):
        get_system("densefuse-retrained").config(rule="product")
    sdnet = get_method("sdnet-retrained")
    missing = replace(sdnet, weights=lambda _: None)
    with pytest.raises(WdualmineError, match="sdnet-retrained comes without weights for ct-mri: train them"):
        load_network(missing, "ct-mri")
    write_tensors(tmp_path / "x.safetensors", {}, {"experiment": {"method": "none", "model": {}}})
    with pytest.raises(WdualmineError, match="holds a network of none; give --method none"):
        load_network(sdnet, tmp_path / "x.safetensors")
    write_tensors(tmp_path / "x.safetensors", {}, {"experiment": ["sdnet-retrained"]})
    with pytest.raises(WdualmineError, match=r"x\.safetensors: not weights of this network"):
        load_network(sdnet, tmp_path / "x.safetensors")


def test_records_of_before_methods_had_names_are_w_dualmines() -> None:
    experiment = make_experiment("ct-mri", "smoke")
    old = {name: value for name, value in experiment.as_dict().items() if name != "method"}
    assert Experiment.from_dict(old) == experiment


def test_the_books_example_of_a_system_of_ones_own_is_one() -> None:
    """The page shows a network and its System; with a configuration and an objective they are trained."""
    notebook = nbformat.read(ROOT / "notebooks" / "comparison.ipynb", as_version=4)
    text = next(cell.source for cell in notebook.cells if "class Mine(Network)" in cell.source)
    shown = text.split("```python\n")[1].split("```")[0]
    assert len([line for line in shown.splitlines() if line]) <= 10

    @dataclass(frozen=True)
    class MineConfig(NetworkConfig):
        size: int = 3

    @dataclass(frozen=True)
    class MineWeights(TermWeights):
        content: float = 1.0

    class MineObjective(SystemObjective):
        def terms(self, output: Fused, image1: Tensor, image2: Tensor, *_: Tensor) -> dict[str, Tensor]:
            return {"content": (output.fused - image1).square().mean()}

    names = {"torch": torch, "nn": torch.nn, "Tensor": Tensor, "Network": Network, "Fused": Fused}
    names |= {"System": System, "Method": Method, "MineConfig": MineConfig, "MineWeights": MineWeights}
    names |= {"MineObjective": MineObjective}
    exec(shown, names)
    system = names["SYSTEM"]
    network, objective = system.network(MineConfig()), system.objective(MineConfig(), MineWeights())
    a, b = torch.rand(2, 2, 1, 16, 16)
    before, _ = objective([network(a, b)], a, b)
    optimizer = torch.optim.Adam(network.parameters(), 0.1)
    for _ in range(20):
        optimizer.zero_grad()
        objective([network(a, b)], a, b)[0].backward()
        optimizer.step()
    assert objective([network(a, b)], a, b)[0] < before / 2


def test_ifcnn_learns_all_but_the_first_layer_which_is_its_authors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authors = get_system("ifcnn").network(get_system("ifcnn").config())
    write_tensors(tmp_path / "ifcnn.safetensors", authors.state_dict(), {})
    experiment = make_experiment("ct-mri", "paper", method="ifcnn-retrained")
    monkeypatch.setattr("wdualmine.methods.authors.find_weights", lambda _: tmp_path / "ifcnn.safetensors")
    model = initial_state(experiment, torch.device("cpu")).model
    assert model.first.weight.equal(authors.first.weight)
    assert not model.last.weight.equal(authors.last.weight)
    assert [name for name, p in model.named_parameters() if not p.requires_grad] == ["first.weight"]
    monkeypatch.setattr("wdualmine.methods.authors.find_weights", lambda _: None)
    with pytest.raises(WdualmineError, match="its first layer comes with its authors' weights; run"):
        initial_state(experiment, torch.device("cpu"))


def test_sdnet_decides_as_published() -> None:
    """A ramp has no Laplacian inside, an edge has one; equal ones are the first's."""
    ramp = torch.linspace(0, 1, 32).expand(1, 1, 32, 32)
    edge = (ramp > 0.5).float()
    torch.testing.assert_close(laplacian(ramp)[..., 1:-1], torch.zeros(1, 1, 32, 30), atol=1e-6, rtol=0)
    assert laplacian(edge)[0, 0, 5].nonzero().flatten().tolist() == [15, 16]
    assert sharper(ramp, edge)[0, 0, 5, 14:18].tolist() == [0, 0, 0, 0]
    assert sharper(edge, ramp)[0, 0, 5, 14:18].tolist() == [1, 1, 1, 1]
    assert sharper(edge, edge).min() == 1


def test_each_channel_of_ifcnn_is_trained() -> None:
    """Channels whose mean is right and that are clipped by themselves would give another image."""
    state = initial_state(make_experiment("ct-mri", "smoke", method="ifcnn-retrained"), torch.device("cpu"))
    image = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    perfect = image.expand(-1, 3, -1, -1)
    loss, _ = state.objective([Fused(perfect)], image, image, image)
    assert loss == 0
    spread = perfect + torch.tensor([-0.5, 0.0, 0.5])[:, None, None]
    assert state.objective([Fused(spread)], image, image, image)[0] > 0.1
    model = state.model
    assert model.train()(image, image).fused.shape == (1, 3, 32, 32)
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.eval()
    channels = model(image, image).fused
    assert model.eval()(image, image).fused.equal(channels.clamp(0, 1).mean(dim=1, keepdim=True))
