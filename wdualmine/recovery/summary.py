"""Summaries of signal recovery: shares, detectabilities and their intervals over volumes."""

import math

import numpy as np
import pandas as pd

from wdualmine.errors import WdualmineError
from wdualmine.statistics import Group, jackknife_interval

#: Below this recovery a signal counts as lost, below 0 as inverted.
LOST = 0.25
#: The share of signal-free regions that are reported, too, at the threshold of ``reported``.
ALARMS = 0.1
#: What tells one signal from another.
SIGNAL = ["source", "pair", "shape", "size", "angle", "amplitude", "row", "column"]


def summarize_recovery(scores: pd.DataFrame, alone: pd.DataFrame, group: Group | None = None) -> pd.DataFrame:
    """Summarize what :func:`~wdualmine.recovery.measure.measure_recovery` gives, beside each source alone.

    Args:
        scores: of a method, a row a signal.
        alone: of the same signals in each source alone, by
            :func:`~wdualmine.recovery.measure.measure_alone`; or of another method.
        group: gives a pair's volume by its name; None takes every pair for a volume of its own.

    Returns:
        A row a source and statistic (:func:`leave_one_out`): columns source, statistic, value, low, high (its
        95 % interval, by the jackknife over the volumes, since signals of one volume are alike), and
        ``share``, the value over that in the source alone (1 is all that the scan shows), with ``share_low``
        and ``share_high``.

    Raises:
        WdualmineError: the two frames are not of the same signals.
    """
    first, second = (frame[SIGNAL].sort_values(SIGNAL, ignore_index=True) for frame in (scores, alone))
    if not first.equals(second):
        raise WdualmineError("the source alone was measured with other signals; measure both with one seed")
    return relate(leave_one_out(scores, group), leave_one_out(alone, group))


def leave_one_out(scores: pd.DataFrame, group: Group | None = None) -> pd.DataFrame:
    """Compute each statistic of a method over all volumes, and over all but one of them.

    Args:
        scores: of :func:`~wdualmine.recovery.measure.measure_recovery`.
        group: gives a pair's volume by its name; None takes every pair for a volume of its own.

    Returns:
        Columns source, statistic, ``without`` (the volume left out, "" for none) and value. Statistics of the
        contrast: ``recovery``, its mean, and ``p10``, its 10th percentile; ``lost`` and ``inverted``, the
        shares with a recovery below 0.25 and below 0. Of the observers: ``search``, the share found;
        ``reported``, the share found and rated above nine of ten signal-free regions of its class (shape and
        size); ``localization``, the area under the localization ROC curve, which is the probability that a
        signal is found and rated above a signal-free region of its class; ``detectability`` and
        ``hotelling``, d' of the matched filter and of the channelized Hotelling observer, per class, then
        averaged.
    """
    rows = []
    for source, own in scores.groupby("source", sort=True):
        volumes = own["pair"].astype(str).map(group or str)
        for without in ("", *sorted(set(volumes))):
            kept = own[volumes != without]
            if len(kept):
                values = _statistics(kept)
                rows += [(source, name, without, value) for name, value in values.items()]
    return pd.DataFrame(rows, columns=["source", "statistic", "without", "value"])


def relate(own: pd.DataFrame, reference: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Set a method's statistics beside those of a reference, such as the source alone or the average.

    Args:
        own: of :func:`leave_one_out`.
        reference: of the same signals.
        level: of the intervals, by the jackknife over the volumes.

    Returns:
        As :func:`summarize_recovery`.
    """
    keys = ["source", "statistic", "without"]
    both = own.merge(reference, on=keys, suffixes=("", "_reference"))
    whole = both["value_reference"]
    both["share"] = (both["value"] / whole).where(whole > 0)
    rows = []
    for (source, statistic), group in both.groupby(["source", "statistic"], sort=False):
        numbers = group.set_index("without")[["value", "share"]]
        (value, share), left = numbers.loc[""], numbers.drop("").to_numpy()
        low, high = jackknife_interval(np.array([value, share]), left, level)
        rows.append((source, statistic, value, low[0], high[0], share, low[1], high[1]))
    names = ["value", "low", "high", "share", "share_low", "share_high"]
    return pd.DataFrame(rows, columns=["source", "statistic", *names])


def _statistics(scores: pd.DataFrame) -> dict[str, float]:
    recovery = scores["recovery"].to_numpy()
    reported, localized = 0, []
    detected: dict[str, list[float]] = {"filter": [], "hotelling": []}
    for _, own in scores.groupby(["shape", "size"], sort=True):
        found, rating = own["found"].to_numpy() > 0, own["rating"].to_numpy()
        false = np.sort(own["false_rating"].to_numpy())
        above = (np.searchsorted(false, rating, "left") + np.searchsorted(false, rating, "right")) / 2
        localized += [*(found * above / len(own))]
        reported += (found & (rating > np.quantile(false, 1 - ALARMS))).sum()
        for name, values in detected.items():
            variance = own[name + "_square"].mean() - own[name + "_mean"].mean() ** 2
            answer = own[name + "_answer"].mean()
            if variance > 0 or answer == 0:  # neither where it does not look
                values.append(answer / math.sqrt(variance) if variance > 0 else 0.0)
    filtered, hotelling = (float(np.mean(x)) if x else math.nan for x in detected.values())
    return {
        "recovery": float(recovery.mean()),
        "p10": float(np.quantile(recovery, 0.1)),
        "lost": float((recovery < LOST).mean()),
        "inverted": float((recovery < 0).mean()),
        "search": float(scores["found"].mean()),
        "reported": float(reported / len(scores)),
        "localization": float(np.mean(localized)),
        "detectability": filtered,
        "hotelling": hotelling,
    }
