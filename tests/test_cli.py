"""The command line as a person uses it: what it makes, and one clear line with exit code 2 for a mistake."""

import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pandas as pd
import pytest
from calling import call

from wdualmine.checkpoints import read_tensors, write_tensors
from wdualmine.data import find_data
from wdualmine.data.images import read_image, write_image
from wdualmine.records import Run


@pytest.fixture(scope="module")
def pairs() -> Path:
    """The phantom's folder."""
    return find_data("phantom").root


def first(pairs: Path, task: str, modality: str) -> Path:
    return sorted((pairs / task / "test" / modality).glob("*.png"))[0]


@pytest.mark.parametrize(("task", "modality"), [("CT-MRI", "CT"), ("PET-MRI", "PET"), ("SPECT-MRI", "SPECT")])
def test_fuse_with_the_package_weights(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture, task: str, modality: str
) -> None:
    a, b, output = first(pairs, task, modality), first(pairs, task, "MRI"), tmp_path / "fused.png"
    code, _, error = call(capsys, "fuse", a, b, "-o", output, "--task", task.lower())
    assert code == 0, error
    fused = read_image(output)
    assert fused.shape == read_image(a).shape
    assert fused.dtype == np.uint8
    assert (fused.ndim == 3) == (modality != "CT")


def test_fuse_folders_with_a_classical_method(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = pairs / "CT-MRI" / "test"
    code, _, error = call(
        capsys, "fuse", folder / "CT", folder / "MRI", "-o", tmp_path / "out", "--method", "maximum",
        "--no-stretch",
    )  # fmt: skip
    assert code == 0, error
    made = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in made] == sorted(path.name for path in (folder / "CT").iterdir())
    expected = np.maximum(*(read_image(folder / m / made[0].name) for m in ("CT", "MRI")))
    assert np.array_equal(read_image(made[0]), expected)


def test_fuse_takes_the_weights_of_a_run_and_a_residual_scale(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture, smoke_run: Run
) -> None:
    a, b = first(pairs, "CT-MRI", "CT"), first(pairs, "CT-MRI", "MRI")
    for name, options in (
        ("network", ["--weights", smoke_run.folder]),
        ("zero", ["--weights", smoke_run.folder, "--residual-scale", 0]),
        ("average", ["--method", "average"]),
    ):
        code, _, error = call(capsys, "fuse", a, b, "-o", tmp_path / f"{name}.png", *options)
        assert code == 0, error
    network, zero, average = (read_image(tmp_path / f"{n}.png") for n in ("network", "zero", "average"))
    assert np.array_equal(zero, average)
    assert not np.array_equal(network, average)


