"""The audit in words and as HTML: what :mod:`wdualmine_book.audit.tables` tabulates."""

from collections.abc import Mapping, Sequence

import pandas as pd

from wdualmine.methods.registry import WEIGHTS
from wdualmine.records import Run
from wdualmine_book.audit.record import NOISE
from wdualmine_book.audit.tables import (
    DECIMALS,
    NAMES,
    RIVALS,
    average_gaps,
    background_table,
    limits_table,
    mean_scores,
    paper_row,
    title,
)
from wdualmine_book.printing import by_task, experiment_of_weights, training_words


def weights_label(runs: Mapping[str, Run]) -> str:
    """Say how the package's weights of the audited tasks were trained: preset, length and widths."""
    experiments = {task: experiment_of_weights(WEIGHTS / f"{task}.safetensors") for task in runs}
    labels = {
        task: f"preset {e.preset}, seed {e.seed}, {training_words(e)}" for task, e in experiments.items()
    }
    return by_task(labels) or "none"


def _span(values: pd.Series, form: str) -> str:
    return f"{values.min():{form}} to {values.max():{form}}"


def published_sentence(table: pd.DataFrame) -> str:
    """Say how many values of :func:`published_table` agree, and by how much the others differ."""
    known, fmi = table[table["metric"] != "FMI"], table[table["metric"] == "FMI"]
    largest = (known["paper"] - known["ours"]).abs().max()
    return (
        f"In EN, MI, CC and PSNR, {known['agree'].sum()} of {len(known)} means and deviations agree to the "
        f"four printed decimals; the largest difference of two means is {largest:.5f}. "
        f"In FMI, {fmi['agree'].sum()} of {len(fmi)} agree."
    )


def average_sentence(runs: Mapping[str, Run]) -> str:
    """Say how far the stretched average is from the paper's W-DUALMINE row."""
    gaps = average_gaps(runs)
    most = gaps.abs().max(axis=1)
    return (
        f"The stretched average differs from the paper's W-DUALMINE by at most {most['CC']:.5f} in CC and "
        f"{most['PSNR']:.4f} dB in PSNR. Its MI is higher on {(gaps.loc['MI'] > 0).sum()} of {len(runs)} "
        f"tasks, its EN lower on {(gaps.loc['EN'] < 0).sum()}."
    )


def dominance_sentences(table: pd.DataFrame) -> list[str]:
    """Say for each method of :func:`dominance_table` on which tasks a blend beats it."""
    sentences = []
    for method, rows in table.groupby("method", sort=False):
        name = "The paper's W-DUALMINE" if method == "paper" else NAMES[str(method)]
        beaten = [
            f"{title(row['task'])} ({', '.join(map(_blend_name, row['blends']))})"
            for row in rows.to_dict("records")
            if row["beaten"]
        ]
        where = "on " + ", ".join(beaten) if beaten else f"on none of {len(rows)} tasks"
        sentences.append(f"{name}, in {rows['metrics'].iloc[0]}: {where}.")
    return sentences


def _blend_name(blend: str) -> str:
    method, *rest = blend.split(", ")
    return ", ".join([NAMES[method], *(rest or ["stretched"])])


def untrained_sentence(runs: Mapping[str, Run]) -> str:
    """Say how far the untrained networks are from the paper's rows."""
    metrics = ["MI", "CC", "PSNR"]
    gaps, low_mi, low_cc = [], 0, 0
    for task, run in runs.items():
        seeds = _untrained(run, metrics)
        gaps.append(seeds - paper_row(task)[metrics].astype(float))
        low_mi += int((seeds["MI"] < paper_row(task, "AdaFuse")["MI"]).sum())
        low_cc += int((seeds["CC"] < min(paper_row(task, rival)["CC"] for rival in RIVALS.values())).sum())
    gap = pd.concat(gaps)
    return (
        f"Untrained, the network differs from the paper's row by {_span(gap['MI'], '+.2f')} bit in MI, "
        f"{_span(gap['CC'], '+.4f')} in CC and {_span(gap['PSNR'], '+.2f')} dB in PSNR. Of {len(gap)} such "
        f"networks {low_mi} stay below AdaFuse in MI and {low_cc} below both rivals in CC."
    )


def training_sentence(runs: Mapping[str, Run]) -> str:
    """Say what training changed against the mean of the untrained networks."""
    metrics = ["MI", "CC", "PSNR"]
    change = pd.DataFrame(
        [mean_scores(run, "w-dualmine")[metrics] - _untrained(run, metrics).mean() for run in runs.values()]
    )
    return (
        f"Against the mean over the untrained seeds, our trained weights change MI by "
        f"{_span(change['MI'], '+.2f')} bit, CC by {_span(change['CC'], '+.4f')} and PSNR by "
        f"{_span(change['PSNR'], '+.2f')} dB."
    )


def _untrained(run: Run, metrics: Sequence[str]) -> pd.DataFrame:
    """Means over the pairs, a row a seed of the untrained network."""
    return run.metrics.query("method == 'untrained' and stretch").groupby("seed")[list(metrics)].mean()


