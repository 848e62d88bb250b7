"""The book: that what it says about the package is true, and that its pages work in a browser.

Those with ``built_book`` build it with the smoke preset and open each page in headless Chromium
at desktop and phone width, cut off from any other host.
"""

import functools
import json
import math
import os
import re
import shlex
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
import yaml
from browsing import INSPECT, WIDTHS, watch
from scripts import load_script

from wdualmine.data import SPLITS, TASKS, read_manifest
from wdualmine.experiments import PRESETS
from wdualmine.methods import LIGHT
from wdualmine.methods.learned import network_of, parameters
from wdualmine.metrics import PAPER_METRICS
from wdualmine.model import ModelConfig
from wdualmine_book.audit.tables import audit_runs, average_gaps, paper_row
from wdualmine_book.records import reference_runs
from wdualmine_book.recovery.tables import (
    DETAILS,
    best_of,
    color_table,
    correlation,
    rankings,
    recovery_runs,
    wide,
)

BOOK = Path(__file__).resolve().parents[2] / "book"
TOC = yaml.safe_load((BOOK / "_toc.yml").read_text())
PAGES = [TOC["root"], *(chapter["file"] for part in TOC["parts"] for chapter in part["chapters"])]


# ----------------------------------------------------------------------------------------------------
# The sources


def console_blocks() -> list[str]:
    """Give the text of each block of commands that the pages and notebooks show."""
    notebooks = sorted((BOOK.parent / "notebooks").glob("*.ipynb"))
    cells = [cell for path in notebooks for cell in nbformat.read(path, as_version=4).cells]
    texts = [path.read_text() for path in sorted(BOOK.glob("*.md"))]
    texts += [cell.source for cell in cells if cell.cell_type == "markdown"]
    return [block for text in texts for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL)]


def console_lines(program: str) -> list[list[str]]:
    """Give the arguments of each command of a program that is shown."""
    commands = []
    for part in re.split(r"\n|&&", "\n".join(console_blocks())):
        words = shlex.split(part.removeprefix("$ "), comments=True)
        if words and words[0].removeprefix(".venv/bin/") == program:
            commands.append(words[1:])
    return commands


