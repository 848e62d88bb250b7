"""Tables 1-3 from records: the paper's numbers are the paper's, ours are the records', the best are bold."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import wdualmine
from wdualmine.data import volume_of
from wdualmine.errors import WdualmineError
from wdualmine.experiments import PRESETS, Experiment, make_experiment
from wdualmine.metrics import PAPER_METRICS
from wdualmine.records import Info, Run, find_runs, load_run, seal, write_csv, write_json
from wdualmine_book.__main__ import main
from wdualmine_book.experiments import STUDIES
from wdualmine_book.figures.training import score_changes
from wdualmine_book.metrics.tables import convention_table, ranking_changes
from wdualmine_book.printing import at_most, folded, html_grid, listed, span, training_words
from wdualmine_book.provenance import machines, model_card_scores, provenance_table, render_provenance
from wdualmine_book.records import average_moved, full_length_runs, paper_values, reference_runs, study_runs
from wdualmine_book.results.tables import (
    column_titles,
    comparison_table,
    largest_gaps,
    networks_table,
    render_comparison,
    summary_table,
)
from wdualmine_book.statistics import MARGIN, holm
from wdualmine_book.studies.tables import (
    ABLATIONS,
    CHOICES,
    CLAIMED,
    FULL,
    ablation_table,
    asked,
    choices_table,
    claimed,
    largest_change,
    leakage_table,
    listed_differences,
    printed_information,
    rates_table,
    render_differences,
    render_rates,
    significant,
    study_logs,
    variant_names,
)
from wdualmine_book.studies.training_length import (
    full_length_table,
    render_training_length,
    training_length_table,
)


def make_info(kind: str, experiment: Experiment | None) -> Info:
    """What run.json says of a run made by hand."""
    content = {
        "schema": 1, "kind": kind, "task": "ct-mri", "data": {"name": "phantom", "fingerprint": "f" * 64},
        "code": {"source": "s" * 64, "commit": "c" * 40, "dirty": True}, "environment": {},
        "hardware": {"processor": "P", "threads": 1}, "finished": "2026-01-01T00:00:00+00:00",
        "train_seconds": 60.0, "evaluation_seconds": 6.0, "files": {},
        "experiment": json.loads(json.dumps(experiment.as_dict())) if experiment else None,
    }  # fmt: skip
    return Info.model_validate(content)


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    """Two seeds of a training run and a run of baselines, with numbers that are easy to check."""

    def record(name: str, kind: str, seed: int | None, scores: dict[tuple[str, bool], list[float]]) -> None:
        rows = [
            {
                "task": "ct-mri",
                "split": "test",
                "pair": f"200{k}",
                "method": method,
                "stretch": stretch,
                "seed": seed,
            }
            | dict.fromkeys(PAPER_METRICS, value)
            for (method, stretch), values in scores.items()
            for k, value in enumerate(values)
        ]
        write_csv(tmp_path / name / "metrics.csv", pd.DataFrame(rows))
        experiment = make_experiment("ct-mri", "quick", seed=seed) if kind == "training" else None
        sealed = {"files": seal(tmp_path / name, ["metrics.csv"])}
        write_json(tmp_path / name / "run.json", make_info(kind, experiment).model_dump() | sealed)

    record("seed0", "training", 0, {("w-dualmine", True): [1.0, 3.0], ("untrained", True): [0.0, 0.0]})
    record("seed1", "training", 1, {("w-dualmine", True): [3.0, 5.0]})
    record("baselines", "baselines", None, {("average", True): [4.0, 4.0], ("average", False): [1.0, 1.0]})
    return find_runs([tmp_path])


def cell(table: pd.DataFrame, metric: str, method: str, column: str) -> pd.Series:
    found = table.query("metric == @metric and method == @method and column == @column")
    assert len(found) == 1
    return found.iloc[0]


def test_paper_column_is_the_papers() -> None:
    found = cell(comparison_table(2, [], []), "MI", "W-DUALMINE", "Paper")
    assert (found["mean"], found["std"], found["best"]) == (4.3068, 0.3787, True)
    assert len(paper_values().query("table <= 3")) == 3 * 3 * 5


def test_seeds_are_averaged_for_each_pair_before_the_spread(runs: list[Run]) -> None:
    found = cell(comparison_table(1, runs, []), "CC", "W-DUALMINE", "This build")
    assert (found["mean"], found["std"]) == (3.0, 1.0)  # pairs 2 and 4, population deviation


def test_best_is_marked_within_its_column_only(runs: list[Run]) -> None:
    table = comparison_table(1, runs, runs)
    build = table.query("column == 'This build' and best")
    assert set(build["method"]) == {"Average, stretched"}
    assert set(table.query("column == 'Paper' and metric == 'EN' and best")["method"]) == {"ASFE-Fusion"}


def test_stretched_and_plain_results_are_two_rows(runs: list[Run]) -> None:
    table = comparison_table(1, runs, [])
    assert cell(table, "EN", "Average", "This build")["mean"] == 1
    assert cell(table, "EN", "Average, stretched", "This build")["mean"] == 4


def test_runs_of_other_tasks_are_left_out(runs: list[Run]) -> None:
    table = comparison_table(3, runs, [])
    assert set(table["column"]) == {"Paper", "Reference"}  # the scores of published images
    assert set(table.query("column == 'Reference'")["method"]) == {"AdaFuse", "ASFE-Fusion"}


@pytest.mark.parametrize("form", ["md", "html", "latex", "csv"])
def test_every_printed_form_holds_the_numbers(runs: list[Run], form: str) -> None:
    text = render_comparison(comparison_table(1, runs, []), form)
    assert "64.0891" in text
    assert ("5.0592 ± 0.2346" in text) == (form in ("md", "html"))
    assert not re.search(r"\bnan\b", text.lower())


def test_bold_in_markdown_and_latex(runs: list[Run]) -> None:
    assert "**4.0000 ± 0.0000**" in render_comparison(comparison_table(1, runs, []), "md")
    assert r"\textbf{4.0000 $\pm$ 0.0000}" in render_comparison(comparison_table(1, runs, []), "latex")


def test_summary_sets_paper_build_and_average_side_by_side(runs: list[Run]) -> None:
    row = summary_table(runs).loc[("CT-MRI", "PSNR")]
    assert list(row) == [64.0891, 3.0, 4.0]
    assert pd.isna(summary_table(runs).loc[("PET-MRI", "EN"), "This build"])
    assert list(summary_table([], runs).columns) == ["Paper", "Reference", "Average, stretched"]
    assert list(summary_table([], runs).loc[("CT-MRI", "PSNR")]) == [64.0891, 3.0, 4.0]


def test_provenance_names_commit_data_and_time(runs: list[Run]) -> None:
    row = provenance_table(runs).query("Run == 'seed0'").iloc[0]
    assert row["Commit"] == "cccccccccc + changes"
    assert row["Data"].startswith("phantom (ffff")
    assert row["Seconds"] == "66"


def test_a_training_that_moved_names_every_machine_once(runs: list[Run]) -> None:
    run = runs[0]
    assert machines(run) == ["P, 1 thread"]
    gpu, cpu = ({"processor": "P", "threads": n, "gpu": name} for n, name in ((2, "G"), (1, None)))
    run.info.sessions[:] = [{"hardware": hardware} for hardware in (gpu, gpu, cpu)]
    assert machines(run) == ["G, 2 threads", "P, 1 thread"]


@pytest.fixture
def ablations(tmp_path: Path) -> list[Run]:
    """Three seeds of the full model and two variants: one clearly worse in MI, one the same but for noise."""
    rng = np.random.default_rng(0)
    runs = []
    for variant, shift in (("proposed", 0.0), ("no-average", -5.0), ("no-gradient", 0.0)):
        for seed in range(3):
            scores = pd.DataFrame({"pair": [f"{k + 1}005" for k in range(12)], "method": "w-dualmine"})
            noise = rng.normal(0, 0.1, (12, len(PAPER_METRICS))) + rng.normal(0, 0.1)
            scores = scores.assign(seed=seed, stretch=True, **dict(zip(PAPER_METRICS, noise.T, strict=True)))
            scores["MI"] += shift
            run = Run(tmp_path / f"{variant}-{seed}")
            info = make_info("training", make_experiment("ct-mri", "quick", variant, seed))
            vars(run).update(info=info, metrics=scores)  # cached properties, set by hand
            runs.append(run)
    return runs


def test_ablations_are_told_from_zero_only_where_they_differ(ablations: list[Run]) -> None:
    table = ablation_table(5, ablations).set_index(["metric", "variant"])
    worse, same = table.loc[("MI", "without L_avg")], table.loc[("PSNR", "without L_grad")]
    assert worse["told_apart"]
    assert worse["difference"] == pytest.approx(-5, abs=0.3)
    assert worse["low"] < worse["difference"] < worse["high"] < 0
    assert not same["told_apart"]
    assert (worse["paper"], worse["seeds"]) == (2.7768, 3)
    assert pd.isna(table.loc[("EN", "without L_avg"), "p"])  # of which the paper says nothing
    assert pd.isna(table.loc[("EN", "without L_cc"), "mean"])
    assert pd.isna(table.loc[("EN", "the full model"), "difference"])


def test_a_bound_of_what_is_printed_to_four_decimals_is_no_closer() -> None:
    assert at_most([0.00012, -0.00004]) == "0.0002"  # 0.5 printed may be 0.49995 to 0.50005
    assert at_most(-0.00016) == "0.0003"
    assert at_most(0.0, 1) == "0.1"


def test_what_differs_is_listed(ablations: list[Run]) -> None:
    table = ablation_table(5, ablations)
    assert (len(significant(table)), asked(table)) == (1, 10)
    assert listed_differences(significant(table)).startswith("CT-MRI, without L_avg, MI -5")
    assert listed_differences(table[:0]) == "none"
    largest = largest_change(table, "MI")
    assert largest is not None
    assert largest["variant"] == "without L_avg"
    assert largest_change(ablation_table(4, []), "EN") is None


def test_one_seed_gives_no_interval(ablations: list[Run]) -> None:
    single = [run for run in ablations if run.info.experiment.seed == 0]
    table = ablation_table(5, single)
    assert table["low"].isna().all()
    assert table["difference"].notna().any()
    assert (len(significant(table)), asked(table)) == (0, 0)


@pytest.mark.parametrize("form", ["md", "html", "latex", "csv"])
def test_ablations_print(ablations: list[Run], form: str) -> None:
    text = render_differences(ablation_table(5, ablations), form)
    assert "4.6027" in text
    assert not re.search(r"\bnan\b", text.lower())
    assert ("L\\_avg" in text) == (form == "latex")


def test_committed_ablations_fill_both_tables() -> None:
    for number, variants in ABLATIONS.items():
        table = ablation_table(number)
        assert len(table) == 5 * (len(variants) + 1)
        assert (table["seeds"] >= 3).all()
        assert table["low"].notna().sum() == 5 * len(variants)


def test_wrong_tables_forms_and_records_are_named(tmp_path: Path, runs: list[Run]) -> None:
    with pytest.raises(WdualmineError, match="table 7"):
        comparison_table(7, [])
    with pytest.raises(WdualmineError, match="unknown form 'rtf'"):
        render_comparison(comparison_table(1, [], []), "rtf")
    with pytest.raises(WdualmineError, match="no such folder"):
        load_run(tmp_path / "none")
    (tmp_path / "seed0" / "run.json").write_text('{"schema": 99}')
    with pytest.raises(WdualmineError, match="schema 99"):
        load_run(tmp_path / "seed0")
    (tmp_path / "seed1" / "run.json").write_text("{")
    with pytest.raises(WdualmineError, match="not a record"):
        load_run(tmp_path / "seed1")


def test_the_model_card_holds_the_reference_scores() -> None:
    card = (Path(wdualmine.__file__).parent / "weights" / "README.md").read_text()
    scores = model_card_scores(reference_runs())
    assert scores.count("\n") == 1 + 3
    assert scores in card


def test_tables_say_the_spread_over_seeds_and_lead_to_the_run(runs: list[Run]) -> None:
    table = comparison_table(1, runs, [])
    found = cell(table, "CC", "W-DUALMINE", "This build")
    assert (found["seeds"], found["run"]) == (2, "seed0")
    assert found["seed_std"] == pytest.approx(np.std([2, 4], ddof=1))
    page = render_comparison(table, "html")
    assert '<a href="provenance.html#this-build-seed0">3.0000 ± 1.0000 [1.4142]</a>' in page
    anchors = re.findall(r'id="([^"]+)"', render_provenance(runs, "This build"))
    linked = re.findall(r"provenance\.html#(this-build[^\"]*)", page)
    assert linked
    assert set(linked) <= set(anchors)


def test_rows_of_the_committed_tables_lead_to_committed_runs() -> None:
    for column, found, pages in (
        (
            "Reference",
            reference_runs(),
            [render_comparison(comparison_table(number, []), "html") for number in (1, 2, 3)],
        ),
        ("Studies", study_runs(), [render_differences(ablation_table(number), "html") for number in (4, 5)]),
    ):
        anchors = set(re.findall(r'id="([^"]+)"', render_provenance(found, column))) | {"reference-published"}
        for page in pages:
            linked = set(re.findall(r"provenance\.html#([^\"]*)", page))
            assert linked
            assert linked <= anchors


def study_run(folder: Path, variant: str, seed: int, pairs: dict[str, float], **log: float) -> Run:
    """A run by hand: each pair's scores are one number, each column of the log another."""
    run = Run(folder / f"{variant}-seed{seed}")
    experiment = make_experiment("ct-mri", "quick", variant, seed, learning_rate=1e-3, epochs=2)
    frame = pd.concat(
        pd.DataFrame({"pair": list(pairs), "method": method, "seed": seed, "stretch": True}).assign(
            **{metric: [value * scale for value in pairs.values()] for metric in PAPER_METRICS}
        )
        for method, scale in (("w-dualmine", 1), ("untrained", 0))
    )
    vars(run).update(info=make_info("training", experiment), metrics=frame, log=pd.DataFrame([log, log]))
    return run