def limits_sentence(runs: Mapping[str, Run]) -> str:
    """Say how little room the limit of CC leaves to tell the methods of the paper's tables apart."""
    parts = []
    for task, run in runs.items():
        gaps = limits_table({task: run})["CC gap"].droplevel(0)
        gaps = gaps[gaps.index.isin([*RIVALS.values(), "the paper's W-DUALMINE"])]
        parts.append(
            f"{title(task)}: within {gaps.max() - gaps.min():.4f} of each other and {gaps.max():.4f} of the "
            "limit"
        )
    return f"The methods of the paper's tables in CC. {'; '.join(parts)}."


def stretch_sentence(runs: Mapping[str, Run]) -> str:
    """Say what the stretch alone does to the plain average."""
    changes = pd.DataFrame(
        [mean_scores(run, "blend-0.0") - mean_scores(run, "blend-0.0", False) for run in runs.values()]
    )
    return (
        "Stretching the plain average, which puts nothing into it from the sources, changes EN by "
        f"{_span(changes['EN'], '+.2f')} bit, MI by {_span(changes['MI'], '+.2f')} bit, CC by "
        f"{_span(changes['CC'], '+.4f')} and PSNR by {_span(changes['PSNR'], '+.2f')} dB."
    )


def background_sentence(runs: Mapping[str, Run]) -> str:
    """Say how much of EN and SSIM the background makes, for the published images and for added noise."""
    table = background_table(runs)
    names = table.index.get_level_values(1)
    noise = table[names == NAMES[f"noise-{NOISE[1]}"]].droplevel(1)
    gain = noise - table[names == NAMES["blend-0.0"]].droplevel(1)
    made = (
        f"Noise of ±{NOISE[1]} grey levels in the background raises the EN of the average by "
        f"{_span(gain['EN'], '.2f')} bit and moves its CC by at most {gain['CC'].abs().max():.4f}."
    )
    rivals = table[names.isin(list(RIVALS.values()))]
    if rivals.empty:
        return made
    fall, rise = rivals["EN"] - rivals["EN, black"], rivals["SSIM, black"] - rivals["SSIM"]
    moved = (rivals["MI, black"] - rivals["MI"]).abs().max()
    return (
        f"In the published images {_span(rivals['background_nonzero'], '.0%')} of the background is not "
        f"black. Once it is, their EN is lower by {_span(fall, '.2f')} bit and their SSIM higher by "
        f"{_span(rise, '.2f')}, while their MI moves by at most {moved:.2f} bit. {made}"
    )


def render(table: pd.DataFrame, decimals: int | Mapping[str, int] = 4, missing: str = "–") -> str:
    """Print a table of means as HTML, its index as the first columns, each group's name once.

    Args:
        table: index (task, row) or (row,), one column a number; columns may have two levels.
        decimals: for all columns, or by column.
        missing: what to print for NaN.
    """

    def text(values: pd.Series) -> list[str]:
        places = decimals if isinstance(decimals, int) else decimals[str(values.name)]
        return [missing if pd.isna(value) else f"{value:.{places}f}" for value in values]

    if table.empty:
        return ""
    grid = pd.DataFrame({column: text(table[column]) for column in table}, index=table.index)
    if isinstance(grid.index, pd.MultiIndex):
        grid.index = pd.MultiIndex.from_tuples([(title(task), row) for task, row in grid.index])
    return _styled(grid)


def render_means(table: pd.DataFrame) -> str:
    """Print a frame of task, row, metric, mean and std as HTML: a row a task and metric, a column a row."""
    cells: dict[str, dict[tuple[str, str], str]] = {}
    for row in table.to_dict("records"):
        key = title(row["task"]), row["metric"]
        cells.setdefault(row["row"], {})[key] = f"{row['mean']:.4f} ± {row['std']:.4f}"
    return _styled(pd.DataFrame(cells).fillna("–"))


def render_published(table: pd.DataFrame) -> str:
    """Print :func:`published_table` as HTML; what agrees to four decimals is bold."""
    cells: dict[tuple[str, str], dict[tuple[str, str], str]] = {}
    for row in table.to_dict("records"):
        for name in ("paper", "ours"):
            text = f"{row[name]:.4f} ± {row[name + '_std']:.4f}"
            column = cells.setdefault((row["method"], name), {})
            column[title(row["task"]), row["metric"]] = f"<strong>{text}</strong>" if row["agree"] else text
    return _styled(pd.DataFrame(cells))


def render_frontier(table: pd.DataFrame) -> str:
    """Print :func:`frontier_table` as HTML."""
    return render(table.rename(index=NAMES), DECIMALS)


def render_stretch(table: pd.DataFrame) -> str:
    """Print :func:`stretch_table` as HTML."""
    metrics = map(str, table.columns.get_level_values(0))
    columns = map(str, table.columns)
    return render(table, {column: DECIMALS[key] for column, key in zip(columns, metrics, strict=True)})


def _styled(grid: pd.DataFrame) -> str:
    return grid.style.set_table_attributes('class="comparison"').to_html()


def render_background(table: pd.DataFrame) -> str:
    """Print :func:`background_table` as HTML."""
    shown = table.drop(columns=["CC", "CC, black"])  # they hardly move
    shown["background_nonzero"] *= 100
    shown = shown.rename(columns={"background_mean": "mean", "background_nonzero": "not black (%)"})
    names = map(str, shown.columns)
    decimals = {name: 3 if name.startswith("SSIM") else 0 if "%" in name else 2 for name in names}
    return render(shown, decimals)