@pytest.fixture
def images(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Good and bad image files."""
    grey = rng.integers(0, 256, (32, 32)).astype(np.uint8)
    write_image(tmp_path / "a.png", grey)
    write_image(tmp_path / "b.png", grey.T)
    write_image(tmp_path / "small.png", grey[:16])
    (tmp_path / "truncated.png").write_bytes((tmp_path / "a.png").read_bytes()[:200])
    imageio.imwrite(tmp_path / "rgba.png", rng.integers(0, 255, (32, 32, 4)).astype(np.uint8))
    imageio.imwrite(tmp_path / "nan.tif", np.full((32, 32), np.nan, np.float32))
    for folder, names in (("left", ("1", "2")), ("right", ("1",)), ("empty", ())):
        (tmp_path / folder).mkdir()
        for name in names:
            write_image(tmp_path / folder / f"{name}.png", grey)
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "log.csv").write_text("my own")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("fuse {}/missing.png {}/b.png -o {}/o.png", "missing.png: no such image file"),
        ("fuse {}/truncated.png {}/b.png -o {}/o.png", "truncated.png: not a readable image"),
        ("fuse {}/a.png {}/small.png -o {}/o.png", "small.png is 16 x 32"),
        ("fuse {}/rgba.png {}/b.png -o {}/o.png", "rgba.png: has a transparent alpha channel"),
        ("fuse {}/nan.tif {}/b.png -o {}/o.png", "nan.tif: holds NaN"),
        ("fuse {}/left {}/right -o {}/out", "left/2.png: has no partner of that name in"),
        ("fuse {}/left {}/empty -o {}/out", "holds no images"),
        ("fuse {}/left {}/b.png -o {}/o.png", "give two images or two folders"),
        ("fuse {}/a.png {}/b.png -o {}/o.xyz", "unknown image suffix"),
        ("fuse {}/a.png {}/b.png -o {}/o.png --method median", "unknown method 'median'"),
        (
            "fuse {}/a.png {}/b.png -o {}/o.png --method adafuse",
            "adafuse: its authors published fused images",
        ),
        ("fuse {}/a.png {}/b.png -o {}/o.png --weights {}/none", "no such weights"),
        ("fuse {}/a.png {}/b.png -o {}/o.png --residual-scale 9", "residual scale 9"),
        ("fuse {}/a.png {}/b.png -o {}/o.png --method average --residual-scale 0", "belong to networks"),
        ("train mri-us -o {}/run", "mri-us: unknown task; choose one of ct-mri"),
        ("train ct-mri --preset huge -o {}/run", "unknown preset 'huge'; choose one of smoke"),
        ("train ct-mri --variant none -o {}/run", "unknown variant 'none'"),
        ("train ct-mri --seed -1 -o {}/run", "seed -1"),
        ("train ct-mri --seed 9223372036854775807 -o {}/run", "seed 9223372036854775807: give an integer"),
        (
            "train ct-mri --preset smoke --data phantom --threads -1 -o {}/run",
            "threads -1: give a number from 1",
        ),
        (
            "train ct-mri --preset smoke --data phantom --threads 0 -o {}/run",
            "threads 0: give a number from 1",
        ),
        ("train ct-mri --preset smoke --data phantom --threads 99999999999 -o {}/run", "threads 99999999999"),
        ("train ct-mri --preset smoke --device cuda:99 -o {}/run", "device cuda:99"),
        ("fuse {}/a.png {}/b.png -o {}/o.png --device cuda:99", "device cuda:99: does not run here"),
        ("fuse {}/a.png {}/b.png -o {}/o.png --method average --task nonsense", "nonsense: unknown task"),
        ("train ct-mri --learning-rate nan -o {}/run", "give a positive, finite number"),
        ("train ct-mri --learning-rate inf -o {}/run", "give a positive, finite number"),
        ("train ct-mri --epochs 0 -o {}/run", "epochs 0: give an integer of at least 1"),
        ("train ct-mri --method light --variant narrow -o {}/run", "changes W-DUALMINE, not light"),
        ("train ct-mri --method densefuse-l1-retrained -o {}/run", "has the network of densefuse-"),
        ("train ct-mri --preset smoke --data phantom -o {}/others", "log.csv: is of no run"),
        ("fuse {}/a.png {}/b.png -o {}/o.png --axis 1", "--axis 1: is for volumes"),
        ("fuse {}/a.png {}/b.png -o {}/out/plain", "plain: unknown image suffix"),
        ("fuse {}/a.png {}/b.png -o {}/o.png --window-a=0,inf", "--window-a 0,inf: give two numbers"),
        ("train ct-mri --preset smoke --device abacus -o {}/run", "device abacus"),
        ("train ct-mri --preset smoke --data {}/nowhere -o {}/run", "nowhere"),
        ("recovery ct-mri --data {}/left", "left"),
        ("train ct-mri --preset smoke --data phantom -o {}/a.png", "a.png"),
        ("data fetch mri-us", "mri-us: unknown task"),
        ("data fetch ct-mri --networks", "--networks: fetches no pairs"),
        ("fuse {}/a.png {}/b.png -o {}/o.png --method {}/no.py:fuse", "no.py cannot be imported"),
        ("data verify {}/nowhere", "nowhere"),
        ("evaluate {}/a.png {}/b.png {}/small.png", "small.png"),
        ("evaluate {}/a.png {}/b.png {}/a.png --metrics XYZ", "XYZ"),
        ("evaluate {}/left {}/left {}/right", "2"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    images: Path, capsys: pytest.CaptureFixture, arguments: str, message: str
) -> None:
    before = {path: path.read_bytes() for path in images.rglob("*") if path.is_file()}
    code, out, error = call(capsys, *arguments.replace("{}", str(images)).split())
    assert code == 2
    assert error.startswith("error: ")
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert "Traceback" not in out + error
    assert {path: path.read_bytes() for path in images.rglob("*") if path.is_file()} == before


def test_an_image_that_fails_leaves_the_old_result(images: Path, capsys: pytest.CaptureFixture) -> None:
    (images / "o.png").write_bytes(b"precious")
    assert call(capsys, "fuse", images / "truncated.png", images / "b.png", "-o", images / "o.png")[0] == 2
    assert (images / "o.png").read_bytes() == b"precious"


def test_evaluate_prints_csv_json_and_a_table(pairs: Path, capsys: pytest.CaptureFixture) -> None:
    folder = pairs / "CT-MRI" / "test"
    arguments = ("evaluate", folder / "CT", folder / "MRI", folder / "CT", "--metrics", "EN,PSNR")
    code, table, _ = call(capsys, *arguments)
    assert code == 0
    assert "mean" in table
    lines = call(capsys, *arguments, "--csv")[1].splitlines()
    assert lines[0] == "pair,EN,PSNR"
    assert len(lines) == 25
    rows = json.loads(call(capsys, *arguments, "--json")[1])
    assert len(rows) == 24
    assert f"{rows[0]['EN']:.6g}" == f"{float(lines[1].split(',')[1]):.6g}"
    code, _, error = call(capsys, *arguments, "--csv", "--json")
    assert (code, error) == (2, "error: --json and --csv: choose one\n")


def test_data_where_and_verify(pairs: Path, capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    code, out, _ = call(capsys, "data", "where", "--data", "phantom")
    assert code == 0
    assert "->" in out
    code, out, _ = call(capsys, "data", "verify", pairs)
    assert code == 1
    assert "missing: " in out


def test_methods_version_and_help(capsys: pytest.CaptureFixture) -> None:
    assert "w-dualmine" in call(capsys, "methods")[1]
    assert call(capsys, "--version")[1].startswith("wdualmine 0.")
    assert "fuse" in call(capsys, "--help")[1]


def test_help_does_not_wait_for_torch() -> None:
    code = "import sys, wdualmine.cli, wdualmine.data, wdualmine.metrics; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_fuse_blends_with_the_average(pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    a, b = first(pairs, "CT-MRI", "CT"), first(pairs, "CT-MRI", "MRI")
    options = ["--method", "maximum", "--no-stretch", "--blend"]
    for share in (0, 0.5, 1):
        code, _, error = call(capsys, "fuse", a, b, "-o", tmp_path / f"{share}.png", *options, share)
        assert code == 0, error
    none, half, whole = (read_image(tmp_path / f"{share}.png").astype(int) for share in (0, 0.5, 1))
    sources = [read_image(path).astype(int) for path in (a, b)]
    assert np.array_equal(none, np.rint(sum(sources) / 2))
    assert np.array_equal(whole, np.maximum(*sources))
    assert np.abs(half - (none + whole) / 2).max() <= 1
    code, _, error = call(capsys, "fuse", a, b, "-o", tmp_path / "x.png", *options, 1.5)
    assert (code, error) == (
        2,
        "error: blend 1.5: give a number from 0 (the average) to 1 (the method)\n",
    )


def test_export_says_what_it_cannot_do(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    code, _, error = call(capsys, "export", "ct-mri", "-o", tmp_path / "network.pt")
    assert code == 2
    assert error.endswith("network.pt: name a file that ends in .onnx\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("left twin -o twin", "is the folder of the sources"),
        ("left twin -o link", "is the folder of the sources"),
        ("left twin -o out.png", "two folders need a folder"),
        ("left twin -o a.png", "two folders need a folder"),
        ("left twin -o linked", "2.png: is one of the images to fuse"),
        ("a.png b.png -o b.png", "b.png: is one of the images to fuse"),
        ("a.png b.png -o left/../a.png", "a.png: is one of the images to fuse"),
        ("a.png b.png -o soft.png", "soft.png: is one of the images to fuse"),
        ("a.png b.png -o hard.png", "hard.png: is one of the images to fuse"),
    ],
)
def test_fuse_never_replaces_a_source(
    images: Path, capsys: pytest.CaptureFixture, arguments: str, message: str
) -> None:
    shutil.copytree(images / "left", images / "twin")
    (images / "link").symlink_to("twin")
    (images / "linked").mkdir()
    (images / "linked" / "2.png").symlink_to(images / "twin" / "2.png")
    (images / "soft.png").symlink_to("a.png")
    (images / "hard.png").hardlink_to(images / "b.png")
    before = {path: path.read_bytes() for path in images.rglob("*") if path.is_file()}
    paths = [word if word == "-o" else images / word for word in arguments.split()]
    code, _, error = call(capsys, "fuse", *paths, "--method", "average")
    assert code == 2
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert {path: path.read_bytes() for path in images.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e20])
def test_weights_that_no_training_leaves_are_refused(
    tmp_path: Path, images: Path, capsys: pytest.CaptureFixture, smoke_run: Run, value: float
) -> None:
    tensors, metadata = read_tensors(smoke_run.folder / "model.safetensors")
    name, tensor = next(iter(tensors.items()))
    tensor.flatten()[0] = value
    write_tensors(tmp_path / "bad.safetensors", tensors, metadata)
    options = ("-o", tmp_path / "o.png", "--weights", tmp_path / "bad.safetensors")
    code, _, error = call(capsys, "fuse", images / "a.png", images / "b.png", *options)
    assert code == 2
    assert f"bad.safetensors: {name} holds a value that is no number or above 1e+06" in error
    assert not (tmp_path / "o.png").exists()


def test_recovery_of_the_average_is_a_half(capsys: pytest.CaptureFixture) -> None:
    options = ("--method", "average", "--data", "phantom", "--limit", 2, "--signals", 1)
    code, out, error = call(capsys, "recovery", "ct-mri", *options)
    assert code == 0, error
    header, _, *rows = out.splitlines()
    assert header.startswith("Average: 20 signals in 2 pairs of ")
    found = {tuple(re.split(" {2,}", row)[0].split(", signals in ")): row.split() for row in rows}
    statistics = ("recovery", "lost", "search", "localization", "detectability", "hotelling")
    assert set(found) >= {(statistic, source) for statistic in statistics for source in ("CT", "MRI")}
    for source in ("CT", "MRI"):
        assert found["recovery", source][4] == "0.500"
    code, out, _ = call(capsys, "recovery", "ct-mri", *options, "--csv")
    assert code == 0
    frame = pd.read_csv(io.StringIO(out))
    assert len(frame) == 20
    assert {"pair", "source", "recovery", "found", "filter_answer", "hotelling_answer"} <= set(frame.columns)
    code, _, error = call(capsys, "recovery", "ct-mri", "--method", "average", "--residual-scale", 1)
    assert code == 2
    assert "belong to networks, not to average" in error


def test_the_light_network_fuses_with_any_lambda(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture, light_run: Run
) -> None:
    for scale, task, modality in ((-2, "CT-MRI", "CT"), (0, "PET-MRI", "PET")):
        a, b, output = first(pairs, task, modality), first(pairs, task, "MRI"), tmp_path / f"{task}.png"
        fuse = ("fuse", a, b, "-o", output, "--method", "light", "--weights", light_run.folder)
        code, _, error = call(capsys, *fuse, "--residual-scale", scale)
        assert code == 0, error
        average = call(capsys, "fuse", a, b, "-o", tmp_path / "average.png", "--method", "average")
        assert average[0] == 0
        same = np.array_equal(read_image(output), read_image(tmp_path / "average.png"))
        assert same == (scale == 0)


def test_any_learned_system_is_trained_and_fuses_with_its_own_weights(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    run = tmp_path / "run"
    options = ["--method", "sdnet-retrained", "--preset", "smoke", "--data", "phantom"]
    code, _, error = call(capsys, "train", "pet-mri", *options, "-o", run)
    assert code == 0, error
    a, b, output = first(pairs, "PET-MRI", "PET"), first(pairs, "PET-MRI", "MRI"), tmp_path / "fused.png"
    fuse = ("fuse", a, b, "-o", output, "--weights", run)
    code, _, error = call(capsys, *fuse, "--method", "sdnet-retrained")
    assert code == 0, error
    assert read_image(output).shape == read_image(a).shape
    code, _, error = call(capsys, "export", run, "-o", tmp_path / "x.onnx")
    wrong = "holds a network of sdnet-retrained; give --method sdnet-retrained"
    assert (code, error.strip()) == (
        2, f"error: {run / 'model.safetensors'}: {wrong}",
    )  # fmt: skip
    for options, message in (
        (("--method", "w-dualmine"), wrong),
        (("--method", "ifcnn-retrained"), wrong),
        (
            ("--method", "sdnet-retrained", "--residual-scale", 0.5),
            "sdnet-retrained: has no residual scale (w-dualmine and light do)",
        ),
    ):
        code, _, error = call(capsys, *fuse, *options)
        assert (code, error.count("\n")) == (2, 1)
        assert message in error


def test_methods_are_listed_with_size_and_source(capsys: pytest.CaptureFixture) -> None:
    code, out, _ = call(capsys, "methods")
    assert code == 0
    for name in ("average", "maximum", "laplacian-pyramid", "dwt", "w-dualmine", "adafuse-retrained"):
        assert any(line.split()[0] == name for line in out.splitlines()), name
    assert "74,193" in next(line for line in out.splitlines() if line.startswith("densefuse-retrained "))
    assert out.count("doi:") >= 10


def test_folders_of_what_only_tiff_holds_become_tiff(
    tmp_path: Path, rng: np.random.Generator, capsys: pytest.CaptureFixture
) -> None:
    floats = rng.random((2, 32, 32)).astype(np.float32)
    deep = rng.integers(0, 65536, (32, 32, 3)).astype(np.uint16)
    for folder, first_image in (("a", floats[0]), ("b", floats[1])):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "float.npy", first_image)
        write_image(tmp_path / folder / "grey.png", (first_image * 255).astype(np.uint8))
    write_image(tmp_path / "a" / "deep.tif", deep)
    write_image(tmp_path / "b" / "deep.tif", deep[..., 0])
    output = tmp_path / "out"
    arguments = ("fuse", tmp_path / "a", tmp_path / "b", "-o", output, "--method", "average", "--no-stretch")
    code, _, error = call(capsys, *arguments)
    assert code == 0, error
    assert sorted(path.name for path in output.iterdir()) == ["deep.tif", "float.tif", "grey.png"]
    np.testing.assert_allclose(read_image(output / "float.tif"), floats.mean(axis=0), atol=1e-6)
    assert read_image(output / "deep.tif").dtype == np.uint16
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "deep.tif").symlink_to(tmp_path / "a" / "deep.tif")
    before = (tmp_path / "a" / "deep.tif").read_bytes()
    code, _, error = call(capsys, *arguments[:4], linked, *arguments[5:])
    assert code == 2
    assert "deep.tif: is one of the images to fuse" in error
    assert (tmp_path / "a" / "deep.tif").read_bytes() == before


def test_a_task_is_known_by_its_folder_too(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    a, b = first(pairs, "PET-MRI", "PET"), first(pairs, "PET-MRI", "MRI")
    for number, task in enumerate(("PET-MRI", "pet-mri")):
        assert call(capsys, "fuse", a, b, "-o", tmp_path / f"{number}.png", "--task", task)[0] == 0
    assert (tmp_path / "0.png").read_bytes() == (tmp_path / "1.png").read_bytes()


def test_names_are_no_markup_and_equal_images_have_one_psnr(
    images: Path, capsys: pytest.CaptureFixture
) -> None:
    name = images / "scan[red]:smile:.png"
    shutil.copyfile(images / "a.png", name)
    arguments = ("evaluate", name, name, name, "--metrics", "PSNR")
    assert "scan[red]:smile: inf" in " ".join(call(capsys, *arguments)[1].split())
    assert json.loads(call(capsys, *arguments, "--json")[1]) == [{"pair": name.stem, "PSNR": "inf"}]
    assert call(capsys, *arguments, "--csv")[1].splitlines()[1] == f"{name.stem},inf"


def test_the_programs_have_few_verbs() -> None:
    from wdualmine.cli import app

    assert len(app.registered_commands) + len(app.registered_groups) <= 12


def test_ctrl_c_is_one_line(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("wdualmine.cli.listings.print_rows", interrupted)
    code, out, error = call(capsys, "metrics")
    assert (code, out) == (130, "")
    assert error == "interrupted; the same command resumes what can be resumed\n"


@pytest.mark.parametrize(
    ("verb", "key", "names"), [("metrics", "metric", "EN"), ("methods", "method", "average")]
)
def test_what_there_is_as_json(capsys: pytest.CaptureFixture, verb: str, key: str, names: str) -> None:
    code, out, _ = call(capsys, verb, "--json")
    assert code == 0
    assert names in [row[key] for row in json.loads(out)]


def test_options_are_explained_alike(capsys: pytest.CaptureFixture) -> None:
    printed = {verb: call(capsys, verb, "--help")[1] for verb in ("fuse", "report", "recovery")}
    helps = {verb: " ".join(text.replace("│", " ").split()) for verb, text in printed.items()}
    assert "--window-b=0,1200" in helps["fuse"]
    for verbs, words in ((("fuse", "report"), "seem swapped"), (("fuse", "recovery"), "from -2 to 2")):
        assert all(words in helps[verb] for verb in verbs)
