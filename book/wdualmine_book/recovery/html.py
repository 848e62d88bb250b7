"""The tables of signal recovery in print."""

from collections.abc import Mapping, Sequence

import pandas as pd

from wdualmine.data.tasks import get_task
from wdualmine.records import Run
from wdualmine_book.printing import NO_RECORD, print_grid
from wdualmine_book.recovery.record import SHIFTS, load_robustness
from wdualmine_book.recovery.tables import both, loss_terms_table
from wdualmine_book.titles import title

#: Columns of what the field prints: first the metrics that the objective of recovery names.
_METRICS = ("CC", "Qabf", "SSIM", "FMI", "VIF", "MI", "EN", "PSNR", "SCD", "Qcb", "Nabf")


def render_recovery(table: pd.DataFrame, task: str, form: str = "html") -> str:
    """Print the recovery of each method: its mean with its 95 % interval over pairs, and what else there is.

    Args:
        table: as :func:`wdualmine_book.recovery.tables.ranking_table` gives it.
        task: names the sources.
        form: "html", "md" or "latex".
    """
    rows = []
    for row in table.to_dict("records"):
        cells = {"Method": title(row["method"])}
        for source, modality in zip("ab", get_task(task).modalities, strict=True):
            mean, low, high = (row[f"mean_{source}{end}"] for end in ("", "_low", "_high"))
            interval = f" ({low:.2f}–{high:.2f})" if low == low and high - low >= 0.005 else ""
            cells[f"{modality}: recovery"] = f"{mean:.3f}{interval}"
            cells[f"{modality}: 10 %"] = f"{row[f'p10_{source}']:.2f}"
            cells[f"{modality}: lost"] = f"{row[f'lost_{source}']:.1%}"
            cells[f"{modality}: visibility"] = f"{row[f'visibility_{source}']:.2f}"
            cells[f"{modality}: d′"] = f"{row[f'detectability_{source}']:.2f}"
        rows.append(cells)
    return print_grid(pd.DataFrame(rows), form)


def render_field_metrics(table: pd.DataFrame, form: str = "html") -> str:
    """Print what the field's metrics say of the same images, in the order of recovery."""
    rows = [
        {"Method": title(row["method"])} | {metric: f"{row[metric]:.4f}" for metric in _METRICS}
        for row in table.to_dict("records")
    ]
    return print_grid(pd.DataFrame(rows), form)


def render_agreement(tables: Sequence[pd.DataFrame], form: str = "html") -> str:
    """Print how each metric's order agrees with recovery's, beside each other for several sets of methods."""
    rows = []
    for metric in tables[0]["metric"]:
        cells = {"Metric": metric}
        for table in tables:
            row = table.set_index("metric").loc[metric]
            of = f"{row['methods']} methods: "
            cells[f"{of}over means"] = f"{row['over_methods']:+.2f}"
            cells[f"{of}within pairs"] = f"{row['within']:+.2f} ({row['low']:+.2f} to {row['high']:+.2f})"
            cells[f"{of}ranks first"] = row["first"]
        rows.append(cells)
    return print_grid(pd.DataFrame(rows), form)


def render_bound(tables: Mapping[str, pd.DataFrame], form: str = "html") -> str:
    """Print what :func:`wdualmine_book.recovery.tables.bound_table` gives for each task."""
    columns = {"Average": "average", "Recovery network": "network", "Best image": "bound"}
    rows = [
        {"Task": get_task(task).folder, "Metric": row["metric"]}
        | {title: f"{row[column]:.4f}" for title, column in columns.items()}
        for task, table in tables.items()
        for row in table.to_dict("records")
    ]
    return print_grid(pd.DataFrame(rows), form)


def render_robustness(run: Run, task: str, form: str = "html") -> str:
    """Print the gain of noise, and recovery, share lost and CC against the shift of the MRI, by method."""
    table = load_robustness(run)
    a, b = get_task(task).modalities
    rows = []
    for method, own in table.groupby("method", sort=False):
        cell = own.set_index(["condition", "source"])
        row = {"Method": title(str(method))}
        for source, modality in (("a", a), ("b", b)):
            row[f"noise, {modality}"] = f"{cell['value']['noise', source]:.2f}"
        for shift in SHIFTS:
            key = f"shift-{shift}"
            kept = ", ".join(f"{cell['value'][key, source]:.2f}" for source in "ab")
            row[f"shift {shift}: kept; CC"] = f"{kept}; {cell['CC'][key, 'a']:.4f}"
        rows.append(row)
    return print_grid(pd.DataFrame(rows), form)


def render_seeds(table: pd.DataFrame, form: str = "html") -> str:
    """Print the networks of the paper's split, one row a task and seed."""
    rows = [
        {
            "Task": get_task(row["task"]).folder,
            "Seed": str(row["seed"]),
            "recovery": both(row, "mean", ".3f"),
            "10 %": both(row, "p10", ".2f"),
            "lost": both(row, "lost", ".1%"),
            "visibility": both(row, "visibility", ".2f"),
        }
        | {metric: f"{row[metric]:.4f}" for metric in ("CC", "Qabf", "SSIM", "FMI")}
        for row in table.to_dict("records")
    ]
    return print_grid(pd.DataFrame(rows), form)


def render_loss_terms(runs: Sequence[Run], form: str = "html") -> str:
    """Print what length, width and each term do on fold 0, one seed."""
    trained = {run.variant: run.info.trained for run in runs if run.info.kind == "training"}
    if "recovery-short" not in trained:
        return NO_RECORD
    whole, short = (trained[f"recovery-{name}"].schedule.epochs for name in ("fold-0", "short"))
    titles = {"fold-0": f"all terms, {whole} epochs", "short": f"all terms, {short} epochs as all below"}
    titles["wide"] = "all terms, twice as wide"
    if "recovery-tight" in trained:
        titles["tight"] = f"range weight {trained['recovery-tight'].loss['range']:g}, {whole} epochs"
    listed = loss_terms_table(runs)
    with_others = listed.loc[~listed["term"].isin(["fold-0"]), "task"].unique()
    rows = [
        {
            "Task": get_task(row["task"]).folder,
            "Trained with": titles.get(row["term"], f"without {row['term']}"),
            "recovery": both(row, "mean", ".3f"),
            "10 %": both(row, "p10", ".2f"),
            "lost": both(row, "lost", ".1%"),
        }
        | {metric: f"{row[metric]:.4f}" for metric in ("CC", "Qabf", "SSIM", "PSNR")}
        for row in listed[listed["task"].isin(with_others)].to_dict("records")
    ]
    return print_grid(pd.DataFrame(rows), form)