def test_folds_together_stand_beside_the_papers_split(tmp_path: Path) -> None:
    runs = []
    for seed in (0, 1):
        runs.append(study_run(tmp_path, "proposed", seed, {"1": 1.0, "2": 2.0, "3": 3.0}))
        for fold in range(3):
            runs.append(study_run(tmp_path, f"fold-{fold}", seed, {str(fold + 1): fold + 1.5 + seed}))
    table = leakage_table(runs).query("task == 'ct-mri' and metric == 'EN'").set_index("variant")
    row = table.loc["volume-disjoint"]
    assert (row["mean"], row["difference"], row["seeds"]) == (3.0, 1.0, 2)  # 0.5 and 1.5 above
    assert row["low"] < 0.5 < 1.5 < row["high"]
    incomplete = [run for run in runs if run.folder.name != "fold-2-seed1"]
    row = leakage_table(incomplete).query("task == 'ct-mri' and metric == 'EN'").iloc[0]
    assert (row["difference"], row["seeds"]) == (0.5, 1)


def test_rates_give_the_last_epochs_residual_and_the_untrained_network(tmp_path: Path) -> None:
    runs = [
        study_run(tmp_path, "rate-1e-3", seed, {"1": 4.0, "2": 6.0}, residual=0.1 + seed) for seed in (0, 1)
    ]
    table = rates_table(runs).set_index("variant")
    assert list(table.index) == ["rate-1e-3", "untrained", "the paper's row"]  # no average: other data
    assert table.loc["the paper's row", "PSNR"] == 64.0891
    slow = study_run(tmp_path, "rate-1e-5", 0, {"1": 4.0}, residual=0.25)
    row = rates_table([*runs, slow]).set_index("variant").loc["rate-1e-5"]
    assert (row["residual"], row["moved"]) == (0.25, 0.125)  # |tanh R|, and times the residual scale
    assert average_moved(slow) == 0.125
    assert table.loc["untrained", "MI"] == 0
    assert (table.loc["rate-1e-3", "MI"], table.loc["rate-1e-3", "seeds"]) == (5.0, 2)
    assert table.loc["rate-1e-3", "residual"] == pytest.approx(0.6)
    assert "0.6000" in render_rates(table.reset_index())
    logs = study_logs("learning-rate", runs)
    assert [(name, len(seeds)) for name, seeds in logs.items()] == [("rate-1e-3", 2)]


