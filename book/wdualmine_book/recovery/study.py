"""What the light network was chosen from, scored: the record "choices" of a task, on the volumes of fold 1.

Its ``recovery.csv`` is as a ranking's, ``metrics.csv`` has CC.
"""

from functools import partial

import pandas as pd

from wdualmine.data import load_fold, volume_of
from wdualmine.evaluation import Candidate, evaluate
from wdualmine.experiments import FOLDS
from wdualmine.fusion import Fuse
from wdualmine.methods import CLASSICAL, load_fuse
from wdualmine.progress import task_bar
from wdualmine.records import Run, find_runs, write_csv
from wdualmine.recovery.measure import measure_alone, measure_recovery
from wdualmine.recovery.summary import leave_one_out
from wdualmine_book.recorder import Parts, Request
from wdualmine_book.records import records_by_task
from wdualmine_book.recovery.choices import CHOICES, choices_folder
from wdualmine_book.recovery.record import ALONE
from wdualmine_book.recovery.tables import wide

KIND = "choices"
#: The fold whose volumes decide; those of the others are what the choices are trained on.
FOLD = 1


def choices(request: Request) -> pd.DataFrame:
    """Score every choice whose training is in :func:`~wdualmine_book.recovery.choices.choices_folder`."""
    task, parts = request.task, Parts(request)
    names = {pair.name for pair in load_fold(request.source, task, "test", FOLD, FOLDS)}
    pairs = [pair for pair in request.pairs if pair.name in names]
    ways: dict[str, Fuse] = {"average": CLASSICAL["average"].fuse}  # type: ignore[dict-item]
    for method in CHOICES:
        if (folder := choices_folder() / method.name).is_dir():
            ways[method.name] = load_fuse(method, folder)
    frames, recovery = [], []
    with task_bar(f"{task.key} choices", len(ways) + 1, request.progress) as advance:
        measures = {ALONE: partial(measure_alone, pairs, group=volume_of)}
        measures |= {name: partial(measure_recovery, fuse, pairs, volume_of) for name, fuse in ways.items()}
        for name, measure in measures.items():
            own = parts(name, lambda measure=measure: leave_one_out(measure(), volume_of))  # type: ignore[misc]
            recovery.append(own.assign(method=name, view="luma"))
            advance()
    for name, fuse in ways.items():
        frames.append(evaluate([Candidate(name, fuse, False)], pairs, task.key, metrics=("CC",)))
    columns = ["method", "view", "source", "statistic", "without", "value"]
    write_csv(request.output / "recovery.csv", pd.concat(recovery, ignore_index=True)[columns].round(6))
    parts.clear()
    return pd.concat(frames, ignore_index=True)


def choices_runs() -> dict[str, Run]:
    """Return the committed records of this kind by task."""
    return records_by_task(find_runs([choices_folder()]), KIND)


def choices_table(runs: dict[str, Run]) -> pd.DataFrame:
    """Tabulate the choices: means over the tasks.

    Returns:
        A row a choice: method, title, CC (less the average's), search (share of the scan alone) and detection
        (d' over the average's), each of the source that comes off worse, and contrast of it.
    """
    rows = []
    for method in CHOICES:
        values = []
        for run in runs.values():
            gap = run.metrics.groupby("method")["CC"].mean()
            search = wide(run, "search", "share")["worse"]
            if method.name not in search.index:
                continue
            values.append(
                {
                    "CC": gap[method.name] - gap["average"],
                    "search": search[method.name],
                    "detection": wide(run, "detectability", "share", "average")["worse"][method.name],
                    "contrast": wide(run, "recovery", "value")["worse"][method.name],
                }
            )
        if values:
            rows.append(
                {"method": method.name, "title": method.title} | pd.DataFrame(values).mean().to_dict()
            )
    return pd.DataFrame(rows)
