"""The audit for anyone's method: a report on fused images, as one page, CSV and JSON."""

from wdualmine.report.command import Command
from wdualmine.report.measure import Findings, Judged, judge
from wdualmine.report.write import write_report

__all__ = ["Command", "Findings", "Judged", "judge", "write_report"]
