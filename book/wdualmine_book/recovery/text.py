"""The tables of signal recovery in print, and the sentences that they bear out."""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import pandas as pd

from wdualmine.data.tasks import TASKS, get_task
from wdualmine.methods import W_DUALMINE, W_DUALMINE_RECOVERY
from wdualmine.records import Run
from wdualmine.recovery.scoring import RANKING_METRICS
from wdualmine_book.committed import record_of
from wdualmine_book.printing import print_grid
from wdualmine_book.recovery.record import KIND, SHIFTS, load_robustness
from wdualmine_book.recovery.tables import front_at, method_title, share_of_the_way, terms_table, unseen_table

#: What the issue of recovery is about, and what the field prints.
_METRICS = ("CC", "Qabf", "SSIM", "FMI", "VIF", "MI", "EN", "PSNR", "SCD", "Qcb", "Nabf")
#: What was asked for before training: recovery of at least, CC at most so far below the average.
GOALS = {"mean": 0.90, "p10": 0.75, "CC": 0.004, "CC, color": 0.010}
#: Metrics of which the trivial front is asked at the network's CC.
FRONT = ("Qabf", "SSIM", "FMI")


def render_recovery(table: pd.DataFrame, task: str, form: str = "html") -> str:
    """Print the recovery of each method: its mean with its 95 % interval over pairs, and what else there is.

    Args:
        table: as :func:`wdualmine_book.recovery.tables.ranking_table` gives it.
        task: names the sources.
        form: "html", "md" or "latex".
    """
    rows = []
    for row in table.to_dict("records"):
        cells = {"Method": method_title(row["method"])}
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
        {"Method": method_title(row["method"])} | {metric: f"{row[metric]:.4f}" for metric in _METRICS}
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


def agreement_sentence(task: str, tables: Sequence[pd.DataFrame]) -> str:
    """Say which metrics agree with recovery on a task, whatever the set of methods, and which go against it.

    Args:
        task: "ct-mri", "pet-mri" or "spect-mri".
        tables: as :func:`~wdualmine_book.recovery.tables.agreement_table` gives them, one a set of methods.
    """
    agree, against = _agreeing(tables), _against(tables)
    signs = pd.DataFrame([np.sign(table.set_index("metric")["within"]) for table in tables])
    turned = [str(metric) for metric in signs.columns if {-1, 1} <= set(signs[metric])]
    if not agree and not against:
        return (
            f"{get_task(task).folder}: {tables[0]['volumes'].iloc[0]} volumes are too few to say which "
            "metrics rank methods as recovery does, and which the other way round."
        )
    return (
        f"{get_task(task).folder}: within pairs, {_list(agree) or 'no metric'} {_verb(agree)} methods as "
        f"recovery does, if only in part, {_list(against) or 'none'} the other way round, "
        "whichever set is asked. "
        f"{_list(turned) or 'No metric'} {'turn' if len(turned) > 1 else 'turns'} round from one set to the "
        "other."
    )


def agreement_conclusion(agreements: Mapping[str, Sequence[pd.DataFrame]]) -> str:
    """Say which metrics go against recovery on every task and for every set of methods."""
    each = [set(_against(tables)) for tables in agreements.values()]
    always = [metric for metric in RANKING_METRICS if each and all(metric in own for own in each)]
    if not always:
        return "No metric goes against recovery on every task."
    return (
        f"On every task and for both sets, {_list(always)} {_verb(always)} methods against recovery: the "
        "better score goes to what keeps less of one scan."
    )


def _agreeing(tables: Sequence[pd.DataFrame]) -> list[str]:
    told = [set(table.loc[table["low"] > 0, "metric"]) for table in tables]
    return [metric for metric in tables[0]["metric"] if metric in set.intersection(*told)]


def _against(tables: Sequence[pd.DataFrame]) -> list[str]:
    told = [set(table.loc[table["high"] < 0, "metric"]) for table in tables]
    return [metric for metric in tables[0]["metric"] if metric in set.intersection(*told)]