def test_runs_of_several_presets_are_not_mixed(tmp_path: Path) -> None:
    runs = [study_run(tmp_path, "proposed", seed, {"1": 1.0}) for seed in (0, 1)]
    runs[1].info.experiment.preset = "paper"
    with pytest.raises(WdualmineError, match="runs of paper, phantom and of quick, phantom"):
        choices_table(runs)


def test_every_choice_of_the_study_has_a_name() -> None:
    assert set(CHOICES) == set(STUDIES["choices"].variants)
    assert {key for names in ABLATIONS.values() for key in names} == set(STUDIES["ablations"].variants)


def test_the_p_values_of_both_ablation_tables_are_corrected_together() -> None:
    both = claimed(pd.concat([ablation_table(4), ablation_table(5)]))
    assert len(both) == both["p"].notna().sum() == len(CLAIMED) == 7
    assert both["p_corrected"].to_numpy(float) == pytest.approx(holm(both["p"].to_numpy(float)))


def test_a_difference_within_the_margin_is_none_however_sure(ablations: list[Run]) -> None:
    for run in ablations:
        shift = {"no-average": -1e-4, "no-gradient": -1.0}.get(run.info.experiment.variant, 0)
        for metric in PAPER_METRICS:
            run.metrics[metric] = shift * (1 + 1e-6 * np.arange(12) + 1e-6 * run.info.experiment.seed)
    table = ablation_table(5, ablations).set_index(["metric", "variant"])
    assert table.loc[("CC", "without L_avg"), "p_corrected"] < 1e-3
    assert not table.loc[("CC", "without L_avg"), "told_apart"]
    assert table.loc[("PSNR", "without L_grad"), "told_apart"]
    assert set(significant(table.reset_index())["variant"]) == {"without L_grad"}