@pytest.mark.parametrize(
    ("program", "arguments"),
    [(name, line) for name in ("wdualmine", "wdualmine-book") for line in console_lines(name)],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_commands_shown_are_commands_of_the_program(program: str, arguments: list[str]) -> None:
    import typer

    module = {"wdualmine": "wdualmine.cli", "wdualmine-book": "wdualmine_book.__main__"}[program]
    command: Any = typer.main.get_command(import_module(module).app)
    name = program
    while True:
        # Raises at an unknown option, a missing argument or a value that is no choice; runs nothing.
        context = command.make_context(name, list(arguments))
        if not hasattr(command, "resolve_command"):
            break
        name, command, arguments = command.resolve_command(context, [*context._protected_args, *context.args])


def test_commands_shown_fit_a_desktop() -> None:
    """A page of 1,280 pixels shows 90 characters of a command in a line."""
    assert [line for block in console_blocks() for line in block.splitlines() if len(line) > 90] == []


def test_notebook_parameters_shown_are_parameters_of_the_notebooks() -> None:
    papermill = pytest.importorskip("papermill")
    commands = [words[1:] for words in console_lines("python") if words[0] == "notebooks/run.py"]
    assert commands
    for notebook, _, *settings in commands:
        known = papermill.inspect_notebook(str(BOOK.parent / "notebooks" / notebook))
        assert {setting.split("=")[0] for setting in settings} <= set(known), notebook


def test_choices_name_the_default_widths() -> None:
    widths = ", ".join(map(str, ModelConfig().widths))
    assert f"- {widths};" in (BOOK / "method.md").read_text()


def test_equations_are_those_of_the_paper_in_order() -> None:
    """Sphinx numbers the labelled equations of a page in their order, which so gives the paper's numbers."""
    labels = re.findall(r"\$\$ \((.*?)\)", (BOOK / "method.md").read_text())
    assert labels == [f"eq-{number}" for number in range(1, 18)]


def test_what_the_paper_does_not_give_is_not_called_its_own() -> None:
    """The paper states no widths, and its FMI is not the one here."""
    root = BOOK.parent
    texts = [*BOOK.glob("*.md"), *root.glob("*.md"), *(root / "notebooks").glob("*.ipynb")]
    texts += [
        *(root / "wdualmine").rglob("*.py"),
        *(root / "wdualmine").rglob("*.md"),
        *(root / "results").rglob("*.md"),
    ]
    for path in texts:
        words = " ".join(path.read_text().split())
        assert "paper's widths" not in words, path
        assert "five metrics of the paper it is the paper's" not in words, path
    assert "but not in FMI" in " ".join((BOOK / "data.md").read_text().split())


@pytest.mark.parametrize(
    "name", ["results", "figures", "audit", "studies", "metrics", "recovery", "comparison", "scans"]
)
def test_every_page_of_results_opens_with_its_conclusion(name: str) -> None:
    cells = nbformat.read(BOOK.parent / "notebooks" / f"{name}.ipynb", as_version=4).cells
    hidden = ("remove-cell", "parameters")
    shown = [cell for cell in cells[1:] if not set(hidden) & set(cell.metadata.get("tags", ()))]
    assert "Markdown(" in shown[0].source, "the first thing shown is a computed sentence"
    tags = shown[0].metadata.get("tags", ())
    assert "hide-input" not in tags, "no folded code before the first words"


def test_training_is_one_page_with_a_section_a_task(tmp_path: Path) -> None:
    paths = {}
    for heading in ("CT-MRI", "PET-MRI"):
        cells = [
            nbformat.v4.new_markdown_cell("# Train on one task\n\nHow.", id="train-0"),
            nbformat.v4.new_markdown_cell("[Open in Colab](x)", id="launch"),
            nbformat.v4.new_code_cell(f"# no heading\ntask = {heading!r}", id="train-1"),
            nbformat.v4.new_markdown_cell("## Training\n\nText.", id="train-3"),
        ]
        paths[heading] = tmp_path / f"{heading}.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=cells), paths[heading])
    parts = [f"{heading}={path}" for heading, path in paths.items()]
    load_script(BOOK / "merge.py").main(["Training", str(tmp_path / "out.ipynb"), *parts])
    merged = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    nbformat.validate(merged)
    lines = [cell.source.split("\n")[0] for cell in merged.cells]
    once = ["# no heading", "### Training"]
    assert lines == ["# Training", "[Open in Colab](x)", "## CT-MRI", *once, "## PET-MRI", *once]
    assert "".join(cell.source for cell in merged.cells).count("Text.") == 1, "words once"
    assert len({cell.id for cell in merged.cells}) == len(merged.cells)


def test_no_result_is_typed_by_hand() -> None:
    """A score has four decimals; in the pages such numbers come from notebooks only."""
    for page in BOOK.glob("*.md"):
        assert not re.findall(r"\d\.\d{4}", page.read_text()), page.name


# ----------------------------------------------------------------------------------------------------
# The built pages, as files


def parse(html: Path, page: str) -> Any:
    """Parse a built page."""
    bs4 = pytest.importorskip("bs4")
    return bs4.BeautifulSoup((html / f"{page}.html").read_text(), "html.parser")


@pytest.fixture(scope="module")
def smoke_book(built_book: Path) -> Path:
    """The book of the smoke preset on the phantom, and no other."""
    if "WDUALMINE_BOOK" in os.environ:
        pytest.skip("WDUALMINE_BOOK names a book of another preset or data")
    return built_book


@pytest.mark.parametrize("page", PAGES)
def test_no_object_is_printed_for_what_it_should_show(built_book: Path, page: str) -> None:
    article = parse(built_book, page).select_one("article").get_text()
    assert not re.findall(r"<[\w.]+ (?:object|at 0x)[^>]*>|Traceback \(most recent", article)


def test_the_page_of_the_package_has_all_that_it_offers(built_book: Path) -> None:
    page = parse(built_book, "api")
    for package in ("data", "metrics", "methods", "report"):
        module = import_module(f"wdualmine.{package}")
        for name in filter(lambda name: callable(getattr(module, name)), module.__all__):
            entry = page.find(id=f"wdualmine.{package}.{name}")
            assert entry, f"{package}.{name}"
            assert entry.find_next_sibling("dd").get_text(strip=True), f"{name} has no words"
    signatures = [entry.get_text() for entry in page.select("dt.sig")]
    assert any("NDArray[uint8]" in text for text in signatures)
    assert not [text for text in signatures if "~" in text or "<factory>" in text]


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_loaded_from_outside_and_no_link_is_broken(built_book: Path, page: str) -> None:
    soup = parse(built_book, page)
    loaded = [tag["src"] for tag in soup.find_all(src=True)]
    loaded += [tag["href"] for tag in soup.find_all("link", href=True)]
    assert not [url for url in loaded if urlsplit(url).scheme not in ("", "data") or urlsplit(url).netloc]
    assert not re.search(r"(@import|url\()\s*['\"]?(https?:)?//", str(soup.find_all("style")))
    links = loaded + [tag["href"] for tag in soup.find_all("a", href=True)]
    here, ids = built_book / page, anchors(built_book / f"{page}.html")
    for url in links:
        parts = urlsplit(url)
        if not parts.scheme and parts.path:
            target = here.parent / unquote(parts.path)
            assert target.exists(), url
            if parts.fragment and target.suffix == ".html":
                assert unquote(parts.fragment) in anchors(target), url
        elif not parts.scheme and parts.fragment:
            assert unquote(parts.fragment) in ids, url


@functools.cache
def anchors(page: Path) -> set[str]:
    """The places of a built page that a link can lead to."""
    return set(re.findall(r'\bid="([^"]+)"', page.read_text()))


def test_style_sheets_load_nothing_from_outside(built_book: Path) -> None:
    for sheet in built_book.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*['\"]?(https?:)?//", sheet.read_text()), sheet


def test_the_three_tables_are_filled_from_this_build(smoke_book: Path) -> None:
    tables = parse(smoke_book, "runs/results").select("table.comparison")
    tables = [table for table in tables if "AdaFuse" in table.text]
    assert len(tables) == len(TASKS)
    for table in tables:
        head, *rows = ([cell.get_text(strip=True) for cell in row(["th", "td"])] for row in table("tr"))
        paper, build = head.index("Paper"), next(i for i, title in enumerate(head) if "This build" in title)
        assert "smoke" in head[build]
        assert "phantom" in head[build]
        for method, columns in {
            "AdaFuse": [paper],
            "W-DUALMINE": [paper, build],
            "W-DUALMINE, untrained": [build],
            "Average, stretched": [build],
        }.items():
            cells = [row[column] for row in rows for column in columns if row[0] == method]
            assert len(cells) == len(columns) * len(PAPER_METRICS), method
            assert all(re.fullmatch(r"\d+\.\d{4} ± \d+\.\d{4}", cell) for cell in cells), cells


def test_every_number_of_the_first_page_is_one_of_the_committed_records(built_book: Path) -> None:
    """The landing page of a book built on the phantom shows no number of the phantom."""
    page = parse(built_book, "index")
    article = page.select_one("article").get_text(" ", strip=True)
    audits, ranked = audit_runs(reference_runs()), rankings(recovery_runs())
    gaps = average_gaps(audits)
    more = [100 * gaps.loc["MI", task] / paper_row(task)["MI"] for task in TASKS]
    light = [correlation(run)["average"] - correlation(run)[LIGHT.name] for run in ranked.values()]
    colored = [own for own in map(color_table, ranked.values()) if len(own)]
    numbers = [
        *(f"{value(paper_row(task)['CC'] for task in TASKS):.2f}" for value in (min, max)),
        f"{math.ceil(1e4 * gaps.loc['CC'].abs().max() + 0.5) / 1e4}",  # the paper prints four decimals
        *(f"{value(more):.0f}" for value in (min, max)),
        *(f"{value(light):.4f}" for value in (min, max)),
        *(f"{100 * own.loc[name, 'color']:.0f}" for own in colored for name in (LIGHT.name, "average")),
    ]
    methods = ["average", "w-dualmine", "", LIGHT.name]  # "" is the best rule
    marks = [
        [
            f"{100 * wide(run, 'search', 'share').loc[method or best_of(run, DETAILS), 'a']:.0f}"
            for run in ranked.values()
        ]
        for method in methods
    ]
    table = [[cell.get_text() for cell in row("td")[1:]] for row in page.select("article table tbody tr")]
    assert table == marks
    numbers += [number for row in marks for number in row]
    assert min(more) > 0
    shown = article[article.index("What we found.") : article.index("What we could not do.")]
    typed = ["100", f"{parameters(network_of(LIGHT)):,}"]
    found = re.findall(r"(?<![\w.,])[+-]?\d+(?:[.,]\d+)*", shown)
    assert set(found) == {*numbers, *typed}
    assert len(article.split()) < 260, "about 120 words, besides formulas and captions"


def test_first_page_says_whom_to_cite() -> None:
    cite = yaml.safe_load((BOOK.parent / "CITATION.cff").read_text())
    words = " ".join((BOOK / "index.md").read_text().split())
    date = cite["date-released"]
    version = f"Version {cite['version']}, {date.day} {date:%B %Y}"
    assert f"{cite['authors'][0]['name']}. {version}. [How to cite](#citing)." in words


def test_results_say_that_the_numbers_of_the_phantom_are_its_own(smoke_book: Path) -> None:
    article = parse(smoke_book, "runs/results").select_one("article").get_text(" ", strip=True)
    assert "This build ran on other images (phantom)" in article


def test_the_book_holds_no_pair_but_the_phantoms(smoke_book: Path) -> None:
    script = (smoke_book / "web" / "page.js").read_text().partition(";\n")[0]
    contents = json.loads(script.removeprefix("globalThis.wdualmineContents = "))
    assert {example["data"] for example in contents["examples"]} == {"phantom"}


def test_second_figure_draws_the_network_of_its_preset(built_book: Path) -> None:
    text = parse(built_book, "runs/figures").get_text()
    widths = ", ".join(map(str, PRESETS["paper"].model.widths))
    assert f"a network of widths {widths}, batches of {PRESETS['paper'].schedule.batch_size}" in text


@pytest.mark.parametrize("page", PAGES)
def test_no_path_of_the_machine_that_built_it(built_book: Path, page: str) -> None:
    """The book's folder lies three levels below the repository that built it."""
    sources = [built_book / f"{page}.html", *(built_book / "_sources").glob(f"{page}.*")]
    for path in sources:
        text = path.read_text()
        for place in (str(built_book.parents[2]), str(BOOK.parent), f"{Path.home()}/"):
            assert place not in text, path


def test_data_page_counts_the_pairs_of_the_manifest(built_book: Path) -> None:
    cells = [[c.get_text(strip=True) for c in row(["th", "td"])] for row in parse(built_book, "data")("tr")]
    for task in TASKS.values():
        counts = Counter(entry.split for entry in read_manifest(tasks=[task.key]) if entry.modality == task.a)
        assert [task.folder, *(str(counts[split]) for split in SPLITS)] in cells


def test_equation_numbers_are_those_of_the_paper(built_book: Path) -> None:
    soup = parse(built_book, "method")
    for number in range(1, 18):
        assert f"({number})" in soup.find(id=f"equation-eq-{number}").find(class_="eqno").text


# ----------------------------------------------------------------------------------------------------
# The built pages, in a browser


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS.keys())
@pytest.mark.parametrize("page", PAGES)
def test_page_works_in_a_browser(browser: Any, site: str, page: str, width: int) -> None:
    tab = browser.new_page()
    tab.set_viewport_size({"width": width, "height": 844})
    seen = watch(tab)
    try:
        tab.goto(f"{site}/{page}.html")
        tab.wait_for_load_state("networkidle")
        found = tab.evaluate(INSPECT)
        tab.wait_for_load_state("networkidle")
    finally:
        tab.close()
    assert seen == []
    assert found.pop("width") <= width, "the page scrolls sideways"
    height = found.pop("height")
    if width == WIDTHS["phone"]:
        assert height < (3000 if page == "index" else 8000), "too long for a phone"
    assert found.pop("title")
    assert found.pop("math") >= {"method": 17, "data": 5}.get(page, 0)
    assert {name: value for name, value in found.items() if value} == {}
