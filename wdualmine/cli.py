"""The command line: ``wdualmine fuse | evaluate | train | repeat | baselines | table | data | ...``."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from wdualmine import __version__
from wdualmine.errors import WdualmineError

if TYPE_CHECKING:
    from wdualmine.records import Run

app = typer.Typer(
    help="W-DUALMINE: reliability-weighted dual-expert fusion of medical images, reproduced.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="The pairs: fetch them, verify them, say where they are.", no_args_is_help=True)
app.add_typer(data_app, name="data")

# Commands import what they need when they run, so that --help does not wait for torch.

DataOption = Annotated[
    str | None,
    typer.Option(
        "--data", help="Folder of the pairs, or 'phantom'. Default: WDUALMINE_DATA, then the cache."
    ),
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]


class Format(StrEnum):
    """How a table is printed."""

    md = "md"
    latex = "latex"
    csv = "csv"


def main() -> None:
    """Run the command line; a user's mistake is one line on standard error and exit code 2."""
    try:
        app()
    except WdualmineError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("interrupted; the same command resumes what can be resumed", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:  # such as `wdualmine methods | head -1`
        raise SystemExit(0) from None
    except OSError as error:  # a full disk, a folder that is a file, a missing permission
        print(f"error: {error}; free, make or name another place", file=sys.stderr)
        raise SystemExit(2) from None


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


@app.command()
def fuse(
    a: Annotated[
        Path, typer.Argument(metavar="A", help="CT, PET or SPECT: an image, or a folder of images.")
    ],
    b: Annotated[Path, typer.Argument(metavar="B", help="The registered MRI, or a folder of them.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The fused image, or the folder for them.")],
    task: Annotated[
        str | None, typer.Option(help="Whose weights: ct-mri, pet-mri, spect-mri. Default: by color.")
    ] = None,
    method: Annotated[str, typer.Option(help="See `wdualmine methods`.")] = "w-dualmine",
    weights: Annotated[
        Path | None, typer.Option(help="A run folder or safetensors file instead of the package's weights.")
    ] = None,
    residual_scale: Annotated[
        float | None, typer.Option(help="Lambda of Eq. 11 at inference; the paper's is 0.5.")
    ] = None,
    stretch: Annotated[
        bool, typer.Option(help="Stretch to the full range, as the published images; else keep intensities.")
    ] = True,
    device: DeviceOption = "auto",
) -> None:
    """Fuse two registered images, or two folders of them matched by name; a color image keeps its color."""
    from wdualmine.data.color import is_color
    from wdualmine.data.images import read_image, write_image
    from wdualmine.data.pairs import paired_files
    from wdualmine.fusion import fuse_images
    from wdualmine.methods import fuse_with, get_method, load_model
    from wdualmine.progress import task_bar
    from wdualmine.runtime import pick_device

    chosen = get_method(method)
    if not chosen.learned and not (weights is None and residual_scale is None):
        raise WdualmineError(
            f"--weights and --residual-scale belong to w-dualmine, not to {method}; leave them out"
        )
    if residual_scale is not None and not -1 <= residual_scale <= 1:
        raise WdualmineError(f"--residual-scale {residual_scale}: give a number from -1 to 1")
    if a.is_dir() != b.is_dir():
        raise WdualmineError(f"{a} and {b}: give two images or two folders")
    if a.is_dir():
        jobs = [(*paths, output / f"{name}.png") for name, paths in paired_files(a, b).items()]
    else:
        jobs = [(a, b, output)]
    fusers = {}
    with task_bar("fuse", len(jobs)) as advance:
        for path_a, path_b, path_fused in jobs:
            image_a, image_b = read_image(path_a), read_image(path_b)
            if chosen.fuse is not None:
                fuser = chosen.fuse
            else:
                key = task or ("pet-mri" if is_color(image_a) or is_color(image_b) else "ct-mri")
                if key not in fusers:
                    model = load_model(weights or key, pick_device(device))
                    fusers[key] = fuse_with(model, residual_scale)
                fuser = fusers[key]
            fused = fuse_images(image_a, image_b, fuser, stretch, (str(path_a), str(path_b)))
            write_image(path_fused, fused)
            advance()
    for key in fusers:
        print(f"w-dualmine with {weights or f'the {key} weights of the package'}", file=sys.stderr)
    print(output)


@app.command()
def evaluate(
    a: Annotated[Path, typer.Argument(metavar="A", help="First source: an image, or a folder of them.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Second source, likewise.")],
    fused: Annotated[Path, typer.Argument(metavar="FUSED", help="The fused image, or a folder.")],
    metrics: Annotated[
        str | None, typer.Option(help="Names separated by commas; default: the paper's five. See `metrics`.")
    ] = None,
    convention: Annotated[
        str | None, typer.Option(help="A convention, for those of the metrics that have it.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON list, one object a pair.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one row a pair and nothing else.")] = False,
) -> None:
    """Score fused images against their sources: one row a pair, and for a person their mean and deviation."""
    from wdualmine.metrics import PAPER_METRICS
    from wdualmine.metrics.files import score_files

    if json and csv:
        raise WdualmineError("--json and --csv: choose one")
    keys = PAPER_METRICS if metrics is None else [key.strip() for key in metrics.split(",")]
    frame = score_files(a, b, fused, keys, convention)
    if csv:
        print(frame.to_csv(index=False, float_format="%.10g"), end="")
    elif json:
        print(frame.to_json(orient="records", indent=2, double_precision=15))
    else:
        names = list(frame.columns[1:])
        rows = [
            (pair, *(f"{value:.4f}" for value in values)) for pair, *values in frame.itertuples(index=False)
        ]
        if len(frame) > 1:
            rows.append(("mean", *(f"{frame[name].mean():.4f}" for name in names)))
            rows.append(("std", *(f"{frame[name].std(ddof=0):.4f}" for name in names)))
        _print_table(("pair", *names), rows)


@app.command()
def metrics() -> None:
    """List the metrics with direction, range, unit, conventions and source."""
    from wdualmine.metrics import METRICS

    _print_table(
        ("metric", "name", "better", "range", "unit", "conventions", "source"),
        [
            (m.key, m.name, m.direction, f"{m.range[0]:g} to {m.range[1]:g}", m.unit,
             ", ".join(c.name for c in m.conventions), m.source)
            for m in METRICS.values()
        ],
    )  # fmt: skip


@app.command()
def train(
    task: Annotated[str, typer.Argument(help="ct-mri, pet-mri or spect-mri.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The run's folder; the same folder resumes.")
    ],
    preset: Annotated[str, typer.Option(help="smoke, quick, cpu or paper.")] = "quick",
    variant: Annotated[
        str, typer.Option(help="proposed, a row of Table 4 or 5, or of another study.")
    ] = "proposed",
    seed: Annotated[int, typer.Option(help="Of weights, order and augmentation.")] = 0,
    epochs: Annotated[int | None, typer.Option(help="Instead of the preset's.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Instead of the preset's.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Instead of the preset's.")] = None,
    data: DataOption = None,
    device: DeviceOption = "auto",
    threads: Annotated[
        int | None, typer.Option(help="CPU threads; the bits of a run depend on them.")
    ] = None,
) -> None:
    """Train a network on a task and score it; stopped anywhere, the same command resumes."""
    from wdualmine.experiments import make_experiment
    from wdualmine.training import train as train_network

    settings = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate}
    experiment = make_experiment(task, preset, variant, seed, **settings)
    run = train_network(experiment, output, data, device, threads)
    _print_results(run)
    print(output)