def recovery_sentences(runs: Sequence[Run]) -> list[str]:
    """Say for each task what the networks reach on volumes that they never saw, and beside what."""
    sentences = []
    for task in TASKS:
        table = unseen_table(task, runs)
        if table.empty:
            continue
        table = table.set_index("method")
        own, average, detail = (
            table.loc[name].to_dict() for name in (W_DUALMINE_RECOVERY.name, "average", "detail-average")
        )
        ranking = record_of(task, runs, KIND)
        front = [
            f"{metric} {own[metric]:.3f} (blend {front_at(ranking, metric, own['CC']):.3f})"
            for metric in FRONT
        ]
        a, b = get_task(task).modalities
        clearest = " and ".join(
            f"*{method_title(str(table[f'visibility_{source}'].idxmax()))}* in the {modality}"
            for source, modality in (("a", a), ("b", b))
        )
        sentences.append(
            f"**{get_task(task).folder}**: on unseen volumes the recovery network keeps "
            f"{_both(own, 'mean', '.3f')} of a signal in the {a} and in the {b} (10th percentiles "
            f"{_both(own, 'p10', '.2f')}), loses {_both(own, 'lost', '.1%')} and inverts "
            f"{_both(own, 'inverted', '.1%')}; the average keeps {_both(average, 'mean', '.3f')}. Its CC is "
            f"{own['CC'] - average['CC']:+.4f} from the average's; at the same CC stand {_list(front)}. Its "
            f"visibility is {_both(own, 'visibility', '.2f')}, the average's "
            f"{_both(average, 'visibility', '.2f')}; the highest of the table is that of {clearest}. "
            f"*{method_title('detail-average')}*, which learns nothing, keeps "
            f"{_both(detail, 'mean', '.3f')} at a CC {detail['CC'] - average['CC']:+.4f} from the average's."
        )
    return sentences


def second_finding(runs: Sequence[Run]) -> str:
    """Say for the landing page, in one sentence, what a measure of fusion and training for it give."""
    kept: list[float] = []
    lost: list[float] = []
    filtered: list[float] = []
    maximum: list[float] = []
    plain: list[float] = []
    for task in TASKS:
        table = unseen_table(task, runs)
        if table.empty:
            continue
        table = table.set_index("method")
        for source in "ab":
            plain += [float(table[f"mean_{source}"][name]) for name in ("average", W_DUALMINE.name)]
            kept.append(float(table[f"mean_{source}"][W_DUALMINE_RECOVERY.name]))
            lost.append(float(table[f"lost_{source}"][W_DUALMINE_RECOVERY.name]))
            filtered.append(float(table[f"mean_{source}"]["detail-average"]))
            maximum.append(float(table[f"lost_{source}"]["maximum"]))
    if not kept:
        return ""
    return (
        "Put a small known signal into one source and look for it in the fused image: the average and the "
        f"paper's network keep {_span(plain, '.0%')} of it. The same network, half as wide and trained to "
        f"keep such signals, keeps {_span(kept, '.0%')} on volumes that it never saw and loses at most "
        f"{max(lost):.1%} of them; the pixelwise maximum loses {_span(maximum, '.0%')}. Three lines without "
        f"training, the average plus each source's details, keep {_span(filtered, '.0%')}."
    )


