"""Progress: a bar on a terminal, a line a minute elsewhere (notebooks, logs)."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

#: Seconds between two lines where there is no terminal.
PAUSE = 60.0
#: What is shown now, from the outermost loop to the innermost; None where it is lines.
_shown: "list[Progress | None]" = []
_last_line = 0.0


@contextmanager
def task_bar(title: str, total: int, enabled: bool = True) -> Iterator[Callable[[], None]]:
    """Show how far a loop of so many steps is, on standard error; an inner loop gets a bar below its own.

    Yields:
        A function to call after every step.
    """
    if not enabled:
        yield lambda: None
        return
    terminal = sys.stderr.isatty()
    outer = next((progress for progress in _shown if progress), None)
    progress = (outer or _make_progress()) if terminal else None
    _shown.append(progress)
    try:
        if progress is None:
            yield _lines(title, total)
        else:
            with nullcontext() if outer else progress:
                bar = progress.add_task(title, total=total)
                yield lambda: progress.advance(bar)
                progress.remove_task(bar)
    finally:
        _shown.pop()


def inner_bar(title: str, total: int) -> AbstractContextManager[Callable[[], None]]:
    """Show how far a loop is where it runs inside of one that is shown; else nothing."""
    return task_bar(title, total, enabled=bool(_shown))


def _make_progress() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _lines(title: str, total: int) -> Callable[[], None]:
    global _last_line
    started = time.monotonic()
    done = 0
    if len(_shown) == 1:
        _last_line = started

    def advance() -> None:
        global _last_line
        nonlocal done
        done, now = done + 1, time.monotonic()
        if done < total and now - _last_line >= PAUSE:
            _last_line = now
            left = (now - started) / done * (total - done) / 60
            minutes = f"{left:.0f} minute{'s' * (round(left) != 1)}"
            print(f"{title}: {done} of {total}, about {minutes} left", file=sys.stderr, flush=True)

    return advance
