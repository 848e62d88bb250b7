"""The report on anyone's fused images: what it finds, says and writes, and one clear line for bad input."""

import json
import os
import re
import shlex
import shutil
import sys
import time
import warnings
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from browsing import INSPECT, WIDTHS, watch
from calling import call
from tolerances import TOLERANCES

from wdualmine.data import find_data, get_task
from wdualmine.data.images import read_image, write_image
from wdualmine.errors import WdualmineError
from wdualmine.fusion import fuse_images
from wdualmine.methods import average, maximum
from wdualmine.metrics import METRICS, score
from wdualmine.metrics.limits import limits
from wdualmine.report import Command, Findings, Judged, judge, write_report
from wdualmine.report.figures import gains_by_pair
from wdualmine.report.groups import group_pairs
from wdualmine.report.measure import _compare
from wdualmine.report.words import told_apart, verdict
from wdualmine.runtime import processes
from wdualmine.statistics import compare

KEYS = ("EN", "MI", "CC", "PSNR", "Qabf", "SSIM")
#: A tool as anyone may have it: the average, written by a program of its own.
TOOL = """
import sys
import numpy as np
from PIL import Image
a, b = (np.asarray(Image.open(path).convert("L"), float) for path in sys.argv[1:3])
Image.fromarray(np.rint((a + b) / 2).astype(np.uint8)).save(sys.argv[3])
"""


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve small pairs in a/ and b/, fused by the average, the maximum and an average with noise in it."""
    folder = tmp_path_factory.mktemp("case")
    source = find_data("phantom").root / "CT-MRI" / "test"
    rng = np.random.default_rng(3)
    for path in sorted((source / "CT").glob("*.png"))[:4]:
        a, b = (read_image(file)[::2, ::2] for file in (path, source / "MRI" / path.name))
        for way, name in enumerate((path.name, f"mirrored-{path.name}", f"turned-{path.name}")):
            moved = np.s_[:: -1 if way == 2 else 1, :: -1 if way else 1]
            write_image(folder / "a" / name, a[moved])
            write_image(folder / "b" / name, b[moved])
            mean = fuse_images(a[moved], b[moved], average)
            write_image(folder / "average" / name, mean)
            write_image(folder / "maximum" / name, fuse_images(a[moved], b[moved], maximum))
            noisy = np.clip(mean + rng.integers(-6, 7, mean.shape), 0, 255).astype(np.uint8)
            write_image(folder / "noisy" / name, noisy)
    (folder / "tool.py").write_text(TOOL)
    return folder


@pytest.fixture(scope="module")
def findings(case: Path) -> Findings:
    judged = [Judged("same", case / "average"), Judged("noisy", case / "noisy")]
    return judge(case / "a", case / "b", judged, KEYS, progress=False)


@pytest.fixture(scope="module")
def written(findings: Findings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(findings, tmp_path_factory.mktemp("report") / "report").parent


def tool(case: Path) -> str:
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(case / 'tool.py'))} {{a}} {{b}} {{out}}"


# ----------------------------------------------------------------------------------------------------
# What is found


def test_scores_are_those_of_the_package(case: Path, findings: Findings) -> None:
    for name in findings.files:
        a, b, fused = (read_image(case / folder / f"{name}.png") for folder in ("a", "b", "noisy"))
        row = findings.rows("noisy").set_index("pair").loc[name]
        assert row[list(KEYS)].to_dict() == pytest.approx(score(a, b, fused, KEYS))
        bounds = findings.limits.set_index("pair").loc[name]
        assert bounds.to_dict() == pytest.approx(limits(a, b))
    # The same images under the name of a method and as the baseline.
    own, baseline = findings.rows("same"), findings.rows("average", True)
    np.testing.assert_array_equal(own[list(KEYS)], baseline[list(KEYS)])
    assert (own["from_average"] == 0).all()


def test_images_of_16_bits_are_rounded_where_that_is_asked_for(
    case: Path, tmp_path: Path, findings: Findings, capsys: pytest.CaptureFixture
) -> None:
    for kind in ("a", "b", "average"):
        for path in (case / kind).iterdir():
            deep = np.minimum(read_image(path) * 257.0 + 100, 65535).astype(np.uint16)
            write_image(tmp_path / kind / path.name, deep)
    folders = [tmp_path / kind for kind in ("a", "b", "average")]
    judged = [Judged("same", folders[2])]
    deep = judge(*folders[:2], judged, KEYS, round_16_bit=True, progress=False)
    same = [made.rows("same").reset_index(drop=True) for made in (deep, findings)]
    pd.testing.assert_frame_equal(*same)
    page = write_report(deep, tmp_path / "report")
    assert "of 16 bits were rounded" in page.read_text()
    assert json.loads((page.parent / "report.json").read_text())["rounded_to_8_bit"]
    with pytest.raises(WdualmineError, match="has 16 bits; round it with --to-8-bit"):
        judge(*folders[:2], judged, KEYS, progress=False)
    code, out, _ = call(capsys, "evaluate", *folders, "--to-8-bit", "--csv")
    assert code == 0
    assert len(out.splitlines()) == 13
    code, _, error = call(capsys, "evaluate", *folders)
    assert code == 2
    assert "has 16 bits; round it with --to-8-bit" in error


def test_comparisons_are_those_of_the_statistics(findings: Findings) -> None:
    for against in ("average", "maximum"):
        table = findings.comparisons.query("method == 'noisy' and against == @against")
        expected = compare(findings.rows("noisy"), findings.rows(against, True), KEYS)
        for column in expected.columns.drop(["p", "p_corrected", "detectable"]):
            assert list(table[column]) == list(expected[column])
        assert list(table["p"].dropna()) == (list(expected["p"]) if against == "average" else [])
    tested = findings.comparisons.dropna(subset="p")
    assert len(tested) == findings.questions == 3 * len(KEYS)
    alone = compare(findings.rows("noisy"), findings.rows("average", True), KEYS)
    of_all = tested.query("method == 'noisy' and against == 'average'")
    assert (of_all["p_corrected"].to_numpy() >= alone["p_corrected"].to_numpy()).all()  # a larger family
    assert (of_all["detectable"].to_numpy() >= alone["detectable"].to_numpy()).all()
    pairs = set(map(tuple, findings.comparisons[["method", "against"]].to_numpy()))
    assert ("same", "noisy") in pairs
    assert len(pairs) == 2 * 3 + 1


def test_the_average_cannot_be_told_from_itself(findings: Findings) -> None:
    first, *rest = verdict(findings, "same")
    assert first.startswith(
        f"same is not told from the average (not told apart in {', '.join(KEYS)}); it is "
    )
    assert any("0.00 grey levels from the average" in line for line in rest)
    assert any(re.search("blends .* do at least as well as same in .*: average", line) for line in rest)


def test_noise_is_told_apart_and_seen_in_the_background(findings: Findings) -> None:
    better, worse, equal = told_apart(findings, "noisy", "average")
    assert "EN" in better
    assert {"CC", "PSNR", "SSIM"} <= set(worse)
    assert {*better, *worse, *equal} == set(KEYS)
    assert told_apart(findings, "same", "noisy")[:2] == (worse, better)
    said = " ".join(verdict(findings, "noisy"))
    assert said.startswith("noisy is worse than the average (better in EN; worse in ")
    assert re.search(r"; it is worse than same \(better in EN; worse in ", said)
    assert "EN looks at the fused image alone, and noise raises it." in said
    assert re.search(r"of its pixels are not black .* Setting them to black changes EN from", said)


def test_too_few_volumes_are_not_said_to_be_equal(case: Path, tmp_path: Path) -> None:
    """With four volumes no p value can be below 0.05, whatever the images."""
    for folder in ("a", "b", "noisy"):
        for path in sorted((case / folder).iterdir())[:4]:
            write_image(tmp_path / folder / path.name, read_image(path))
    judged = [Judged("noisy", tmp_path / "noisy")]
    findings = judge(tmp_path / "a", tmp_path / "b", judged, ("EN", "CC"), groups=".+", progress=False)
    assert verdict(findings, "noisy")[0] == (
        "4 pairs of 4 volumes cannot tell whether noisy is better than the average, whatever they show: "
        "a test needs 6 volumes."
    )


GROUPS = {
    "data set": (["16009", "16010", "2004"], None, ["16", "16", "2"], "all but the last three digits"),
    "plain numbers": (["0001", "0002", "0003"], None, ["0001", "0002", "0003"], "a volume of its own"),
    "trailing number": (["p1_s07", "p1_s08", "p2-s1"], None, ["p1_s", "p1_s", "p2-s"], "the last number"),
    "numbers apart": (["12_003", "12_004", "7_001"], None, ["12", "12", "7"], "the last number"),
    "one prefix": (["img1", "img2"], None, ["img1", "img2"], "a volume of its own"),
    "words": (["left", "right"], None, ["left", "right"], "a volume of its own"),
    "match": (["a1x", "a2x", "b1x"], "^.", ["a", "a", "b"], "^. finds"),
    "group": (["s1-p7", "s2-p7", "s1-p8"], r"-p(\d+)", ["7", "7", "8"], "finds"),
    "three groups": (["s1-p7-x", "s1-p8-x"], r"(s\d)-(p\d)-(x)", ["s1", "s1"], "finds"),
}


@pytest.mark.parametrize("kind", GROUPS)
def test_volumes_of_the_pairs(kind: str) -> None:
    names, groups, volumes, words = GROUPS[kind]
    found = group_pairs(names, groups)
    assert list(found.volumes.values()) == volumes
    assert words in found.source
    assert ("--groups" in found.source) == (groups is None)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"pair,group\nx,1\ny,1\nz,2\n", None),
        (b"\xef\xbb\xbfgroup, pair,note\r\n1,x,\r\n1,y,\r\n\r\n2,z\r\n2,z\r\n", None),
        (b"pair,group\nx,1\ny,1\n", "lacks 1 .such as z."),
        (b"pair,group\nx,1\ny,1\nz,2\nw,2\n", "has, beside the pairs of the folders, 1 .such as w."),
        (b"pair,group\nx,1\ny,1\nz,2\nx,2\n", "pair x has two groups, 1 and 2; keep one"),
        (b"pair,group\nx,1\ny, \nz,2\n", "pair y has no group"),
        (b"pair;group\nx;1\n", "lacks the columns pair and group"),
        (b"", "is no readable CSV file"),
        ("pair,group\nx,1\n".encode("utf-16"), "is no readable CSV file"),
    ],
)  # fmt: skip
def test_a_file_of_volumes(content: bytes, error: str | None, tmp_path: Path) -> None:
    path = tmp_path / "groups.csv"
    path.write_bytes(content)
    if error is None:
        assert group_pairs(["x", "y", "z"], path).volumes == {"x": "1", "y": "1", "z": "2"}
        return
    with pytest.raises(WdualmineError, match=f"groups.csv: {error}"):
        group_pairs(["x", "y", "z"], path)


@pytest.mark.parametrize(
    ("groups", "error"),
    [
        ("nowhere.csv", "nowhere.csv: is no readable CSV file"),
        ("(", r"--groups \(: is neither a file nor a regular expression"),
        (r"\d+", "finds no volume in right"),
        ("(l)?", "finds no volume in right"),
        ("x" * 300, "finds no volume in"),
    ],
)
def test_a_pattern_without_volumes(groups: str, error: str) -> None:
    with pytest.raises(WdualmineError, match=error):
        group_pairs(["left1", "right"], groups)


@pytest.fixture(scope="module")
def alike(case: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine slices of three volumes: nine pairs could answer a question, three volumes cannot."""
    folder = tmp_path_factory.mktemp("alike")
    for kind in ("a", "b", "noisy"):
        for number, path in enumerate(sorted((case / kind).iterdir())[:9]):
            write_image(folder / kind / f"v{number % 3}-{number}.png", read_image(path))
    return folder


