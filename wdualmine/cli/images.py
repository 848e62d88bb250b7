"""Verbs for images that a user has: ``fuse`` and ``evaluate``."""

import sys
from collections.abc import Iterable
from json import dumps
from math import inf, isinf
from pathlib import Path
from typing import Annotated

import typer

from wdualmine.cli.common import (
    AllowOption,
    DeviceOption,
    JsonOption,
    MethodOption,
    ResidualScaleOption,
    Round16BitOption,
    WeightsOption,
    app,
    print_table,
)
from wdualmine.cli.scans import (
    AxisOption,
    GridOption,
    RegisterOption,
    TransformOption,
    WindowAOption,
    WindowBOption,
    read_window,
)
from wdualmine.errors import WdualmineError

_STRETCH = """Stretch to the full range, as the published images and by default; else keep intensities. Slices
of a volume are never stretched, so that they stay comparable."""
_KEEP = """Keep the descriptions and extensions of the NIfTI header whose grid the result has. They may name a
patient, so that they are left out by default."""
_VOLUME = "What arrays (H, W, 3) are, where neither the other source nor the result's name says so."


@app.command()
def fuse(
    a: Annotated[
        Path, typer.Argument(metavar="A", help="CT, PET or SPECT: an image, a volume, or a folder.")
    ],
    b: Annotated[Path, typer.Argument(metavar="B", help="The MRI, likewise.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The fused image or volume, or the folder.")],
    task: Annotated[
        str | None, typer.Option(help="Whose weights: ct-mri, pet-mri, spect-mri. Default: by color.")
    ] = None,
    method: MethodOption = "w-dualmine",
    weights: WeightsOption = None,
    residual_scale: ResidualScaleOption = None,
    blend: Annotated[
        float, typer.Option(help="Blend with the average: this much of the method, from 0 to 1.")
    ] = 1.0,
    stretch: Annotated[bool | None, typer.Option(help=_STRETCH, show_default=False)] = None,
    allow: AllowOption = False,
    axis: AxisOption = None,
    volume: Annotated[bool | None, typer.Option("--volume/--color", help=_VOLUME, show_default=False)] = None,
    window_a: WindowAOption = None,
    window_b: WindowBOption = None,
    register: RegisterOption = None,
    grid: GridOption = "finest",
    transform: TransformOption = None,
    keep_metadata: Annotated[bool, typer.Option("--keep-metadata", help=_KEEP)] = False,
    device: DeviceOption = "auto",
) -> None:
    """Fuse two images, two volumes, or two folders of images matched by name; a color image keeps its color.

    Also DICOM slices and NumPy arrays, and, slice by slice, two volumes (NIfTI, or folders that hold a DICOM
    series and a result that ends in .nii.gz), which are brought onto one grid by their headers.
    """
    from wdualmine.data.images import check_suffix, needs_tiff, write_image
    from wdualmine.data.pairs import paired_files
    from wdualmine.data.volumes import are_volumes
    from wdualmine.flat import Way
    from wdualmine.progress import task_bar
    from wdualmine.registration.align import Alignment

    default = method == "w-dualmine" and weights is None
    way = Way(method, task, weights, residual_scale, blend, device)
    windows = read_window(window_a, "--window-a"), read_window(window_b, "--window-b")
    how = Alignment(register, grid, transform)
    if are_volumes(a, b, output, volume):
        if stretch:
            raise WdualmineError("--stretch: slices of a volume keep their intensities; leave it out")
        way.fuse_volume_files(a, b, output, axis, windows, allow, how, keep_metadata)
        _print_weights([way.function(color=False)[1]], default)
        print(output)
        return
    if axis is not None:
        raise WdualmineError(f"--axis {axis}: is for volumes, {a} is none; leave it out")
    if keep_metadata:
        raise WdualmineError(f"--keep-metadata: is for volumes, {a} is none; leave it out")
    if a.is_dir() != b.is_dir():
        raise WdualmineError(f"{a} and {b}: give two images or two folders")
    if a.is_dir() and transform:
        raise WdualmineError(f"--transform {transform}: is of one pair, {a} is a folder; leave it out")
    if a.is_dir():
        jobs = [(*paths, output / f"{name}.png") for name, paths in paired_files(a, b).items()]
    else:
        jobs = [(a, b, check_suffix(output))]
    _check_outputs(a, b, output, jobs)
    labels: dict[bool, str] = {}  # what fused images in color and in grey
    with task_bar("fuse", len(jobs)) as advance:
        for path_a, path_b, path_fused in jobs:
            fused = way.fuse_files(path_a, path_b, stretch is not False, allow, windows, how)
            if (color := fused.ndim == 3) not in labels:
                labels[color] = way.function(color)[1]
            if a.is_dir() and needs_tiff(fused):
                path_fused = _as_tiff(path_fused)
            write_image(path_fused, fused)
            advance()
    _print_weights(dict.fromkeys(labels.values()), default)
    print(output)


