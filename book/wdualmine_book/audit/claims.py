"""The paper's claims, held against the records.

A verdict is a word that follows from numbers: each claim is split into yes-or-no questions, and
:func:`verdict` counts the answers. A claim's questions stand in the docstring of the function that asks them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape

import numpy as np
import pandas as pd

from wdualmine.data import TASKS, volume_of
from wdualmine.records import Run
from wdualmine.statistics import SIGNIFICANT, compare, holm
from wdualmine_book.audit.record import BLACKENED
from wdualmine_book.audit.tables import RIVALS, frontier_table, mean_scores, pair_scores, paper_row, title
from wdualmine_book.committed import paper_values, study_runs
from wdualmine_book.printing import html_grid, training_words
from wdualmine_book.studies.tables import ABLATIONS, ablation_table

Outcome = bool | None
#: A lead in PSNR that tables of two decimals would not show.
LEAD = 0.01


def verdict(outcomes: Sequence[Outcome]) -> str:
    """Turn the answers to a claim's questions into a word.

    Args:
        outcomes: True where the claim holds, False where it fails, None where the records cannot tell.

    Returns:
        "not tested" (no question), "cannot be told" (no answer), "holds" (all yes), "does not hold" (no yes,
        at least one no), else "holds in part".
    """
    if not outcomes:
        return "not tested"
    if all(outcome is None for outcome in outcomes):
        return "cannot be told"
    if all(outcomes):
        return "holds"
    return "holds in part" if any(outcomes) else "does not hold"


@dataclass(frozen=True)
class Claim:
    """A claim of the paper, and what the records say.

    Attributes:
        text: the claim, in short.
        section: where the paper makes it.
        question: what was asked of the numbers, one answer each time.
        outcomes: the answers; see :func:`verdict`.
        evidence: the numbers behind them, in a sentence.
    """

    text: str
    section: str
    question: str
    outcomes: list[Outcome] = field(default_factory=list)
    evidence: str = ""

    @property
    def verdict(self) -> str:
        """The verdict in a word."""
        return verdict(self.outcomes)


@dataclass(frozen=True)
class Evidence:
    """The records that the claims are held against: audits by task, and the runs of Tables 4 and 5."""

    runs: Mapping[str, Run]
    ablations: Sequence[Run] | None = None

    @cached_property
    def tables(self) -> dict[int, pd.DataFrame]:
        """Tables 4 and 5, by number."""
        runs = study_runs() if self.ablations is None else self.ablations
        return {number: ablation_table(number, runs) for number in (4, 5)}

    def against_rivals(self, metric: str) -> list[Outcome]:
        """Ask for each task and rival if our network is better, by volumes; None where it cannot be told.

        The p values of all tasks and rivals are corrected for their number.
        """
        found = [_paired(run, "w-dualmine", rival, metric) for run in self.runs.values() for rival in RIVALS]
        asked = [row for row in found if row is not None]
        return [
            bool(row["difference"] > 0) if p < SIGNIFICANT else None
            for row, p in zip(asked, holm(np.array([row["p"] for row in asked])), strict=True)
        ]

    def ablated(self, number: int, variant: str, metric: str, lowers: bool = True) -> Outcome:
        """Ask whether removing a part lowers a metric; None where seeds and pairs leave it open.

        All differences of Tables 4 and 5 are asked at once, so the answer follows from the corrected p value.
        """
        table = self.tables[number]
        row = table[(table["variant"] == variant) & (table["metric"] == metric)].iloc[0]
        if row["told_apart"] is not True:
            return None
        return bool(row["difference"] < 0) == lowers


def _sign(low: float, high: float) -> Outcome:
    return True if low > 0 else False if high < 0 else None


def _printed(metric: str) -> list[Outcome]:
    """Ask for each task and rival whether the paper prints a higher value for W-DUALMINE."""
    return [
        bool(paper_row(task)[metric] > paper_row(task, rival)[metric])
        for task in TASKS
        for rival in RIVALS.values()
    ]


def _largest_difference(metric: str) -> float:
    """The largest difference that the paper prints between W-DUALMINE and a rival."""
    return max(
        abs(paper_row(task)[metric] - paper_row(task, rival)[metric])
        for task in TASKS
        for rival in RIVALS.values()
    )


def _signed(value: float) -> str:
    return f"{round(value, 4) + 0.0:+.4f}"  # + 0.0 makes -0.0 positive


def _count(outcomes: Sequence[Outcome]) -> str:
    return f"{sum(outcome is True for outcome in outcomes)} of {len(outcomes)}"


def _joined(values: Mapping[str, str]) -> str:
    return ", ".join(f"{title(task)} {value}" for task, value in values.items())


def outperforms(evidence: Evidence, metric: str) -> Claim:
    """Is W-DUALMINE higher than each rival on each task, as printed and, with our weights, by volumes?"""
    printed, ours = _printed(metric), evidence.against_rivals(metric)
    return Claim(
        f"W-DUALMINE consistently outperforms AdaFuse and ASFE-Fusion in {metric}",
        "Abstract, 1, 6",
        "Higher than each rival on each task, as printed; and with our weights, by volumes?",
        printed + ours,
        f"As printed: yes in {_count(printed)}. Our weights against the published images: {_count(ours)}.",
    )


def competitive(evidence: Evidence, metric: str) -> Claim:
    """Is W-DUALMINE no lower than the weaker rival on each task, as printed and with our weights?"""
    printed: list[Outcome] = [
        bool(paper_row(task)[metric] >= min(paper_row(task, rival)[metric] for rival in RIVALS.values()))
        for task in TASKS
    ]
    ours: list[Outcome] = [
        bool(
            mean_scores(run, "w-dualmine")[metric] >= min(mean_scores(run, rival)[metric] for rival in RIVALS)
        )
        for run in evidence.runs.values()
        if all(len(pair_scores(run, rival)) for rival in RIVALS)
    ]
    return Claim(
        f"W-DUALMINE keeps {metric} competitive",
        "Abstract",
        "No lower than the weaker rival on each task, as printed; and with our weights?",
        printed + ours,
        f"As printed: yes in {_count(printed)}. Our weights: {_count(ours)}."
        + (" A lower EN need not be worse: see the claim on noise." if metric == "EN" else ""),
    )


def transfer(evidence: Evidence) -> Claim:
    """Is MI on PET-MRI higher than ASFE-Fusion's, as printed and, with our weights, by volumes?"""
    task, rival = "pet-mri", "asfe-fusion"
    printed = paper_row(task)["MI"] - paper_row(task, RIVALS[rival])["MI"]
    outcomes: list[Outcome] = [bool(printed > 0)]
    text = f"As printed: {_signed(printed)}."
    if task in evidence.runs:
        run = evidence.runs[task]
        row = _paired(run, "w-dualmine", rival, "MI")
        outcomes += [] if row is None else [_told(row)]
        gap = mean_scores(run, "blend-0.0")["MI"] - paper_row(task)["MI"]
        text += "" if row is None else f" Our weights: {_interval(row)}."
        text += f" The stretched average, which no network made, against the printed MI: {_signed(gap)}."
    return Claim(
        "The MI on PET-MRI, against ASFE-Fusion's, shows a superior transfer of information",
        "5.3.2",
        "Is MI higher than ASFE-Fusion's on PET-MRI, as printed; and with our weights, by volumes?",
        outcomes,
        text,
    )