def test_the_papers_own_rows_are_set_beside_what_it_credits() -> None:
    paper = printed_information()
    rows = (1, "W-DUALMINE"), (4, "proposed"), (4, "no-spatial-expert")
    assert [paper[row] for row in rows] == [3.6059, 3.6073, 3.6056]


def test_networks_are_named_by_length_and_width_the_nearest_first(runs: list[Run]) -> None:
    table = networks_table(runs)
    assert table["network"].iloc[0] == "The paper"
    assert "100 epochs at 1e-5" in table["training"].iloc[0]
    assert "widths not stated" in table["training"].iloc[0]
    assert "100 epochs at 1e-5, widths" in table["training"].iloc[1]
    recorded = table[table["network"] != "This build"]["training"]
    assert all("epoch" in words and "widths" in words for words in recorded)
    reference = next(run for run in reference_runs() if run.info.kind == "training")
    words = training_words(reference.info.experiment)
    assert words in column_titles([])["Reference"]
    assert column_titles([], number=1)["Reference"].count("widths") == 1


def test_titles_of_all_tasks_name_them_where_they_differ(runs: list[Run]) -> None:
    schedule = {"epochs": 3, "learning_rate": 1e-4}
    others = []
    for run in runs:
        other = Run(shutil.copytree(run.folder, run.folder.with_name(f"pet-{run.folder.name}")))
        info = run.info.model_dump() | {"task": "pet-mri"}
        if info["experiment"]:
            info["experiment"]["schedule"] |= schedule
        write_json(other.folder / "run.json", info)
        others.append(other)
    alone = column_titles(others, [])["This build"]
    assert alone == "This build (quick, phantom; 3 epochs at 1e-4, widths 8-64; 2 seeds)"
    both = column_titles([*runs, *others], [])["This build"]
    words = (
        r"\(CT-MRI: quick, phantom; \d+ epochs? at \S+, widths 8-64; 2 seeds\. PET-MRI: quick, phantom; 3 "
    )
    assert re.search(words, both)


