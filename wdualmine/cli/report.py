"""The verb that judges anyone's fused images and volumes: ``report``."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from wdualmine.cli.common import AllowOption, Round16BitOption, app
from wdualmine.cli.scans import AxisOption, WindowAOption, WindowBOption, read_window
from wdualmine.errors import WdualmineError

_COMMAND = """How to run a method, for signal recovery: 'mytool {a} {b} {out}', which reads and writes PNG
files; one for each FUSED, '' for none."""
_METRICS = """Names separated by commas, which are all tested; default: all are scored, and those that
`evaluate` scores by default are tested. See `wdualmine metrics`."""
_GROUPS = """Which pairs are slices of one volume: a CSV file with the columns pair and group, or a regular
expression for the names, whose first group or whole match is the volume. Default: a guess from the names."""
_AT = "The voxel that the three planes of volumes go through, counted from 0; default: the middle."
_FUSED = "What to show of fused volumes, in their units; default: as A, which `fuse` writes."
_TRANSFORM = "The file (.tfm, .h5) that `fuse --register` wrote for these volumes."


@app.command()
def report(
    a: Annotated[
        Path, typer.Argument(metavar="A", help="First sources: a folder of images, an image, or a volume.")
    ],
    b: Annotated[Path, typer.Argument(metavar="B", help="Second sources, likewise.")],
    fused: Annotated[
        list[Path], typer.Argument(metavar="FUSED...", help="What a method made of them; several to compare.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder for the report.")],
    name: Annotated[
        list[str] | None, typer.Option(help="What to call a method; one for each FUSED. Default: its folder.")
    ] = None,
    command: Annotated[list[str] | None, typer.Option(help=_COMMAND)] = None,
    timeout: Annotated[float, typer.Option(help="Seconds after which a run of a command is ended.")] = 60.0,
    metrics: Annotated[str | None, typer.Option(help=_METRICS)] = None,
    groups: Annotated[str | None, typer.Option(metavar="FILE|PATTERN", help=_GROUPS)] = None,
    allow: AllowOption = False,
    round_16_bit: Round16BitOption = False,
    recovery_pairs: Annotated[
        int, typer.Option(help="Put signals into at most so many pairs; each takes a command up to 11 runs.")
    ] = 6,
    axis: AxisOption = None,
    at: Annotated[str | None, typer.Option(metavar="X,Y,Z", help=_AT)] = None,
    window_a: WindowAOption = None,
    window_b: WindowBOption = None,
    window_fused: Annotated[str | None, typer.Option(metavar="LOW,HIGH", help=_FUSED)] = None,
    transform: Annotated[Path | None, typer.Option(metavar="FILE", help=_TRANSFORM)] = None,
) -> None:
    """Judge fused images beside trivial fusions of the same pairs: one HTML page, CSV and JSON.

    Also fused volumes, as `fuse` takes and writes them: slice by slice, with three planes that cross.
    """
    from wdualmine.data.volumes import are_volumes
    from wdualmine.report import Command, Judged, judge, write_report
    from wdualmine.report.volumes import report_volumes
    from wdualmine.report.words import verdict
    from wdualmine.report.write import check_output
    from wdualmine.runtime import usable_cores

    names = _one_each("--name", name, [path.resolve().name for path in fused])
    commands = _one_each("--command", command, [""] * len(fused))
    judged = [
        Judged(title, path, Command(text, timeout) if text.strip() else None)
        for title, path, text in zip(names, fused, commands, strict=True)
    ]
    keys = None if metrics is None else [key.strip() for key in metrics.split(",")]
    check_output(output)
    options: dict[str, Any] = {
        "metrics": keys,
        "recovery_pairs": recovery_pairs,
        "allow": allow,
        "workers": usable_cores(),
    }
    given = {"--axis": axis, "--at": at, "--window-fused": window_fused, "--transform": transform}
    shown = read_window(window_a, "--window-a"), read_window(window_b, "--window-b")
    if are_volumes(a, b, fused[0]):
        _leave_out({"--groups": groups, "--to-8-bit": round_16_bit or None}, f"images, {a} is a volume")
        windows = *shown, read_window(window_fused, "--window-fused")
        place = _read_place(at)
        findings, page = report_volumes(a, b, judged, output, axis, place, windows, transform, **options)
    else:
        _leave_out(given, f"volumes, {a} is none")
        findings = judge(a, b, judged, round_16_bit=round_16_bit, windows=shown, groups=groups, **options)
        page = write_report(findings, output)
    for method in judged:
        print(verdict(findings, method.name)[0])
    print(findings.groups.source)
    print(page)


def _one_each(option: str, given: list[str] | None, default: list[str]) -> list[str]:
    if not given:
        return default
    if len(given) != len(default):
        raise WdualmineError(f"{option}: given {len(given)} times for {len(default)} FUSED; give one each")
    return given


def _leave_out(options: Mapping[str, object], kind: str) -> None:
    for option, given in options.items():
        if given is not None:
            raise WdualmineError(f"{option}: is for {kind}; leave it out")


def _read_place(text: str | None) -> list[int] | None:
    if text is None:
        return None
    if not re.fullmatch(r"\d+,\d+,\d+", text):
        raise WdualmineError(f"--at {text}: give three whole numbers X,Y,Z")
    return [int(number) for number in text.split(",")]
