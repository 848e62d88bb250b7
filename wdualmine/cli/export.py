"""The verb that takes a network out of Python: ``export``."""

from pathlib import Path
from typing import Annotated

import typer

from wdualmine.cli.common import app


@app.command()
def export(
    source: Annotated[str, typer.Argument(help="A task (ct-mri, ...), a safetensors file or a run folder.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The ONNX file.")],
    method: Annotated[str, typer.Option(help="w-dualmine or light.")] = "w-dualmine",
) -> None:
    """Write a network as an ONNX file, with lambda as an input and the residual as an output."""
    from wdualmine.export import export_onnx

    print(export_onnx(source, output, method))
