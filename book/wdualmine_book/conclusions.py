"""How each page of results ends: two sentences, computed from the tables that stand above them."""

from collections.abc import Mapping, Sequence

import pandas as pd

from wdualmine.metrics import METRICS
from wdualmine.records import Run
from wdualmine_book.audit.claims import Claim
from wdualmine_book.audit.tables import average_gaps
from wdualmine_book.printing import training_words
from wdualmine_book.studies.tables import told_count

LEVELS = 255  # grey levels in the full range


def results_conclusion(summary: pd.DataFrame) -> str:
    """Conclude from the summary table: ours and the average beside the paper."""
    _, ours, average = summary.columns
    known = summary.dropna()
    if known.empty:
        return "Nothing was trained and scored here yet. Train first, then this page concludes."
    gaps = known[[ours, average]].sub(known["Paper"], axis="index").abs().groupby("Metric").max()
    above = known.xs("MI", level="Metric")
    return (
        f"In CC and PSNR our network ({ours.lower()}) lies within {gaps[ours]['CC']:.4f} and "
        f"{gaps[ours]['PSNR']:.3f} dB of the paper's W-DUALMINE, and the stretched average within "
        f"{gaps[average]['CC']:.4f} and {gaps[average]['PSNR']:.3f} dB. In MI the average is higher than our "
        f"network on {(above[average] > above[ours]).sum()} and than the paper's row on "
        f"{(above[average] > above['Paper']).sum()} of {len(above)} tasks."
    )


def ablations_conclusion(tables: Sequence[pd.DataFrame]) -> str:
    """Conclude from Tables 4 and 5: how many differences stand, and what the largest in MI is."""
    both = pd.concat(tables)
    known = both.dropna(subset="difference").query("metric == 'MI'").reset_index(drop=True)
    if known.empty:
        return "No variant was trained and scored yet. `make study STUDY=ablations` trains them."
    largest = known.iloc[int(known["difference"].astype(float).abs().to_numpy().argmax())]
    return (
        f"Of the differences in both tables {told_count(both)} can be told from zero, once corrected for "
        f"their number: at this length the tables cannot say which part matters. The largest change of MI is "
        f"{largest['difference']:+.2f} bit, {largest['variant']}, between {largest['low']:+.2f} and "
        f"{largest['high']:+.2f}."
    )


def audit_conclusion(runs: Mapping[str, Run], claims: Sequence[Claim]) -> str:
    """Conclude from the audits and the verdicts: what the average explains, and how many claims hold."""
    if not runs:
        return "No audit was recorded yet. `wdualmine-book record audit TASK -o FOLDER` makes one."
    gaps = average_gaps(runs)
    held = sum(claim.verdict == "holds" for claim in claims)
    return (
        f"The stretched average is within {gaps.loc['CC'].abs().max():.4f} of the paper's W-DUALMINE in CC "
        f"and {gaps.loc['PSNR'].abs().max():.3f} dB in PSNR on every task, and its MI is higher on "
        f"{(gaps.loc['MI'] > 0).sum()} of {len(runs)}, so these scores cannot show what the network adds. Of "
        f"{len(claims)} claims {held} hold in full."
    )


def studies_conclusion(rates: pd.DataFrame, leakage: pd.DataFrame, choices: pd.DataFrame) -> str:
    """Conclude from the three studies: where training ends, and what splits and choices change."""
    rows = rates.set_index("variant")
    if "rate-1e-5" not in rows.index:
        return "The run at the paper's rate is missing. `make study STUDY=learning-rate` trains it."
    row = rows.loc["rate-1e-5"]
    return (
        f"At the paper's rate and number of epochs, with widths {row['widths']}, the network moves the "
        f"average by {LEVELS * row['moved']:.2f} grey levels. Keeping the test volumes out of training "
        f"changes {told_count(leakage)} scores by an amount that can be told from zero, the other choices "
        f"{told_count(choices)}."
    )


def metrics_conclusion(tables: Mapping[str, pd.DataFrame]) -> str:
    """Conclude from convention tables by task: what changes a ranking."""
    if not tables:
        return "No conventions were recorded yet. `wdualmine-book record conventions TASK -o FOLDER` does it."
    every = pd.concat(tables.values())
    several = every["metric"].nunique()
    changed = set(every.query("order == 'changes'")["metric"])
    names = ", ".join(key for key in METRICS if key in changed) or "none"
    return (
        f"Of {several} metrics with more than one convention {len(changed)} rank the methods differently "
        f"under another one on at least one task: {names}. Two tables can be compared only where "
        "both name theirs."
    )


def training_conclusion(run: Run) -> str:
    """Conclude from a training run: how far it moves the average, and what that does to the scores."""
    experiment = run.info.trained
    means = {result.method: result.mean for result in run.info.results}
    before, after = means["untrained"], means["w-dualmine"]
    residual = float(run.log["residual"].iloc[-1])
    moved = LEVELS * residual * experiment.model["residual_scale"]
    changes = ", ".join(f"{name} by {after[name] - before[name]:+.4f}" for name in ("MI", "CC", "PSNR"))
    return (
        f"After {training_words(experiment)}, the mean |tanh R| is {residual:.4f}: the network moves the "
        f"average by {moved:.2f} grey levels. Against the untrained network, training changed {changes}."
    )
