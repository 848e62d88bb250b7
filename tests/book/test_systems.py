"""All systems on the same pairs: the tables, sentences and figures made of the records, and the verbs."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import rankdata

from wdualmine.data import TASKS, find_data
from wdualmine.data.manifest import file_sha256
from wdualmine.errors import WdualmineError
from wdualmine.evaluation import LIMIT
from wdualmine.methods import CLASSICAL, LEARNED
from wdualmine.methods.learned import parameters
from wdualmine.metrics import METRICS
from wdualmine.records import Run, describe_run, load_run, read_csv, seal, summarize, write_csv, write_json
from wdualmine.recovery.summary import relate
from wdualmine_book.recorder import record
from wdualmine_book.records import paper_values
from wdualmine_book.recovery.figures import plot_front
from wdualmine_book.recovery.record import RANKING_METRICS, load_recovery
from wdualmine_book.recovery.tables import rankings, unseen_pairs
from wdualmine_book.scans.figures import plot_ghosting
from wdualmine_book.systems.cost import MEASURED, count_gflop, make_network, run_cost
from wdualmine_book.systems.figures import plot_systems
from wdualmine_book.systems.ghosting import MOVES, moved
from wdualmine_book.systems.ghosting_tables import (
    changes_table,
    ghosting_extremes,
    ghosting_runs,
    ghosting_table,
    render_ghosting,
)
from wdualmine_book.systems.published import PUBLISHED
from wdualmine_book.systems.tables import (
    ASKED,
    OTHERS,
    TRIVIAL,
    cost_of,
    cost_table,
    findings,
    found,
    limit_of,
    published_table,
    render_published,
    render_systems,
    systems_table,
    times_light,
)
from wdualmine_book.titles import title

ROOT = Path(__file__).resolve().parents[2]
VOLUMES = ("2", "16", "20", "21")
PAIRS = [f"{volume}{number:03}" for volume in VOLUMES for number in (10, 11, 12)]


def make_ranking(folder: Path, task: str, seed: int = 0) -> Run:
    """A ranking of made-up numbers: the light network's pairs are those of three of four volumes."""
    rng = np.random.default_rng(seed)
    common = {"task": task, "split": "test", "stretch": False}
    methods = [*CLASSICAL, *LEARNED, "w-dualmine-recovery", "light-0.5", "blend-0.4"]
    frames = []
    for name in methods:
        pairs = PAIRS[:9] if name.startswith("light") else PAIRS
        scores = pd.DataFrame(rng.random((len(pairs), len(RANKING_METRICS))), columns=[*RANKING_METRICS])
        frames.append(scores.assign(pair=pairs, method=name, **common))
    for name in ("adafuse-published", "asfe-fusion-published"):
        scores = pd.DataFrame(rng.random((len(PAIRS), len(RANKING_METRICS))), columns=[*RANKING_METRICS])
        frames.append(scores.assign(pair=PAIRS, method=name, **common | {"stretch": True}))
    frames.append(pd.DataFrame({"CC": rng.random(len(PAIRS)), "pair": PAIRS, "method": LIMIT} | common))
    frames += [
        pd.DataFrame({"CC": rng.random(len(PAIRS)), "pair": PAIRS, "method": n} | common) for n in TRIVIAL
    ]
    frame = pd.concat(frames, ignore_index=True)
    rows = [
        (method, view, source, statistic, without, rng.random())
        for view in ("luma", "color") if view == "luma" or task != "ct-mri"
        for method in ("alone", *methods, *TRIVIAL) if view == "luma" or method not in TRIVIAL
        for source in "ab"
        for statistic in ("search", "recovery", "detectability")
        for without in ("", *VOLUMES[:3])
    ]  # fmt: skip
    columns = ["method", "view", "source", "statistic", "without", "value"]
    write_csv(folder / "recovery.csv", pd.DataFrame(rows, columns=columns).round(6))
    write_csv(folder / "metrics.csv", frame)
    description = describe_run(
        "ranking", find_data("phantom"), task, torch.device("cpu"), "wdualmine_book.recovery.record"
    )
    sealed = {"files": seal(folder, ["metrics.csv", "recovery.csv"]), "results": summarize(frame)}
    made = {"limit": None, "finished": "2026-11-27T00:00:00+00:00", "evaluation_seconds": 0.0}
    write_json(folder / "run.json", description | sealed | made)
    return load_run(folder)


@pytest.fixture(scope="module")
def ranked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("rankings")
    return rankings([make_ranking(folder / task, task, seed) for seed, task in enumerate(TASKS)])


@pytest.fixture(scope="module")
def ranking(ranked: dict[str, Run]) -> Run:
    return ranked["ct-mri"]


