"""All systems side by side: the records, the tables and sentences made of them, and the verbs."""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from wdualmine.checkpoints import read_shapes
from wdualmine.data import TASKS, DataSource
from wdualmine.data.images import write_image
from wdualmine.errors import WdualmineError
from wdualmine.evaluation import LIMIT
from wdualmine.experiments import make_experiment
from wdualmine.methods import CLASSICAL, detail_average, get_system
from wdualmine.methods.learned import parameters
from wdualmine.methods.registry import WEIGHTS
from wdualmine.records import Run, load_run, read_csv, seal, summarize, write_csv, write_json
from wdualmine.recovery.scoring import RANKING_METRICS
from wdualmine.training import train
from wdualmine_book.recorder import record
from wdualmine_book.records import paper_values, record_of
from wdualmine_book.systems.cost import PUBLISHED, WIDENED, count_gflop, run_cost
from wdualmine_book.systems.figures import plot_systems
from wdualmine_book.systems.ghosting import MOVES, moved
from wdualmine_book.systems.ghosting_figures import plot_ghosting
from wdualmine_book.systems.ghosting_tables import (
    changes_table,
    ghosting_extremes,
    ghosting_runs,
    ghosting_table,
    render_ghosting,
)
from wdualmine_book.systems.retrained import NETWORKS
from wdualmine_book.systems.tables import (
    comparison_runs,
    comparisons,
    cost_of,
    cost_table,
    differences_table,
    limit_of,
    of_others,
    others_and_average,
    own_trainings,
    render_systems,
    render_training,
    render_verdicts,
    systems_table,
    training_table,
    unseen_changes,
    widened_costs,
)
from wdualmine_book.titles import title

ROOT = Path(__file__).resolve().parents[2]


FEW = ("w-dualmine", "sdnet-retrained")  # of the learned ones, for the time that it takes


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory, small_pairs: Path) -> Run:
    """Three pairs, and as published images a mixture of both sources."""
    published = tmp_path_factory.mktemp("published")

    def folder(_: DataSource) -> Path:
        from wdualmine.data import load_pairs

        for name in ("adafuse", "asfe"):
            for pair in load_pairs("ct-mri", data=small_pairs):
                write_image(
                    published / name / "CT-MRI" / f"{pair.name}.png", pair.image_a // 3 + pair.image_b // 2
                )
        return published

    stand_in = replace(NETWORKS["sdnet-retrained"], fuse=detail_average)  # as if it had weights
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wdualmine_book.metrics.published.published_folder", folder)
        patch.setattr(
            "wdualmine_book.systems.record.trained_networks", lambda _: [NETWORKS["w-dualmine"], stand_in]
        )
        return record(
            "comparison", "ct-mri", tmp_path_factory.mktemp("c") / "run", str(small_pairs), 3, progress=False
        )


def test_every_method_stands_in_the_table_once(comparison: Run) -> None:
    table = systems_table(comparison)
    expected = {*CLASSICAL, *FEW}
    expected |= {"adafuse-published", "asfe-fusion-published"}
    assert set(table["method"]) == expected
    assert table["method"].is_unique
    own = table.set_index("method")
    assert own.loc["average", "worse"] == pytest.approx(0.5, abs=1e-3)
    assert np.isnan(own.loc["adafuse-published", "worse"])
    assert own["CC"].max() <= limit_of(comparison, "CC") + 1e-3
    assert own["rank"].is_monotonic_increasing


def test_ranks_count_a_metrics_direction(comparison: Run) -> None:
    scores = comparison.metrics[comparison.metrics["method"] != LIMIT]
    total = 0.0
    for _, own in scores.groupby("pair"):
        for name in RANKING_METRICS:
            sign = 1 if name == "Nabf" else -1
            ranks = pd.Series(rankdata(sign * own[name]), own["method"].to_numpy())
            total += ranks["average"] / (3 * len(RANKING_METRICS))
    assert systems_table(comparison).set_index("method").loc["average", "rank"] == pytest.approx(total)


