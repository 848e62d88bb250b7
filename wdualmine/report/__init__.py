"""The audit for anyone's method: a report on fused images, as one page, CSV and JSON."""

import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from wdualmine.report.command import Command
from wdualmine.report.measure import Findings, Judged, judge
from wdualmine.report.write import write_report

__all__ = ["Command", "Findings", "Judged", "judge", "report", "write_report"]


def report(
    a: str | Path, b: str | Path, fused: str | Path | Iterable[Judged], output: str | Path, **options: Any
) -> Path:
    """Judge fused images beside trivial fusions of the same pairs, and write the report into a folder.

    Args:
        a: first sources, a folder or a file.
        b: second sources, matched by name.
        fused: the fused images, likewise; or several methods (:class:`~wdualmine.report.Judged`).
        output: the folder.
        **options: see :func:`~wdualmine.report.judge`, and for errors, too.

    Returns:
        The page; CSV and JSON are beside it.
    """
    if isinstance(fused, str | Path):
        fused = [Judged(Path(fused).resolve().name, Path(fused))]
    return write_report(judge(a, b, list(fused), **options), output)


class _Report(ModuleType):
    """This package, which can be called: so ``wd.report(...)`` works after it was imported, too."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return report(*arguments, **options)


sys.modules[__name__].__class__ = _Report
