"""What a report is made of: scores of the judged images and of trivial fusions, and their comparison."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wdualmine.data.color import to_grey
from wdualmine.data.scans import Window
from wdualmine.errors import WdualmineError
from wdualmine.evaluation import LIMIT
from wdualmine.fusion import Fuse
from wdualmine.methods import CLASSICAL
from wdualmine.metrics import METRICS, PAPER_METRICS
from wdualmine.metrics.files import match_files
from wdualmine.metrics.registry import choose
from wdualmine.progress import task_bar
from wdualmine.recovery.measure import measure_alone, measure_recovery
from wdualmine.recovery.summary import summarize_recovery
from wdualmine.report.command import Command
from wdualmine.report.groups import Grouping, group_pairs
from wdualmine.report.scores import BLEND_TITLES, MIXES, REFERENCES, Reader, look_at_pair, score_pair
from wdualmine.runtime import processes
from wdualmine.statistics import compare, detectable, flip_test

#: Every blend, from average to maximum.
LINE = ("average", *MIXES, "maximum")
#: What baselines are called in print.
TITLES = {
    **{name: BLEND_TITLES.get(name, name) for name in (*LINE, "blend-0.0", "blend-1.0")},
    "laplacian-pyramid": "Laplacian pyramid",
}
#: What stands beside the methods' names on the page, as a column, under a picture or in a sentence.
HEADINGS = ("Metric", "Limit", "source A", "source B", "the average")
#: Metrics that look at the fused image alone: noise raises them as detail does.
ALONE = ("EN", "SD", "SF", "AG", "EI")
#: Share of a method's images that must be, for its comparison to be with stretched baselines.
MOSTLY = 0.9
#: Fewer pairs allow no paired statistics.
FEWEST = 3
#: One more process pays for so many scores.
WORTH = 200
RECOVERY_PAIRS = 6


@dataclass(frozen=True)
class Judged:
    """A method on trial."""

    name: str  #: what the report calls it
    fused: Path  #: its fused images, a folder or a file
    #: how it fuses, for signal recovery: a :class:`Command`, or a function of two lumas (N, 1, H, W) in [0,
    #: 1]; None leaves that out
    fuse: Fuse | Command | None = None


@dataclass
class Findings:
    """What was found, as frames."""

    judged: Sequence[Judged]  #: the methods on trial
    files: Mapping[str, Sequence[Path]]  #: paths of A, B and each judged image by pair
    groups: Grouping  #: the volume of each pair
    metrics: Sequence[str]  #: keys of what was scored
    asked: Sequence[str]  #: those of them that tests are made of, chosen before the scores were known
    stretched: Mapping[str, bool]  #: by judged name, whether its images span the full range
    #: a row a pair, method and finish: pair, method, stretch, a column a metric, the columns of
    #: :func:`~wdualmine.background.background_scores`, ``METRIC, black`` with a black background, and
    #: from_average, the mean distance to the average in grey levels
    scores: pd.DataFrame
    limits: pd.DataFrame  #: a row a pair: pair, CC and PSNR, as far as they are scored
    #: what :func:`~wdualmine.statistics.compare` gives, with the columns method and against; of what no test
    #: is made, p, p_corrected and detectable are NaN
    comparisons: pd.DataFrame
    #: by method and whether it is stretched, sentences about scores that do not exist
    undefined: dict[tuple[str, bool], list[str]]
    misaligned: list[str]  #: sentences about pairs whose sources are evidently not registered
    reader: Reader = field(default_factory=Reader)  #: how the files were read
    #: a row a signal, with the column method; empty where no way to fuse was given
    recovery: pd.DataFrame = field(default_factory=pd.DataFrame)
    #: what :func:`~wdualmine.recovery.summary.summarize_recovery` gives, likewise
    recovery_summary: pd.DataFrame = field(default_factory=pd.DataFrame)
    #: by judged name, the mean distance in grey levels between its first image and what its command makes of
    #: that pair
    remakes: dict[str, float] = field(default_factory=dict)
    #: of fused volumes, IFD_MI by what is printed for each (:func:`~wdualmine.volumes.continuity`)
    continuity: dict[str, float] = field(default_factory=dict)
    #: of fused volumes, the three planes, as the page has them: a title and pictures each
    planes: list[dict[str, Any]] = field(default_factory=list)

    @property
    def questions(self) -> int:
        """Number of tests, of which the p values take account."""
        return int(self.comparisons["p"].notna().sum())

    def rows(self, method: str, stretch: bool | None = None) -> pd.DataFrame:
        """Scores of one method, a row per pair; of a judged one there is only one finish."""
        own = self.scores[self.scores["method"] == method]
        return own if stretch is None else own[own["stretch"] == stretch]

    def gains(self, method: str, key: str) -> pd.Series:
        """Difference of a judged method to the average in its finish, in one metric, by pair."""
        average = self.rows("average", self.stretched[method])
        return self.rows(method).set_index("pair")[key] - average.set_index("pair")[key]

    def means(self, method: str, stretch: bool | None = None) -> pd.Series:
        """Mean of each metric over all pairs: NaN where it does not exist on one of them."""
        return self.rows(method, stretch)[list(self.metrics)].mean(skipna=False)


def title(method: str, stretch: bool = False) -> str:
    """What a baseline is called in print, with its finish; a judged method by its own name."""
    return f"{TITLES[method]}{', stretched' * stretch}" if method in TITLES else method


def judge(
    a: str | Path,
    b: str | Path,
    judged: Sequence[Judged],
    metrics: Sequence[str] | None = None,
    recovery_pairs: int = RECOVERY_PAIRS,
    allow: bool = False,
    round_16_bit: bool = False,
    windows: tuple[Window | None, Window | None] = (None, None),
    progress: bool = True,
    groups: str | Path | None = None,
    workers: int = 1,
) -> Findings:
    """Score methods' fused images beside trivial fusions of the same pairs.

    Args:
        a: first sources, a folder or a file.
        b: second sources, matched by name; at most one source of a pair may be in color.
        judged: the methods; their names must differ.
        metrics: keys of the registry, all of which are then tested; unless told, all are scored and
            :data:`~wdualmine.metrics.PAPER_METRICS` are tested.
        recovery_pairs: put signals into at most so many pairs.
        allow: go on with sources that are evidently not registered, and say so.
        round_16_bit: round images of 16 bits to the 8 that the metrics are defined on; else they are refused.
        windows: of both sources, as :func:`wdualmine.read_image` has them: what was fused of DICOM slices.
        progress: show a progress bar.
        groups: which pairs are slices of one volume, see :func:`~wdualmine.report.groups.group_pairs`.
        workers: processes at most. With several, a script needs ``if __name__ == "__main__":``.

    Raises:
        WdualmineError: names the file that is missing, unreadable, of another size or not of 8 bits, the name
            that is taken, or what is wrong with a command or with the groups.
    """
    check_names(judged)
    keys = [metric.key for metric in choose(METRICS if metrics is None else metrics)]
    asked = [key for key in PAPER_METRICS if key in keys] if metrics is None else keys
    if recovery_pairs < 1:
        raise WdualmineError(f"{recovery_pairs} pairs for signal recovery: give at least 1")
    first, *others = [match_files(a, b, method.fused) for method in judged]
    files = {  # a single file goes with single files whatever their names; folders have the same names
        name: (*paths, *(own.get(name, next(iter(own.values())))[2] for own in others))
        for name, paths in first.items()
    }
    grouping, reader = group_pairs(list(files), groups), Reader(round_16_bit, windows)
    made = _run_commands(files, judged, reader)
    rows: list[dict] = []
    bounds: list[dict] = []
    reasons: defaultdict[tuple[str, bool, str], list[str]] = defaultdict(list)
    with (
        processes(min(workers, len(files), len(files) * len(keys) // WORTH)) as apply,
        task_bar("report", len(files), progress) as advance,
    ):
        looked = apply(partial(look_at_pair, allow=allow, reader=reader), files.items())
        full, misaligned = zip(*looked, strict=True)
        stretched = {
            method.name: sum(found) >= MOSTLY * len(files)
            for method, found in zip(judged, zip(*full, strict=True), strict=True)
        }
        work = partial(score_pair, stretched=stretched, keys=keys, reader=reader)
        for own, bound in apply(work, files.items()):
            for row in own:
                for key, reason in row.pop("reasons").items():
                    reasons[row["method"], row["stretch"], key].append(f"{row['pair']}: {reason}")
            rows += own
            bounds.append(bound)
            advance()
    scores = pd.DataFrame(rows)
    shown = ["pair", *(key for key in ("CC", "PSNR") if key in keys)]
    findings = Findings(
        judged, files, grouping, keys, asked, stretched, scores, pd.DataFrame(bounds)[shown],
        _compare(judged, stretched, scores, keys, asked, grouping), _undefined(reasons, len(files)),
        list(chain.from_iterable(misaligned)), reader,
    )  # fmt: skip
    _recover(findings, made, recovery_pairs, progress)
    return findings


def check_names(judged: Sequence[Judged]) -> None:
    """Refuse a name that a reader could take for something else in the report."""
    if not judged:
        raise WdualmineError("no fused images to judge; name their folder")
    printed = (title(name, stretch) for name in TITLES for stretch in (False, True))
    taken = {_read(name) for name in (*TITLES, *printed, *HEADINGS, LIMIT)}
    for method in judged:
        name = _read(method.name)
        if not name:
            raise WdualmineError(f"{method.fused}: has an empty name; give one with --name")
        if name in taken:
            what = "is the name of a baseline, of a column or of another method"
            raise WdualmineError(f"{method.name}: {what}; give another --name")
        taken.add(name)


def _read(name: str) -> str:
    """A name as far as readers tell it from others: without case and runs of spaces."""
    return " ".join(name.split()).casefold()


def _run_commands(
    files: Mapping[str, Sequence[Path]], judged: Sequence[Judged], reader: Reader
) -> dict[str, NDArray[np.uint8]]:
    """Run each command on the first pair before the long work, so that a mistake in it shows at once."""
    pair = reader.pair(*next(iter(files.items())))
    commands = {method.name: method.fuse for method in judged if isinstance(method.fuse, Command)}
    return {method: command.fuse(pair.image_a, pair.image_b) for method, command in commands.items()}


def _compare(
    judged: Sequence[Judged],
    stretched: Mapping[str, bool],
    scores: pd.DataFrame,
    keys: Sequence[str],
    asked: Sequence[str],
    groups: Grouping,
) -> pd.DataFrame:
    """Each method against each reference in the method's own finish, and against each other method.

    Tests are made in the metrics asked for against the average and the other methods; they are one family.
    """
    rows = [(method.name, name, stretched[method.name]) for method in judged for name in REFERENCES]
    rows += [(first.name, second.name, stretched[second.name]) for first, second in combinations(judged, 2)]
    frames = []
    differences: list[pd.DataFrame] = []  # of what is tested, a row a volume
    for method, against, stretch in rows:
        first = scores[scores["method"] == method]
        second = scores[(scores["method"] == against) & (scores["stretch"] == stretch)]
        told = [key for key in keys if np.isfinite([*first[key], *second[key]]).all()]
        if len(first) < FEWEST or not told:
            continue
        table = compare(first, second, told, groups.volumes.__getitem__)
        frames.append(table.assign(method=method, against=against))
        if against not in REFERENCES[1:]:
            apart = first.set_index("pair")[told] - second.set_index("pair")[told]
            volumes = apart.index.map(groups.volumes.__getitem__)
            differences.append(apart[[key for key in told if key in asked]].groupby(volumes).mean())
    if not frames:
        return pd.DataFrame(columns=["method", "against", "metric", "difference", "low", "high", "p"])
    table = pd.concat(frames, ignore_index=True)
    table[["p", "p_corrected", "detectable"]] = np.nan
    tested = table["metric"].isin(asked) & ~table["against"].isin(REFERENCES[1:])
    if tested.any():
        p, corrected, critical = flip_test(pd.concat(differences, axis=1).to_numpy())
        found = detectable(table.loc[tested, "error"].to_numpy(), critical, groups.count)
        table.loc[tested, ["p", "p_corrected", "detectable"]] = np.column_stack([p, corrected, found])
    return table


def _undefined(
    reasons: Mapping[tuple[str, bool, str], Sequence[str]], pairs: int
) -> dict[tuple[str, bool], list[str]]:
    """One sentence for all metrics of a method that fail in the same way."""
    alike: defaultdict[tuple[str, bool, tuple[str, ...]], list[str]] = defaultdict(list)
    for (method, stretch, key), found in reasons.items():
        alike[method, stretch, tuple(found)].append(key)
    sentences: defaultdict[tuple[str, bool], list[str]] = defaultdict(list)
    for (method, stretch, failures), keys in alike.items():
        sentences[method, stretch].append(
            f"{', '.join(keys)} of {title(method, stretch)} {'is' if len(keys) == 1 else 'are'} undefined on "
            f"{len(failures)} of {pairs} pairs, such as {failures[0]}"
        )
    return dict(sentences)


def _recover(findings: Findings, made: Mapping[str, NDArray[np.uint8]], limit: int, progress: bool) -> None:
    """Put signals into evenly spaced pairs, for the methods that can be run and for the references."""
    runnable = {method.name: method.fuse for method in findings.judged if method.fuse is not None}
    if not runnable:
        return
    names = list(findings.files)
    chosen = [names[k] for k in np.unique(np.linspace(0, len(names) - 1, min(limit, len(names))).astype(int))]
    pairs = [findings.reader.pair(name, findings.files[name]) for name in chosen]
    for method, path in zip(findings.judged, findings.files[names[0]][2:], strict=True):
        if method.name in made:
            given = to_grey(findings.reader.image(path))
            distance = np.abs(to_grey(made[method.name]).astype(np.int16) - given).mean()
            findings.remakes[method.name] = float(distance)
    references = {name: fuse for name in REFERENCES if (fuse := CLASSICAL[name].fuse)}
    frames, summaries = [], []
    ways = runnable | references
    with task_bar("signal recovery", len(pairs) * (2 + len(ways)), progress) as advance:
        alone = measure_alone(pairs, progress=advance)
        for name, fuse in ways.items():
            signals = measure_recovery(fuse, pairs, progress=advance)
            frames.append(signals.assign(method=name))
            summaries.append(summarize_recovery(signals, alone).assign(method=name))
    findings.recovery = pd.concat(frames, ignore_index=True)
    findings.recovery_summary = pd.concat(summaries, ignore_index=True)