def test_differences_are_corrected_for_all_of_them(comparison: Run) -> None:
    table = differences_table(comparison, "average")
    assert "average" not in set(table["method"])
    assert (table["p_corrected"] >= table["p"]).all()
    assert table["p_corrected"].min() > 0.05  # with three pairs nothing can be told
    assert set(table["verdict"]) == {""}
    own = table[table["method"] == "adafuse-published"]
    assert not own["metric"].str.startswith("recovery").any()
    assert "recovery CT" not in render_verdicts(comparison)


def test_what_can_be_told_has_the_sign_of_the_metric(comparison: Run, tmp_path: Path) -> None:
    """Twelve volumes make it certain; Nabf is better the lower it is."""
    frame = comparison.metrics
    many = pd.concat(
        [frame.assign(pair=f"{k + 1}" + frame["pair"].str[-3:]) for k in range(12)], ignore_index=True
    )
    write_csv(tmp_path / "metrics.csv", many)
    sealed = {"files": seal(tmp_path, ["metrics.csv"]), "results": summarize(many)}
    write_json(tmp_path / "run.json", comparison.info.model_dump() | sealed)
    table = differences_table(load_run(tmp_path), "average").set_index(["method", "metric"])
    for metric, better in (("Qabf", "better"), ("Nabf", "worse"), ("CC", "worse")):
        row = table.loc["maximum", metric]
        assert row["verdict"] == better, metric
        assert (row["difference"] > 0) == (metric != "CC")


def test_pages_print_what_the_tables_hold(comparison: Run) -> None:
    html = render_systems(systems_table(comparison), "ct-mri")
    assert 'class="dataframe comparison sortable"' in html
    assert html.count("<tr>") == len(systems_table(comparison)) + 1
    assert "AdaFuse, published images" in html
    others = of_others(systems_table(comparison))
    assert set(others.index) <= set(NETWORKS)
    best = others_and_average({"ct-mri": comparison}).loc["ct-mri"]
    assert best["gap"] == pytest.approx(limit_of(comparison, "CC") - others["CC"].max())
    assert best["above"] == list(others.index[others["worse"] > best["average_worse"]])
    assert others_and_average({}).empty
    assert list(comparisons([comparison])) == ["ct-mri"]
    assert plot_systems({"ct-mri": comparison}).axes
    with pytest.raises(WdualmineError, match="no comparison of pet-mri: make one with"):
        record_of("pet-mri", [comparison], "comparison")


@pytest.mark.full
def test_trainings_stand_with_their_budget(tmp_path: Path) -> None:
    runs = [
        train(
            make_experiment("ct-mri", "smoke", v, method="sdnet-retrained", epochs=1),
            *(tmp_path / v, "phantom", "cpu", 1),
            progress=False,
        )
        for v in ("proposed", "fold-0", "fold-1", "fold-2")
    ]
    table = training_table(runs)
    assert list(table["fold"].fillna(-1)) == [-1, 0, 1, 2]
    assert set(table["patch"]) == {64}
    html = render_training(table)
    assert "SDNet (retrained)" in html
    assert f"{table['CC'][0]:.4f}" in html
    apart = np.average(table["CC"][1:], weights=table["pairs"][1:])
    assert f"{apart:.4f}" in html
    changes = unseen_changes(table, "CC")
    assert changes["sdnet-retrained", "ct-mri"] == pytest.approx(apart - table["CC"][0])
    assert unseen_changes(table[:3], "CC").empty


@pytest.mark.full
def test_a_cost_is_measured_side_by_side(tmp_path: Path) -> None:
    run = run_cost(tmp_path, ["average", "sdnet-retrained", "w-dualmine"], side=32, repeats=1, progress=False)
    table = read_csv(run.folder / "cost.csv").set_index("method")
    assert list(table.index) == ["average", "sdnet-retrained", "w-dualmine"]
    assert np.isnan(table.loc["average", "parameters"])
    assert table.loc["w-dualmine", "parameters"] == 1_082_759
    assert 0 < table.loc["average", "seconds"] < table.loc["w-dualmine", "seconds"]
    assert (table["peak_mib"] > 100).all()
    printed = cost_table(run)
    assert printed.set_index("Method").loc["W-DUALMINE", "× W-DUALMINE"] == "1.00"
    assert widened_costs(run).empty
    assert cost_of([run]) is run
    assert cost_of([run], "cuda") is None
    alone = cost_table(run_cost(tmp_path / "alone", ["average"], side=32, repeats=1, progress=False))
    assert alone.loc[0, "Parameters"] == alone.loc[0, "GFLOP"] == "–"
    write_json(tmp_path / "run.json", run.info.model_dump() | {"kind": "baselines"})
    with pytest.raises(WdualmineError, match="holds a run of kind baselines; choose another folder"):
        run_cost(tmp_path, ["average"], progress=False)
    with pytest.raises(WdualmineError, match="unknown method 'median'"):
        run_cost(tmp_path, ["median"], progress=False)
    with pytest.raises(WdualmineError, match="side 0"):
        run_cost(tmp_path, ["average"], side=0)