def better_psnr(evidence: Evidence) -> Claim:
    """Is the printed PSNR above the rivals' on SPECT-MRI, and on each task above the stretched average's?

    The paper's own row is known as a mean only: a lead over the average of at most :data:`LEAD` dB, either
    way, is left open.
    """
    printed: list[Outcome] = [
        bool(paper_row("spect-mri")["PSNR"] > paper_row("spect-mri", rival)["PSNR"])
        for rival in RIVALS.values()
    ]
    gaps = {
        task: paper_row(task)["PSNR"] - mean_scores(run, "blend-0.0")["PSNR"]
        for task, run in evidence.runs.items()
    }
    plain = {
        task: paper_row(task)["PSNR"] - mean_scores(run, "blend-0.0", False)["PSNR"]
        for task, run in evidence.runs.items()
    }
    return Claim(
        "W-DUALMINE improves the PSNR",
        "5.3.3",
        "As printed, is PSNR higher than each rival's on SPECT-MRI; and on each task higher than that of "
        f"the plain average, stretched alike (open where they differ by at most {LEAD} dB)?",
        [*printed, *(_sign(gap - LEAD, gap + LEAD) for gap in gaps.values())],
        f"Than the rivals': yes in {_count(printed)}. Lead over the average in dB: "
        f"{_joined({task: _signed(gap) for task, gap in gaps.items()})}. "
        "Over the average as it is, not stretched: "
        f"{_joined({task: _signed(gap) for task, gap in plain.items()})}.",
    )


