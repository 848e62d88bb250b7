"""What the records answer to the paper's claims: numbers and answers; the audit's notebook has the words.

A verdict is a word that follows from numbers: each claim is split into yes-or-no questions, whose answers
:func:`verdict` counts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import NamedTuple

import numpy as np
import pandas as pd

from wdualmine.data import TASKS, get_task, volume_of
from wdualmine.records import Run
from wdualmine.statistics import SIGNIFICANT, compare
from wdualmine_book.audit.record import ON_BLACK
from wdualmine_book.audit.tables import (
    PAPER,
    RIVALS,
    frontier_table,
    mean_scores,
    method_scores,
    paper_row,
)
from wdualmine_book.printing import training_words
from wdualmine_book.records import study_runs
from wdualmine_book.statistics import higher, holm, margin, no_lower
from wdualmine_book.studies.tables import (
    ABLATIONS,
    ablation_table,
    count_seeds,
    variant_names,
    within_margin,
)

#: True where a claim holds, False where it fails, None where the records cannot tell.
Answer = bool | None
VERDICTS = ("holds", "holds in part", "does not hold", "undecided", "not tested")


def verdict(answers: Sequence[Answer]) -> str:
    """Turn the answers to a claim's questions into a word.

    Returns:
        "not tested" (no question), "holds" (all yes), "holds in part" (some yes), "undecided" (no yes, some
        open), "does not hold" (all no).
    """
    if not answers:
        return "not tested"
    if any(answers):
        return "holds" if all(answers) else "holds in part"
    return "undecided" if None in answers else "does not hold"


@dataclass(frozen=True)
class Claim:
    """A claim of the paper, and what the records say.

    Attributes:
        text: the claim, in short.
        section: where the paper makes it.
        question: what was asked of the numbers, one answer each time.
        answers: see :func:`verdict`.
        evidence: the numbers behind them, in a sentence.
    """

    text: str
    section: str
    question: str
    answers: list[Answer] = field(default_factory=list)
    evidence: str = ""

    @property
    def verdict(self) -> str:
        """The verdict in a word."""
        return verdict(self.answers)


class Difference(NamedTuple):
    """Two audited methods compared by volumes: the answer, if there are enough pairs, and the interval."""

    answers: list[Answer]
    interval: str


@dataclass(frozen=True)
class Evidence:
    """The records that claims are held against.

    Attributes:
        runs: audits by task.
        ablations: runs of the variants of Tables 4 and 5; None takes the committed ones.
    """

    runs: Mapping[str, Run]
    ablations: Sequence[Run] | None = None

    def printed_above(self, metric: str, tasks: Iterable[str] = TASKS) -> list[Answer]:
        """Ask for each task and rival whether the paper prints a value higher by more than the margin."""
        gaps = (
            paper_row(t)[metric] - paper_row(t, rival)[metric] for t in tasks for rival in RIVALS.values()
        )
        return [*higher(gaps, metric)]

    def ours_above(self, metric: str) -> list[Answer]:
        """Ask for each task and rival, by volumes, whether our network is higher by more than the margin."""
        return self._ask([(task, "w-dualmine", rival, metric) for task in self.runs for rival in RIVALS])

    def printed_no_lower(self, metric: str) -> list[Answer]:
        """Ask for each task whether the paper prints a value no lower than the weaker rival's, by margin."""
        return [*no_lower((paper_row(t)[metric] - weaker_rival(t, metric) for t in TASKS), metric)]

    def ours_no_lower(self, metric: str) -> list[Answer]:
        """Ask for each task, by volumes, whether our network is no lower than the weaker rival, by margin."""
        weaker = {
            task: min(RIVALS, key=lambda rival: mean_scores(run, rival)[metric])
            for task, run in self.runs.items()
            if all(len(method_scores(run, rival)) for rival in RIVALS)
        }
        asked = [(task, "w-dualmine", rival, metric) for task, rival in weaker.items()]
        return self._ask(asked, sign=-1)

    def trade_offs(self) -> list[Answer]:
        """Ask for each task and rival, by volumes, whether it trades CC and MI for Qabf.

        It does where its Qabf is higher than the stretched average's, and its CC and MI are both lower, each
        by more than the margin; it does not where one of the three is told to be otherwise.
        """
        pairs = [(task, rival) for task, run in self.runs.items() for rival in RIVALS if _shared(run, rival)]
        asked = [
            question
            for task, rival in pairs
            for question in (
                (task, rival, "blend-0.0", "Qabf"),
                (task, "blend-0.0", rival, "CC"),
                (task, "blend-0.0", rival, "MI"),
            )
        ]
        answers = self._ask(asked)
        threes = [answers[start : start + 3] for start in range(0, len(answers), 3)]
        return [False if False in three else True if all(three) else None for three in threes]

    def _ask(self, questions: Sequence[tuple[str, str, str, str]], sign: int = 1) -> list[Answer]:
        """Test by volumes whether the first method's score exceeds the second's by more than the margin.

        Args:
            questions: task, first method, second method and metric of each; what was not recorded on enough
                pairs is left out. The p values are corrected for the number of those left.
            sign: -1 asks whether the first is lower by less than the margin.
        """
        found = [
            _compare(self.runs[task], first, second, metric, sign * margin(metric))
            for task, first, second, metric in questions
            if _shared(self.runs[task], first, second)
        ]
        corrected = holm(np.array([row["p"] for row in found]))
        return [
            bool(row["difference"] > 0) if p < SIGNIFICANT else None
            for row, p in zip(found, corrected, strict=True)
        ]

    def means(self, method: str, metric: str, stretch: bool = True) -> dict[str, float]:
        """Return a method's mean over the pairs, by task."""
        return {task: float(mean_scores(run, method, stretch)[metric]) for task, run in self.runs.items()}

    def lead_over_average(self, metric: str, stretch: bool = True, row: str = PAPER) -> dict[str, float]:
        """Return a row of the paper less the plain average, by task."""
        average = self.means("blend-0.0", metric, stretch)
        return {task: float(paper_row(task, row)[metric]) - value for task, value in average.items()}

    def rivals_less_average(self) -> pd.DataFrame:
        """Return each rival less the stretched average, a row per task and rival and a column per metric."""
        return pd.DataFrame(
            [
                mean_scores(run, rival) - mean_scores(run, "blend-0.0")
                for run in self.runs.values()
                for rival in RIVALS
                if len(method_scores(run, rival))
            ],
            columns=pd.Index(["Qabf", "CC", "MI"]),
        )

    def best_blend(self, metric: str) -> dict[str, float]:
        """Return the highest mean of the blends of average and maximum, by task."""
        return {
            task: float(frontier_table(run)[metric].filter(like="blend-").max())
            for task, run in self.runs.items()
        }

    def average_to_limit(self, metric: str) -> dict[str, pd.Series]:
        """Return how far the average stays below the closed-form limit on each pair, by task."""
        return {
            task: method_scores(run, "limit", False)[metric] - method_scores(run, "blend-0.0", False)[metric]
            for task, run in self.runs.items()
        }

    def shares_of_background(self, metric: str, rival: str) -> dict[str, float]:
        """Return by task the share of a rival's lead over our network that a black background takes."""
        shares = {}
        for task, run in self.runs.items():
            if len(method_scores(run, rival)):
                before, after = (
                    mean_scores(run, rival + suffix)[metric] - mean_scores(run, "w-dualmine" + suffix)[metric]
                    for suffix in ("", ON_BLACK)
                )
                shares[task] = 1 - after / before
        return shares

    def difference(self, task: str, first: str, second: str, metric: str) -> Difference:
        """Compare two audited methods by volumes: is the first one's score higher by more than the margin?"""
        run = self.runs.get(task)
        if run is None or not _shared(run, first, second):
            return Difference([], "not recorded")
        row = _compare(run, first, second, metric)
        interval = f"[{row['low']:+z.4f}, {row['high']:+z.4f}] over {row['groups']} volumes"
        return Difference(self._ask([(task, first, second, metric)]), interval)

    @cached_property
    def _tables(self) -> dict[int, pd.DataFrame]:
        runs = study_runs() if self.ablations is None else self.ablations
        return {number: ablation_table(number, runs) for number in ABLATIONS}

    def ablation(self, number: int, variant: str, metrics: Sequence[str]) -> pd.DataFrame:
        """Return what leaving a part out does, a row per metric of Table 4 or 5.

        Returns:
            Index metric; columns difference and detectable of ours, printed (the paper's difference), printed
            falls (whether that is a fall by more than the margin) and falls (whether the metric falls so in
            ours; False too where the whole interval is within the margin, None where neither is told).
        """
        table = self._tables[number].set_index(["variant", "metric"])
        rows = table.loc[variant].loc[list(metrics)]
        same = within_margin(rows.reset_index())["metric"].tolist()
        falls: list[Answer] = [
            bool(row["difference"] < 0) if row["told_apart"] is True else False if metric in same else None
            for metric, row in rows.iterrows()
        ]
        printed = rows["paper"] - table.loc["the full model"].loc[list(metrics), "paper"]
        frame = rows[["difference", "detectable"]].assign(printed=printed)
        frame["printed falls"] = [higher([-change], str(metric))[0] for metric, change in printed.items()]
        return frame.assign(falls=pd.Series(falls, index=rows.index, dtype=object))


