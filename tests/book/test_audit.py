"""The audit: constructed images, its record, its tables, and verdicts that follow from numbers."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
from tolerances import TOLERANCES

from wdualmine.background import BACKGROUND, background_scores, blacken
from wdualmine.data import SPLITS, TASKS, Pair, find_data, load_pairs, read_manifest
from wdualmine.errors import WdualmineError
from wdualmine.experiments import make_experiment
from wdualmine.methods.classical import average, blend, maximum
from wdualmine.metrics.entropy import entropy
from wdualmine.records import KEYS, Run
from wdualmine.training import initial_state
from wdualmine_book import statistics
from wdualmine_book.audit import claims as claims_module
from wdualmine_book.audit import tables
from wdualmine_book.audit.claims import Claim, Evidence, render_claims, verdict, verdict_counts
from wdualmine_book.audit.figures import plot_entropy, plot_frontier
from wdualmine_book.audit.record import (
    AUDIT_METRICS,
    BLENDS,
    NOISE,
    ON_BLACK,
    SEEDS,
    adverse_residual,
    noisy_average,
    untrained_network,
)
from wdualmine_book.audit.tables import (
    NAMES,
    audit_runs,
    average_gaps,
    average_table,
    background_table,
    dominance_table,
    frontier_table,
    limits_table,
    mean_scores,
    method_scores,
    paper_row,
    published_table,
    render_background,
    render_dominance,
    render_frame,
    render_frontier,
    render_means,
    render_published,
    render_stretch,
    rows_of,
    stretch_changes,
    stretch_table,
    training_changes,
    untrained_gaps,
    untrained_table,
    weights_label,
)
from wdualmine_book.printing import span
from wdualmine_book.recorder import record
from wdualmine_book.records import paper_values, reference_runs
from wdualmine_book.studies.tables import CLAIMED, ablation_table

OUTPERFORMS = "W-DUALMINE consistently outperforms AdaFuse and ASFE-Fusion in"
TRANSFER = "The MI on PET-MRI, against ASFE-Fusion's, shows a superior transfer of information"
NEGLIGIBLE = "The lead of ASFE-Fusion in CC on PET-MRI is negligible given the standard deviation"
NOISE_CLAIM = "The high EN of ASFE-Fusion is amplified noise rather than information"
BOOK = Path(__file__).resolve().parents[2] / "book"


def images(seed: int = 3, side: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    """Two images in [0, 1] whose upper half is black in both."""
    a, b = torch.rand(2, 1, 1, side, side, generator=torch.Generator().manual_seed(seed))
    for image in (a, b):
        image[..., : side // 2, :] = 0
    return a, b


# ----------------------------------------------------------------------------------------------------
# Constructed images


def test_blends_begin_at_the_average_and_end_at_the_maximum() -> None:
    a, b = images()
    assert torch.equal(blend(maximum, 0)(a, b), average(a, b))
    assert torch.equal(blend(maximum, 1)(a, b), maximum(a, b))
    middle = blend(maximum, 0.25)(a, b)
    assert torch.allclose(middle, average(a, b) + 0.25 * (a - b).abs() / 2)
    with pytest.raises(WdualmineError, match=r"t = 1.5: give a number from 0"):
        blend(maximum, 1.5)


@pytest.mark.parametrize("amplitude", NOISE)
def test_noise_is_in_the_background_alone_and_within_its_amplitude(amplitude: int) -> None:
    a, b = images()
    noisy, plain = noisy_average(amplitude)(a, b), average(a, b)
    assert torch.equal(noisy[..., 16:, :], plain[..., 16:, :])
    levels = (noisy[..., :16, :] * 255).round()
    assert set(levels.unique().int().tolist()) == set(range(amplitude + 1))
    assert torch.equal(noisy, noisy_average(amplitude)(a, b))
    with pytest.raises(WdualmineError, match="amplitude -1"):
        noisy_average(-1)


def test_adverse_residual_is_allowed_by_equation_11_and_does_harm() -> None:
    a, b = images()
    fused, plain = adverse_residual(a, b), average(a, b)
    assert fused.min() >= 0
    assert fused.max() <= 1
    assert (fused - plain).abs().max() <= 0.5 + 1e-6
    assert np.corrcoef(fused.ravel(), plain.ravel())[0, 1] < 0


@pytest.mark.parametrize("seed", SEEDS)
def test_untrained_networks_are_what_training_starts_from(seed: int) -> None:
    start = initial_state(make_experiment("ct-mri", "paper", seed=seed), torch.device("cpu")).model
    ours = untrained_network(seed).state_dict()
    assert all(torch.equal(value, ours[name]) for name, value in start.state_dict().items())


# ----------------------------------------------------------------------------------------------------
# The background


def test_background_is_where_both_sources_are_black() -> None:
    a, b = np.zeros((2, 4, 8), np.uint8)
    a[:, 4:], b[:, 6:] = 200, 100  # the left half is empty in both
    a[0, 0], a[0, 1] = 2, 3  # the level that still counts as black, and the next
    fused = np.full((4, 8), 50, np.uint8)
    fused[:, :2] = 0
    scores = background_scores(a, b, fused)
    assert scores["background_share"] == 15 / 32
    assert scores["background_mean"] == pytest.approx(50 * 8 / 15)
    assert scores["background_nonzero"] == pytest.approx(8 / 15)
    full = background_scores(a + 9, b, fused)
    assert full["background_share"] == 0
    assert np.isnan(full["background_mean"])


def test_black_background_takes_its_entropy_away(rng: np.random.Generator) -> None:
    a = np.zeros((64, 64), np.uint8)
    a[:, 32:] = 128
    pair = Pair("x", a, a)
    clean = a.copy()
    noisy = clean + rng.integers(1, 5, a.shape, dtype=np.uint8) * (a == 0)
    assert entropy(a, a, noisy) == pytest.approx(2, abs=0.01)  # half one level, half four levels: 0.5 (1 + 3)
    assert entropy(a, a, blacken(pair, noisy)) == entropy(a, a, clean) == pytest.approx(1)
    color = np.repeat(noisy[..., None], 3, axis=-1)
    assert not blacken(pair, color)[a == 0].any()
    assert (blacken(pair, color)[a > 0] == color[a > 0]).all()


# ----------------------------------------------------------------------------------------------------
# The record and its tables


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return record("audit", "ct-mri", tmp_path_factory.mktemp("a") / "run", "phantom", 1, progress=False)


def test_record_holds_every_method_once_a_pair(audit: Run) -> None:
    frame = audit.metrics
    assert list(frame.columns) == [*KEYS, *AUDIT_METRICS, *BACKGROUND]
    assert audit.info.kind == "audit"
    assert not frame.duplicated(["pair", "method", "stretch", "seed"]).any()
    counts = frame.groupby(["method", "stretch"])["pair"].count()
    for t in BLENDS:
        assert counts[f"blend-{t:.1f}", True] == counts[f"blend-{t:.1f}", False] == 1
    assert counts["untrained", True] == len(SEEDS)
    stretched = frame[frame["stretch"] & frame["method"].isin(["w-dualmine", "untrained", "blend-0.5"])]
    assert stretched[[*AUDIT_METRICS, *BACKGROUND]].notna().all(axis=None)
    assert frame[frame["method"].str.endswith(ON_BLACK)]["background_nonzero"].eq(0).all()


def test_blends_score_as_the_baselines_do(audit: Run) -> None:
    pairs = load_pairs("ct-mri", limit=1, data=find_data("phantom"))
    for pair in pairs:
        expected = np.floor(
            (pair.image_a / 2 + pair.image_b / 2) * 255 / (pair.image_a / 2 + pair.image_b / 2).max()
        )
        row = method_scores(audit, "blend-0.0").loc[pair.name]
        assert row["SD"] == pytest.approx(expected.std(), abs=0.05)
    limit, plain = mean_scores(audit, "limit", False), mean_scores(audit, "blend-0.0", False)
    assert plain["PSNR"] == pytest.approx(limit["PSNR"], abs=0.01)
    assert plain["CC"] < limit["CC"]


def test_noise_raises_entropy_step_by_step_and_a_black_background_undoes_it(audit: Run) -> None:
    methods = ["blend-0.0", *(f"noise-{k}" for k in NOISE)]
    values = [mean_scores(audit, method)["EN"] for method in methods]
    assert values == sorted(values)
    assert values[-1] > values[0] + 0.5
    black = {round(mean_scores(audit, method + ON_BLACK)["EN"], 9) for method in methods}
    assert len(black) == 1


def test_tables_hold_the_record(audit: Run) -> None:
    runs = audit_runs([audit])
    assert list(runs) == ["ct-mri"]
    rows = average_table(runs).set_index(["row", "metric"])["mean"]
    assert rows["average, stretched", "MI"] == pytest.approx(mean_scores(audit, "blend-0.0")["MI"])
    assert rows["the paper's W-DUALMINE", "MI"] == paper_row("ct-mri")["MI"] == 3.6059
    assert list(frontier_table(audit, (0, 1)).index) == ["blend-0.0", "blend-1.0", "w-dualmine", "untrained"]
    gaps = limits_table(runs).loc["ct-mri"]
    assert (gaps.drop("the paper's W-DUALMINE")[["CC gap", "PSNR gap"]] > -TOLERANCES["limit"].value).all(
        axis=None
    )
    untrained = untrained_table(runs).loc["ct-mri"].filter(like="seed", axis=0)
    assert len(untrained) == len(SEEDS)
    assert untrained["CC"].mean() == pytest.approx(mean_scores(audit, "untrained")["CC"])
    assert stretch_table(runs)["EN", "stretched"].notna().all()
    table = background_table(runs).loc["ct-mri"]
    assert (table["EN"] >= table["EN, black"] - 1e-9).loc["average, noise ±8"]


def test_a_blend_beats_what_is_worse_everywhere(audit: Run) -> None:
    metrics = audit.metrics.copy()
    network = (metrics["method"] == "w-dualmine") & metrics["stretch"]
    for key in AUDIT_METRICS:
        metrics.loc[network, key] = (
            metrics.loc[(metrics["method"] == "blend-0.3") & metrics["stretch"], key].to_numpy() - 0.01
        )
    table = dominance_table({"ct-mri": changed(audit, metrics)}).set_index("method")
    assert "blend-0.3" in table.loc["w-dualmine", "blends"]
    assert NAMES["blend-0.3"] in render_dominance(table.reset_index())
    for key in AUDIT_METRICS:
        metrics.loc[network, key] = 1e6
    table = dominance_table({"ct-mri": changed(audit, metrics)}).set_index("method")
    assert table.loc["w-dualmine", "blends"] == []
    assert "none" in render_dominance(table.reset_index())


def changed(run: Run, metrics: pd.DataFrame) -> Run:
    other = Run(run.folder)
    vars(other).update(info=run.info, metrics=metrics)  # cached properties, set by hand
    return other


def test_published_images_give_the_papers_rows() -> None:
    table = published_table()
    assert table[table["metric"] != "FMI"]["agree"].all()
    assert not table[table["metric"] == "FMI"]["agree"].any()
    assert render_published(table).count("<strong>") == 2 * 24


def test_printed_forms(audit: Run) -> None:
    runs = audit_runs([audit])
    for html in (
        render_frame(untrained_table(runs)),
        render_stretch(stretch_table(runs)),
        render_frontier(frontier_table(audit)),
        render_means(average_table(runs)),
        render_background(background_table(runs)),
    ):
        assert "CT-MRI" in html or "maximum" in html
        assert "nan" not in html.lower()
    assert render_frame(untrained_table({})) == ""
    shown = rows_of(background_table(runs), ["noise-2", "blend-0.0"])
    assert list(shown.index.get_level_values(1)) == ["average", "average, noise ±2"]
    means = [mean_scores(audit, "blend-0.0", stretch)["EN"] for stretch in (True, False)]
    assert stretch_changes(runs)["EN"]["ct-mri"] == pytest.approx(means[0] - means[1])
    assert weights_label(runs).startswith("preset ")
    assert len(plot_frontier(runs).axes) == 1
    (marks,) = plot_entropy(runs).axes[0].get_lines()
    table = background_table(runs)
    added = dict(zip(marks.get_ydata(orig=True), marks.get_xdata(orig=True), strict=True))
    assert added == (table["EN"] - table["EN, black"])["ct-mri"].to_dict()


# ----------------------------------------------------------------------------------------------------
# Verdicts


@pytest.mark.parametrize(
    ("outcomes", "word"),
    [
        ([], "not tested"),
        ([None, None], "undecided"),
        ([True, True], "holds"),
        ([True, False], "holds in part"),
        ([True, None], "holds in part"),
        ([False, None], "undecided"),
        ([False, False], "does not hold"),
    ],
)
def test_a_verdict_follows_from_the_answers(outcomes: list, word: str) -> None:
    assert verdict(outcomes) == word


def constructed(audit: Run, scores: dict[str, dict[str, float]]) -> Run:
    """An audit of ten pairs in which each method has the given means, and a spread that all pairs share."""
    spread = np.linspace(-0.01, 0.01, 10)
    rows: list[dict[str, Any]] = []
    for (method, stretch), means in {
        (method, stretch): means for method, means in scores.items() for stretch in (True, False)
    }.items():
        for number, shift in enumerate(spread):
            row = {
                "task": "pet-mri",
                "split": "test",
                "pair": str(number),
                "method": method,
                "stretch": stretch,
            }
            rows.append(row | {key: means.get(key, means["all"]) + shift for key in AUDIT_METRICS})
    return changed(audit, pd.DataFrame(rows).assign(seed=pd.NA))


def claims_of(runs: dict[str, Run], ablations: list[Run] | None = None) -> list[Claim]:
    """The claims as the audit's notebook makes them of these records."""
    names = vars(tables) | vars(claims_module) | vars(statistics)
    names |= {"audits": runs, "paper_values": paper_values, "span": span}
    names["Evidence"] = lambda audits: Evidence(audits, ablations)
    notebook = nbformat.read(Path(__file__).parents[2] / "notebooks" / "audit.ipynb", as_version=4)
    for cell in notebook.cells:
        if cell["id"] in ("claims-rivals", "claims-residual", "claims-ablations"):
            exec(cell.source, names)
    return names["claims"]