def _print_weights(labels: Iterable[str], default: bool) -> None:
    for label in filter(None, labels):
        print(label + "; --method light shows more of both scans" * default, file=sys.stderr)


def _check_outputs(a: Path, b: Path, output: Path, jobs: list[tuple[Path, Path, Path]]) -> None:
    """Refuse, before anything is written, results that would replace a source or lie in the wrong place.

    Raises:
        WdualmineError: a result is a source, by whatever name or link, or two folders lack a third.
    """
    from wdualmine.data.images import SUFFIXES

    if a.is_dir():
        for source in (a, b):
            if output.exists() and output.samefile(source):
                raise WdualmineError(f"{output}: is the folder of the sources {source}; name another with -o")
        if output.is_file() or output.suffix.lower() in SUFFIXES:
            raise WdualmineError(f"{output}: two folders need a folder for their results; name one with -o")
    # Of the whole job: a result could be the source of another pair, too.
    sources = {_place(path) for *pair, _ in jobs for path in pair if path.exists()}
    for *_, result in jobs:
        for path in (result, _as_tiff(result)) if a.is_dir() else (result,):
            if path.exists() and _place(path) in sources:
                raise WdualmineError(f"{path}: is one of the images to fuse; name another with -o")


def _as_tiff(result: Path) -> Path:
    """The name of a folder's result that PNG cannot hold."""
    return result.with_name(f"{result.stem}.tif")


def _place(path: Path) -> tuple[int, int]:
    status = path.stat()  # of what a link leads to
    return status.st_dev, status.st_ino


@app.command()
def evaluate(
    a: Annotated[Path, typer.Argument(metavar="A", help="First source: an image, or a folder of them.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Second source, likewise.")],
    fused: Annotated[Path, typer.Argument(metavar="FUSED", help="The fused image, or a folder.")],
    metrics: Annotated[
        str | None, typer.Option(help="Names separated by commas; default: the paper's five (`report`: all).")
    ] = None,
    convention: Annotated[
        str | None, typer.Option(help="A convention, for those of the metrics that have it.")
    ] = None,
    round_16_bit: Round16BitOption = False,
    window_a: WindowAOption = None,
    window_b: WindowBOption = None,
    json: JsonOption = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one row a pair and nothing else.")] = False,
) -> None:
    """Score fused images against their sources: one row a pair, and for a person their mean and deviation."""
    from wdualmine.metrics import PAPER_METRICS
    from wdualmine.metrics.files import score_files

    if json and csv:
        raise WdualmineError("--json and --csv: choose one")
    keys = PAPER_METRICS if metrics is None else [key.strip() for key in metrics.split(",")]
    windows = read_window(window_a, "--window-a"), read_window(window_b, "--window-b")
    frame = score_files(a, b, fused, keys, convention, round_16_bit, windows)
    if csv:
        print(frame.to_csv(index=False, float_format="%.10g"), end="")
    elif json:  # which has no infinity: the PSNR of equal images is the word that CSV has
        print(dumps(frame.astype(object).replace({inf: "inf", -inf: "-inf"}).to_dict("records"), indent=2))
    else:
        names = list(frame.columns[1:])
        rows = [
            (pair, *(f"{value:.4f}" for value in values)) for pair, *values in frame.itertuples(index=False)
        ]
        if len(frame) > 1:
            rows.append(("mean", *(f"{frame[name].mean():.4f}" for name in names)))
            finite = {name: not isinf(frame[name].sum()) for name in names}
            spreads = (f"{frame[name].std(ddof=0):.4f}" if finite[name] else "–" for name in names)
            rows.append(("std", *spreads))
        print_table(("pair", *names), rows)