def weaker_rival(task: str, metric: str) -> float:
    """Return the lower of the two values that the paper prints for the rivals."""
    return min(float(paper_row(task, rival)[metric]) for rival in RIVALS.values())


def largest_difference(metric: str) -> float:
    """Return the largest difference that the paper prints between W-DUALMINE and a rival."""
    return max(
        abs(paper_row(task)[metric] - paper_row(task, rival)[metric])
        for task in TASKS
        for rival in RIVALS.values()
    )


def _shared(run: Run, *methods: str) -> bool:
    """Say whether an audit has so many pairs of all these methods that they can be compared."""
    return min(len(method_scores(run, method)) for method in methods) >= 3


def _compare(run: Run, first: str, second: str, metric: str, expected: float = 0.0) -> pd.Series:
    """Compare two audited methods by volumes, and test their difference against an expected one."""
    x, y = method_scores(run, first).reset_index(), method_scores(run, second).reset_index()
    x[metric] -= expected
    return compare(x, y, [metric], volume_of).iloc[0]


def yes(answers: Sequence[Answer]) -> str:
    """Print how many answers are yes, such as "2 of 6"."""
    return f"{sum(answer is True for answer in answers)} of {len(answers)}"


def per_task(values: Mapping[str, float], form: str) -> str:
    """Print a value per task, such as "CT-MRI +0.0001, PET-MRI +0.0002"."""
    return ", ".join(f"{get_task(task).folder} {value:{form}}" for task, value in values.items())


