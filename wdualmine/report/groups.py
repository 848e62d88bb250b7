"""Which volume each pair belongs to: slices of one volume are alike, so that a volume counts once."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from wdualmine.data import volume_of
from wdualmine.errors import WdualmineError

#: How to tell the report what it guesses else.
TELL = "--groups with a CSV file of the columns pair and group, or with a regular expression for the names"


@dataclass(frozen=True)
class Grouping:
    """The volumes of the pairs."""

    volumes: Mapping[str, str]  #: the volume of each pair, by the pair's name
    source: str  #: where that is from, as a sentence

    @property
    def count(self) -> int:
        """Number of volumes."""
        return len(set(self.volumes.values()))

    def __str__(self) -> str:
        pairs = len(self.volumes)
        return f"{pairs} pair{'s' * (pairs != 1)} of {self.count} volume{'s' * (self.count != 1)}"


def group_pairs(names: Sequence[str], groups: str | Path | None = None) -> Grouping:
    """Return the volume of each pair.

    Args:
        names: of the pairs.
        groups: a CSV file with the columns ``pair`` and ``group``, or a regular expression, searched for in
            each name, whose first group (or whole match) is the volume. None guesses: from names like this
            data set's (a volume's number and three digits), else from what precedes a trailing number, if
            that gives several volumes, but fewer than pairs; else each pair is a volume of its own.

    Raises:
        WdualmineError: the file is unreadable or does not give each pair one group, or the expression fails.
    """
    if groups is None:
        return _guessed(names)
    # Path.is_file raises an error where an expression is longer than a file's name may be.
    if os.path.isfile(groups) or str(groups).endswith(".csv"):  # noqa: PTH113
        return Grouping(_from_file(Path(groups), names), f"The volumes are from {Path(groups).name}.")
    return Grouping(_from_pattern(str(groups), names), f"The volumes are what {groups} finds in the names.")


def _from_file(path: Path, names: Sequence[str]) -> dict[str, str]:
    try:
        frame = pd.read_csv(
            path,
            dtype=str,
            encoding="utf-8-sig",
            skipinitialspace=True,
            index_col=False,
            keep_default_na=False,
        ).fillna("")
    except (OSError, ValueError) as error:  # pandas' errors are ValueErrors
        raise WdualmineError(f"{path}: is no readable CSV file ({error}); give one in UTF-8") from error
    if not {"pair", "group"} <= set(frame):
        raise WdualmineError(f"{path}: lacks the columns pair and group; name them in its first line")
    volumes: dict[str, str] = {}
    for pair, group in zip(frame["pair"].str.strip(), frame["group"].str.strip(), strict=True):
        if not group:
            raise WdualmineError(f"{path}: pair {pair} has no group; give it one")
        if volumes.setdefault(pair, group) != group:
            raise WdualmineError(f"{path}: pair {pair} has two groups, {volumes[pair]} and {group}; keep one")
    for problem, found in (
        ("lacks", [name for name in names if name not in volumes]),
        ("has, beside the pairs of the folders,", [name for name in volumes if name not in set(names)]),
    ):
        if found:
            remedy = "give each pair one row, by the name of its files without suffix"
            raise WdualmineError(f"{path}: {problem} {len(found)} (such as {found[0]}); {remedy}")
    return volumes


def _from_pattern(pattern: str, names: Sequence[str]) -> dict[str, str]:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        text = f"--groups {pattern}: is neither a file nor a regular expression ({error})"
        raise WdualmineError(text) from error
    volumes = {}
    for name in names:
        match = expression.search(name)
        volume = match and match[min(expression.groups, 1)]
        if not volume:
            raise WdualmineError(f"--groups {pattern}: finds no volume in {name}; it is no file, either")
        volumes[name] = volume
    return volumes


def _guessed(names: Sequence[str]) -> Grouping:
    """Guess the volumes from the names: too few volumes make a test blunt, too many make it wrong."""
    rules: tuple[tuple[Callable[[str], str | None], int, str], ...] = (
        (_volume_of, 1, "all but the last three digits"),
        (_before_number, 2, "what precedes the last number"),
    )
    for rule, least, words in rules:
        volumes = {name: rule(name) for name in names}
        found = set(volumes.values())
        if None not in found and least <= len(found) < len(names):
            told = {name: str(volume) for name, volume in volumes.items()}
            source = f"The volumes are guessed from the names, {words}; if that is wrong, give {TELL}."
            return Grouping(told, source)
    return Grouping(
        {name: name for name in names},
        "Each pair is taken for a volume of its own, because the names tell nothing else; if some are slices "
        f"of one volume, the differences are less sure than they look: give {TELL}.",
    )


def _volume_of(name: str) -> str | None:
    """The volume by this data set's rule; a volume 0 is plain numbering."""
    volume = volume_of(name)
    return None if volume in (name, "0") else volume


def _before_number(name: str) -> str | None:
    match = re.fullmatch(r"(.*?)[_. -]*\d+", name)
    return (match and match[1]) or None