def maps_give_it(evidence: Evidence) -> Claim:
    """Not asked: neither the paper nor we trained a network without reliability maps."""
    return Claim(
        "Reliability maps that suppress noise are why the PSNR is higher",
        "5.3.3",
        "None: no network without reliability maps was trained, in the paper or here.",
    )


def explained_by_average(evidence: Evidence) -> Claim:
    """Is the printed CC that of the stretched average, to 0.0005, on each task, and no rival's?"""
    gaps = {
        task: paper_row(task)["CC"] - mean_scores(run, "blend-0.0")["CC"]
        for task, run in evidence.runs.items()
    }
    others = {
        (task, rival): paper_row(task, rival)["CC"] - mean_scores(run, "blend-0.0")["CC"]
        for task, run in evidence.runs.items()
        for rival in RIVALS.values()
    }
    far = [bool(abs(gap) > 5e-4) for gap in others.values()]
    return Claim(
        "Adding a residual to the average is what gives the CC",
        "5.3.1",
        "Is the printed CC within 0.0005 of that of the average, stretched, on each task; and that of each "
        "rival, which adds nothing to the average, farther from it?",
        [*(bool(abs(gap) <= 5e-4) for gap in gaps.values()), *far],
        f"Difference: {_joined({task: _signed(gap) for task, gap in gaps.items()})}. Rivals farther: "
        f"{_count(far)}.",
    )


def average_maximizes(evidence: Evidence) -> Claim:
    """Does the average reach the largest possible CC on every pair, to the fourth decimal?"""
    gaps = {
        task: pair_scores(run, "limit", False)["CC"] - pair_scores(run, "blend-0.0", False)["CC"]
        for task, run in evidence.runs.items()
    }
    return Claim(
        "The average image naturally maximizes the linear correlation with the inputs",
        "3.6",
        "Is the average within 0.00005 of the largest possible CC on every pair of the task?",
        [bool((gap < 0.5e-4).all()) for gap in gaps.values()],
        f"Mean distance to the limit: {_joined({task: f'{gap.mean():.4f}' for task, gap in gaps.items()})}. "
        f"The largest difference in CC within Tables 1 to 3 is {_largest_difference('CC'):.4f}.",
    )


def guarantee(evidence: Evidence) -> Claim:
    """Is the CC of the worst image that Eq. 11 allows at least that of both rivals, on each task?"""
    worst = {task: mean_scores(run, "adverse-residual", False)["CC"] for task, run in evidence.runs.items()}
    lowest = {task: min(paper_row(task, rival)["CC"] for rival in RIVALS.values()) for task in worst}
    without = paper_values().query("table == 5 and row == 'no-average' and metric == 'CC'")["mean"].item()
    return Claim(
        "Residual-to-average fusion guarantees a high correlation",
        "Abstract, 1, 3.6, 6",
        "Does every residual that Eq. 11 allows leave a CC no lower than the weaker rival's, on each task?",
        [bool(worst[task] >= lowest[task]) for task in worst],
        f"CC of the worst residual found: {_joined({task: f'{cc:.2f}' for task, cc in worst.items()})}. The "
        f"paper's own Table 5 has {without:.4f} for the same construction without L_avg.",
    )


def maximum_information(evidence: Evidence) -> Claim:
    """Is the printed MI the highest of all images scored here, on each task?"""
    best = {
        task: frontier_table(run)["MI"].filter(like="blend-").max() for task, run in evidence.runs.items()
    }
    return Claim(
        "The fused image maintains maximum MI with the sources",
        "1, 6",
        "As printed, is MI no lower than that of any blend of average and maximum, on each task?",
        [bool(paper_row(task)["MI"] >= value) for task, value in best.items()],
        "Printed MI and the best blend's: "
        + _joined(
            {task: f"{paper_row(task)['MI']:.2f} and {values.max():.2f}" for task, values in best.items()}
        )
        + ".",
    )


def noise_not_information(evidence: Evidence) -> Claim:
    """Does more than half of ASFE-Fusion's lead in EN vanish once the backgrounds are black, on each task?"""
    shares = {}
    for task, run in evidence.runs.items():
        before, after = (
            mean_scores(run, "asfe-fusion" + suffix).get("EN", float("nan"))
            - mean_scores(run, "w-dualmine" + suffix)["EN"]
            for suffix in ("", BLACKENED)
        )
        if pd.notna(before):
            shares[task] = 1 - after / before
    return Claim(
        "The high EN of ASFE-Fusion is amplified noise rather than information",
        "5.3.1, 5.3.3",
        "Noise is tested as a background that is not black: does more than half of the lead in EN over our "
        "weights vanish once it is, on each task?",
        [bool(share > 0.5) for share in shares.values()],
        f"Share of the lead that vanishes: {_joined({k: f'{share:.0%}' for k, share in shares.items()})}. "
        "Noise inside the head was not measured.",
    )


