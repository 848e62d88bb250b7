"""What a report says in words: plain sentences, each made of numbers in the findings."""

from itertools import count
from math import isnan

import numpy as np
import pandas as pd

from wdualmine.metrics import METRICS
from wdualmine.report.measure import ALONE, LINE, Findings, title
from wdualmine.report.scores import BLACKENED, REFERENCED
from wdualmine.statistics import SIGNIFICANT, smallest_p

#: A background of which a larger share is not black is worth a word.
NOT_BLACK = 0.01


def told_apart(findings: Findings, method: str, against: str) -> tuple[list[str], list[str], list[str]]:
    """Metrics in which a method is better than another, worse, or not told from it, of those tested."""
    rows = compared(findings, method, against).dropna(subset="p")
    told, gains = rows["p_corrected"] < SIGNIFICANT, rows["gain"] > 0
    better, worse, equal = (list(rows["metric"][kind]) for kind in (told & gains, told & ~gains, ~told))
    return better, worse, equal


def compared(findings: Findings, method: str, against: str) -> pd.DataFrame:
    """Compare two methods, in either order; ``gain`` is by how much the first is better."""
    table = findings.comparisons
    own = (table["method"] == method) & (table["against"] == against)
    turned = (table["method"] == against) & (table["against"] == method)
    signs = table["metric"].map(lambda key: METRICS[key].sign)
    return table.assign(gain=table["difference"] * signs * (own.astype(int) - turned))[own | turned]


def verdict(findings: Findings, method: str) -> list[str]:
    """All sentences about one method; the first says whether it is better than the average and the others."""
    return [
        _answer(findings, method),
        *_untested(findings, method),
        *_finish(findings, method),
        *_left_out(findings, method),
        *_frontier(findings, method),
        *_background(findings, method),
        *_recovery(findings, method),
    ]


def _answer(findings: Findings, method: str) -> str:
    others = ["average", *(other.name for other in findings.judged if other.name != method)]
    if smallest_p(findings.groups.count) >= SIGNIFICANT:
        needed = next(number for number in count() if smallest_p(number) < SIGNIFICANT)
        return (
            f"{findings.groups} cannot tell whether {method} is better than the "
            f"{' or '.join(others)}, whatever they show: a test needs {needed} volumes."
        )
    return f"{method} is {'; it is '.join(_answer_to(findings, method, other) for other in others)}."


def _answer_to(findings: Findings, method: str, other: str) -> str:
    better, worse, equal = told_apart(findings, method, other)
    name = "the average" if other == "average" else other
    stretch = findings.stretched.get(other, findings.stretched[method])
    if stretch != findings.stretched[method]:
        name += f", whose images are {'' if stretch else 'not '}stretched"
    if not (better or worse or equal):
        return f"not compared with {name}, as no metric to test is finite for both on every pair"
    # Metrics of the fused image alone, which noise raises, decide only where nothing else is tested.
    decisive = {*better, *worse, *equal}.difference(ALONE) or {*better, *worse}
    gains, loses = decisive.intersection(better), decisive.intersection(worse)
    word = "better and worse than" if gains and loses else "better than" if gains else "worse than"
    word = word if gains or loses else "not told from"
    return f"{word} {name} ({_sides(better, worse, equal)})"


def _sides(better: list[str], worse: list[str], equal: list[str]) -> str:
    named = (("better in", better), ("worse in", worse), ("not told apart in", equal))
    return "; ".join(f"{words} {', '.join(keys)}" for words, keys in named if keys)


def _untested(findings: Findings, method: str) -> list[str]:
    """Return sentences on gains and losses on the average in the metrics that are not tested."""
    rows = compared(findings, method, "average")
    clear = rows[rows["p"].isna() & (rows["low"] * rows["high"] > 0)]
    better, worse = (list(clear.loc[clear["gain"] * sign > 0, "metric"]) for sign in (1, -1))
    sentences = []
    if sides := _sides(better, worse, []):
        sentences.append(
            f"By the 95 % interval of its difference to the average, without a test, {method} is {sides}."
        )
    if alone := [key for key in ALONE if key in rows["metric"].to_list()]:
        one = len(alone) == 1
        looks = f"look{'s' * one} at the fused image alone, and noise raises {'it' if one else 'them'}"
        sentences.append(f"{', '.join(alone)} {looks}.")
    distance = findings.rows(method)["from_average"].mean()
    return [*sentences, f"Its images are {distance:.2f} grey levels from the average's, on average."]


def _left_out(findings: Findings, method: str) -> list[str]:
    """Return sentences on which metrics take no part in the comparison with the average, and why."""
    stretch = findings.stretched[method]
    found = []
    for name in (method, "average"):
        own = findings.rows(name, stretch)
        found += findings.undefined.get((name, stretch), [])
        for key in findings.metrics:
            if len(pairs := own.loc[np.isinf(own[key]), "pair"]):  # of PSNR alone
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
    as_good = blends.index[(blends[keys] >= own[keys].astype(float)).all(axis=1)]
    well = f"at least as well as {method} in all of {', '.join(keys)}"
    if as_good.empty:
        return [f"No blend of average and maximum does {well}."]
    named = ", ".join(map(title, as_good))
    return [f"These blends of average and maximum, which know nothing, do {well}: {named}."]


def _finish(findings: Findings, method: str) -> list[str]:
    """Return how the images were saved, and so the baselines, and which other methods' were not."""
    stretch = findings.stretched[method]
    sentences = [
        f"Its images {'span' if stretch else 'do not all span'} the full range from black to white, so the "
        f"baselines beside it are {'stretched to that range too' if stretch else 'not stretched'}."
    ]
    if others := [name for name, other in findings.stretched.items() if other != stretch]:
        sentences.append(
            f"{method} and {', '.join(others)} are saved in different ways, and a stretch alone moves most "
            "scores: compare each with its own baselines, or save all in one way."
        )
    return sentences


def _background(findings: Findings, method: str) -> list[str]:
    """Return what the background of the images does to the scores."""
    own = findings.rows(method)
    share, nonzero = own["background_share"].mean(), own["background_nonzero"].mean()
    if not share or np.isnan(nonzero):
        return ["No pair has a background, a part where both sources are black."]
    sentences = [
        f"Where both sources are black, {share:.0%} of the image, {nonzero:.0%} of its pixels are not black "
        f"(mean level {own['background_mean'].mean():.2f})."
    ]
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
    shares = table.set_index(["method", "source", "statistic"])["share"]
    parts = []
    for source in sorted(table["source"].unique()):
        found, average = (shares[name, source, "search"] for name in (method, "average"))
        lost = values[method, source, "lost"]
        if isnan(found):
            parts.append(f"of those in source {source.upper()} it finds none in that source alone, either")
            continue
        parts.append(
            f"of those in source {source.upper()} it finds {found:.0%} of what it finds in that source alone "
            f"(in the average: {average:.0%}), and {lost:.0%} have lost their contrast"
        )
    pairs = findings.recovery["pair"].nunique()
    number = f"{pairs} pair{'s' * (pairs != 1)}"
    sentences = [
        f"A model observer searches for faint known signals that were put into one source ({number}): "
        f"{'; '.join(parts)}."
    ]
    if (apart := findings.remakes.get(method, 0)) > 1:
        differ = f"on the first pair they differ by {apart:.1f} grey levels on average"
        sentences.append(f"The command does not make the images in the folder: {differ}.")
    return sentences