def conclusion(runs: Sequence[Run]) -> str:
    """Say in two sentences what this page found, from the unseen volumes of all tasks."""
    parts = []
    plain: list[float] = []
    missed: dict[str, list[str]] = {}
    for task in TASKS:
        table = unseen_table(task, runs)
        if table.empty:
            continue
        table = table.set_index("method")
        own, average = (table.loc[name].to_dict() for name in (W_DUALMINE_RECOVERY.name, "average"))
        name = get_task(task).folder
        parts.append(f"{_both(own, 'mean', '.2f')} on {name}")
        plain += [float(table[f"mean_{s}"][m]) for s in "ab" for m in ("average", W_DUALMINE.name)]
        fallen = {
            "mean": min(own["mean_a"], own["mean_b"]) < GOALS["mean"],
            "10th percentile": min(own["p10_a"], own["p10_b"]) < GOALS["p10"],
            "none lost": max(own["lost_a"], own["lost_b"]) > 0,
            "CC": own["CC"] < average["CC"] - GOALS["CC" if task == "ct-mri" else "CC, color"],
            "highest visibility": any(
                table[f"visibility_{source}"].idxmax() != W_DUALMINE_RECOVERY.name for source in "ab"
            ),
        }
        for goal in (goal for goal, short in fallen.items() if short):
            missed.setdefault(goal, []).append(name)
    falls = [
        f"{goal} ({'every task' if len(names) == len(parts) else _list(names)})"
        for goal, names in missed.items()
    ]
    if not parts:
        return "The networks of the folds are missing; `make study STUDY=recovery PRESET=cycle` trains them."
    return (
        f"On volumes that it never saw, the paper's network keeps {_list(parts)} of a signal in either scan, "
        f"where the average and the paper's objective keep {_span(plain, '.2f')}: the network was never the "
        "problem. Of the "
        f"goals set before (mean at least {GOALS['mean']:.2f}, 10th percentile at least {GOALS['p10']}, none "
        f"lost, CC at most {GOALS['CC']} or, with color, {GOALS['CC, color']:.3f} below the "
        f"average's, the highest visibility), not reached: {_list(falls) or 'none'}."
    )


def objective_equation(runs: Sequence[Run]) -> str:
    """Write the recovery objective with the weights that the committed trainings had, as display math."""
    weights = next(run for run in runs if run.info.kind == "training").info.trained.loss
    terms = {
        "signal": r"\frac{\|F_s - F - s\|^2}{\|s\|^2}",
        "correlation": r"(1 - \text{CC})",
        "edges": r"(1 - Q^{AB/F})",
        "structure": r"(1 - \text{SSIM})",
        "brightness": r"\|\overline{F} - \overline{(A + B)/2}\|^2",
        "range": r"\text{range}",
    }
    parts = [rf"{weights[name]:g}\, {term}" for name, term in terms.items()]
    lines = " + ".join(parts[:3]), "{} + " + " + ".join(parts[3:])  # {}: a sum goes on
    return "$$\n\\begin{gathered}\n" + " \\\\\n".join(lines) + "\n\\end{gathered}\n$$"


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


def share_sentence(run: Run) -> str:
    """Say how much of the way to the best image of each pair the network and a filter go."""
    shares = {}
    for method in (W_DUALMINE_RECOVERY.name, "detail-average"):
        share, low, high = share_of_the_way(run, method)
        shares[method] = f"{share:.0%} ({low:.0%} to {high:.0%})"
    return (
        f"{get_task(run.info.task).folder}: of the way from the average to the best image, in the "
        f"objective that training minimizes, the recovery network goes {shares[W_DUALMINE_RECOVERY.name]}, "
        f"*{method_title('detail-average')}* {shares['detail-average']}."
    )


def render_robustness(run: Run, task: str, form: str = "html") -> str:
    """Print the gain of noise, and recovery, share lost and CC against the shift of the MRI, by method."""
    table = load_robustness(run)
    a, b = get_task(task).modalities
    rows = []
    for method, own in table.groupby("method", sort=False):
        cell = own.set_index(["condition", "source"])
        row = {"Method": method_title(str(method))}
        for source, modality in (("a", a), ("b", b)):
            row[f"noise, {modality}"] = f"{cell['value']['noise', source]:.2f}"
        for shift in SHIFTS:
            key = f"shift-{shift}"
            kept = ", ".join(f"{cell['value'][key, source]:.2f}" for source in "ab")
            row[f"shift {shift}: kept; CC"] = f"{kept}; {cell['CC'][key, 'a']:.4f}"
        rows.append(row)
    return print_grid(pd.DataFrame(rows), form)