def test_a_first_column_that_repeats_becomes_a_line_above_each_group(runs: list[Run]) -> None:
    page = render_comparison(comparison_table(1, runs, []), "html")
    rows = re.findall(r"<tr>(<td.*?)</tr>", page)
    assert all(re.findall(r'data-label="(.*?)"', row)[:2] == ["Method", "Paper"] for row in rows)
    assert page.count('<tr class="group">') == len(PAPER_METRICS)
    assert page.count("EN ↑") == 1
    assert "<th>Metric</th>" not in page


def test_a_table_that_is_sorted_or_has_no_groups_keeps_its_first_column() -> None:
    grid = pd.DataFrame({"Task": ["a", "a", "b"], "Metric": ["EN", "MI", "CC"], "rest": "1"})
    assert html_grid(grid).count("<th>") == 2
    assert html_grid(grid, "comparison sortable").count("<th>") == html_grid(grid[1:]).count("<th>") == 3


def test_the_gaps_of_the_summary_are_the_largest_over_the_tasks(runs: list[Run]) -> None:
    gaps = largest_gaps(summary_table(runs))
    assert gaps["This build"]["CC"] == pytest.approx(3 - 0.8308)
    assert gaps["Average, stretched"]["PSNR"] == pytest.approx(64.0891 - 4)


