"""Networks with their authors' own weights: read safely, and exactly what the authors' code computes."""

import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from tolerances import TOLERANCES

import wdualmine as wd
from wdualmine.checkpoints import read_shapes
from wdualmine.cli import main
from wdualmine.data import load_pairs
from wdualmine.data.images import write_image
from wdualmine.data.manifest import NetworkFile, file_sha256, read_networks
from wdualmine.errors import WdualmineError
from wdualmine.fusion import luma_tensor
from wdualmine.methods import Method, fuse_with, get_method, load_fuse
from wdualmine.methods.authors import AUTHORS
from wdualmine.methods.learned import load_network, network_of, parameters
from wdualmine.methods.pieces import fused_in_pieces

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "authors"
VALUES = Path(__file__).with_name("tensorflow_values.csv")
NAMES = [method.name for method in AUTHORS]
TASKS = ("ct-mri", "pet-mri", "spect-mri")
Array = NDArray[np.float64]


@pytest.fixture
def authors(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The authors' files."""
    folder = Path(os.environ.get("WDUALMINE_NETWORKS") or SHARED)
    if not all((folder / file.path).is_file() for file in read_networks().values()):
        pytest.skip("the authors' weights are not here; `wdualmine data fetch --networks` gets them")
    monkeypatch.setenv("WDUALMINE_NETWORKS", str(folder))
    return folder


@pytest.fixture
def none_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no folder of networks."""
    monkeypatch.delenv("WDUALMINE_NETWORKS", raising=False)
    monkeypatch.setenv("WDUALMINE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def crops(harvard: Path, task: str, side: int = 24) -> tuple[torch.Tensor, torch.Tensor]:
    """A piece of a real pair, in which something is."""
    pair = load_pairs(task, "test", 1, data=harvard)[0]
    a, b = (luma_tensor(image)[..., 90:, 80:][..., :side, :side] for image in (pair.luma_a, pair.luma_b))
    assert min(a.std(), b.std()) > 0.05
    return a, b


def convolve(image: Array, weight: Array, bias: Array | float = 0.0, mode: str = "edge") -> Array:
    """Correlate (C, H, W) with kernels (O, C, k, k) after padding, in float64."""
    side = weight.shape[-1] // 2
    padded = np.pad(image, ((0, 0), (side, side), (side, side)), mode=mode)  # type: ignore[call-overload]
    windows = sliding_window_view(padded, weight.shape[-2:], axis=(1, 2))
    return np.einsum("chwkl,ockl->ohw", windows, weight) + np.reshape(bias, (-1, 1, 1))


def weights_of(path: Path) -> dict[str, Array]:
    state = torch.load(path, map_location="cpu", weights_only=True)
    return {name: tensor.double().numpy() for name, tensor in state.items()}


def ifcnn(w: dict[str, Array], a: Array, b: Array) -> Array:
    """As the authors' script calls IFCNN-MAX on grey images."""

    def block(x: Array, name: str) -> Array:
        x = convolve(x, w[f"{name}.conv.weight"])
        mean, variance, gain, shift = (
            w[f"{name}.bn.{part}"][:, None, None]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return np.maximum((x - mean) / np.sqrt(variance + 1e-5) * gain + shift, 0)

    maps = [block(convolve(np.stack([image] * 3), w["conv1.weight"]), "conv2") for image in (a, b)]
    fused = convolve(block(np.maximum(*maps), "conv3"), w["conv4.weight"], w["conv4.bias"])
    return np.clip(fused, 0, 1).mean(axis=0)


def densefuse(w: dict[str, Array], a: Array, b: Array, weighed: bool = False) -> Array:
    """As the authors' script calls DenseFuse on grey images, or with the l1-norm of the paper."""

    def layer(x: Array, name: str) -> Array:
        return convolve(x, w[f"{name}.conv2d.weight"], w[f"{name}.conv2d.bias"], "reflect")

    codes = []
    for image in (a, b):
        x = np.maximum(layer(255 * image[None], "conv1"), 0)
        for k in range(3):
            x = np.concatenate([x, np.maximum(layer(x, f"DB1.denseblock.{k}.dense_conv"), 0)])
        codes.append(x)
    share: Array | float = 0.5
    if weighed:
        activity = []
        for code in codes:
            norm = np.pad(np.abs(code).sum(axis=0), 1, constant_values=np.nan)
            activity.append(np.nanmean(sliding_window_view(norm, (3, 3)), axis=(-2, -1)) + 1e-6)
        share = activity[0] / (activity[0] + activity[1])
    x = share * codes[0] + (1 - share) * codes[1]
    for name in ("conv2", "conv3", "conv4"):
        x = np.maximum(layer(x, name), 0)
    return np.clip(layer(x, "conv5")[0], 0, 255) / 255


INDEPENDENT: dict[str, Callable[[dict[str, Array], Array, Array], Array]] = {
    "ifcnn": ifcnn,
    "densefuse": densefuse,
    "densefuse-l1": lambda w, a, b: densefuse(w, a, b, weighed=True),
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", INDEPENDENT)
def test_torch_networks_are_what_numpy_computes(name: str, task: str, authors: Path, harvard: Path) -> None:
    a, b = crops(harvard, task)
    weights = weights_of(authors / read_networks()[name.removesuffix("-l1")].path)
    expected = INDEPENDENT[name](weights, a[0, 0].double().numpy(), b[0, 0].double().numpy())
    fused = load_fuse(name, task)(a, b)[0, 0].numpy()
    np.testing.assert_allclose(fused, expected, atol=TOLERANCES["authors"].value, rtol=0)
    assert expected.std() > 0.02


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", ["sdnet", "u2fusion"])
@pytest.mark.usefixtures("authors")
def test_tensorflow_networks_are_what_tensorflow_computes(name: str, task: str, harvard: Path) -> None:
    values = pd.read_csv(VALUES, dtype={"pair": str}).query("system == @name and task == @task")
    top, left, side = values[["top", "left", "side"]].iloc[0]
    pair = next(
        pair for pair in load_pairs(task, "test", data=harvard) if pair.name == values["pair"].iloc[0]
    )
    a, b = (
        luma_tensor(image)[..., top : top + side, left : left + side] for image in (pair.luma_a, pair.luma_b)
    )
    fused = load_fuse(name, task)(a, b)[0, 0].numpy()
    expected = values["value"].to_numpy()
    np.testing.assert_allclose(
        fused[values["row"], values["column"]], expected, atol=TOLERANCES["authors"].value, rtol=0
    )
    assert len(expected) == 11
    assert expected.std() > 0.05


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("authors")
def test_grey_and_color_pairs_are_fused_and_whose_weights_they_are_is_said(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for task in ("ct-mri", "pet-mri"):
        pair = load_pairs(task, "test", 1, data="phantom")[0]
        a, b, output = tmp_path / f"{task}-a.png", tmp_path / f"{task}-b.png", tmp_path / f"{task}.png"
        write_image(a, pair.image_a)
        write_image(b, pair.image_b)
        words = ["wdualmine", "fuse", str(a), str(b), "-o", str(output), "--method", name]
        monkeypatch.setattr("sys.argv", words)
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        assert not end.value.code, said.err
        listed = read_networks()[name.removesuffix("-l1")]
        whose = f"{name} with its authors' weights ({listed.repository} at {listed.commit[:7]})"
        assert said.err.strip() == whose
        assert wd.read_image(output).shape == pair.image_a.shape


def test_without_the_files_the_error_says_how_to_get_them(none_here: Path) -> None:
    for name in NAMES:
        with pytest.raises(
            WdualmineError, match=f"{name}: its authors' weights are not here; run `wdualmine"
        ):
            load_fuse(name)
    assert {"ifcnn", "sdnet"} <= set(wd.list_methods())
    assert parameters(network_of(get_method("ifcnn"))) == 83_587
    assert parameters(network_of(get_method("densefuse"))) == 74_193
    assert parameters(network_of(get_method("sdnet"))) == 67_091
    assert parameters(network_of(get_method("u2fusion"))) == 659_217


# ----------------------------------------------------------------------------------------------------
# Files of the authors' layout, made here


def synthetic(name: str, folder: Path) -> Path:
    """A file like the authors' with random numbers; ``NAME -> number`` says where a layer's came from."""
    rng = np.random.default_rng(5)
    shapes: dict[str, tuple[int, ...]] = {}
    if name == "ifcnn":
        for block in ("conv2", "conv3"):
            shapes[f"{block}.conv.weight"] = (64, 64, 3, 3)
            shapes |= {
                f"{block}.bn.{part}": (64,) for part in ("weight", "bias", "running_mean", "running_var")
            }
        shapes |= {"conv4.weight": (3, 64, 1, 1), "conv4.bias": (3,), "conv1.weight": (64, 3, 7, 7)}
    elif name == "densefuse":
        layers = {"conv1": (1, 16), "conv2": (64, 64), "conv3": (64, 32), "conv4": (32, 16), "conv5": (16, 1)}
        layers |= {f"DB1.denseblock.{k}.dense_conv": (16 * (k + 1), 16) for k in range(3)}
        for layer, (inputs, outputs) in layers.items():
            shapes[f"{layer}.conv2d.weight"] = (outputs, inputs, 3, 3)
            shapes[f"{layer}.conv2d.bias"] = (outputs,)
    path = folder / f"{name}.pth"
    if shapes:
        torch.save({k: torch.from_numpy(rng.random(s)).float() / 100 for k, s in shapes.items()}, path)
    else:
        count = {"sdnet": 67_091, "u2fusion": 659_217}[name]
        (rng.random(count) / 100).astype("<f4").tofile(path)
    return path


SYSTEMS = ("densefuse", "ifcnn", "sdnet", "u2fusion")


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_file_of_weights_is_converted_once_and_taken(name: str, none_here: Path) -> None:
    path = synthetic(name, none_here)
    a, b = torch.rand(2, 1, 1, 20, 31, generator=torch.Generator().manual_seed(0))
    fused = load_fuse(name, path)(a, b)
    assert fused.shape == a.shape
    (converted,) = (none_here / "cache" / "networks" / "converted").iterdir()
    assert "running" in str(read_shapes(converted)) or name != "ifcnn"
    written = converted.stat().st_mtime_ns
    assert torch.equal(load_fuse(name, converted)(a, b), fused)
    load_network(get_method(name), path)
    assert converted.stat().st_mtime_ns == written
    with pytest.raises(WdualmineError, match=f"holds a network of {name}; give --method {name}"):
        load_fuse("w-dualmine", converted)


def test_tensorflow_kernels_go_to_the_layers_of_their_names(none_here: Path) -> None:
    path = synthetic("sdnet", none_here)
    numbers = np.fromfile(path, "<f4")
    network = load_network(get_method("sdnet"), path).state_dict()
    first = 16 + 5 * 5 * 16  # a bias and a kernel (H, W, in, out), ir before vi, by layers
    for k, branch in enumerate(("branch1", "branch2")):
        own = numbers[k * first : (k + 1) * first]
        assert np.array_equal(network[f"{branch}.0.bias"].numpy(), own[:16])
        kernel = own[16:].reshape(5, 5, 1, 16)
        assert np.array_equal(network[f"{branch}.0.weight"].numpy(), kernel.transpose(3, 2, 0, 1))
    assert np.array_equal(network["apart2.4.weight"].numpy().ravel(), numbers[-36:].reshape(9, 4).T.ravel())


class Evil:
    """What a pickle can do on loading."""

    def __reduce__(self) -> tuple:
        return os.mkdir, ("ran",)


def broken(folder: Path) -> Iterator[tuple[str, Path, str]]:
    for name in SYSTEMS:
        whole = synthetic(name, folder).read_bytes()
        for kind, content in (
            ("short", whole[:-4096]),
            ("empty", b""),
            ("text", b"<html>not found</html>\n"),
        ):
            path = folder / f"{name}-{kind}.pth"
            path.write_bytes(content)
            yield name, path, f"no weights of {name} as its authors published them"
    state = torch.load(synthetic("ifcnn", folder), weights_only=True)
    for kind, change in (("more", {"conv9.weight": torch.ones(1)}), ("other", {"conv4.bias": torch.ones(5)})):
        torch.save(state | change, folder / f"{kind}.pth")
        yield "ifcnn", folder / f"{kind}.pth", "no weights of ifcnn"
    torch.save({"conv1.weight": Evil()}, folder / "evil.pth")
    yield "ifcnn", folder / "evil.pth", "no weights of ifcnn"
    (folder / "old.pth").write_bytes(pickle.dumps(Evil()))
    yield "ifcnn", folder / "old.pth", "no weights of ifcnn"
    numbers = np.full(67_091, np.nan, "<f4")
    numbers.tofile(folder / "nan.data")
    yield "sdnet", folder / "nan.data", "holds a value that is no number"


def test_what_is_no_file_of_weights_is_refused_and_runs_nothing(
    none_here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(none_here)
    for name, path, sentence in broken(none_here):
        with pytest.raises(WdualmineError, match=sentence) as error:
            load_fuse(name, path)
        assert "\n" not in str(error.value)
    assert not Path("ran").exists()


def test_a_listed_file_must_be_the_one_of_the_manifest(
    none_here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = synthetic("sdnet", none_here)
    listed = NetworkFile(
        "sdnet", path.name, "a/b", "0123456789", "x", "MIT", path.stat().st_size, file_sha256(path)
    )
    monkeypatch.setattr("wdualmine.methods.authors.read_networks", lambda: {"sdnet": listed})
    monkeypatch.setenv("WDUALMINE_NETWORKS", str(none_here))
    assert wd.load_fuse("sdnet")
    with path.open("r+b") as file:
        file.write(b"\1")
    monkeypatch.setenv("WDUALMINE_CACHE", str(none_here / "another"))
    with pytest.raises(WdualmineError, match=r"is not the file of the manifest \(altered, or cut short\)"):
        load_fuse("sdnet")


# ----------------------------------------------------------------------------------------------------
# What holds for every network of authors, with random weights


@pytest.fixture(params=AUTHORS, ids=lambda method: method.name)
def network(request: pytest.FixtureRequest) -> torch.nn.Module:
    method: Method = request.param
    torch.manual_seed(0)
    return network_of(method).eval().requires_grad_(False)


def test_any_size_comes_back(network: torch.nn.Module) -> None:
    for shape in ((1, 1), (17, 33), (40, 2)):
        a, b = torch.rand(2, 1, 1, *shape)
        fused = fuse_with(network)(a, b)
        assert fused.shape == a.shape
        assert 0 <= fused.min() <= fused.max() <= 1


def test_pieces_give_the_whole_image_and_a_pixel_sees_as_far_as_is_said(network: torch.nn.Module) -> None:
    a, b = torch.rand(2, 1, 1, 70, 61)
    pieces = fused_in_pieces(network, a, b, side=24)
    assert float((pieces - network(a, b).fused).abs().max()) < TOLERANCES["pieces"].value
    network = network.double()
    a, b = a.double().requires_grad_(), b.double()
    slope = torch.autograd.grad(network(a, b).fused[0, 0, 28:33, 28:33].sum(), a)[0][0, 0].nonzero()
    assert len(slope)
    assert (slope - 30).abs().max() <= network.reach + 2