def test_every_method_is_in_the_table_once_on_the_unseen_pairs(ranking: Run) -> None:
    assert unseen_pairs(ranking) == sorted(PAIRS[:9])
    table = systems_table(ranking)
    assert sorted(table["method"]) == sorted([*CLASSICAL, *LEARNED, *TRIVIAL])
    own = table.set_index("method")
    scores = ranking.metrics.query("method == 'dwt' and pair in @PAIRS[:9]")
    assert own.loc["dwt", "Qabf"] == pytest.approx(scores["Qabf"].mean())
    assert own.loc[list(TRIVIAL), ["rank", "MI"]].isna().all(axis=None)
    assert table["worse"].is_monotonic_decreasing
    scores = ranking.metrics.query("method == @LIMIT and pair in @PAIRS[:9]")
    assert limit_of(ranking, "CC") == pytest.approx(scores["CC"].mean())


def test_ranks_count_directions_and_leave_out_what_methods_were_trained_for(ranking: Run) -> None:
    table = systems_table(ranking).set_index("method")
    scores = ranking.metrics[ranking.metrics["method"].isin([*CLASSICAL, *LEARNED])]
    scores = scores[scores["pair"].isin(PAIRS[:9])]
    for method in ("average", "u2fusion", "light"):
        names = [name for name in RANKING_METRICS if name not in ("CC", "PSNR", "SSIM")]
        total = 0.0
        for _, own in scores.groupby("pair"):
            for name in names:
                sign = 1 if METRICS[name].direction == "lower" else -1
                ranks = pd.Series(rankdata(sign * own[name]), own["method"].to_numpy())
                total += ranks[method] / (9 * len(names))
        assert table.loc[method, "rank"] == pytest.approx(total), method


def test_what_is_found_is_a_share_of_the_source_alone(ranked: dict[str, Run]) -> None:
    run = ranked["pet-mri"]
    rows = load_recovery(run)
    rows = rows[rows["statistic"] == "search"]

    def values(method: str, view: str) -> pd.DataFrame:
        own = rows[(rows["method"] == method) & (rows["view"] == view)]
        return own.drop(columns=["method", "view"])

    row = systems_table(run).set_index("method").loc["ifcnn"]
    for view, source, name in (("luma", "a", "a"), ("luma", "b", "b"), ("color", "a", "color")):
        expected = relate(values("ifcnn", view), values("alone", view)).set_index("source").loc[source]
        assert row[name] == expected["share"]
        assert row[f"{name}_low"] == expected["share_low"] < row[name] < row[f"{name}_high"]
    assert row["worse"] == min(row["a"], row["b"])
    assert found(run, "ifcnn").loc["ifcnn", "a"] == 1
    assert "color" not in systems_table(ranked["ct-mri"])


def test_the_findings_are_those_of_the_tables(ranked: dict[str, Run]) -> None:
    facts = findings(ranked)
    assert list(facts.index) == list(TASKS)
    for task, run in ranked.items():
        table, row = systems_table(run).set_index("method"), facts.loc[task]
        others = table.loc[list(OTHERS)]
        assert row["light"] == table.loc["light", "worse"]
        assert row["best"] == others["worse"].max() == table.loc[row["best_method"], "worse"]
        gaps = others["CC"] - table.loc["average", "CC"]
        assert (row["low_gap"], row["high_gap"]) == pytest.approx((gaps.min(), gaps.max()))
        names = dict(zip("ab", TASKS[task].modalities, strict=True))
        for column, statistic in (("above", "search"), ("clearer", "detectability")):
            beside = found(run, "average", ASKED, statistic).loc["light"]
            assert row[column] == [names[source] for source in "ab" if beside[f"{source}_low"] > 1]
    assert findings({}).empty


def test_published_images_are_in_a_table_of_their_own_beside_the_stretched_average(
    ranking: Run, tmp_path: Path
) -> None:
    table = published_table(ranking, None)
    assert list(table["method"]) == ["adafuse-published", "asfe-fusion-published"]
    assert "Nabf" in table
    scores = ranking.metrics[ranking.metrics["method"] == "dwt"].drop(columns=["Nabf", "Qcb"])
    audit = pd.concat(
        [scores.assign(method="blend-0.0", stretch=value, CC=0.5 + value / 4) for value in (False, True)]
    )
    write_csv(tmp_path / "metrics.csv", audit)
    sealed = {"files": seal(tmp_path, ["metrics.csv"]), "results": summarize(audit)}
    write_json(tmp_path / "run.json", ranking.info.model_dump(mode="json") | {"kind": "audit"} | sealed)
    beside = published_table(ranking, load_run(tmp_path))
    assert list(beside["method"]) == [*table["method"], "average"]
    assert beside.set_index("method").loc["average", "CC"] == 0.75
    assert "Nabf" not in beside
    assert "AdaFuse, published images" in render_published(beside)


