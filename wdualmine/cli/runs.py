"""Verbs that leave a run folder: ``train``, ``repeat``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from wdualmine.cli.common import DataOption, DeviceOption, app, print_results, print_table
from wdualmine.errors import WdualmineError


@app.command()
def train(
    task: Annotated[str, typer.Argument(help="ct-mri, pet-mri, spect-mri, or all.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The run's folder; the same folder resumes.")
    ],
    preset: Annotated[str, typer.Option(help="smoke, quick, cpu or paper.")] = "quick",
    variant: Annotated[
        str, typer.Option(help="proposed, a row of Table 4 or 5, or of another study.")
    ] = "proposed",
    seed: Annotated[int, typer.Option(help="Of weights, order and augmentation.")] = 0,
    method: Annotated[str, typer.Option(help="The system to train: see `wdualmine methods`.")] = "w-dualmine",
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
    experiment = make_experiment(task, preset, variant, seed, method, **settings)
    run = train_network(experiment, output, data, device, threads)
    print_results(run)
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
    if run.info.kind != "training":
        raise WdualmineError(f"{record}: a run of kind {run.info.kind}; give a training run's folder")
    check_same_data(run, data)
    experiment = Experiment.from_dict(run.info.trained.model_dump(), record)
    again = train_network(experiment, output, data, device, run.info.hardware.threads)
    differences = largest_differences(run, again)
    rows = [(str(name), f"{difference:.2g}") for name, difference in differences.items()]
    print_table(("metric", "largest difference"), rows)
    if not differences.max() <= tolerance:
        print(f"more than {tolerance:g}: compare the environments in the two run.json", file=sys.stderr)
        raise typer.Exit(1)
