"""Notebooks: committed clean and thin, each runs alone from a fresh kernel, mistyped parameters fail."""

import ast
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from wdualmine.records import load_run

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def run(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "notebooks" / "run.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed_without_outputs_and_thin(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert [cell.metadata.get("tags") for cell in code].count(
        ["parameters"]
    ) == 1  # folded in the executed copy
    nodes = [node for cell in code for node in ast.walk(ast.parse(cell.source))]
    assert not [node for node in nodes if isinstance(node, ast.ClassDef | ast.FunctionDef)]


def test_train_then_results_then_provenance(tmp_path: Path) -> None:
    output = tmp_path / "run"
    done = run("train.ipynb", tmp_path / "train.ipynb", "task=spect-mri", "preset=smoke", "data=phantom",
               f"output={output}", "threads=1", "device=cpu")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "epoch 2/2" in done.stdout
    assert load_run(output).info.task == "spect-mri"
    cells = nbformat.read(tmp_path / "train.ipynb", 4).cells
    drawn = [
        [bool({"image/png", "image/svg+xml"} & set(out.get("data", {}))) for out in cell.outputs].count(True)
        for cell in cells
        if "image" in cell.metadata.get("mystnb", {})
    ]
    assert drawn == [1, 1, 1]  # each cell with an alternative text shows one figure
    for name in ("results", "provenance"):
        done = run(f"{name}.ipynb", tmp_path / f"{name}.ipynb", f"runs={output}")
        assert done.returncode == 0, done.stderr
        text = (tmp_path / f"{name}.ipynb").read_text()
        assert "smoke" in text
        assert str(ROOT) not in text  # no path of the machine that ran it
        tags = [set(cell.metadata.get("tags", [])) for cell in nbformat.reads(text, 4).cells]
        assert {"parameters", "remove-cell"} in tags
        assert {"injected-parameters", "remove-cell"} in tags
        assert "error" not in {
            o.output_type for c in nbformat.reads(text, 4).cells for o in c.get("outputs", [])
        }


@pytest.mark.full
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("task=ct-mri", "tsak=1"), "unknown parameter 'tsak'; train.ipynb has task, preset"),
        (("seed=zero",), "seed=zero: give a value of type int"),
        (("task=mri-us",), "mri-us: unknown task"),
        (("preset=fast",), "unknown preset 'fast'"),
    ],
)
def test_mistyped_parameters_fail(tmp_path: Path, arguments: tuple, message: str) -> None:
    done = run("train.ipynb", tmp_path / "out.ipynb", *arguments)
    assert done.returncode != 0
    assert message in done.stderr
    assert not (tmp_path / "out.ipynb").exists()


def test_unknown_notebooks_fail(tmp_path: Path) -> None:
    done = run("trian.ipynb", tmp_path / "out.ipynb")
    assert done.returncode == 2
    assert "no such notebook; choose from" in done.stderr
