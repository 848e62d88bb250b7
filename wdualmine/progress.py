"""Progress: a bar on a terminal, a line now and then elsewhere (notebooks, logs)."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def task_bar(title: str, total: int, enabled: bool = True) -> Iterator[Callable[[], None]]:
    """Show how far a loop is, on standard error.

    Args:
        title: what is being done.
        total: number of steps.
        enabled: False shows nothing.

    Yields:
        A function to call after every step.
    """
    console = Console(file=sys.stderr)
    if not (enabled and console.is_terminal):
        yield lambda: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(title, total=total)
        yield lambda: progress.advance(bar)
