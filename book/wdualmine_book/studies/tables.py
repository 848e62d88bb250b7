"""Tables 4 and 5, and the other studies: what a change does, and what seeds and pairs leave open."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from wdualmine.data import TASKS, volume_of
from wdualmine.errors import WdualmineError
from wdualmine.experiments import PRESETS
from wdualmine.metrics import PAPER_METRICS
from wdualmine.records import Run
from wdualmine_book.experiments import STUDIES
from wdualmine_book.printing import anchor, check_alike, print_grid, span
from wdualmine_book.records import average_moved, paper_values, reference_runs, study_runs
from wdualmine_book.statistics import crossed_detectable, crossed_interval, crossed_p_value, holm, margin

#: Tables 4 and 5: what each row removes. The machine names are those of wdualmine.experiments.VARIANTS.
ABLATIONS = {
    4: {
        "no-spatial-expert": "without the spatial expert",
        "no-wavelet-expert": "without the wavelet expert",
        "average-mixer": "with averaging for the mixer",
    },
    5: {
        "no-average": "without L_avg",
        "no-gradient": "without L_grad",
        "no-correlation": "without L_cc",
        "no-mutual-information": "without L_mi",
        "no-reconstruction": "without L_rec",
    },
}
#: What the paper's text reads from these tables: without this part, this score falls (Sections 5.5.1, 5.5.2).
CLAIMED = (
    ("without the spatial expert", "MI"),
    ("without the wavelet expert", "EN"),
    ("with averaging for the mixer", "PSNR"),
    ("without L_avg", "MI"),
    ("without L_avg", "CC"),
    ("without L_grad", "PSNR"),
    ("without L_rec", "PSNR"),
)
CHOICES = {
    "narrow": "widths 4, 8, 16, 32",
    "wide": "widths 16, 32, 64, 128",
    "three-scales": "three scales: widths 8, 16, 32",
    "residual-scale-1": "residual scale 1",
    "sobel-unscaled": "Sobel not divided by 8 in L_grad",
    "norms-summed": "norms summed over the pixels",
    "batch-16": "batches of 16 pairs",
}
DISJOINT = "volume-disjoint"
PROPOSED = "proposed"
PAPER = "the paper's row"
FULL = "the full model"
_COLUMNS = [
    "task", "metric", "variant", "paper", "seeds", "mean", "seed_std",
    "difference", "low", "high", "p", "p_corrected", "detectable", "told_apart", "run",
]  # fmt: skip


def variant_names() -> dict[str, str]:
    """Return the printed name of each variant of Tables 4 and 5."""
    return {key: name for variants in ABLATIONS.values() for key, name in variants.items()}


def ablation_table(number: int, runs: Sequence[Run] | None = None, level: float = 0.95) -> pd.DataFrame:
    """Build Table 4 or 5: each variant beside the full model, with what seeds and pairs leave uncertain.

    Args:
        number: 4 (parts of the network) or 5 (terms of the objective).
        runs: training runs of the variants on CT-MRI, one a variant and seed; None takes the committed ones.
        level: confidence level of the interval.

    Returns:
        One row a metric and variant, the full model last: columns task, metric, variant (printed name), paper
        (its number), seeds, mean (over seeds and pairs), seed_std (sample deviation of the seeds' means),
        difference (to the full model, over the seeds that both have and the volumes), low, high
        (:func:`wdualmine_book.statistics.crossed_interval`), p (of a difference of 0), p_corrected (by Holm's
        method for all differences of Tables 4 and 5 together, as they come from one study), detectable (the
        smallest difference that this test finds four times in five), told_apart (whether p_corrected is below
        1 - level and the difference beyond :data:`~wdualmine_book.statistics.MARGIN`) and run (name of the
        first run's folder).
        Values are NaN where nothing ran or was asked, intervals also with a single seed.

    Raises:
        WdualmineError: there is no such table, or the runs are of several presets or data.
    """
    if number not in ABLATIONS:
        raise WdualmineError(f"table {number}: choose 4 or 5 for an ablation")
    every = {name: [key] for key, name in variant_names().items()}
    table = _differences("ct-mri", every, runs, level)
    wanted = [row in CLAIMED for row in zip(table["variant"], table["metric"], strict=True)]
    table["p"] = table["p"].where(np.array(wanted))
    table = _corrected(table, level)
    table = table[table["variant"].isin([*ABLATIONS[number].values(), FULL])].reset_index(drop=True)
    paper = paper_values().query("table == @number").set_index(["row", "metric"])["mean"]
    keys = {name: key for key, name in ABLATIONS[number].items()} | {FULL: PROPOSED}
    table["paper"] = [
        float(paper[keys[variant], metric])
        for variant, metric in zip(table["variant"].astype(str), table["metric"].astype(str), strict=True)
    ]
    return table


def ablation_title(runs: Sequence[Run] | None = None) -> str:
    """Say what our column of Tables 4 and 5 holds: preset, data and number of seeds of its runs."""
    variants = [PROPOSED, *variant_names()]
    chosen = _chosen("ct-mri", variants, runs)
    return f"Ours ({chosen[0].label}; {count_seeds(chosen)})" if chosen else "Ours"


def count_seeds(runs: Sequence[Run]) -> str:
    """Say with how many seeds the variants of some runs were trained, such as "3 to 10 seeds"."""
    counts = list(Counter(run.variant for run in runs).values())
    return f"{span(counts, 'd')} seed{'s' * (max(counts) > 1)}"


def choices_table(runs: Sequence[Run] | None = None, level: float = 0.95) -> pd.DataFrame:
    """Show on CT-MRI what other choices than ours would change, where the paper leaves one open.

    Args, returns and raises as :func:`ablation_table`; paper is NaN, p_corrected is over this table.
    """
    return _corrected(
        _differences("ct-mri", {name: [key] for key, name in CHOICES.items()}, runs, level), level
    )


def leakage_table(runs: Sequence[Run] | None = None, level: float = 0.95) -> pd.DataFrame:
    """Set training without the test pairs' volumes beside training on the paper's split, on each task.

    Each test pair is scored by the network of the fold that saw no slice of its volume.

    Args, returns and raises as :func:`ablation_table`; paper is NaN, p_corrected is over this table.
    """
    folds = {DISJOINT: list(STUDIES["leakage"].variants)}
    parts = [_differences(task, folds, runs, level) for task in TASKS]
    return _corrected(pd.concat(parts, ignore_index=True), level)


def _corrected(table: pd.DataFrame, level: float) -> pd.DataFrame:
    """Correct p values and detectable differences for their number; say which differences count."""
    known = table["p"].notna()
    samples = table.pop("samples")
    table["detectable"] = [
        crossed_detectable(own, int(known.sum())) if asked else np.nan
        for own, asked in zip(samples, known, strict=True)
    ]
    table["p_corrected"] = table["p"].astype(float)
    table.loc[known, "p_corrected"] = holm(table.loc[known, "p"].to_numpy(float))
    told = (table["p_corrected"] < 1 - level) & (table["difference"].abs() > table["metric"].map(margin))
    table["told_apart"] = told.astype(object).where(known)
    return table


def rates_table(runs: Sequence[Run] | None = None) -> pd.DataFrame:
    """Show where training ends at several learning rates, beside the network before its first step.

    Args:
        runs: training runs on CT-MRI; None takes the committed ones.

    Returns:
        One row a variant of the learning-rate study that ran, that with the paper's rate and epochs first;
        then the untrained network, the paper's row of Table 1 and, where a reference run has scored it on the
        same data, the stretched average. Columns variant, learning_rate, epochs, widths, seeds, residual
        (mean |tanh R| of the last epoch), moved (that times the residual scale: by how much of the full
        range the network moves the average), the means of the paper's metrics, run (name of the first run's
        folder).
    """
    rows: list[dict[str, object]] = []
    untrained: list[dict[str, object]] = []
    for variant in (*STUDIES["learning-rate"].variants, PROPOSED):
        chosen = _chosen("ct-mri", [variant], runs)
        if not chosen:
            continue
        scores = pd.concat([run.metrics for run in chosen]).groupby("method")[list(PAPER_METRICS)].mean()
        experiment = chosen[0].info.trained
        schedule = experiment.schedule
        row = {
            "variant": variant,
            "seeds": len(chosen),
            "widths": "-".join(map(str, experiment.model["widths"])),
        }
        before = row | {"variant": "untrained", "epochs": 0}
        untrained = [{**before, **dict(zip(PAPER_METRICS, scores.loc["untrained"], strict=True))}]
        row |= {"learning_rate": schedule.learning_rate, "epochs": schedule.epochs}
        row["run"] = chosen[0].folder.name
        row["residual"] = float(np.mean([run.log["residual"].iloc[-1] for run in chosen]))
        row["moved"] = float(np.mean([average_moved(run) for run in chosen]))
        rows.append({**row, **dict(zip(PAPER_METRICS, scores.loc["w-dualmine"], strict=True))})
        data = chosen[0].info.data.name
    rows += untrained  # of the most seeds: the preset's own
    if rows:
        paper = paper_values().query("table == 1 and row == 'W-DUALMINE'").set_index("metric")["mean"]
        printed = dict(zip(PAPER_METRICS, paper[list(PAPER_METRICS)], strict=True))
        stated = PRESETS["paper"].schedule
        asked = {"learning_rate": stated.learning_rate, "epochs": stated.epochs}
        rows.append({"variant": PAPER, **asked, **printed})
        for run in reference_runs():
            same = run.info.task == "ct-mri" and run.info.data.name == data
            if same and run.info.kind == "baselines":
                means = run.metrics.query("method == 'average' and stretch")[list(PAPER_METRICS)].mean()
                average = dict(zip(PAPER_METRICS, means, strict=True))
                rows.append({"variant": "average, stretched", "residual": 0.0, "moved": 0.0, **average})
    columns = ["variant", "learning_rate", "epochs", "widths", "seeds", "residual", "moved"]
    columns += [*PAPER_METRICS, "run"]
    return pd.DataFrame(rows, columns=columns)


def study_logs(study: str, runs: Sequence[Run] | None = None) -> dict[str, list[pd.DataFrame]]:
    """Give the loss terms over the epochs of a study's runs on CT-MRI, by variant, a log a seed.

    Raises:
        WdualmineError: there is no such study.
    """
    if study not in STUDIES:
        raise WdualmineError(f"unknown study {study!r}; choose one of {', '.join(STUDIES)}")
    found = {variant: _chosen("ct-mri", [variant], runs) for variant in (PROPOSED, *STUDIES[study].variants)}
    return {variant: [run.log for run in chosen] for variant, chosen in found.items() if chosen}


def _chosen(task: str, variants: Sequence[str], runs: Sequence[Run] | None) -> list[Run]:
    """The training runs of a task and of these variants, all of one preset and data."""
    chosen = [
        run
        for run in (study_runs() if runs is None else runs)
        if run.info.kind == "training" and run.info.task == task and run.variant in variants
    ]
    labels = sorted({run.label for run in chosen})
    if len(labels) > 1:
        raise WdualmineError(f"runs of {' and of '.join(labels)}: give those of one preset and data")
    for variant in variants:
        check_alike([run for run in chosen if run.variant == variant])
    return chosen


def _differences(
    task: str, variants: Mapping[str, Sequence[str]], runs: Sequence[Run] | None, level: float
) -> pd.DataFrame:
    """Compare variants with the full model; one that is given by several names is their pairs together."""
    groups = {**variants, FULL: [PROPOSED]}
    chosen = {name: _chosen(task, keys, runs) for name, keys in groups.items()}
    scores = {
        name: pd.concat([run.metrics.query("method == 'w-dualmine'") for run in found])
        for name, found in chosen.items()
        if found
    }
    rows = []
    for metric in PAPER_METRICS:
        # (seeds, pairs); a seed that lacks a pair, such as for a fold that has not run, is left out.
        values = {
            name: frame.pivot_table(metric, "seed", "pair").dropna().astype(float)
            for name, frame in scores.items()
        }
        for name in groups:
            row: dict[str, object] = {"task": task, "metric": metric, "variant": name}
            if name in values and len(values[name]):
                means = values[name].mean(axis=1)
                row |= {"seeds": len(means), "mean": means.mean(), "seed_std": means.std(ddof=1)}
                row["run"] = chosen[name][0].folder.name
            if name in values and name != FULL and FULL in values:
                by_pair = (values[name] - values[FULL]).dropna(how="all").dropna(axis=1)
                difference = by_pair.T.groupby(volume_of).mean().T.to_numpy()  # (seeds, volumes)
                if difference.size:
                    row["difference"] = difference.mean()
                if len(difference) > 1:  # one seed says nothing about the spread over seeds
                    low, high = crossed_interval(difference, level)
                    row |= {"low": low, "high": high, "p": crossed_p_value(difference)}
                    row["samples"] = difference
            rows.append(row)
    return pd.DataFrame(rows).reindex(columns=[*_COLUMNS, "samples"])


def printed_information() -> pd.Series:
    """Return the MI that the paper prints on CT-MRI, by table and row: it prints its full model twice."""
    return paper_values().query("metric == 'MI' and task == 'ct-mri'").set_index(["table", "row"])["mean"]


def significant(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a table of this module whose difference is told from zero."""
    return table[table["told_apart"].eq(True)]


def asked(table: pd.DataFrame) -> int:
    """Count the differences of a table of this module that have an interval."""
    return int(table["low"].notna().sum())


def listed_differences(table: pd.DataFrame) -> str:
    """Print differences, such as "CT-MRI, without L_avg, EN +0.12"; "none" where there is none."""
    rows = table.to_dict("records")
    return (
        "; ".join(
            f"{TASKS[row['task']].folder}, {row['variant']}, {row['metric']} {row['difference']:+.3g}"
            for row in rows
        )
        or "none"
    )


def claimed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of both ablation tables that the paper's text reads something from, in its order."""
    return table.set_index(["variant", "metric"]).loc[list(CLAIMED)].reset_index()


def printed_changes(table: pd.DataFrame) -> pd.DataFrame:
    """Add "change": what the paper's Tables 4 and 5 print for each variant less their full model."""
    full = table[table["variant"] == FULL].groupby("metric")["paper"].first()
    variants = table[table["variant"] != FULL]
    return variants.assign(change=variants["paper"] - variants["metric"].map(full))


def beyond_margin(changes: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of :func:`printed_changes` whose change is larger than the margin."""
    return changes[changes["change"].abs() > changes["metric"].map(margin)]


def within_margin(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a table of this module whose whole interval is within the margin."""
    ends = table[["low", "high"]].astype(float).abs().max(axis=1, skipna=False)
    return table[ends <= table["metric"].map(margin)]


def whole_rows(chosen: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    """Return the variants of which every row of a table that has an interval is among the chosen ones."""
    counts = table[table["low"].notna()].groupby("variant", sort=False).size()
    return [str(name) for name, count in counts.items() if (chosen["variant"] == name).sum() == count]


def largest_change(table: pd.DataFrame, metric: str) -> pd.Series | None:
    """Return the row of a metric whose difference is the largest, up or down; None where there is none."""
    known = table[(table["metric"] == metric) & table["difference"].notna()]
    if known.empty:
        return None
    return known.iloc[int(known["difference"].astype(float).abs().to_numpy().argmax())]


def render_differences(table: pd.DataFrame, form: str = "md", title: str = "Ours") -> str:
    """Print Table 4 or 5, or the table of another study.

    Args:
        table: what :func:`ablation_table`, :func:`choices_table` or :func:`leakage_table` gives.
        form: "md", "latex", "html" or "csv" (the last gives the numbers as they are).
        title: what to call our column, such as with its preset and data.

    Raises:
        WdualmineError: there is no such form.
    """
    if form == "csv":
        return table.to_csv(index=False, float_format="%.10g").rstrip("\n")
    dash, plus_minus = ("--", r" $\pm$ ") if form == "latex" else ("–", " ± ")

    def number(value: float) -> str:
        return dash if pd.isna(value) else f"{value:.4f}"

    def signed(value: float) -> str:
        if pd.isna(value):
            return dash
        return f"{value:+.4f}" if abs(value) >= 5e-5 or value == 0 else f"{value:+.0e}"

    several, paper = table["task"].nunique() > 1, table["paper"].notna().any()
    rows = []
    for row in table.to_dict("records"):
        name = row["variant"].replace("_", r"\_") if form == "latex" else row["variant"]
        ours = number(row["mean"]) + (
            "" if pd.isna(row["seed_std"]) else plus_minus + number(row["seed_std"])
        )
        if form == "html" and not pd.isna(row["run"]):
            ours = f'<a href="provenance.html#{anchor("Studies", row["run"])}">{ours}</a>'
        known, tested = not pd.isna(row["low"]), not pd.isna(row["p"])
        rows.append(
            ({"Task": TASKS[row["task"]].folder} if several else {})
            | {"Metric": row["metric"], "Variant": name}
            | ({"Paper": number(row["paper"])} if paper else {})
            | {
                title: ours,
                "Difference": signed(row["difference"]),
                "Interval": f"[{signed(row['low'])}, {signed(row['high'])}]" if known else dash,
                "p, corrected": f"{row['p_corrected']:.3f}" if tested else dash,
                "Detectable": f"{row['detectable']:.2g}" if tested else dash,
                "Differs": ("yes" if row["told_apart"] else "no") if tested else dash,
            }
        )
    return print_grid(pd.DataFrame(rows), form)


def render_rates(table: pd.DataFrame) -> str:
    """Print :func:`rates_table` as HTML."""
    shown = pd.DataFrame(
        {
            "Run": [
                name if pd.isna(run) else f'<a href="provenance.html#{anchor("Studies", run)}">{name}</a>'
                for name, run in zip(table["variant"], table["run"], strict=True)
            ],
            "Rate": ["–" if pd.isna(rate) else f"{rate:g}" for rate in table["learning_rate"]],
            "Epochs": ["–" if pd.isna(number) else f"{number:.0f}" for number in table["epochs"]],
            "Widths": ["–" if pd.isna(widths) else widths for widths in table["widths"]],
            "Seeds": ["–" if pd.isna(number) else f"{number:.0f}" for number in table["seeds"]],
            "Mean |tanh R|": ["–" if pd.isna(value) else f"{value:.4f}" for value in table["residual"]],
        }
        | {name: [f"{value:.4f}" for value in table[name]] for name in PAPER_METRICS}
    )
    return print_grid(shown, "html")