def verdicts(run: Run) -> dict[str, Claim]:
    return {claim.text: claim for claim in claims_of({"pet-mri": run}, [])}


def base() -> dict[str, dict[str, float]]:
    methods = ["w-dualmine", "untrained", "adafuse", "asfe-fusion", "adverse-residual", "limit"]
    methods += [f"blend-{t:.1f}" for t in BLENDS]
    return {name: {"all": 0.8} for method in methods for name in (method, method + ON_BLACK)}


def test_verdicts_on_constructed_records(audit: Run) -> None:
    scores = base()
    scores["w-dualmine"] = {"all": 0.8, "MI": 4.4, "CC": 0.8686, "EN": 5.0}
    scores["adafuse"] = {"all": 0.8, "MI": 4.0, "CC": 0.86, "EN": 5.5}
    scores["asfe-fusion"] = {"all": 0.8, "MI": 3.6, "CC": 0.88, "EN": 6.0}
    scores["asfe-fusion" + ON_BLACK] = {"all": 0.8, "EN": 5.1}
    scores["w-dualmine" + ON_BLACK] = {"all": 0.8, "EN": 5.0}
    scores["blend-0.0"] = {"all": 0.8, "MI": 4.0, "CC": 0.8686, "PSNR": 62.0}
    scores["adverse-residual"] = {"all": -0.5}
    found = verdicts(constructed(audit, scores))
    mi, cc = (
        found[f"W-DUALMINE consistently outperforms AdaFuse and ASFE-Fusion in {m}"] for m in ("MI", "CC")
    )
    assert mi.answers == [True] * 8  # six printed comparisons, and two of the constructed record
    assert cc.answers[-2:] == [True, False]
    assert cc.verdict == "holds in part"
    assert found[NOISE_CLAIM].answers == [True, None]  # noise inside the head was not measured
    average = found["Adding a residual to the average is what gives the CC"]
    assert average.answers == [True, True, True, None]  # 0.8686 twice; the rivals' 0.8681 and 0.8689
    assert found[TRANSFER].answers == [True]
    assert "minus the average's: +0.3068" in found[TRANSFER].evidence  # 4.3068 less 4.0
    assert found["W-DUALMINE improves the PSNR"].answers == [True] * 3  # 62.0771 > 62.0, stretched alike
    assert found[NEGLIGIBLE].verdict == "does not hold"  # 0.88 against 0.8686 on every pair
    assert found["Reliability maps that suppress noise are why the PSNR is higher"].verdict == "not tested"
    assert "background that is not black" in found[NOISE_CLAIM].question
    assert found["Residual-to-average fusion guarantees a high correlation"].verdict == "does not hold"
    assert found["W-DUALMINE keeps EN competitive"].verdict == "does not hold"
    assert found["The soft gradient mixer raises PSNR"].answers == [False, None]  # printed; no runs given
    assert found["L_avg is necessary for MI and CC"].answers == [True, True, None, None]
    assert found["The fused images are visually superior"].verdict == "not tested"


