"""Put executed notebooks under one title: ``python book/merge.py TITLE OUT.ipynb HEADING=ONE.ipynb ...``."""

import sys
from pathlib import Path

import nbformat


def merge(title: str, parts: dict[str, Path]) -> nbformat.NotebookNode:
    """Make one notebook: each under its own heading, the words that explain them once.

    Args:
        title: of the page.
        parts: executed notebooks by heading; each begins with a Markdown cell that holds its title.
    """
    notebooks = [nbformat.read(path, as_version=4) for path in parts.values()]
    merged = notebooks[0].copy()
    introduction = notebooks[0].cells[0].copy()
    introduction.source = f"# {title}\n" + introduction.source.partition("\n")[2]
    merged.cells = [introduction]
    for number, (heading, notebook) in enumerate(zip(parts, notebooks, strict=True)):
        merged.cells.append(nbformat.v4.new_markdown_cell(f"## {heading}", id=f"part-{number}"))
        for cell in notebook.cells[1:]:
            if cell.get("id") == "launch":  # once a page, below its title
                if number == 0:
                    merged.cells.insert(1, cell)
                continue
            if cell.cell_type == "markdown":
                lines = cell.source.split("\n")
                cell.source = "\n".join(
                    f"#{line}" if line.startswith("#") else line
                    for line in lines
                    if number == 0 or line.startswith("#")
                )
            cell["id"] = f"{cell['id']}-{number}"
            merged.cells.append(cell)
    return merged


def main(arguments: list[str]) -> None:
    """Read, merge, write."""
    title, output, *parts = arguments
    pairs = (part.split("=", 1) for part in parts)
    notebook = merge(title, {heading: Path(path) for heading, path in pairs})
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, output)


if __name__ == "__main__":
    main(sys.argv[1:])