def test_the_committed_cost_is_told_beside_both_of_our_networks() -> None:
    run = cost_of(comparison_runs())
    assert run is not None
    seconds = run.table("cost.csv").set_index("method")["processor_seconds"]
    costs = widened_costs(run)
    for name in WIDENED:
        own = costs.loc[title(f"{name}-widened")]
        for other, network in (("w-dualmine", "W-DUALMINE"), ("w-dualmine-recovery", "W-DUALMINE, recovery")):
            assert own[network] == pytest.approx(seconds[f"{name}-widened"] / seconds[other])


def test_the_networks_of_the_package_are_told_with_their_training() -> None:
    text = " ".join(own_trainings().values())
    for task in TASKS:
        for name in (task, f"{task}-recovery"):
            schedule = read_shapes(WEIGHTS / f"{name}.safetensors")[1]["experiment"]["schedule"]
            told = next(part for part in text.split(". ") if f"{schedule['epochs']} epochs" in part)
            assert TASKS[task].folder in told or "-MRI" not in told  # the same for all tasks
            assert (f"patches of {schedule['patch_size']}" in told) == (schedule["patch_size"] is not None)


@pytest.mark.parametrize("name", WIDENED)
def test_a_widened_system_costs_what_the_published_one_does(name: str) -> None:
    system = get_system(name)
    widened = system.network(replace(system.config(), **WIDENED[name]))
    size, gflop = PUBLISHED[name]
    assert count_gflop(widened, 256) == pytest.approx(gflop, rel=0.03)
    assert parameters(widened) < size / 10


def test_titles() -> None:
    assert title("densefuse-l1-retrained") == "DenseFuse, l1-norm (retrained)"
    assert title("adafuse-published") == "AdaFuse, published images"
    assert title("adafuse-retrained-widened") == "AdaFuse (retrained), widened to the published GFLOP"


@pytest.mark.parametrize("task", list(TASKS))
def test_the_committed_comparison_says_what_its_signals_say(task: str) -> None:
    runs = [run for run in comparison_runs() if run.info.task == task and run.info.kind == "comparison"]
    if not runs:
        pytest.skip("no comparison of this task is committed yet")
    table = systems_table(runs[0]).set_index("method")
    signals = read_csv(runs[0].folder / "signals.csv")
    assert {"average", "w-dualmine", "dwt"} <= set(table.index)
    assert signals["pair"].nunique() == runs[0].metrics["pair"].nunique() == 24
    own = signals[(signals["method"] == "dwt") & (signals["source"] == "a")]
    assert table.loc["dwt", "recovery_a"] == pytest.approx(
        own.groupby("pair")["recovery"].mean().mean(), abs=1e-4
    )


def test_a_click_on_a_head_sorts_the_table(tmp_path: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser test")
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no Chromium here to open the page in; `apt-get install chromium` gets one")
    grid = "".join(f"<tr><td>{n}</td><td>{v}</td></tr>" for n, v in (("b", "10.5"), ("c", "–"), ("a", "9")))
    page_file = tmp_path / "page.html"
    script = (ROOT / "book" / "_static" / "sort.js").read_text()
    page_file.write_text(
        "<table class=sortable><thead><tr><th>Name</th><th>Value</th></tr></thead>"
        f"<tbody>{grid}</tbody></table>"
        f"<script>{script}</script>"
    )
    with tempfile.TemporaryDirectory() as profile, sync_api.sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=browser, args=["--no-sandbox"]
        )
        page = context.new_page()
        page.goto(page_file.as_uri())

        def names() -> str:
            return "".join(page.locator("tbody tr td:first-child").all_inner_texts())

        assert names() == "bca"
        clicks = [("Name", "abc", "ascending"), ("Name", "cba", "descending")]
        clicks += [("Value", "abc", "ascending"), ("Value", "bac", "descending")]
        for head, order, state in clicks:
            page.get_by_role("button", name=head).click()
            assert names() == order
            assert page.get_by_role("columnheader", name=head).get_attribute("aria-sort") == state
        context.close()


