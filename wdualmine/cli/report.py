"""The verb that judges anyone's fused images: ``report``."""

from pathlib import Path
from typing import Annotated

import typer

from wdualmine.cli.common import AllowOption, Round16BitOption, app
from wdualmine.errors import WdualmineError

_COMMAND = """How to run a method, for signal recovery: 'mytool {a} {b} {out}', which reads and writes PNG
files; one for each FUSED, '' for none."""
_METRICS = """Names separated by commas, which are all tested; default: all are scored, and those that
`evaluate` scores by default are tested. See `wdualmine metrics`."""
_GROUPS = """Which pairs are slices of one volume: a CSV file with the columns pair and group, or a regular
expression for the names, whose first group or whole match is the volume. Default: a guess from the names."""


@app.command()
def report(
    a: Annotated[Path, typer.Argument(metavar="A", help="First sources: a folder of images, or an image.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Second sources, likewise.")],
    fused: Annotated[
        list[Path], typer.Argument(metavar="FUSED...", help="Fused images of a method; several to compare.")
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
) -> None:
    """Judge fused images beside trivial fusions of the same pairs: one HTML page, CSV and JSON."""
    from wdualmine.report import Command, Judged, judge, write_report
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
    cores = usable_cores()
    findings = judge(a, b, judged, keys, recovery_pairs, allow, round_16_bit, groups=groups, workers=cores)
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
