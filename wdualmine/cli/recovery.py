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

_LEGEND = """
recovery      mean share of a signal's contrast that is left; p10: its 10th percentile
lost          share of signals with less than a quarter of it left; inverted: with less than none
search        share that an observer finds who knows the shape
reported      share that is found and rated above nine of ten places without a signal
localization  area under the localization ROC curve
detectability d' of the matched filter; hotelling: of the channelized Hotelling observer"""


@app.command()
def recovery(
    task: Annotated[str, typer.Argument(help="ct-mri, pet-mri or spect-mri.")],
    method: MethodOption = "w-dualmine",
    weights: WeightsOption = None,
    residual_scale: ResidualScaleOption = None,
    data: DataOption = None,
    limit: Annotated[int | None, typer.Option(help="Measure only the first so many pairs.")] = None,
    signals: Annotated[int, typer.Option(help="Signals a pair, source and shape, at most.")] = 5,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one row a signal and nothing else.")] = False,
    device: DeviceOption = "auto",
) -> None:
    """Put known signals into one source at a time and say what of them an observer finds in the fused image.

    Beside it: what the same observer finds in that scan alone.
    """
    from wdualmine.data import find_data, get_task, load_pairs, volume_of
    from wdualmine.flat import Way
    from wdualmine.methods import get_method
    from wdualmine.progress import task_bar
    from wdualmine.recovery.measure import measure_alone, measure_recovery
    from wdualmine.recovery.summary import summarize_recovery

    chosen, key = get_method(method), get_task(task)
    fuse, _ = Way(chosen, task, weights, residual_scale, device=device).function(key.color)
    source = find_data(data)
    pairs = load_pairs(key, "test", limit, data=source)
    with task_bar("recovery", (1 if csv else 3) * len(pairs)) as advance:
        scores = measure_recovery(fuse, pairs, volume_of, signals, progress=advance)
        if csv:
            print(scores.to_csv(index=False, float_format="%.6g"), end="")
            return
        alone = measure_alone(pairs, group=volume_of, signals=signals, progress=advance)
    summary = summarize_recovery(scores, alone, volume_of)
    rows: list[tuple[str, ...]] = []
    for entry in summary.to_dict("records"):
        place = key.modalities["ab".index(entry["source"])]
        values = (
            _with_interval(*(entry[f"{what}{end}"] for end in ends))
            for what, ends in (("", ("value", "low", "high")), ("share", ("", "_low", "_high")))
        )
        rows.append((f"{entry['statistic']}, signals in {place}", *values))
    volumes = len({volume_of(pair.name) for pair in pairs})
    print(
        f"{chosen.title}: {len(scores)} signals in {len(pairs)} pair{'s' * (len(pairs) != 1)} of {volumes} "
        f"volume{'s' * (volumes != 1)} of {source.describe()}; "
        + ("intervals at 95 % over volumes" if volumes > 1 else "one volume gives no intervals")
    )
    print_table(("", "value", "share of what the scan alone shows"), rows)
    print(_LEGEND)


def _with_interval(value: float, low: float, high: float) -> str:
    if isnan(value):
        return "–"
    return f"{value:.3f}" if isnan(low) else f"{value:.3f} ({low:.3f} to {high:.3f})"
