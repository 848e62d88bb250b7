"""What a report says in words: plain sentences, each made of numbers in the findings."""

import numpy as np
import pandas as pd

from wdualmine.audit import BLENDS
from wdualmine.metrics import METRICS
from wdualmine.recovery.measure import LOST
from wdualmine.report.measure import ALONE, BLACKENED, FEWEST, Findings
from wdualmine.tables.audit import NAMES, REFERENCED, dominating

LEVEL = 0.05
#: A background of which a larger share is not black is worth a word.
NOT_BLACK = 0.01


def title(method: str) -> str:
    """What a baseline is called in print; a judged method by its own name."""
    return {"laplacian-pyramid": "Laplacian pyramid"}.get(method, NAMES.get(method, method))


def told_apart(findings: Findings, method: str, against: str) -> tuple[list[str], list[str], list[str]]:
    """Metrics in which a method is better than another, worse, or cannot be told from it.

    Two methods are told apart where Holm's p value of their paired difference is below :data:`LEVEL`.
    """
    table = findings.comparisons
    rows = table[(table["method"] == method) & (table["against"] == against)]
    better: list[str] = []
    worse: list[str] = []
    equal: list[str] = []
    for row in rows.to_dict("records"):
        sign = 1 if METRICS[row["metric"]].direction == "higher" else -1
        kind = equal if row["p_holm"] >= LEVEL else better if row["difference"] * sign > 0 else worse
        kind.append(row["metric"])
    return better, worse, equal


def pairs_needed(metrics: int) -> int:
    """How many pairs it takes until any difference can be told apart in so many metrics.

    The least p value of Wilcoxon's test on n pairs, all of which differ in one direction, is 2 / 2^n; Holm's
    correction multiplies the least by the number of metrics.
    """
    return next(n for n in range(FEWEST, 64) if 2.0 ** (1 - n) * metrics < LEVEL)


def verdict(findings: Findings, method: str) -> list[str]:
    """Everything that is said about one method, the verdict against the average first."""
    return [
        *_against_average(findings, method),
        *_frontier(findings, method),
        *_limits(findings, method),
        *_finish(findings, method),
        *_recovery(findings, method),
    ]


def _against_average(findings: Findings, method: str) -> list[str]:
    own = findings.rows(method)
    if len(own) < FEWEST:
        return [f"Fewer than {FEWEST} pairs are too few to tell methods apart; {method} has {len(own)}."]
    better, worse, equal = told_apart(findings, method, "average")
    count = len(better) + len(worse) + len(equal)
    distance = f"Its images are {own['from_average'].mean():.2f} grey levels from the average's, on average."
    if not better and not worse:
        needed = pairs_needed(count)
        if len(own) < needed:
            return [
                f"{len(own)} pairs are too few to tell {method} from the average in {count} metrics, however "
                f"it differs; at least {needed} are needed. {distance}"
            ]
        return [f"{method} cannot be told from the average in any of {count} metrics. {distance}"]
    parts = [
        f"{words} {', '.join(keys)}"
        for words, keys in (
            ("is better in", better),
            ("is worse in", worse),
            ("cannot be told apart in", equal),
        )
        if keys
    ]
    sentences = [f"Against the average of the two sources, {method} {'; '.join(parts)}. {distance}"]
    if all(key in ALONE for key in better):
        sentences.append(f"In no metric that compares with the sources is {method} better than the average.")
    if any(key in ALONE for key in better):
        sentences.append(f"{', '.join(ALONE)} look at the fused image alone, and noise raises them.")
    return sentences


def _frontier(findings: Findings, method: str) -> list[str]:
    """Name the blends of average and maximum that do as well in all that compares with the sources."""
    keys = [key for key in findings.metrics if key in REFERENCED]
    own = findings.rows(method)[keys].mean()
    keys = [key for key in keys if np.isfinite(own[key])]
    if len(keys) < 2:
        return []
    stretch = findings.stretched[method]
    names = {"average": 0.0, "maximum": 1.0} | {f"blend-{t:.1f}": t for t in BLENDS[1:-1]}
    blends = pd.DataFrame({name: findings.rows(name, stretch)[keys].mean() for name in names}).T
    blends = blends.dropna()
    _, as_good, _ = dominating(own, blends.loc[sorted(blends.index, key=names.__getitem__)], keys)
    metrics = ", ".join(keys)
    if not as_good:
        return [f"No blend of average and maximum does at least as well as {method} in all of {metrics}."]
    return [
        f"These blends of average and maximum, which know nothing, do at least as well as {method} in all of "
        f"{metrics}: {', '.join(map(title, as_good))}."
    ]


def _limits(findings: Findings, method: str) -> list[str]:
    sentences = []
    stretch = findings.stretched[method]
    for key, decimals in (("CC", 4), ("PSNR", 2)):
        if key not in findings.limits or not np.isfinite(findings.limits[key]).all():
            continue
        limit = findings.limits[key].mean()
        own, average = (
            rows[key].mean() for rows in (findings.rows(method), findings.rows("average", stretch))
        )
        sentences.append(
            f"On these pairs no image can have a mean {key} above {limit:.{decimals}f}; {method} has "
            f"{own:.{decimals}f}, the average {average:.{decimals}f}."
        )
    return sentences


def _finish(findings: Findings, method: str) -> list[str]:
    """Say how the images were saved, and what their background does to the scores."""
    own, stretch = findings.rows(method), findings.stretched[method]
    sentences = [
        f"Its images {'span' if stretch else 'do not all span'} the full range from black to white, so the "
        f"baselines beside it are {'stretched to that range too' if stretch else 'not stretched'}."
    ]
    share, nonzero = own["background_share"].mean(), own["background_nonzero"].mean()
    if not share or np.isnan(nonzero):
        return [*sentences, "No pair has a background, a part where both sources are black."]
    sentences.append(
        f"Where both sources are black, {share:.0%} of the image, {nonzero:.0%} of its pixels are not black "
        f"(mean level {own['background_mean'].mean():.2f})."
    )
    if nonzero > NOT_BLACK:
        changes = [
            f"{key} from {own[key].mean():.4f} to {own[f'{key}, black'].mean():.4f}"
            for key in BLACKENED
            if f"{key}, black" in own and np.isfinite(own[[key, f"{key}, black"]]).all(axis=None)
        ]
        if changes:
            sentences.append(f"Setting them to black changes {', '.join(changes)}.")
    return sentences


def _recovery(findings: Findings, method: str) -> list[str]:
    table = findings.recovery_summary
    if table.empty or method not in set(table["method"]):
        return []
    values = table.set_index(["method", "source", "statistic"])["value"]
    parts = []
    for source in sorted(table["source"].unique()):
        mean, lost = (values[method, source, name] for name in ("mean", "lost"))
        average = values["average", source, "mean"]
        parts.append(
            f"{mean:.2f} of those in source {source.upper()} is left and {lost:.0%} are lost (average: "
            f"{average:.2f} left)"
        )
    pairs = findings.recovery["pair"].nunique()
    number = f"{pairs} pair{'s' * (pairs != 1)}"
    sentences = [
        f"Of faint known signals put into one source ({number}), {'; '.join(parts)}. "
        f"1 is a signal kept whole; one counts as lost below {LOST:g}."
    ]
    if method in findings.remakes and findings.remakes[method] > 1:
        sentences.append(
            f"The command does not make the images in the folder: on the first pair they differ by "
            f"{findings.remakes[method]:.1f} grey levels on average."
        )
    return sentences