@app.command()
def repeat(
    record: Annotated[Path, typer.Argument(help="A training run's folder, such as a committed one.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The new run's folder; the same folder resumes.")
    ],
    data: DataOption = None,
    device: DeviceOption = "auto",
    tolerance: Annotated[float, typer.Option(help="Exit code 1 if a pair's score differs by more.")] = 1e-3,
) -> None:
    """Train a record's experiment again on the same data, and say by how much the scores differ."""
    from wdualmine.experiments import Experiment
    from wdualmine.records import largest_differences, load_run
    from wdualmine.training import check_same_data
    from wdualmine.training import train as train_network

    run = load_run(record)
    if run.info["kind"] != "training":
        raise WdualmineError(f"{record}: a run of kind {run.info['kind']}; give a training run's folder")
    check_same_data(run, data)
    experiment, threads = Experiment.from_dict(run.info["experiment"]), run.info["hardware"]["threads"]
    differences = largest_differences(run, train_network(experiment, output, data, device, threads))
    _print_table(
        ("metric", "largest difference"), [(str(name), f"{d:.2g}") for name, d in differences.items()]
    )
    if not differences.max() <= tolerance:
        print(f"more than {tolerance:g}: compare the environments in the two run.json", file=sys.stderr)
        raise typer.Exit(1)


