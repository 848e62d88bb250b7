"""Run a notebook with parameters: ``python notebooks/run.py train.ipynb out.ipynb task=pet-mri seed=1``.

Papermill only warns at a parameter that the notebook does not have, and then runs with the defaults; here
that is an error. Lines that the notebook prints are passed on as they come.
"""

import ast
import os
import re
import sys
from pathlib import Path

import nbformat
import papermill

HERE = Path(__file__).resolve().parent


def main(arguments: list[str]) -> int:
    """Check the parameters' names and types, then execute; exit code 2 for a mistake in them."""
    if len(arguments) < 2 or any("=" not in argument for argument in arguments[2:]):
        print("usage: python notebooks/run.py NOTEBOOK OUTPUT [NAME=VALUE ...]", file=sys.stderr)
        return 2
    notebook, output = HERE / Path(arguments[0]).name, Path(arguments[1])
    if not notebook.is_file():
        print(f"error: {notebook}: no such notebook; choose from {_names()}", file=sys.stderr)
        return 2
    known = papermill.inspect_notebook(str(notebook))
    parameters: dict[str, object] = {}
    for name, value in (argument.split("=", 1) for argument in arguments[2:]):
        if name not in known:
            print(
                f"error: unknown parameter {name!r}; {notebook.name} has {', '.join(known)}", file=sys.stderr
            )
            return 2
        kind = type(ast.literal_eval(known[name]["default"]))
        try:
            parameters[name] = kind(value)
        except ValueError:
            print(f"error: {name}={value}: give a value of type {kind.__name__}", file=sys.stderr)
            return 2
    output.parent.mkdir(parents=True, exist_ok=True)
    # Executed under another name: an interrupted notebook must not pass for a finished one.
    partial = output.with_name(f".{output.name}.partial.ipynb")
    try:
        papermill.execute_notebook(
            str(notebook),
            str(partial),
            parameters,
            kernel_name="python3",
            cwd=str(HERE.parent),
            progress_bar=False,
            stdout_file=sys.stdout,
            stderr_file=sys.stderr,
            extra_arguments=["--IPKernelApp.log_level=50"],  # not the kernel's own chatter
        )
    except papermill.PapermillExecutionError as error:
        print(f"error: {notebook.name} failed: {error.ename}: {error.evalue}", file=sys.stderr)
        print(f"the notebook as far as it came: {partial}", file=sys.stderr)
        return 1
    partial.write_text(_portable(partial))
    partial.replace(output)
    return 0


def _portable(path: Path) -> str:
    """Give an executed notebook to publish: parameters out of the way, no path of this machine in it."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.pop("papermill", None)  # where it lay
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        tags = cell.metadata.get("tags", [])
        if {"injected-parameters", "parameters"} & set(tags):  # a page begins with what it shows
            cell.metadata["tags"] = [*tags, "remove-cell"]
    text = nbformat.writes(notebook)
    places = {
        str(Path(os.environ.get("WDUALMINE_DATA") or HERE.parent).resolve()): "$WDUALMINE_DATA",
        str(HERE.parent): ".",
        str(Path.home()): "~",
    }
    for place in sorted(places, key=len, reverse=True):  # the longest first: one may lie in another
        text = re.sub(rf"(?<![\w+/.~-]){re.escape(place)}(?=[/\W])", places[place], text)
    return text


def _names() -> str:
    return ", ".join(sorted(path.name for path in HERE.glob("*.ipynb")))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
