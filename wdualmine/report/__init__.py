"""The audit for anyone's method: a report on fused images, as one page, CSV and JSON."""

import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from wdualmine.data.volumes import are_volumes
from wdualmine.report.command import Command
from wdualmine.report.measure import Findings, Judged, judge
from wdualmine.report.volumes import report_volumes
from wdualmine.report.write import write_report

__all__ = ["Command", "Findings", "Judged", "judge", "report", "write_report"]


def report(
    a: str | Path,
    b: str | Path,
    fused: str | Path | Iterable[Judged | str | Path],
    output: str | Path,
    **options: Any,
) -> Path:
    """Judge fused images or volumes beside trivial fusions of the same pairs, and write the report.

    Args:
        a: first sources, a folder or a file.
        b: second sources, matched by name.
        fused: the fused images, likewise; or several methods', each by its folder, which names it, or as a
            :class:`~wdualmine.report.Judged`.
        output: the folder.
        **options: see :func:`~wdualmine.report.judge`, of volumes also
            :func:`~wdualmine.report.volumes.report_volumes`; and for errors, too.

    Returns:
        The page; CSV and JSON are beside it.
    """
    judged = [
        each if isinstance(each, Judged) else Judged(Path(each).resolve().name, Path(each))
        for each in ([fused] if isinstance(fused, str | Path) else fused)
    ]
    if judged and are_volumes(Path(a), Path(b), judged[0].fused):
        return report_volumes(Path(a), Path(b), judged, Path(output), **options)[1]
    return write_report(judge(a, b, judged, **options), output)


class _Report(ModuleType):
    """This package, which can be called: so ``wd.report(...)`` works after it was imported, too."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return report(*arguments, **options)


sys.modules[__name__].__class__ = _Report