def sharper_rivals(evidence: Evidence) -> Claim:
    """Has each rival more edges (Qabf) and less CC and MI than the stretched average, on each task?"""
    gaps = [
        mean_scores(run, rival) - mean_scores(run, "blend-0.0")
        for run in evidence.runs.values()
        for rival in RIVALS
        if len(pair_scores(run, rival))
    ]
    gains = [float(gap["Qabf"]) for gap in gaps]
    sharper = [bool(gain > 0) for gain in gains]
    lower = {key: [bool(gap[key] < 0) for gap in gaps] for key in ("CC", "MI")}
    largest = f"{max(gains, key=abs):+.3f}" if gains else "unknown"
    return Claim(
        "AdaFuse and ASFE-Fusion give up CC and MI for sharper local detail",
        "Abstract, 1, 2.3",
        "Is the Qabf of each rival higher than that of the average, stretched, on each task; and its CC and "
        "MI lower?",
        [*sharper, *lower["CC"], *lower["MI"]],
        f"Qabf: yes in {_count(sharper)}, the largest difference is {largest}. CC: {_count(lower['CC'])}. "
        f"MI: {_count(lower['MI'])}.",
    )


def edges(evidence: Evidence) -> Claim:
    """With our weights, is Qabf higher than each rival's, by volumes, and than every blend's mean?"""
    rivals = evidence.against_rivals("Qabf")
    trivial: list[Outcome] = [
        bool(mean_scores(run, "w-dualmine")["Qabf"] > frontier_table(run)["Qabf"].filter(like="blend-").max())
        for run in evidence.runs.values()
    ]
    return Claim(
        "W-DUALMINE preserves anatomical edges with higher fidelity",
        "5.3.1",
        "With our weights, is Qabf higher than each rival's, by volumes, and than every blend's?",
        rivals + trivial,
        f"Than the rivals': yes in {_count(rivals)}. Than the best blend's: {_count(trivial)}.",
    )


def negligible(evidence: Evidence) -> Claim:
    """By volumes, is ASFE-Fusion's lead in CC on PET-MRI over our weights told from zero?

    If it is, the claim fails; if not, that does not make the lead negligible. The standard deviation over the
    pairs, which both methods share, decides nothing.
    """
    task, rival = "pet-mri", "asfe-fusion"
    lead = paper_row(task, RIVALS[rival])["CC"] - paper_row(task)["CC"]
    spread = paper_row(task, column="std")["CC"]
    outcomes: list[Outcome] = []
    text = f"As printed: {_signed(lead)}, with a standard deviation over the pairs of {spread:.4f}."
    if task in evidence.runs:
        row = _paired(evidence.runs[task], rival, "w-dualmine", "CC")
        if row is not None:
            outcomes.append(False if _told(row) else None)
            text += f" Over our weights: {_interval(row)}."
    return Claim(
        "The lead of ASFE-Fusion in CC on PET-MRI is negligible given the standard deviation",
        "5.3.2",
        "By volumes, can its lead over our weights be told from zero? If so, it is not negligible.",
        outcomes,
        f"{text} Both methods see the same pairs, so the deviation over them decides nothing.",
    )


def _paired(run: Run, first: str, second: str, metric: str) -> pd.Series | None:
    """Compare two audited methods by volumes; None where there are too few pairs."""
    x, y = pair_scores(run, first).reset_index(), pair_scores(run, second).reset_index()
    return None if min(len(x), len(y)) < 3 else compare(x, y, [metric], volume_of).iloc[0]


def _interval(row: pd.Series) -> str:
    return f"[{_signed(row['low'])}, {_signed(row['high'])}] over {row['groups']} volumes"


def _told(row: pd.Series) -> Outcome:
    return None if row["p"] >= SIGNIFICANT else bool(row["difference"] > 0)


