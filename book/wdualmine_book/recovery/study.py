"""What the light network was chosen from, scored: the record "choices" of a task, on the volumes of fold 1.

Its ``recovery.csv`` is as a ranking's, ``metrics.csv`` has CC.
"""

from functools import partial

import pandas as pd
import torch

from wdualmine.data import Pair, load_fold, volume_of
from wdualmine.evaluation import Candidate, evaluate
from wdualmine.experiments import FOLDS, make_experiment
from wdualmine.fusion import Fuse
from wdualmine.methods import CLASSICAL, fuse_with, load_fuse
from wdualmine.methods.learned import load_network
from wdualmine.progress import task_bar
from wdualmine.records import Run, find_runs, write_csv
from wdualmine.recovery.measure import measure_alone, measure_recovery
from wdualmine.recovery.summary import leave_one_out
from wdualmine.training import initial_state, stack, train_epoch
from wdualmine_book.recorder import Parts, Request
from wdualmine_book.records import records_by_task
from wdualmine_book.recovery.choices import CHOICES, CHOSEN, choices_folder
from wdualmine_book.recovery.record import ALONE
from wdualmine_book.recovery.tables import wide

KIND = "choices"
#: The fold whose volumes decide; those of the others are what the choices are trained on.
FOLD = 1
#: Pairs of a task that get a network of their own, and its steps.
BOUND_PAIRS = 2
BOUND_STEPS = 400
OWN = "own network"


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
    if CHOSEN.name in ways:
        write_csv(request.output / "bound.csv", parts("bound", partial(bound, ways, pairs, task.key)))
    columns = ["method", "view", "source", "statistic", "without", "value"]
    write_csv(request.output / "recovery.csv", pd.concat(recovery, ignore_index=True)[columns].round(6))
    parts.clear()
    return pd.concat(frames, ignore_index=True)


def bound(ways: dict[str, Fuse], pairs: list[Pair], task: str) -> pd.DataFrame:
    """Measure what a network of its own gives a pair: trained on that pair alone, from the network of all.

    No network of this size and objective can be asked for more on the pair, wherever it was trained.

    Returns:
        Columns pair, method ("average", the network of all, :data:`OWN`), source, statistic and value, with
        CC as a statistic of source "".
    """
    rows = []
    for pair in pairs[:: max(1, len(pairs) // BOUND_PAIRS)][:BOUND_PAIRS]:
        fusers = {name: ways[name] for name in ("average", CHOSEN.name)} | {OWN: own_network(pair)}
        for name, fuse in fusers.items():
            table = leave_one_out(measure_recovery(fuse, [pair], volume_of), volume_of)
            rows.append(table[table["without"] == ""].assign(pair=pair.name, method=name))
            scores = evaluate([Candidate(name, fuse, False)], [pair], task, metrics=("CC",))
            value = {
                "source": "",
                "statistic": "CC",
                "value": scores["CC"],
                "pair": pair.name,
                "method": name,
            }
            rows.append(pd.DataFrame(value))
    return pd.concat(rows, ignore_index=True)[["pair", "method", "source", "statistic", "value"]]


def own_network(pair: Pair) -> Fuse:
    """Train the network of all on a single pair, by the same objective."""
    experiment = make_experiment(
        "all", "paper", method=CHOSEN.name, epochs=1, epoch_pairs=BOUND_STEPS * 4, learning_rate=1e-3
    )
    state = initial_state(experiment, torch.device("cpu"))
    network = load_network(CHOSEN, choices_folder() / CHOSEN.name)
    state.model.load_state_dict(network.state_dict())
    images = tuple(image.repeat(BOUND_STEPS * 4, 1, 1, 1) for image in stack([pair]))
    train_epoch(state, [images], experiment, 0, progress=False)  # type: ignore[list-item]
    return fuse_with(state.model.eval().requires_grad_(False))


def choices_runs() -> dict[str, Run]:
    """Return the committed records of this kind by task."""
    return records_by_task(find_runs([choices_folder()]), KIND)


def choice_trainings() -> dict[str, Run]:
    """Return the committed trainings of the choices by method."""
    return {run.info.trained.method: run for run in find_runs([choices_folder()]) if run.info.experiment}


def bound_table(runs: dict[str, Run]) -> pd.DataFrame:
    """Return :func:`bound` as means over its pairs: a row a task and method.

    Returns:
        Columns task, method, pairs, CC, and of both sources search_a, detectability_a and so on.
    """
    rows = []
    for task, run in runs.items():
        table = run.table("bound.csv")
        for method, own in table.groupby("method", sort=False):
            means = own.fillna({"source": ""}).groupby(["statistic", "source"])["value"].mean()
            row = {"task": task, "method": method, "pairs": own["pair"].nunique(), "CC": means["CC", ""]}
            row |= {f"{s}_{x}": means[s, x] for s in ("search", "detectability") for x in "ab"}
            rows.append(row)
    return pd.DataFrame(rows)


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