def robustness_sentence(run: Run) -> str:
    """Say whether the recovery network amplifies noise, and whether it stands a shift as the average does."""
    cells = load_robustness(run).set_index(["method", "condition", "source"])
    own, average = W_DUALMINE_RECOVERY.name, "average"
    gain = max(float(cells["value"][own, "noise", source]) for source in "ab")
    last = f"shift-{SHIFTS[-1]}"
    falls = [
        float(cells["CC"][name, last, "a"]) - float(cells["CC"][name, "shift-0", "a"])
        for name in (own, average)
    ]
    kept = min(float(cells["value"][own, last, source]) for source in "ab")
    return (
        f"{get_task(run.info.task).folder}: noise comes through the recovery network with a gain of at "
        f"most {gain:.2f}, {'not amplified' if gain <= 1 else 'amplified'}. At a shift of {SHIFTS[-1]} "
        f"pixels it keeps {kept:.2f} of a signal, in the mean of the scan that it keeps less of, and its CC "
        f"falls by {-falls[0]:.4f}, the average's by {-falls[1]:.4f}."
    )


def render_seeds(table: pd.DataFrame, form: str = "html") -> str:
    """Print the networks of the paper's split, one row a task and seed."""
    rows = [
        {
            "Task": get_task(row["task"]).folder,
            "Seed": str(row["seed"]),
            "recovery": _both(row, "mean", ".3f"),
            "10 %": _both(row, "p10", ".2f"),
            "lost": _both(row, "lost", ".1%"),
            "visibility": _both(row, "visibility", ".2f"),
        }
        | {metric: f"{row[metric]:.4f}" for metric in ("CC", "Qabf", "SSIM", "FMI")}
        for row in table.to_dict("records")
    ]
    return print_grid(pd.DataFrame(rows), form)


def render_terms(runs: Sequence[Run], form: str = "html") -> str:
    """Print what length, width and each term do on fold 0, one seed."""
    trained = {run.variant: run.info.trained for run in runs if run.info.kind == "training"}
    if "recovery-short" not in trained:
        return (
            "The study of the terms has not run: <code>make study STUDY=recovery-terms PRESET=cycle</code>."
        )
    whole, short = (trained[f"recovery-{name}"].schedule.epochs for name in ("fold-0", "short"))
    titles = {"fold-0": f"all terms, {whole} epochs", "short": f"all terms, {short} epochs as all below"}
    titles["wide"] = "all terms, twice as wide"
    if "recovery-tight" in trained:
        titles["tight"] = f"range weight {trained['recovery-tight'].loss['range']:g}, {whole} epochs"
    listed = terms_table(runs)
    with_others = listed.loc[~listed["term"].isin(["fold-0"]), "task"].unique()
    rows = [
        {
            "Task": get_task(row["task"]).folder,
            "Trained with": titles.get(row["term"], f"without {row['term']}"),
            "recovery": _both(row, "mean", ".3f"),
            "10 %": _both(row, "p10", ".2f"),
            "lost": _both(row, "lost", ".1%"),
        }
        | {metric: f"{row[metric]:.4f}" for metric in ("CC", "Qabf", "SSIM", "PSNR")}
        for row in listed[listed["task"].isin(with_others)].to_dict("records")
    ]
    return print_grid(pd.DataFrame(rows), form)


def _both(row: Mapping[Hashable, float], statistic: str, form: str) -> str:
    return " and ".join(f"{row[f'{statistic}_{source}']:{form}}" for source in "ab")


def _span(values: Sequence[float], form: str) -> str:
    low, high = f"{min(values):{form}}", f"{max(values):{form}}"
    return low if low == high else f"{low} to {high}"


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def _verb(names: Sequence[str]) -> str:
    return "ranks" if len(names) < 2 else "rank"
