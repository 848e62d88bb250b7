"""Stamp the set-up cell, and launch links, into every notebook: ``python notebooks/stamp.py``.

The repository's address is in ``pyproject.toml``, or nowhere: then there is no link, and no cell installs
from it. ``--repository https://github.com/OWNER/NAME`` sets it there and in every file that repeats it,
``--repository none`` takes it away. Stamping twice changes nothing.
"""

import argparse
import re
import sys
import tomllib
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
LAUNCH = """\
[Open in Colab](https://colab.research.google.com/github/{name}/blob/main/notebooks/{notebook})
[Open in Kaggle](https://www.kaggle.com/kernels/welcome?src={address}/blob/main/notebooks/{notebook})
"""
#: By file: a line, and what follows it where there is an address.
COPIES = {
    "pyproject.toml": (("[project.urls]\n", 'Repository = "{address}"\n'),),
    "CITATION.cff": (("license: MIT\n", 'repository-code: "{address}"\n'),),
    "book/_config.yml": (
        (
            "      use_download_button: true\n",
            "      repository_url: {address}\n      use_repository_button: true\n",
        ),
    ),
    "book/reproduce.md": (
        (
            "needed; everything else goes into `.venv` in the repository.\n\n```console\n",
            "$ git clone {address}\n$ cd {folder}\n",
        ),
        ("make test-all runs all\n```\n", f"\n{LAUNCH.replace('{notebook}', 'train.ipynb')}"),
    ),
}


def repository() -> str:
    """Return the repository's address, from pyproject.toml; empty if it has none."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"].get("Repository", "")


def fill(text: str, address: str, **more: str) -> str:
    """Fill in a repository's address; nothing without one."""
    name = address.removeprefix("https://github.com/")
    return text.format(address=address, name=name, folder=name.split("/")[-1], **more) if address else ""


def set_repository(address: str) -> None:
    """Set the repository's address in pyproject.toml and its copies, or take it away ("none").

    The launch links need GitHub.
    """
    address = "" if address == "none" else address.removesuffix("/").removesuffix(".git")
    if address and not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", address):
        sys.exit(f"error: {address}: give an address such as https://github.com/OWNER/NAME, or none")
    before = repository()
    for path, places in COPIES.items():
        text = (ROOT / path).read_text()
        for line, copy in places:
            if (there := line + fill(copy, before)) not in text:
                sys.exit(
                    f"error: {path}: lacks the lines {there!r}; write them as notebooks/stamp.py has them"
                )
            text = text.replace(there, line + fill(copy, address), 1)
        (ROOT / path).write_text(text)


def stamp(path: Path) -> None:
    """Put the links and the set-up cell after the title cell, in place of those stamped before."""
    address = repository()
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if cell.get("id") not in ("launch", "setup")]
    if not cells or cells[0].cell_type != "markdown" or not cells[0].source.startswith("# "):
        sys.exit(f"error: {path}: the first cell has to be Markdown that starts with the title, '# ...'")
    links = fill(LAUNCH, address, notebook=path.name).rstrip()
    setup = (ROOT / "notebooks" / "setup_cell.py").read_text().replace("{repository}", address, 1).rstrip()
    notebook.cells = [
        cells[0],
        *([nbformat.v4.new_markdown_cell(links, id="launch")] if links else []),
        # Out of the book: there the package is installed, and the cell does nothing.
        nbformat.v4.new_code_cell(setup, id="setup", metadata={"tags": ["remove-cell"]}),
        *cells[1:],
    ]
    nbformat.validate(notebook)
    nbformat.write(notebook, path)


def main() -> None:
    """Change the address if asked, then stamp all notebooks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repository", help="the new address, https://github.com/OWNER/NAME, or none")
    if (address := parser.parse_args().repository) is not None:
        set_repository(address)
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        stamp(path)


if __name__ == "__main__":
    main()
