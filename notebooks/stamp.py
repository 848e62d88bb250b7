"""Stamp launch links and the set-up cell into every notebook: ``python notebooks/stamp.py``.

The repository's address stands in ``pyproject.toml``; ``--repository https://github.com/OWNER/NAME`` changes
it there and in every file that repeats it. Stamping twice changes nothing.
"""

import argparse
import re
import sys
import tomllib
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
#: Files other than the notebooks that repeat the address of pyproject.toml.
COPIES = ("CITATION.cff", "book/_config.yml", "book/index.md")
COLAB = "https://colab.research.google.com/github/"
LAUNCH = f"""\
[Open in Colab]({COLAB}{{name}}/blob/main/notebooks/{{notebook}})
[Open in Kaggle](https://www.kaggle.com/kernels/welcome?src={{repository}}/blob/main/notebooks/{{notebook}})"""


def repository() -> str:
    """Give the repository's address, from pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]


def set_repository(address: str) -> None:
    """Replace the repository's address in pyproject.toml and its copies; the launch links need GitHub."""
    address = address.removesuffix("/").removesuffix(".git")
    if not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", address):
        sys.exit(f"error: {address}: give an address such as https://github.com/OWNER/NAME")
    before = repository()
    for path in (ROOT / name for name in ("pyproject.toml", *COPIES)):
        text = re.sub(re.escape(before) + r"(?![\w-])", address, path.read_text())
        # Colab's links name the owner without the host.
        old, new = (url.removeprefix("https://github.com/") for url in (before, address))
        path.write_text(text.replace(f"{COLAB}{old}/", f"{COLAB}{new}/"))


def stamp(path: Path) -> None:
    """Put the links and the set-up cell after the title cell, in place of those stamped before."""
    address = repository()
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if cell.get("id") not in ("launch", "setup")]
    if not cells or cells[0].cell_type != "markdown" or not cells[0].source.startswith("# "):
        sys.exit(f"error: {path}: the first cell has to be Markdown that starts with the title, '# ...'")
    links = LAUNCH.format(
        name=address.removeprefix("https://github.com/"), repository=address, notebook=path.name
    )
    setup = (ROOT / "notebooks" / "setup_cell.py").read_text().replace("{repository}", address, 1).rstrip()
    notebook.cells = [
        cells[0],
        nbformat.v4.new_markdown_cell(links, id="launch"),
        # Out of the book: there the package is installed, and the cell does nothing.
        nbformat.v4.new_code_cell(setup, id="setup", metadata={"tags": ["remove-cell"]}),
        *cells[1:],
    ]
    nbformat.validate(notebook)
    nbformat.write(notebook, path)


def main() -> None:
    """Change the address if asked, then stamp all notebooks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repository", help="the new address, https://github.com/OWNER/NAME")
    if address := parser.parse_args().repository:
        set_repository(address)
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        stamp(path)


if __name__ == "__main__":
    main()
