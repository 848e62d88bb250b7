"""The audit for anyone's method: a report on fused images, as one page, CSV and JSON."""

import sys
from types import ModuleType
from typing import Any

from wdualmine.report.command import Command
from wdualmine.report.measure import Findings, Judged, judge
from wdualmine.report.write import write_report

__all__ = ["Command", "Findings", "Judged", "judge", "write_report"]


class _Report(ModuleType):
    """This package, which can be called: so ``wd.report(...)`` works after it was imported, too."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        from wdualmine.flat import report

        return report(*arguments, **options)


sys.modules[__name__].__class__ = _Report