def test_pages_print_what_the_tables_hold(ranked: dict[str, Run]) -> None:
    for task, run in ranked.items():
        table = systems_table(run)
        html = render_systems(table, task)
        assert 'class="dataframe comparison sortable"' in html
        assert html.count("<tr>") == len(table) + 1
        row = table.set_index("method").loc["sdnet"]
        low, high = max(row["a_low"], 0), row["a_high"]  # a share is at least 0
        assert f"{row['a']:.2f} ({low:.2f}–{high:.2f})" in html
        assert f"{row['PSNR']:.4f}†" in html
        assert f"{row['CC']:.4f}<" in html
        assert ("in color" in html) == (task != "ct-mri")
        assert "published" not in html
        drawn = {line.get_label() for line in plot_systems(run).axes[0].lines}
        assert {title(name) for name in table["method"]} >= {x for x in drawn if not x.startswith("_")}


def test_the_published_networks_have_the_published_size() -> None:
    for name, (size, gflop) in {"adafuse": (539e6 - 5.6e6, 110), "asfe-fusion": (176e6, 223)}.items():
        with torch.device("meta"):
            network = make_network(name)
        assert parameters(network) == pytest.approx(size, rel=2e-3)
        assert count_gflop(network, 256) == pytest.approx(gflop, rel=2e-3)


@pytest.mark.full
@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_networks_fuse(name: str) -> None:
    network = make_network(name).eval()
    with torch.inference_mode():
        fused = network(*torch.rand(2, 1, 1, 128, 128)).fused
    assert fused.shape == (1, 1, 128, 128)
    assert fused.isfinite().all()


@pytest.mark.full
def test_a_cost_is_measured_side_by_side(tmp_path: Path) -> None:
    run = run_cost(tmp_path, ["average", "light", "w-dualmine"], side=32, repeats=1, progress=False)
    table = read_csv(run.folder / "cost.csv").set_index("method")
    assert list(table.index) == ["average", "light", "w-dualmine"]
    assert np.isnan(table.loc["average", "parameters"])
    assert table.loc["w-dualmine", "parameters"] == 1_082_759
    assert 0 < table.loc["average", "seconds"] < table.loc["w-dualmine", "seconds"]
    assert (table["peak_mib"] > 100).all()
    printed = cost_table(run)
    assert printed.set_index("Method").loc["Light network", "× light network"] == "1.00"
    assert times_light(run)["light"] == 1
    assert cost_of([run]) is run
    assert cost_of([run], "cuda") is None
    alone = run_cost(tmp_path / "alone", ["average"], side=32, repeats=1, progress=False)
    assert cost_table(alone).loc[0, "Parameters"] == cost_table(alone).loc[0, "GFLOP"] == "–"
    assert times_light(alone).empty
    assert cost_of([alone, run]) is run  # an older record, from before the light network, is not shown
    write_json(tmp_path / "run.json", run.info.model_dump() | {"kind": "baselines"})
    with pytest.raises(WdualmineError, match="holds a run of kind baselines; choose another folder"):
        run_cost(tmp_path, ["average"], progress=False)
    with pytest.raises(WdualmineError, match="unknown method 'median'"):
        run_cost(tmp_path, ["median"], progress=False)
    with pytest.raises(WdualmineError, match="side 0"):
        run_cost(tmp_path, ["average"], side=0)


def test_all_methods_have_a_cost_and_a_title() -> None:
    assert {"light", "w-dualmine", "ifcnn", "adafuse", "asfe-fusion", "average"} <= set(MEASURED)
    names = [title(name) for name in (*MEASURED, "adafuse-published", "light-0.5", "light-seed-2", *TRIVIAL)]
    assert len(set(names)) == len(names)
    assert not set(names) & set(MEASURED)
    assert title("densefuse-l1-retrained") == "DenseFuse, l1-norm (retrained)"
    assert title("detail-average-2-0.5-0.05").startswith("Average plus details (σ 2")
    assert title("another") == "another"


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
def two_rules() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wdualmine_book.systems.ghosting.trained_networks", lambda _: [])
        patch.setattr(
            "wdualmine_book.systems.ghosting.CLASSICAL", {n: CLASSICAL[n] for n in ("average", "maximum")}
        )
        yield


@pytest.fixture(scope="module")
def ghosts(tmp_path_factory: pytest.TempPathFactory, small_pairs: Path, two_rules: None) -> Run:
    folder = tmp_path_factory.mktemp("g") / "run"
    return record("ghosting", "ct-mri", folder, str(small_pairs), 1, progress=False)