def test_what_conventions_and_training_change() -> None:
    table = convention_table(reference_runs(), "ct-mri")
    changes = ranking_changes(table)
    assert set(changes) == set(table.loc[table["order"] == "changes", "metric"])
    run = next(run for run in reference_runs() if run.info.kind == "training")
    means = run.metrics.groupby("method")["MI"].mean()
    assert score_changes(run)["MI"] == pytest.approx(means["w-dualmine"] - means["untrained"], abs=1e-6)


def test_numbers_and_names_are_printed_as_a_range_and_a_list() -> None:
    assert span([0.12, 0.1], ".1f") == "0.1"
    assert span(pd.Series([2.0, -1.0]), "+.1f") == "-1.0 to +2.0"
    assert [listed(names) for names in ((), "A", "AB", "ABC")] == ["none", "A", "A and B", "A, B and C"]


def test_what_is_folded_opens_by_its_title() -> None:
    assert folded("A & B", "<table></table>").startswith("<details><summary>A &amp; B</summary>")


def _merged(old: dict, new: dict) -> dict:
    return old | {k: _merged(old[k], v) if isinstance(v, dict) else v for k, v in new.items()}


def spoiled(runs: list[Run], name: str, **changes: object) -> list[Run]:
    """The same runs, of which one says something else in its run.json."""
    folder = next(run.folder for run in runs if run.folder.name == name)
    info = load_run(folder).info.model_dump()
    for key, value in changes.items():
        info[key] = _merged(info[key], value)
    write_json(folder / "run.json", info)
    return find_runs([folder.parent])


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("seed1", {"data": {"name": "harvard", "fingerprint": "a" * 64}}),
        ("seed1", {"data": {"fingerprint": "a" * 64}}),  # phantoms of two versions
        ("baselines", {"data": {"name": "harvard", "fingerprint": "a" * 64}}),
        ("seed1", {"experiment": {"preset": "smoke"}}),
        ("seed1", {"experiment": {"schedule": {"epochs": 1}}}),
    ],
)
def test_runs_of_other_data_or_presets_make_no_mean(runs: list[Run], name: str, changes: dict) -> None:
    runs = spoiled(runs, name, **changes)
    for table in (lambda: comparison_table(1, runs, []), lambda: column_titles(runs, [], 1)):
        with pytest.raises(WdualmineError, match=r"\w+ \(.*\) and \w+ \(.*\): are not of one preset"):
            table()
    assert "seed" not in "".join(comparison_table(2, runs, [])["run"])  # another task's table