def test_other_numbers_give_other_verdicts(audit: Run) -> None:
    scores = base()
    scores["w-dualmine"] = {"all": 0.8, "EN": 5.0}
    scores["w-dualmine" + ON_BLACK] = {"all": 0.8, "EN": 5.0}
    scores["asfe-fusion"] = scores["asfe-fusion" + ON_BLACK] = {"all": 0.8, "EN": 6.0, "Qabf": 0.7}
    scores["adafuse"] = {"all": 0.8, "Qabf": 0.9}
    scores["blend-0.0"] = {"all": 0.8, "MI": 4.5, "CC": 0.85, "PSNR": 63.0}
    scores["adverse-residual"] = {"all": 0.9}
    found = verdicts(constructed(audit, scores))
    assert found[NOISE_CLAIM].answers == [False, None]
    average = found["Adding a residual to the average is what gives the CC"]
    assert average.answers == [False, True, True, None]
    assert found[TRANSFER].answers == [False]  # the average's MI is higher still
    assert found["W-DUALMINE improves the PSNR"].answers == [True, True, False]  # 62.0771 < 63
    sharper = found["AdaFuse and ASFE-Fusion give up CC and MI for sharper local detail"]
    assert sharper.answers == [True, False]  # Qabf 0.9 and 0.7 beside 0.8; CC and MI below
    assert found[NEGLIGIBLE].answers == [False, True]  # as printed; ours equals ASFE-Fusion's
    assert found["Residual-to-average fusion guarantees a high correlation"].verdict == "holds"
    assert found[f"{OUTPERFORMS} MI"].answers[-2:] == [False, False]  # equal on every pair


