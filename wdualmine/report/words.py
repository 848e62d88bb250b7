"""What a report says in words: plain sentences, each made of numbers in the findings."""

import numpy as np
import pandas as pd

from wdualmine.metrics import METRICS
from wdualmine.recovery.measure import LOST
from wdualmine.report.measure import ALONE, BLACKENED, FEWEST, LINE, Findings, title
from wdualmine_book.audit.tables import REFERENCED, dominating

LEVEL = 0.05
#: A background of which a larger share is not black is worth a word.
NOT_BLACK = 0.01


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
    left_out = _left_out(findings, method)
    if len(own) < FEWEST:
        few = f"Fewer than {FEWEST} pairs are too few to tell methods apart; {method} has {len(own)}."
        return [few, *left_out]
    better, worse, equal = told_apart(findings, method, "average")
    count = len(better) + len(worse) + len(equal)
    distance = f"Its images are {own['from_average'].mean():.2f} grey levels from the average's, on average."
    if not count:
        nothing = f"{method} cannot be compared with the average: no metric is finite for both on every pair."
        return [" ".join([nothing, *left_out, distance])]
    if not better and not worse:
        needed = pairs_needed(count)
        if len(own) < needed:
            return [
                f"{len(own)} pairs are too few to tell {method} from the average in {count} metrics, however "
                f"it differs; at least {needed} are needed. {distance}",
                *left_out,
            ]
        return [
            f"{method} cannot be told from the average in any of {count} metrics. {distance}",
            *left_out,
        ]
    parts = [
        f"{words} {', '.join(keys)}"
        for words, keys in (
            ("is better in", better),
            ("is worse in", worse),
            ("cannot be told apart in", equal),
        )
        if keys
    ]
    sentences = [
        f"Against the average of the two sources, {method} {'; '.join(parts)}. {distance}",
        *left_out,
    ]
    if all(key in ALONE for key in better):
        sentences.append(f"In no metric that compares with the sources is {method} better than the average.")
    if any(key in ALONE for key in better):
        sentences.append(f"{', '.join(ALONE)} look at the fused image alone, and noise raises them.")
    return sentences


def _left_out(findings: Findings, method: str) -> list[str]:
    """Say which metrics take no part in the comparison with the average, and why."""
    stretch = findings.stretched[method]
    found = []
    for name in (method, "average"):
        own = findings.rows(name, stretch)
        found += findings.undefined.get((name, stretch), [])
        for key in findings.metrics:
            pairs = own.loc[np.isinf(own[key]), "pair"]
            if len(pairs):
                # PSNR is the only such metric.
                found.append(
                    f"{key} of {title(name, stretch)} is infinite on {len(pairs)} of {len(own)} pairs, such "
                    f"as {pairs.iloc[0]}, where the image equals both sources"
                )
    return [f"Not compared: {sentence}." for sentence in found]


def _frontier(findings: Findings, method: str) -> list[str]:
    """Name the blends of average and maximum that do as well in all that compares with the sources."""
    own = findings.means(method)
    blends = pd.DataFrame({name: findings.means(name, findings.stretched[method]) for name in LINE}).T
    blends = blends[[key for key in findings.metrics if key in REFERENCED]].dropna(how="all")
    # Means over other pairs than all would not compare.
    keys = [key for key in blends.columns if np.isfinite(own[key]) and blends[key].notna().all()]
    if len(keys) < 2 or blends.empty:
        return []
    _, as_good, _ = dominating(own, blends, keys)
    metrics = ", ".join(keys)
    if not as_good:
        return [f"No blend of average and maximum does at least as well as {method} in all of {metrics}."]
    return [
        f"These blends of average and maximum, which know nothing, do at least as well as {method} in all of "
        f"{metrics}: {', '.join(map(title, as_good))}."
    ]


def _limits(findings: Findings, method: str) -> list[str]:
    sentences = []
    for key, decimals in (("CC", 4), ("PSNR", 2)):
        if key not in findings.limits or not np.isfinite(findings.limits[key]).all():
            continue
        limit = findings.limits[key].mean()
        own, average = findings.means(method), findings.means("average", findings.stretched[method])
        means = ((method, own[key]), ("the average", average[key]))
        has = [f"{who} has {mean:.{decimals}f}" for who, mean in means if np.isfinite(mean)]
        bound = f"On these pairs no image can have a mean {key} above {limit:.{decimals}f}"
        sentences.append(f"{'; '.join([bound, *has])}.")
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