@pytest.fixture(scope="module")
def ghosts(tmp_path_factory: pytest.TempPathFactory, small_pairs: Path) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wdualmine_book.systems.ghosting.trained_networks", lambda _: [])
        patch.setattr(
            "wdualmine_book.systems.ghosting.CLASSICAL", {n: CLASSICAL[n] for n in ("average", "maximum")}
        )
        return record(
            "ghosting", "ct-mri", tmp_path_factory.mktemp("g") / "run", str(small_pairs), 1, progress=False
        )


def test_a_moved_scan_leaves_the_registered_one_and_not_what_was_given(ghosts: Run) -> None:
    table = ghosting_table(ghosts).set_index(["method", "move", "amount"])
    assert len(table) == 2 * sum(len(amounts) + 1 for amounts in MOVES.values())
    for method in ("average", "maximum"):
        for move, amounts in MOVES.items():
            falling = table.loc[(method, move)].loc[[0, *amounts], "CC"]
            assert falling.is_monotonic_decreasing, (method, move)
            assert table.loc[(method, move, amounts[-1]), "CC_given"] > falling.iloc[-1]
        still = ghosts.metrics.query("method == @method")["CC"].mean()
        assert table.loc[(method, "turn", 0), "CC"] == pytest.approx(still)
        assert table.loc[(method, "turn", 0), "CC_given"] == pytest.approx(still)
    changes = changes_table(ghosts)
    assert changes.loc["average", ("shift", "recovery_a")] == pytest.approx(0, abs=1e-6)
    assert f"({changes.loc['maximum', ('shift', 'CC')]:+.3f})" in render_ghosting(ghosts)
    row = ghosting_extremes(ghosts).loc["shift"]
    assert (row["amount"], row["unit"]) == (8, "pixels")
    assert row["most_change"] == changes[("shift", "CC")].min() == changes.loc[row["most"], ("shift", "CC")]
    assert ghosting_runs([ghosts])["ct-mri"] is ghosts
    figure = plot_ghosting(ghosts)
    assert len(figure.axes) == 8
    assert figure.axes[0].get_ylim() == figure.axes[2].get_ylim()


def test_every_row_of_the_paper_is_within_a_hundredth_of_the_limit_of_correlation() -> None:
    """As the landing page says."""
    printed = paper_values().query("table <= 3 and metric == 'CC'")
    for task, run in comparisons(comparison_runs()).items():
        gaps = limit_of(run, "CC") - printed.loc[printed["task"] == task, "mean"]
        assert len(gaps) == 3
        assert gaps.between(0, 0.01).all()


def test_the_legends_of_the_committed_records_lie_inside_their_figures() -> None:
    figures = [plot_ghosting(run) for run in ghosting_runs(comparison_runs()).values()]
    figures.append(plot_systems(comparisons(comparison_runs())))
    assert len(figures) > 1
    for figure in figures:
        (legend,) = figure.legends
        box, page = legend.get_window_extent(), figure.bbox
        assert page.x0 <= box.x0 < box.x1 <= page.x1
        assert page.y0 <= box.y0


def test_what_moves_is_what_is_said() -> None:
    spot = np.zeros((21, 21), np.uint8)
    spot[10, 14] = 200
    assert np.argwhere(moved(spot, "shift", 4) == 200).tolist() == [[14, 18]]
    top, left = np.unravel_index(moved(spot, "turn", 90).argmax(), spot.shape)
    assert (top, left) == (6, 10)  # from the right of the center to above it: to the left
    assert moved(spot, "turn", 0) is spot