def test_claims_are_printed_with_their_verdicts(audit: Run) -> None:
    found = claims_of({"ct-mri": audit}, [])
    text = render_claims(found)
    assert [text.count(tag) for tag in ("<details", "<summary>", "<strong>")] == 3 * [len(found)]
    assert "nan" not in text
    assert sum(verdict_counts(found).values()) == len(found)


# ----------------------------------------------------------------------------------------------------
# What is committed, and the book


def test_verdicts_on_parts_follow_the_corrected_differences() -> None:
    runs = audit_runs(reference_runs())
    for number in (4, 5):
        table = ablation_table(number).set_index(["variant", "metric"])
        for variant, metric in set(CLAIMED) & set(table.index):
            row = Evidence(runs).ablation(number, variant, [metric]).loc[metric]
            low, high = (table[end][variant, metric] for end in ("low", "high"))
            same = max(abs(low), abs(high)) <= statistics.margin(metric)
            told = bool(table["told_apart"][variant, metric])
            assert row["falls"] is (bool(high < 0) if told else False if same else None), variant
            printed = table["paper"][variant, metric] - table["paper"]["the full model", metric]
            assert row["printed"] == pytest.approx(printed)


def test_untrained_networks_are_counted_where_they_are_above_and_below() -> None:
    runs = audit_runs(reference_runs())
    table = untrained_table(runs)
    rows = table[table.index.get_level_values(1).str.startswith("untrained")]
    above = [
        sum(row["MI"] > paper_row(task, name)["MI"] for (task, _), row in rows.iterrows())
        for name in ("AdaFuse", "W-DUALMINE")
    ]
    gaps = untrained_gaps(runs)
    assert [len(gaps), gaps["above AdaFuse"].sum(), gaps["above the paper"].sum()] == [len(rows), *above]
    assert (training_changes(runs)["MI"] > 0).all()
    assert (average_gaps(runs).loc["MI"] > 0).all()