#: What the paper concludes from Tables 4 and 5: text, table, variant, metrics that fall without the part.
ABLATION_CLAIMS = (
    ("The global-context expert raises MI", 4, "without the spatial expert", ("MI",)),
    ("The wavelet expert raises EN", 4, "without the wavelet expert", ("EN",)),
    ("The soft gradient mixer raises PSNR", 4, "averaging for the mixer", ("PSNR",)),
    ("L_avg is necessary for MI and CC", 5, "without L_avg", ("MI", "CC")),
    ("L_grad is essential for PSNR", 5, "without L_grad", ("PSNR",)),
    ("L_rec is essential for PSNR", 5, "without L_rec", ("PSNR",)),
)


def ablation_claim(evidence: Evidence, text: str, number: int, variant: str, metrics: Sequence[str]) -> Claim:
    """Does the metric fall without the part, p < 0.05 after the correction for all differences asked?"""
    rows = evidence.tables[number].set_index(["variant", "metric"]).loc[variant]
    paper = evidence.tables[number].set_index(["variant", "metric"])["paper"]["the full model"]
    found = [
        f"{metric} {rows['difference'][metric]:+.4f} (paper: {rows['paper'][metric] - paper[metric]:+.4f}; "
        f"p {rows['p_corrected'][metric]:.2f})"
        for metric in metrics
    ]
    outcomes = [evidence.ablated(number, variant, metric) for metric in metrics]
    return Claim(
        text,
        "5.5.1" if number == 4 else "5.5.2",
        "Does the metric fall without it, p < 0.05 over seeds and volumes, corrected for all differences of "
        "both tables (Holm)?",
        outcomes,
        f"Change without it: {', '.join(found)}." if pd.notna(rows["seeds"]).any() else "Nothing has run.",
    )


def visual_superiority(evidence: Evidence) -> Claim:
    """Not asked: there are no fused images of the paper and no readers here."""
    return Claim(
        "The fused images are visually superior",
        "5.3.3",
        "None: no fused image of the paper is public, and nobody has read ours.",
    )


def claims(runs: Mapping[str, Run], ablations: Sequence[Run] | None = None) -> list[Claim]:
    """Hold the paper's claims against the records.

    Args:
        runs: audits by task, as :func:`audit_runs` gives them.
        ablations: training runs of the variants of Tables 4 and 5; None takes the committed ones.
    """
    evidence = Evidence(runs, ablations)
    return [
        outperforms(evidence, "MI"),
        outperforms(evidence, "CC"),
        *(competitive(evidence, metric) for metric in ("PSNR", "FMI", "EN")),
        explained_by_average(evidence),
        transfer(evidence),
        better_psnr(evidence),
        maps_give_it(evidence),
        maximum_information(evidence),
        average_maximizes(evidence),
        guarantee(evidence),
        sharper_rivals(evidence),
        edges(evidence),
        noise_not_information(evidence),
        negligible(evidence),
        *(ablation_claim(evidence, *claim) for claim in ABLATION_CLAIMS),
        visual_superiority(evidence),
    ]


def ablation_label(ablations: Sequence[Run] | None = None) -> str:
    """Say with which presets and on which data the variants of Tables 4 and 5 were trained."""
    variants = {key for table in ABLATIONS.values() for key in table}
    runs = [
        run
        for run in (study_runs() if ablations is None else ablations)
        if run.info.kind == "training" and run.info.task == "ct-mri" and run.variant in variants
    ]
    seeds = len({run.info.trained.seed for run in runs})
    labels = [f"{run.label}; {training_words(run.info.trained)}" for run in runs]
    listed = "; ".join(dict.fromkeys(labels))
    return f"{listed}; {seeds} seed{'s' * (seeds != 1)}" if runs else "none yet"


def render_claims(found: Sequence[Claim]) -> str:
    """Print claims as an HTML table: claim and section, question, evidence, verdict."""
    rows = [
        {
            "The paper's claim": escape(f"{claim.text} ({claim.section})", quote=False),
            "Asked of the numbers": escape(claim.question, quote=False),
            "What they say": escape(claim.evidence, quote=False),
            "Verdict": f"<strong>{claim.verdict}</strong>",
        }
        for claim in found
    ]
    return html_grid(pd.DataFrame(rows), "claims")


def verdict_counts(found: Sequence[Claim]) -> str:
    """Say how many claims got which verdict."""
    words = ("holds", "holds in part", "does not hold", "cannot be told", "not tested")
    counts = {word: sum(claim.verdict == word for claim in found) for word in words}
    listed = ", ".join(f"“{word}” {count} times" for word, count in counts.items() if count)
    return f"{len(found)} claims: {listed}.".replace(" 1 times", " once").replace(" 2 times", " twice")
