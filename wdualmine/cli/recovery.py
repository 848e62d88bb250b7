"""The verb ``recovery``: what a method keeps of known signals."""

from math import isnan
from typing import Annotated

import typer

from wdualmine.cli.common import (
    DataOption,
    DeviceOption,
    MethodOption,
    ResidualScaleOption,
    WeightsOption,
    app,
    print_table,
)


@app.command()
def recovery(
    task: Annotated[str, typer.Argument(help="ct-mri, pet-mri or spect-mri.")],
    method: MethodOption = "w-dualmine",
    weights: WeightsOption = None,
    residual_scale: ResidualScaleOption = None,
    data: DataOption = None,
    limit: Annotated[int | None, typer.Option(help="Measure only the first so many pairs.")] = None,
    signals: Annotated[int, typer.Option(help="Signals a pair, source and shape, at most.")] = 10,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one row a signal and nothing else.")] = False,
    device: DeviceOption = "auto",
) -> None:
    """Put known signals into one source at a time and say what of them is left in the fused image."""
    from wdualmine.data import find_data, get_task, load_pairs, volume_of
    from wdualmine.flat import Way
    from wdualmine.methods import get_method
    from wdualmine.progress import task_bar
    from wdualmine.recovery.measure import measure_recovery, summarize_recovery

    chosen, key = get_method(method), get_task(task)
    fuse, _ = Way(chosen, task, weights, residual_scale, device=device).function(key.color)
    source = find_data(data)
    pairs = load_pairs(key, "test", limit, data=source)
    with task_bar("recovery", len(pairs)) as advance:
        scores = measure_recovery(fuse, pairs, signals, progress=advance)
    if csv:
        print(scores.to_csv(index=False, float_format="%.6g"), end="")
        return
    summary = summarize_recovery(scores, volume_of)
    rows = []
    for name, own in summary.groupby("source", sort=True):
        count = str((scores["source"] == name).sum())
        values = [
            f"{value:.3f}" if isnan(low) else f"{value:.3f} ({low:.3f} to {high:.3f})"
            for value, low, high in own[["value", "low", "high"]].to_numpy(float)
        ]
        rows.append((key.modalities[0 if name == "a" else 1], count, *values))
    count = f"{len(pairs)} pair{'s' * (len(pairs) != 1)}"
    volumes = len({volume_of(pair.name) for pair in pairs})
    print(
        f"{chosen.title} on {count} of {volumes} volume{'s' * (volumes != 1)} of {source.describe()}; "
        "intervals at 95 % over volumes"
    )
    print_table(("signals in", "number", *summary["statistic"].unique()), rows)
