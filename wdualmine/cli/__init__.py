"""The command line, a file a group of verbs: ``wdualmine fuse | evaluate | report | train | data | ...``."""

import atexit
import gc
import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from wdualmine import __version__
from wdualmine.cli import data, export, images, listings, recovery, report, runs  # noqa: F401 (verbs register)
from wdualmine.cli.common import app, missing_extra
from wdualmine.errors import WdualmineError

__all__ = ["app", "main", "run_app"]


def main() -> None:
    """Run the command line."""
    run_app(app)


def run_app(app: typer.Typer) -> None:
    """Run a program; a user's mistake is one line on standard error and exit code 2."""
    atexit.register(gc.freeze)  # torch's objects end with the process: to collect each takes a quarter second
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # an encoding without arrows spells them out
            stream.reconfigure(errors="namereplace")
    try:
        return app()
    except WdualmineError as error:
        text: str | None = str(error)
    except ImportError as error:  # of an extra that was not installed
        if not (text := missing_extra(error)):
            raise
    except BrokenPipeError:  # such as `wdualmine methods | head -1`
        raise SystemExit(0) from None
    except OSError as error:  # a full disk, a folder that is a file, a missing permission
        text = f"{error}; free, make or name another place"
    print(f"error: {text}", file=sys.stderr)
    raise SystemExit(2)


def _version(value: bool) -> None:
    if value:
        print(f"wdualmine {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Hold the options of the whole program."""