def ablation_label(ablations: Sequence[Run] | None = None) -> str:
    """Print with which presets and on which data the variants of Tables 4 and 5 were trained."""
    variants = variant_names()
    runs = [
        run
        for run in (study_runs() if ablations is None else ablations)
        if run.info.kind == "training" and run.info.task == "ct-mri" and run.variant in variants
    ]
    labels = [f"{run.label}; {training_words(run.info.trained)}" for run in runs]
    listed = "; ".join(dict.fromkeys(labels))
    return f"{listed}; {count_seeds(runs)}" if runs else "none yet"


def render_claims(claims: Sequence[Claim]) -> str:
    """Print each claim with its verdict as a line of HTML that opens to the question and the evidence."""
    lines = []
    for claim in claims:
        said = f"{escape(claim.text, quote=False)} ({claim.section}): <strong>{claim.verdict}</strong>"
        more = "".join(
            f"<p>{escape(text, quote=False)}</p>" for text in (claim.question, claim.evidence) if text
        )
        lines.append(f'<details class="claim"><summary>{said}</summary>\n{more}\n</details>')
    return "\n".join(lines)


def verdict_counts(claims: Sequence[Claim]) -> dict[str, int]:
    """Count each of :data:`VERDICTS`."""
    return {word: sum(claim.verdict == word for claim in claims) for word in VERDICTS}