@app.command()
def baselines(
    task: Annotated[str, typer.Argument(help="ct-mri, pet-mri or spect-mri.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The run's folder.")],
    data: DataOption = None,
    limit: Annotated[int | None, typer.Option(help="Score only the first so many pairs.")] = None,
) -> None:
    """Score the methods that learn nothing (average, maximum, pyramids) on a task's test pairs."""
    from wdualmine.evaluation import evaluate_baselines

    _print_results(evaluate_baselines(task, output, data, limit))
    print(output)


@app.command()
def conventions(
    task: Annotated[str, typer.Argument(help="ct-mri, pet-mri or spect-mri.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The run's folder.")],
    data: DataOption = None,
    limit: Annotated[int | None, typer.Option(help="Score only the first so many pairs.")] = None,
) -> None:
    """Score methods with every metric in every convention on a task's test pairs (minutes)."""
    from wdualmine.evaluation import evaluate_conventions

    evaluate_conventions(task, output, data, limit)
    print(output)


@app.command()
def audit(
    task: Annotated[str, typer.Argument(help="ct-mri, pet-mri or spect-mri.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The run's folder.")],
    data: DataOption = None,
    limit: Annotated[int | None, typer.Option(help="Score only the first so many pairs.")] = None,
) -> None:
    """Score what nobody trained for on a task's test pairs: blends, untrained networks, noise (minutes)."""
    from wdualmine.audit import run_audit

    run_audit(task, output, data, limit)
    print(output)


@app.command()
def methods() -> None:
    """List the ways to fuse."""
    from wdualmine.methods import CLASSICAL, W_DUALMINE

    _print_table(
        ("method", "learns", "source"),
        [(m.name, "yes" if m.learned else "no", m.source) for m in (W_DUALMINE, *CLASSICAL.values())],
    )


@app.command()
def table(
    number: Annotated[int, typer.Argument(help="1 CT-MRI, 2 PET-MRI, 3 SPECT-MRI, 4 and 5 ablations.")],
    runs: Annotated[
        list[Path] | None, typer.Option("--run", help="A run folder, or a folder of them; may be repeated.")
    ] = None,
    format: Annotated[Format, typer.Option(help="How to print it.")] = Format.md,
) -> None:
    """Print a table of the paper beside the reference record and the given runs."""
    from wdualmine.records import find_runs
    from wdualmine.tables import ABLATIONS, ablation_table, comparison_table, render, render_differences

    found = find_runs(runs or [])
    if number in ABLATIONS:
        print(render_differences(ablation_table(number, found or None), format.value))
    else:
        print(render(comparison_table(number, found), format.value))


@data_app.command()
def fetch(
    tasks: Annotated[list[str] | None, typer.Argument(help="Default: all three tasks.")] = None,
    published: Annotated[
        bool, typer.Option(help="Also the fused images that AdaFuse and ASFE-Fusion published.")
    ] = False,
) -> None:
    """Fetch the pairs from their public source, verify each file, resume where it stopped."""
    from wdualmine.data import fetch as fetch_files

    done = fetch_files(tasks, published=published, progress=True)
    print(
        f"{done.root}: {done.fetched} files fetched, {done.kept} were there; every file matches the manifest"
    )


@data_app.command()
def verify(
    folder: Annotated[Path | None, typer.Argument(help="Default: the data in use.")] = None,
) -> None:
    """Compare a folder with the manifest, file by file; exit code 1 if they differ."""
    from wdualmine.data import find_data
    from wdualmine.data import verify as verify_files

    source = find_data(folder)
    if source.name == "phantom":
        raise WdualmineError(
            "the data in use is the phantom, which has no manifest; give the folder to verify"
        )
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

    _print_table(
        ("", "place", "path", "state"),
        [("->" if p.used else "", p.kind, str(p.path or ""), p.state) for p in look(data)],
    )


def _print_results(run: "Run") -> None:
    from wdualmine.tables import scores_table

    table = scores_table(run)
    _print_table(("method", *table.columns), list(table.itertuples(name=None)))


def _print_table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    grid = Table(box=None, pad_edge=False)
    for name in header:
        grid.add_column(name, overflow="fold")
    for row in rows:
        grid.add_row(*row)
    # Piped output is for programs: one line a row, however long.
    console = Console()
    if not console.is_terminal:
        console = Console(width=400)
    console.print(grid)
