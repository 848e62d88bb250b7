"""Verbs for the data: ``data fetch``, ``data verify``, ``data where``."""

from pathlib import Path
from typing import Annotated

import typer

from wdualmine.cli.common import DataOption, app, print_table
from wdualmine.errors import WdualmineError

data_app = typer.Typer(help="The pairs: fetch them, verify them, say where they are.", no_args_is_help=True)
app.add_typer(data_app, name="data")


@data_app.command()
def fetch(
    tasks: Annotated[list[str] | None, typer.Argument(help="Default: all three tasks.")] = None,
    published: Annotated[
        bool, typer.Option(help="Also the fused images that AdaFuse and ASFE-Fusion published.")
    ] = False,
    networks: Annotated[
        bool, typer.Option(help="Instead, the weights of DenseFuse, IFCNN, SDNet and U2Fusion.")
    ] = False,
) -> None:
    """Fetch the pairs from their public source, verify each file, resume where it stopped."""
    from wdualmine.data import fetch as fetch_files
    from wdualmine.data.manifest import read_networks

    if networks and (tasks or published):
        raise WdualmineError("--networks: fetches no pairs; leave the tasks and --published out")
    if networks:
        for file in read_networks().values():
            print(f"{file.system}: {file.repository} at {file.commit[:7]}, license: {file.license}")
    done = fetch_files(tasks, published=published, progress=True, networks=networks)
    counts = f"{done.fetched} files fetched, {done.kept} were there"
    print(f"{done.root}: {counts}; every file matches the manifest")


@data_app.command()
def verify(folder: Annotated[Path | None, typer.Argument(help="Default: the data in use.")] = None) -> None:
    """Compare a folder with the manifest, file by file; exit code 1 if they differ."""
    from wdualmine.data import find_data
    from wdualmine.data import verify as verify_files
    from wdualmine.data import where as look

    used = next(place for place in look(folder) if place.used)
    if used.kind == "phantom" or used.path is None:
        what = "the data in use is the phantom, which has no manifest"
        raise WdualmineError(f"{what}; run `wdualmine data fetch`, or give a folder")
    source = find_data(folder)
    report = verify_files(source.root, source.tasks)
    for kind in ("missing", "altered", "extra"):
        for path in getattr(report, kind):
            print(f"{kind}: {path}")
    print(
        f"{report.root}: {report.checked} files listed ({', '.join(source.tasks)}), "
        f"{len(report.missing)} missing, {len(report.altered)} altered, {len(report.extra)} extra"
    )
    raise typer.Exit(0 if report.ok else 1)


@data_app.command()
def where(data: DataOption = None) -> None:
    """Show where the data is looked for, in order, and which place is used."""
    from wdualmine.data import where as look

    print_table(
        ("", "place", "path", "state"),
        [("->" if p.used else "", p.kind, str(p.path or ""), p.state) for p in look(data)],
    )