def test_a_record_of_before_a_setting_stands_beside_one_of_after(runs: list[Run]) -> None:
    runs = spoiled(runs, "seed1", experiment={"objective": "paper", "fold": None})
    assert cell(comparison_table(1, runs, []), "CC", "W-DUALMINE", "This build")["seeds"] == 2


def test_studies_of_two_schedules_or_two_data_make_no_mean(tmp_path: Path) -> None:
    runs = [study_run(tmp_path, "narrow", seed, {"1": 1.0}) for seed in (0, 1)]
    runs[1].info.data.fingerprint = "a" * 64
    with pytest.raises(WdualmineError, match="are not of one preset, schedule and data"):
        choices_table(runs)
    runs = [study_run(tmp_path, "no-average", seed, {"1": 1.0}) for seed in (0, 1)]
    runs[1].info.experiment.schedule.epochs = 9
    with pytest.raises(WdualmineError, match="are not of one preset, schedule and data"):
        ablation_table(5, runs)


@pytest.mark.parametrize("change", ["column", "NaN"])
def test_a_score_that_is_missing_is_no_part_of_a_mean(runs: list[Run], change: str) -> None:
    run = next(run for run in runs if run.folder.name == "seed1")
    frame = run.metrics.drop(columns="MI") if change == "column" else run.metrics.assign(MI=[np.nan, 1.0])
    frame.to_csv(run.folder / "metrics.csv", index=False)
    sealed = {"files": seal(run.folder, ["metrics.csv"])}
    write_json(run.folder / "run.json", run.info.model_dump() | sealed)
    with pytest.raises(WdualmineError, match=r"metrics\.csv: lacks MI on a pair"):
        comparison_table(1, find_runs([run.folder.parent]), [])


def table_verb(capsys: pytest.CaptureFixture, *arguments: object) -> tuple[int, str, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["wdualmine-book", "table", *map(str, arguments)])
        with pytest.raises(SystemExit) as leaving:
            main()
    out, error = capsys.readouterr()
    return int(leaving.value.code or 0), out, error


def test_the_verb_says_preset_and_data_of_every_column(
    runs: list[Run], capsys: pytest.CaptureFixture
) -> None:
    folder = runs[0].folder.parent
    code, out, _ = table_verb(capsys, 1, "--run", folder)
    assert code == 0
    assert re.search(r"This build \(quick, phantom; \d+ epochs? at \S+, widths 8-64; 2 seeds\)", out)
    reference = next(run for run in reference_runs() if run.folder.name == "ct-mri-seed0")
    assert f"Reference run ({reference.label};" in out
    code, out, _ = table_verb(capsys, 1, "--run", folder / "baselines")
    assert "This build (baselines, phantom)" in out
    code, out, error = table_verb(capsys, 1, "--run", folder, "--format", "csv")
    assert out.startswith("metric,method,column,")
    assert "widths 8-64; 2 seeds)" in error
    code, out, _ = table_verb(capsys, 1, "--run", folder, "--format", "latex")
    assert out.rstrip().endswith(r"% needs \usepackage{booktabs}")
    code, out, _ = table_verb(capsys, 5)
    assert "Ours (quick, harvard; 3 to 10 seeds)" in out