def test_committed_audits_are_of_the_committed_weights() -> None:
    runs = audit_runs(reference_runs())
    if not runs:
        pytest.skip("no audit is committed yet")
    for task, run in runs.items():
        trained = [r for r in reference_runs() if r.info.kind == "training" and r.info.task == task]
        scores = trained[0].metrics.query("method == 'w-dualmine'").set_index("pair")["EN"]
        ours = method_scores(run, "w-dualmine")["EN"]
        assert (ours - scores).abs().max() < 0.01, f"{task}: made with other weights; make the audit again"


def test_leakage_is_as_the_data_page_says() -> None:
    text = " ".join((BOOK.parent / "data_manifest" / "README.md").read_text().split())
    slices: dict[str, Counter] = {split: Counter() for split in SPLITS}
    for entry in read_manifest(tasks=list(TASKS)):
        if entry.modality == "MRI":
            slices[entry.split][entry.task, entry.volume] += 1
    assert slices["test"].keys() <= slices["train"].keys()
    pet = {volume: slices["train"][task, volume] for task, volume in slices["test"] if task == "pet-mri"}
    first, second, third = sorted(pet)
    assert f"from three volumes ({first}, {second} and {third})" in text
    assert f"with {min(pet.values())} to {max(pet.values())} slices in training" in text


def test_every_work_cited_is_in_the_bibliography() -> None:
    entries = re.findall(r"^@\w+\{([^,\s]+),", (BOOK / "references.bib").read_text(), re.MULTILINE)
    assert len(entries) == len(set(entries))
    for page in [*BOOK.glob("*.md"), *(BOOK.parent / "notebooks").glob("*.ipynb")]:
        for keys in re.findall(r"\{cite(?::[pt])?\}`([^`]+)`", page.read_text()):
            assert {key.strip() for key in keys.split(",")} <= set(entries), page.name