def test_some_methods_are_measured_again_and_the_others_stay(
    ghosts: Run, two_rules: None, small_pairs: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(ghosts.folder, tmp_path / "run")
    table = pd.read_csv(folder / "ghosting.csv", dtype=str).assign(CC="0.5")
    retired = table[table["method"] == "maximum"].assign(method="maximum-retired")  # whose weights are gone
    table = pd.concat([table, retired])
    table.to_csv(folder / "ghosting.csv", index=False)
    again = partial(record, "ghosting", "ct-mri", folder, str(small_pairs), 1, False)
    with pytest.raises(WdualmineError, match="was altered"):
        again(only=["maximum"])
    sealed = json.loads((folder / "run.json").read_text())
    sealed["files"]["ghosting.csv"] = file_sha256(folder / "ghosting.csv")
    (folder / "run.json").write_text(json.dumps(sealed))
    run = again(only=["maximum"])
    assert not run.altered()
    assert [entry["methods"] for entry in run.info.kept] == [["average", "maximum-retired"]]  # type: ignore[attr-defined]
    own, before = (r.table("ghosting.csv").set_index("method") for r in (run, ghosts))
    assert set(own.loc[["average", "maximum-retired"], "CC"]) == {0.5}
    pd.testing.assert_frame_equal(own.loc["maximum"], before.loc["maximum"])
    first = run.info.kept[0]["code"]  # type: ignore[attr-defined]
    sealed = json.loads((folder / "run.json").read_text())
    sealed["code"]["commit"] = "later"
    (folder / "run.json").write_text(json.dumps(sealed))
    for _ in "12":
        kept = again(only=["average"]).info.kept  # type: ignore[attr-defined]
        assert [entry["methods"] for entry in kept] == [["maximum-retired"], ["maximum"]]
        assert [entry["code"]["commit"] for entry in kept] == [first["commit"], "later"]
    assert first == ghosts.info.code.model_dump()
    with pytest.raises(WdualmineError, match="--method sdmet: unknown here; choose from average, maximum"):
        again(only=["sdmet"])
    with pytest.raises(WdualmineError, match="audit records are made whole"):
        record("audit", "ct-mri", folder, str(small_pairs), 1, False, only=["average"])
    with pytest.raises(WdualmineError, match="leave out --method"):
        record("ghosting", "ct-mri", tmp_path / "none", str(small_pairs), 1, False, only=["maximum"])


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
    assert f"({changes.loc['maximum', ('shift', 'CC')]:+.3f})" in render_ghosting(ghosts)
    assert ghosting_extremes({}).empty
    row = ghosting_extremes({"ct-mri": ghosts}).loc["shift"]
    assert (row["amount"], row["unit"]) == (8, "pixels")
    assert row["CC_low"] == changes[("shift", "CC")].min()
    assert row["given_high"] == changes[("shift", "CC_given")].max()
    assert ghosting_runs([ghosts])["ct-mri"] is ghosts
    assert len(plot_ghosting(ghosts).axes[0].lines) == 2


def test_an_older_record_of_ghosting_shows_the_methods_that_are_still_here(
    ghosts: Run, tmp_path: Path
) -> None:
    frame = read_csv(ghosts.folder / "ghosting.csv")
    frame.loc[frame["method"] == "maximum", "method"] = "gone-retrained"
    write_csv(tmp_path / "ghosting.csv", frame)
    sealed = ghosts.info.files | seal(tmp_path, ["ghosting.csv"])
    write_json(tmp_path / "run.json", ghosts.info.model_dump(mode="json") | {"files": sealed})
    assert set(ghosting_table(load_run(tmp_path))["method"]) == {"average"}


def test_every_row_of_the_paper_is_within_a_hundredth_of_the_limit_of_correlation() -> None:
    """As the landing page says."""
    printed = paper_values().query("table <= 3 and metric == 'CC'")
    for task in TASKS:
        scores = read_csv(ROOT / "results" / "reference" / f"{task}-baselines" / "metrics.csv")
        limit = scores.loc[scores["method"] == LIMIT, "CC"].mean()
        gaps = limit - printed.loc[printed["task"] == task, "mean"]
        assert len(gaps) == 3
        assert gaps.between(0, 0.01).all()


def test_legends_are_inside_their_figures(ranked: dict[str, Run]) -> None:
    figures = [draw(run) for run in ranked.values() for draw in (plot_systems, plot_front)]
    figures += [plot_ghosting(run) for run in ghosting_runs().values()]
    for figure in figures:
        (legend,) = figure.legends or [figure.axes[0].get_legend()]
        box, page = legend.get_window_extent(), figure.bbox
        assert page.x0 <= box.x0 < box.x1 <= page.x1, figure.axes[0].get_title()
        assert page.y0 <= box.y0


def test_what_moves_is_what_is_said() -> None:
    spot = np.zeros((21, 21), np.uint8)
    spot[10, 14] = 200
    assert np.argwhere(moved(spot, "shift", 4) == 200).tolist() == [[14, 18]]
    top, left = np.unravel_index(moved(spot, "turn", 90).argmax(), spot.shape)
    assert (top, left) == (6, 10)  # from the right of the center to above it: to the left
    assert moved(spot, "turn", 0) is spot
