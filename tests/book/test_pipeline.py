"""The pipeline under `make book`: which pairs a book shows, and what they make anew."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest

from wdualmine.data import TASKS
from wdualmine.data.images import read_image, write_image

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = {path.stem: path.read_text() for path in (ROOT / "notebooks").glob("*.ipynb")}
IGNORED = (
    ".venv",
    ".git",
    ".snakemake",
    "build",
    "_build",
    "_generated",
    "runs",
    "dist",
    "node_modules",
    "__pycache__",
)


def snakemake(clone: Path, *arguments: str, data: Path | None = None) -> subprocess.CompletedProcess:
    """Run the pipeline of a clone, with pairs that a look-up finds."""
    environment = {name: value for name, value in os.environ.items() if name != "WDUALMINE_DATA"}
    environment |= {"PYTHONPATH": os.pathsep.join((str(clone), str(clone / "book")))} | (
        {"WDUALMINE_DATA": str(data)} if data else {}
    )
    command = [str(Path(sys.executable).with_name("snakemake")), "--cores", "1", *arguments]
    return subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False)


def outputs(clone: Path, *arguments: str, data: Path) -> dict[str, bool]:
    """Return whether each file of the book would be made anew."""
    done = snakemake(clone, "--summary", *arguments, data=data)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines() if "\t" in line]
    return {row[0]: row[-1] == "update pending" for row in rows[1:]}


def finish(clone: Path, *arguments: str, data: Path) -> None:
    """Make a book of empty files that passes for a finished one."""
    for output in outputs(clone, *arguments, data=data):
        (clone / output).parent.mkdir(parents=True, exist_ok=True)
        (clone / output).touch()
    done = snakemake(clone, "--touch", "--forceall", *arguments, data=data)
    assert done.returncode == 0, done.stderr
    assert not any(outputs(clone, *arguments, data=data).values())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs that a look-up finds."""
    folder, image = tmp_path_factory.mktemp("data"), np.arange(256, dtype=np.uint8).reshape(16, 16)
    for task in TASKS.values():
        for modality in task.modalities:
            for split in ("train", "test"):
                write_image(folder / task.folder / split / modality / "1001.png", image)
    return folder


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """A copy of the repository that passes for one with a finished book, although pairs are found."""
    folder = tmp_path_factory.mktemp("pipeline") / "clone"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*IGNORED, ".*_cache"))
    finish(folder, data=data)
    return folder


def test_a_book_shows_the_phantom_unless_asked(clone: Path, data: Path) -> None:
    done = snakemake(clone, "--dry-run", "--forceall", "--printshellcmds", data=data)
    assert "The book's pairs: the embedded phantom" in done.stderr
    jobs = re.findall(
        r"^.*(?:run\.py|build\.py|wdualmine_book record baselines).*$", done.stdout + done.stderr, re.M
    )
    jobs = [job for job in jobs if ".venv" in job or sys.executable in job]
    assert len(jobs) >= 3 * len(TASKS)
    assert [job for job in jobs if "WDUALMINE_DATA=phantom " not in job] == []


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (("pairs=real",), "PAIRS=real: no pairs are here; `wdualmine data fetch` gets them"),
        (("pairs=rael",), "PAIRS=rael: choose phantom or real"),
        (("train=no",), "TRAIN=no shows the reference runs, which are of the real pairs: add PAIRS=real"),
    ],
)
def test_what_is_asked_for_has_to_be_there(clone: Path, config: tuple[str, ...], message: str) -> None:
    done = snakemake(clone, "--dry-run", "--config", *config)
    assert done.returncode != 0
    assert f"error: {message}" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_release_is_made_of_other_pairs_than_the_phantom() -> None:
    command = ["make", "publishable"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
    done = subprocess.run([*command, "PAIRS=real"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "A release shows the phantom" in done.stdout
    assert re.search(r"^release: publishable ", (ROOT / "Makefile").read_text(), re.M)


def test_other_pairs_fill_every_page_that_shows_some(clone: Path, data: Path) -> None:
    """Built on the phantom and then on other pairs, no page keeps a picture of the phantom."""
    shown = {name for name in NOTEBOOKS if "find_data" in NOTEBOOKS[name]}
    assert shown >= {"figures", "recovery", "train"}
    pages = {f"book/runs/{name}.ipynb" for name in shown - {"train"} | {"training"}}
    pages |= {"book/_generated/web/page.js", "book/_build/html/index.html"}
    real = ("--config", "pairs=real")
    assert pages <= {name for name, anew in outputs(clone, *real, data=data).items() if anew}
    finish(clone, *real, data=data)
    image = next(data.glob("CT-MRI/test/CT/*"))
    write_image(image, 255 - read_image(image))
    assert pages <= {name for name, anew in outputs(clone, *real, data=data).items() if anew}


def test_a_page_shows_what_its_notebook_glues_now_and_no_picture_of_before(clone: Path, data: Path) -> None:
    book, html = clone / "book", clone / "book" / "_build" / "html"
    for page in book.glob("*.md"):
        page.unlink()
    (book / "_toc.yml").write_text(
        "format: jb-book\nroot: index\nchapters:\n- file: method\n- file: runs/results\n"
    )
    (book / "index.md").write_text("# Home\n")
    (book / "method.md").write_text("# Method\n\nPair {glue:text}`runs/results.ipynb::pair:s`\n")
    for pair in ("phantom-7", "real-9046"):
        cell = nbformat.v4.new_code_cell("glue()", id="glue", metadata={"tags": ["remove-cell"]})
        glued = {
            "data": {"text/plain": f"'{pair}'"},
            "metadata": {"scrapbook": {"name": "pair", "mime_prefix": ""}},
        }
        cell.outputs = [nbformat.v4.new_output("display_data", **glued)]
        title = nbformat.v4.new_markdown_cell("# Results", id="title")
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        notebook = nbformat.v4.new_notebook(cells=[title, cell], metadata=kernel)
        nbformat.write(notebook, book / "runs" / "results.ipynb")
        done = snakemake(clone, "--allowed-rules", "all", "book", "--forcerun", "book", data=data)
        assert done.returncode == 0, done.stdout + done.stderr
        assert pair in (html / "method.html").read_text()
        assert not (html / "_images" / "before.png").exists()
        (html / "_images").mkdir(exist_ok=True)
        (html / "_images" / "before.png").touch()