@pytest.mark.parametrize("where", ["none", "empty", "run", "pet"])
def test_a_run_that_holds_none_is_named(
    runs: list[Run], tmp_path: Path, capsys: pytest.CaptureFixture, where: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "run").write_text("")
    spoiled(runs, "seed0", experiment={"variant": "no-average"})
    number, folder = (2, "seed1") if where == "pet" else (1, where)
    code, out, error = table_verb(capsys, number, "--run", tmp_path / folder)
    assert (code, out) == (2, "")
    assert f"--run {tmp_path / folder}: holds no" in error
    assert len(error.splitlines()) == 1
    code, _, error = table_verb(capsys, 4, "--run", tmp_path / "baselines")
    assert (code, "holds no run of W-DUALMINE for table 4" in error) == (2, True)


def test_a_longer_training_stands_beside_a_shorter_one() -> None:
    long = [run for run in reference_runs() if run.info.task == "pet-mri"]
    short = [r for r in study_runs() if r.info.task == "pet-mri" and r.info.experiment.variant == "proposed"]
    table = training_length_table(long, short).set_index("metric")
    assert list(table.index) == list(PAPER_METRICS)
    seed = [run.info.experiment.seed for run in short].index(0)
    means = [run.metrics.query("method == 'w-dualmine'").set_index("pair")["MI"] for run in short]
    first = next(run for run in long if run.info.kind == "training" and run.info.experiment.seed == 0)
    own = first.metrics.query("method == 'w-dualmine'").set_index("pair")["MI"]
    row = table.loc["MI"]
    by_volume = (own - means[seed]).groupby(volume_of).mean()
    assert row["difference"] == pytest.approx(by_volume.mean())
    assert row["p"] >= 0.25  # three volumes
    assert row["short"] == pytest.approx(pd.concat(means, axis=1).mean().mean())
    assert row["short_seeds"] == len(means) == 3
    assert (
        row["paper"]
        == paper_values().query("table == 2 and row == 'W-DUALMINE' and metric == 'MI'")["mean"].item()
    )
    assert f"{row['long']:.4f}</a>" in render_training_length(table.reset_index())
    assert training_length_table([], []).empty


def test_variants_of_full_length_are_set_against_the_reference() -> None:
    table = full_length_table()
    assert set(table["variant"]) <= {*variant_names().values(), FULL}
    for run in full_length_runs():
        assert Experiment.from_dict(run.info.trained.model_dump()).schedule == PRESETS["paper"].schedule
    run = full_length_runs()[0]
    reference = next(r for r in reference_runs() if (r.info.task, r.info.kind) == ("ct-mri", "training"))
    own, full = (r.metrics.query("method == 'w-dualmine'")["MI"].mean() for r in (run, reference))
    row = table.query("metric == 'MI'").iloc[0]
    assert row["difference"] == pytest.approx(own - full)
    assert row["share"] == pytest.approx(abs(own - full) / MARGIN["MI"])
    assert full_length_table([]).empty


def test_a_table_that_the_paper_does_not_have_is_refused(capsys: pytest.CaptureFixture) -> None:
    code, _, error = table_verb(capsys, 9)
    assert (code, "table 9: choose one of 1, 2, 3" in error) == (2, True)


@pytest.mark.parametrize("study", STUDIES)
def test_studies_name_variants_and_tasks_that_exist(study: str) -> None:
    for task in STUDIES[study].tasks:
        for variant in STUDIES[study].variants:
            experiment = make_experiment(task, "quick", variant)
            assert experiment != replace(make_experiment(task, "quick"), variant=variant)
            assert Experiment.from_dict(experiment.as_dict()) == experiment