def test_slices_of_a_volume_count_once(alike: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = (
        "report",
        alike / "a",
        alike / "b",
        alike / "noisy",
        "--metrics",
        "CC",
        "-o",
        tmp_path / "out",
    )
    code, out, error = call(capsys, *arguments)
    assert (code, error) == (0, "")
    assert out.startswith("9 pairs of 3 volumes cannot tell whether noisy is better than the average")
    assert "The volumes are guessed from the names" in out
    record = json.loads((tmp_path / "out" / "report.json").read_text(), parse_constant=pytest.fail)
    row = next(row for row in record["comparisons"] if row["against"] == "average")
    assert (row["pairs"], row["groups"], row["p"], row["detectable"]) == (9, 3, 0.25, None)
    assert set(record["groups"].values()) == {"v0", "v1", "v2"}
    assert "report on 9 pairs of 3 volumes" in (tmp_path / "out" / "report.html").read_text()
    code, out, error = call(capsys, *arguments, "--groups", ".*")
    assert (code, error) == (0, "")
    assert out.startswith("noisy is worse than the average (worse in CC)")
    code, out, error = call(capsys, *arguments, "--groups", "^v")  # one volume
    assert (code, error) == (0, "")
    assert out.startswith("9 pairs of 1 volume cannot tell")


def test_few_metrics_are_tested_where_all_are_scored(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = {key: METRICS[key] for key in ("SD", "EN", "MI", "CC", "PSNR", "AG")}
    monkeypatch.setattr("wdualmine.report.measure.METRICS", quick)
    findings = judge(case / "a", case / "b", [Judged("noisy", case / "noisy")], progress=False)
    rows = findings.comparisons.query("against == 'average'").set_index("metric")
    assert list(rows.index) == list(quick)
    assert set(rows.index[rows["p"].notna()]) == {"EN", "MI", "CC", "PSNR"} == set(findings.asked)
    assert rows[["difference", "low", "high"]].notna().all(axis=None)
    assert findings.questions == 4
    assert (
        "By the 95 % interval of its difference to the average, without a test, noisy is better in "
        in " ".join(verdict(findings, "noisy"))
    )
    assert "(EN, MI, CC, PSNR)" in write_report(findings, tmp_path / "out").read_text()


def test_constant_differences(case: Path, findings: Findings, tmp_path: Path) -> None:
    """A method better by the same everywhere: no spread, an answer all the same."""
    scores = findings.scores.copy()
    own, other = scores["method"] == "noisy", (scores["method"] == "average") & scores["stretch"]
    scores.loc[own, "CC"] = scores.loc[other, "CC"].to_numpy() - 0.25
    table = _compare([Judged("noisy", case)], {"noisy": True}, scores, ["CC"], ["CC"], findings.groups)
    row = table.query("against == 'average'").iloc[0]
    assert row["p_corrected"] == 2 / 2**12
    assert [row["low"], row["high"]] == pytest.approx([-0.25, -0.25])
    constant = replace(findings, judged=[Judged("noisy", case / "noisy")], scores=scores, comparisons=table)
    assert verdict(constant, "noisy")[0] == "noisy is worse than the average (worse in CC)."
    assert gains_by_pair(constant, "noisy")[0] == "CC"


def test_another_finish_is_not_set_beside_without_a_word(case: Path, tmp_path: Path) -> None:
    for path in (case / "average").iterdir():
        write_image(tmp_path / "flat" / path.name, read_image(path) // 2 + 20)
    judged = [Judged("flat", tmp_path / "flat"), Judged("noisy", case / "noisy")]
    findings = judge(case / "a", case / "b", judged, ("CC",), progress=False)
    first, *rest = verdict(findings, "flat")
    assert re.search(r"; it is \w+ than noisy, whose images are stretched \(", first)
    assert any("flat and noisy are saved in different ways" in line for line in rest)
    assert "than flat, whose images are not stretched (" in verdict(findings, "noisy")[0]
    assert "saved in different ways" in write_report(findings, tmp_path / "out").read_text()


@pytest.mark.full
def test_processes_change_no_value(
    case: Path, findings: Findings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wdualmine.report.measure.WORTH", 1)
    judged = [Judged("same", case / "average"), Judged("noisy", case / "noisy")]
    parallel = judge(case / "a", case / "b", judged, KEYS, progress=False, workers=2)
    pd.testing.assert_frame_equal(parallel.scores, findings.scores)
    for path in (case / "b").iterdir():
        write_image(tmp_path / path.name, read_image(path)[::-1])
    with pytest.raises(WdualmineError, match="or go on with --allow"):
        judge(case / "a", tmp_path, judged, KEYS, progress=False, workers=2)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_processes_end_with_an_error(error: type[BaseException], capfd: pytest.CaptureFixture) -> None:
    with pytest.raises(error), processes(2) as apply:  # noqa: PT012
        assert list(apply(abs, [-1, -2])) == [1, 2]
        apply(time.sleep, [600, 600])
        raise error
    assert not active_children()
    assert capfd.readouterr() == ("", "")


def test_a_killed_process_is_one_clear_line() -> None:
    with pytest.raises(WdualmineError, match="was killed, perhaps for lack of memory"), processes(2) as apply:
        list(apply(os._exit, [9]))
    assert not active_children()


def test_finish_decides_the_baselines(case: Path, tmp_path: Path, findings: Findings) -> None:
    assert findings.stretched == {"same": True, "noisy": True}
    for name in findings.files:
        image = read_image(case / "average" / f"{name}.png")
        write_image(tmp_path / "flat" / f"{name}.png", image // 2 + 20)
    flat = judge(case / "a", case / "b", [Judged("flat", tmp_path / "flat")], ("EN", "CC"), progress=False)
    assert flat.stretched == {"flat": False}
    assert set(flat.scores["stretch"]) == {False}
    assert any("baselines beside it are not stretched" in line for line in verdict(flat, "flat"))


def test_best_and_worst_pair(findings: Findings) -> None:
    key, gains = gains_by_pair(findings, "noisy")
    table = findings.comparisons.query("method == 'noisy' and against == 'average'").set_index("metric")
    table = table.drop("EN")  # it looks at the fused image alone
    assert key == (table["difference"].abs() / table["error"]).idxmax()
    assert list(gains.index) == list(findings.files)
    assert gains.mean() == pytest.approx(table.loc[key, "difference"])
    assert not gains_by_pair(findings, "same")[1].any()


def test_a_score_that_does_not_exist_is_said_and_left_out(case: Path, tmp_path: Path) -> None:
    """SCD of a result that is one of its sources."""
    judged = [Judged("copy", case / "a")]
    findings = judge(case / "a", case / "b", judged, ("SCD", "CC"), progress=False)
    assert findings.rows("copy")["SCD"].isna().all()
    assert findings.undefined["copy", True][0].startswith("SCD of copy is undefined on 12 of 12 pairs")
    assert list(findings.comparisons.query("against == 'average'")["metric"]) == ["CC"]
    page = write_report(findings, tmp_path / "out")
    record = json.loads((tmp_path / "out" / "report.json").read_text(), parse_constant=pytest.fail)
    assert record["means"][0]["mean"]["SCD"] is None
    assert "SCD of copy is undefined" in page.read_text()


def test_a_score_that_some_pairs_lack_has_no_mean(
    case: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """SCD of a method that copied its source once: the mean over the other pairs would not compare."""
    shutil.copytree(case / "noisy", tmp_path / "partly")
    name = sorted(path.name for path in (case / "a").iterdir())[0]
    shutil.copyfile(case / "a" / name, tmp_path / "partly" / name)
    options = ("--metrics", "SCD,CC,MI", "-o", tmp_path / "out")
    assert call(capsys, "report", case / "a", case / "b", tmp_path / "partly", *options)[0] == 0
    record = json.loads((tmp_path / "out" / "report.json").read_text())
    own, average = record["means"][0], next(row for row in record["means"] if row["method"] == "average")
    assert [own["mean"]["SCD"], own["std"]["SCD"]] == [None, None]
    assert None not in (own["mean"]["CC"], average["mean"]["SCD"], average["std"]["SCD"])
    said = " ".join(record["methods"][0]["says"])
    assert "Not compared: SCD of partly is undefined on 1 of 12 pairs" in said
    assert "in all of CC, MI" in said


def test_equal_sources_have_an_infinite_score_that_is_said_and_left_out(
    case: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    arguments = (case / "a", case / "a", case / "a")
    options = ("--name", "copy", "--metrics", "PSNR,CC", "-o", tmp_path / "out")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert call(capsys, "report", *arguments, *options)[::2] == (0, "")
        code, table, error = call(capsys, "evaluate", *arguments, "--metrics", "PSNR,CC")
    assert (code, error) == (0, "")
    assert table.split()[-6:] == ["mean", "inf", "1.0000", "std", "–", "0.0000"]
    record = json.loads((tmp_path / "out" / "report.json").read_text(), parse_constant=pytest.fail)
    assert [row["metric"] for row in record["comparisons"] if row["against"] == "average"] == ["CC"]
    said = " ".join(record["methods"][0]["says"])
    assert "Not compared: PSNR of copy is infinite on 12 of 12 pairs" in said
    assert "where the image equals both sources." in said


def test_an_average_without_scores_is_not_compared(
    case: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """Sources that sum to white: their average is constant."""
    for path in (case / "a").iterdir():
        write_image(tmp_path / "negative" / path.name, 255 - read_image(path))
    arguments = (case / "a", tmp_path / "negative", case / "noisy", "--allow", "--metrics", "CC,EN,PSNR")
    code, out, error = call(capsys, "report", *arguments, "-o", tmp_path / "out")
    assert (code, error) == (0, "")
    assert out.startswith(
        "noisy is not compared with the average, as no metric to test is finite for both on every pair"
    )
    says = json.loads((tmp_path / "out" / "report.json").read_text())["methods"][0]["says"]
    reason = "Not compared: CC, EN, PSNR of average.* are undefined on 12 of 12 pairs, .* is constant"
    assert re.search(reason, " ".join(says))
    assert not re.search(r"\bnan\b|\b0 metrics", " ".join(says))


def test_a_name_that_begins_as_a_blends(case: Path) -> None:
    judged = [Judged("blend-mine", case / "noisy")]
    findings = judge(case / "a", case / "b", judged, ("EN",), progress=False)
    assert findings.rows("blend-mine")["EN, black"].notna().all()
    assert "Setting them to black changes EN from" in " ".join(verdict(findings, "blend-mine"))


@pytest.mark.parametrize(
    "name",
    [
        "Metric", "limit", "Average", "average,  stretched", "Laplacian pyramid", "LAPLACIAN-PYRAMID",
        "maximum, stretched", "blend-0.0", "blend, t = 0.3", "source a", "ours",
    ],
)  # fmt: skip
def test_a_name_that_the_report_uses_is_refused(name: str, case: Path) -> None:
    judged = [Judged("Ours", case / "noisy"), Judged(name, case / "average")]
    with pytest.raises(WdualmineError, match=f"^{name}: is the name of a baseline, .*; give another --name"):
        judge(case / "a", case / "b", judged, ("CC",), progress=False)


def test_a_method_with_a_name_of_our_records_keeps_it(case: Path, tmp_path: Path) -> None:
    judged = [Judged("noise-2", case / "noisy"), Judged("w-dualmine", case / "average")]
    findings = judge(case / "a", case / "b", judged, ("CC",), progress=False)
    assert "noise-2 against w-dualmine" in write_report(findings, tmp_path / "out").read_text()


def test_one_pair_of_files_has_no_statistics(case: Path, tmp_path: Path) -> None:
    name = sorted(path.name for path in (case / "a").iterdir())[0]
    judged = [Judged("noisy", case / "noisy" / name)]
    findings = judge(case / "a" / name, case / "b" / name, judged, ("CC", "SSIM"), progress=False)
    assert findings.comparisons.empty
    assert verdict(findings, "noisy")[0].startswith("1 pair of 1 volume cannot tell")
    assert "fewer than three pairs" in write_report(findings, tmp_path / "out").read_text()


def test_every_metric_of_the_registry_unless_told(case: Path, tmp_path: Path) -> None:
    name = sorted(path.name for path in (case / "a").iterdir())[0]
    crop = np.s_[30:94, 30:94]  # small, since some metrics take seconds
    for folder in ("a", "b", "noisy"):
        write_image(tmp_path / folder / "x.png", read_image(case / folder / name)[crop])
    judged = [Judged("noisy", tmp_path / "noisy")]
    findings = judge(tmp_path / "a", tmp_path / "b", judged, progress=False)
    assert list(findings.metrics) == list(METRICS)
    assert set(METRICS) <= set(findings.scores.columns)
    text = write_report(findings, tmp_path / "out").read_text()
    for metric in METRICS.values():
        assert metric.conventions[0].name in text


# ----------------------------------------------------------------------------------------------------
# Signal recovery


def test_a_command_is_measured_as_the_method_that_it_is(case: Path, tmp_path: Path) -> None:
    judged = [
        Judged("tool", case / "maximum", Command(tool(case))),
        Judged("function", case / "average", average),
        Judged("images", case / "noisy"),
    ]
    findings = judge(case / "a", case / "b", judged, ("CC",), recovery_pairs=1, progress=False)
    assert set(findings.recovery["method"]) == {
        "tool", "function", "average", "maximum", "laplacian-pyramid",
    }  # fmt: skip
    means = findings.recovery_summary.query("statistic == 'recovery'")
    means = means.set_index(["method", "source"])["value"]
    for source in ("a", "b"):
        assert means["tool", source] == pytest.approx(0.5, abs=0.02)  # 8-bit files in between
        assert means["function", source] == means["average", source]
    said = " ".join(verdict(findings, "tool"))
    assert "(1 pair): of those in source A it finds " in said
    assert ", and 0% have lost their contrast; of those in source B it finds" in said
    assert "The command does not make the images in the folder" in said
    assert findings.remakes["tool"] > 1
    text = write_report(findings, tmp_path / "out").read_text()
    assert "Signal recovery" in text
    assert "Of what the source alone shows" in text
    assert (tmp_path / "out" / "recovery.csv").is_file()


BROKEN = {
    "no place": ("tool {a} {b}", r"lacks \{out\}; write it as 'mytool \{a\} \{b\} \{out\}'"),
    "quotes": ("tool '{a} {b} {out}", "cannot be split into words"),
    "no program": ("no-such-program {a} {b} {out}", "no-such-program: cannot be started"),
    "fails": (
        "PYTHON -c 'import sys; print(\"out of memory\", file=sys.stderr); sys.exit(3)' {a} {b} {out}",
        r"ended with exit code 3 \(out of memory\)",
    ),
    "colors its last line": (
        "PYTHON -c 'import sys; sys.exit(\"\\x1b[31mout\\x1b]0;title\\x07 of\\x9b5m\\x08 memory\\x1bc\")'"
        " {a} {b} {out}",
        r"ended with exit code 1 \(out of memory\)$",
    ),
    "prints without end": ("sh -c yes {a} {b} {out}", r"sh: printed or wrote more than 64 MiB .* mend it$"),
    "writes without end": (
        "sh -c 'cat /dev/zero > \"$2\"' {a} {b} {out}",
        "printed or wrote more than 64 MiB",
    ),
    "links to a source": ('sh -c \'ln -s "$0" "$2"\' {a} {b} {out}', r"made \{out\} a link to another file"),
    "links hard": ('sh -c \'ln "$0" "$2"\' {a} {b} {out}', r"made \{out\} a link to another file"),
    "writes nothing": ("PYTHON -c pass {a} {b} {out}", "ended well but wrote no image"),
    "garbage": (
        'PYTHON -c \'import sys; open(sys.argv[3], "w").write("no image")\' {a} {b} {out}',
        "its image: not a readable image",
    ),
    "another size": (
        "PYTHON -c 'import sys; from PIL import Image; "
        "Image.effect_noise((9, 8), 50).save(sys.argv[3])' {a} {b} {out}",
        "wrote an image of 8 x 9 from sources of 24 x 20",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_command_is_one_clear_line(kind: str) -> None:
    text, message = BROKEN[kind]
    image = np.arange(480, dtype=np.uint8).reshape(24, 20)
    with pytest.raises(WdualmineError, match=message) as raised:
        Command(text.replace("PYTHON", shlex.quote(sys.executable))).fuse(image, image)
    assert "\n" not in str(raised.value)


#: How a program leaves a process: in its session, in one of its own, orphaned, without its environment.
LEFT_BEHIND = {
    "child": "sleep 600 & echo $! > CHILD",
    "session": "setsid sh -c 'echo $$ > CHILD; exec sleep 600' &",
    "double fork": "(setsid sh -c 'echo $$ > CHILD; exec sleep 600' &)",
    "environment": "env -i setsid sh -c 'echo $$ > CHILD; exec sleep 600' &",
}


@pytest.mark.parametrize("kind", LEFT_BEHIND)
def test_a_command_that_hangs_is_ended_with_what_it_started(kind: str, tmp_path: Path) -> None:
    if kind != "child" and not Path("/proc/self/environ").exists():
        pytest.skip("without /proc a program's own session is ended, no other")
    script, left = tmp_path / "hangs.sh", tmp_path / "child"
    script.write_text(f"{LEFT_BEHIND[kind].replace('CHILD', shlex.quote(str(left)))}\nsleep 600\n")
    image = np.arange(480, dtype=np.uint8).reshape(24, 20)
    before = time.monotonic()
    with pytest.raises(WdualmineError, match="sh: did not end within 2 s; mend it or allow more"):
        Command(f"sh {script} {{a}} {{b}} {{out}}", timeout=2).fuse(image, image)
    assert time.monotonic() - before < 300
    child = Path("/proc") / left.read_text().strip()
    if child.parent.is_dir():
        deadline = time.monotonic() + 10
        while alive(child) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not alive(child)


def alive(process: Path) -> bool:
    """Whether a process runs; one that has ended may wait to be collected."""
    try:
        return (process / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


# ----------------------------------------------------------------------------------------------------
# The command line


def test_from_the_command_line(case: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    output = tmp_path / "report"
    arguments = ("report", case / "a", case / "b", case / "average", case / "noisy", "-o", output)
    options = ("--name", "mean", "--name", "noise", "--metrics", "CC, EN")
    for _ in range(2):  # an earlier report is replaced
        code, out, error = call(capsys, *arguments, *options)
        assert (code, error) == (0, "")
        assert out.startswith(
            "mean is not told from the average (not told apart in CC, EN); it is better than"
        )
        assert "Each pair is taken for a volume of its own" in out
        assert str(output / "report.html") in out
    record = json.loads((output / "report.json").read_text(), parse_constant=pytest.fail)
    assert [method["name"] for method in record["methods"]] == ["mean", "noise"]
    assert record["metrics"] == {"CC": "paper", "EN": "bits"}
    scores = pd.read_csv(output / "scores.csv")
    assert scores.groupby("method").size().loc[["mean", "noise", "average"]].tolist() == [12, 12, 12]
    assert str(case) not in (output / "report.html").read_text()
    assert str(case) not in (output / "report.json").read_text()


@pytest.mark.parametrize(
    "kind",
    [
        "missing pair", "other size", "16 bits", "name", "names", "metric", "empty metric", "output",
        "output in a file", "output nowhere", "no folder", "command", "no program", "groups",
    ],
)  # fmt: skip
def test_hostile_input_is_one_clear_line(
    kind: str, case: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wdualmine.report.scores.score", lambda *_, **__: pytest.fail("it scores first"))
    folder = tmp_path / "case"
    shutil.copytree(case, folder)
    first = sorted((folder / "noisy").iterdir())[0]
    output, options, message = tmp_path / "out", ["--metrics", "CC"], ""
    fused = folder / "noisy"
    if kind == "missing pair":
        first.unlink()
        message = f"{fused} lacks 1 ({first.stem})"
    elif kind == "other size":
        write_image(first, read_image(first)[:-3])
        message = f"{first}: is "
    elif kind == "16 bits":
        write_image(first, read_image(first).astype(np.uint16) * 257)
        message = f"{first}: has 16 bits; round it with --to-8-bit"
    elif kind == "name":
        options += ["--name", "average"]
        message = "average: is the name of a baseline"
    elif kind == "names":
        options += ["--name", "x", "--name", "y"]
        message = "--name: given 2 times for 1 FUSED"
    elif kind == "metric":
        options = ["--metrics", "LPIPS"]
        message = "LPIPS: unknown metric"
    elif kind == "empty metric":
        options = ["--metrics", "CC,"]
        message = "'': is no metric's name, as after a comma too many"
    elif kind == "output in a file":
        output = folder / "tool.py" / "report"
        message = f"{output}: cannot be written ("
    elif kind == "output nowhere":
        output = tmp_path / ("x" * 300)
        message = f"{output}: cannot be written ("
    elif kind == "output":
        output = folder / "a"
        message = f"{output}: holds other files; name an empty or new folder"
    elif kind == "no folder":
        fused = folder / "nowhere"
        message = f"{fused}"
    elif kind == "command":
        options += ["--command", "false {a} {b} {out}"]
        message = "false: ended with exit code 1 (no message)"
    elif kind == "groups":
        options += ["--groups", "groups.csv"]
        message = "groups.csv: is no readable CSV file"
    elif kind == "no program":
        options += ["--command", "no-such-program {a} {b} {out}"]
        message = "no-such-program: cannot be started"
    code, out, error = call(capsys, "report", folder / "a", folder / "b", fused, "-o", output, *options)
    assert (code, out) == (2, "")
    assert message in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()
    assert len(list((folder / "a").iterdir())) == 12


# ----------------------------------------------------------------------------------------------------
# The page


def test_the_page_needs_nothing_else(written: Path) -> None:
    text = (written / "report.html").read_text()
    assert "<script" not in text
    links = re.findall(r"(?:src|href)=\"([^\"]*)\"", text) + re.findall(r"url\(([^)]*)\)", text)
    assert links
    assert all(link.startswith("data:") for link in links)


def test_names_are_text_and_nothing_else(case: Path, tmp_path: Path) -> None:
    name = '<script>alert(1)</script> $\\frac{ & "x"'
    findings = judge(case / "a", case / "b", [Judged(name, case / "noisy")], ("CC", "MI"), progress=False)
    text = write_report(findings, tmp_path / "out").read_text()
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


@pytest.mark.full
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS.keys())
def test_the_page_in_a_browser(browser: Any, written: Path, width: int, scheme: str) -> None:
    tab = browser.new_page()
    requests: list[str] = []
    try:
        tab.emulate_media(color_scheme=scheme)
        tab.set_viewport_size({"width": width, "height": 844})
        seen = watch(tab)
        tab.on("request", lambda request: requests.append(request.url))
        tab.goto((written / "report.html").as_uri())
        tab.wait_for_load_state("networkidle")
        found = tab.evaluate(INSPECT)
        page, text = tab.evaluate(
            "() => [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
        )
    finally:
        tab.close()
    assert seen == []
    assert [url for url in requests if not url.startswith("data:")] == [(written / "report.html").as_uri()]
    assert found.pop("width") <= width, "the page scrolls sideways"
    assert found.pop("height")
    assert "same, noisy: report on 12 pairs of 12 volumes" in found.pop("title")
    assert {name: value for name, value in found.items() if value} == {}
    light, dark = (sum(map(int, re.findall(r"\d+", color)[:3])) for color in (page, text))
    assert (light > dark) == (scheme == "light")


# ----------------------------------------------------------------------------------------------------
# The published images: the paper's rows, and what the book's audit says


@pytest.mark.parametrize("task", ["ct-mri", "pet-mri", "spect-mri"])
def test_the_published_images_give_the_papers_rows(
    task: str, harvard: Path, published: Path, root: Path
) -> None:
    chosen = get_task(task)
    sources = [harvard / chosen.folder / "test" / modality for modality in chosen.modalities]
    judged = [Judged("AdaFuse", published / "adafuse" / chosen.folder)]
    findings = judge(*sources, judged, ("EN", "MI", "CC", "PSNR"), progress=False)
    assert findings.stretched == {"AdaFuse": True}
    printed = pd.read_csv(root / "data_manifest" / "paper_tables.csv", dtype=str)
    printed = printed.query("task == @task and row == 'AdaFuse'").set_index("metric")
    own = findings.rows("AdaFuse")
    for key in findings.metrics:
        ours = f"{own[key].mean():.4f}", f"{own[key].std(ddof=0):.4f}"
        assert ours == tuple(printed.loc[key, ["mean", "std"]]), key

    audit = pd.read_csv(root / "results" / "reference" / f"{task}-audit" / "metrics.csv", dtype={"pair": str})
    near = TOLERANCES["record, color"].value
    for method, theirs, columns in (
        (
            "AdaFuse",
            "adafuse",
            {key: key for key in ("EN", "MI", "CC", "background_mean", "background_nonzero")},
        ),
        ("AdaFuse", "adafuse+black-background", {f"{key}, black": key for key in ("EN", "MI", "CC")}),
        ("average", "blend-0.0", {key: key for key in findings.metrics}),
        ("blend-0.5", "blend-0.5", {key: key for key in ("MI", "CC", "PSNR")}),
    ):
        record = audit[(audit["method"] == theirs) & audit["stretch"].astype(bool)].set_index("pair")
        rows = findings.rows(method, True).set_index("pair")
        for ours, name in columns.items():
            assert set(rows.index) == set(record.index)
            assert rows[ours].mean() == pytest.approx(record[name].mean(), abs=near), (method, ours)
    said = " ".join(verdict(findings, "AdaFuse"))
    volumes = {"ct-mri": 10, "pet-mri": 3, "spect-mri": 15}[task]
    assert findings.groups.count == volumes
    if task == "pet-mri":
        assert said.startswith("24 pairs of 3 volumes cannot tell whether AdaFuse is better than the average")
    else:
        assert said.startswith("AdaFuse is worse than the average (")
    assert re.search(
        r"These blends .* do at least as well as AdaFuse in all of MI, CC, PSNR: .*average", said
    )
