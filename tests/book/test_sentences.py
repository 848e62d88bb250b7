"""Every sentence that a notebook computes follows the records: no number is typed, other records give others.

The records themselves are sealed: a changed one is refused when it is read (``test_records.py``).
"""

import ast
import functools
import gc
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import IPython.display
import nbformat
import numpy as np
import pandas as pd
import pytest

import wdualmine.records
from wdualmine.recovery.summary import LOST
from wdualmine_book import preflight
from wdualmine_book.recovery.study import choice_trainings
from wdualmine_book.recovery.tables import GOALS
from wdualmine_book.statistics import MARGIN

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
PAGES = ("results", "audit", "recovery", "comparison", "scans", "studies", "metrics", "figures")
#: Numbers with a decimal point, and shares.
NUMBER = re.compile(r"(?<![\w.,-])[+-]?\d+(?:\.\d+(?:e-?\d+)?(?!\.?\d)| ?%)")
#: Sections of the paper, sizes, levels, limits and goals, which no table holds; the margin has its own test.
SIZES = {name: run.info.parameters or 1 for name, run in choice_trainings().items()}
SET = {"2.3", "3.6", "95 %", "95%", "0.05", f"{LOST}", f"{SIZES['light-large'] / SIZES['light-same']:.1f}"}
SET |= {f"{most}" for most in MARGIN.values()} | {f"{abs(goal)}" for goal in GOALS}


def cells(name: str) -> Iterator[Any]:
    """The code cells of a notebook that say something."""
    for cell in nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells:
        drawn = "image" in cell.metadata.get("mystnb", {}) and "Markdown(" not in cell.source
        if cell.cell_type == "code" and cell.id != "setup" and not drawn and "plot_steps(" not in cell.source:
            yield cell


def forget() -> None:
    """Clear every cache, so that records are read anew."""
    for cached in gc.get_objects():
        if type(cached) is functools._lru_cache_wrapper:
            cached.cache_clear()


@pytest.fixture(autouse=True)
def unaltered() -> Iterator[None]:
    """Leave nothing altered to the tests after this one."""
    yield
    forget()


def told(name: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run a notebook here, without its pictures; return the sentences that it shows and glues."""
    forget()
    said: list[str] = []

    def keep(*shown: Any, **_: Any) -> None:
        said.extend(
            thing.data
            for thing in shown
            if isinstance(thing, IPython.display.Markdown) and not thing.data.startswith("<details")
        )

    monkeypatch.setattr(IPython.display, "display", keep)
    monkeypatch.setattr(
        preflight, "glue", lambda _, value: said.append(value) if isinstance(value, str) else None
    )
    names: dict[str, Any] = {}
    for cell in cells(name):
        tree = ast.parse(cell.source)
        for node in tree.body:
            if isinstance(node, ast.Expr):
                keep(eval(compile(ast.Expression(node.value), name, "eval"), names))
            else:
                exec(compile(ast.Module([node], []), name, "exec"), names)
            pictures = [key for key in names if key.startswith("plot_") or key == "show"]
            names |= dict.fromkeys(pictures, lambda *_, **__: None)
    return said


def altered(read: Callable[..., pd.DataFrame], seed: int = 0) -> Callable[..., pd.DataFrame]:
    """Read tables of other numbers; those of a pair change alike, so that near methods stay near."""

    def read_other(*arguments: Any, **options: Any) -> pd.DataFrame:
        frame = read(*arguments, **options)
        wide = "pair" in frame and not {"statistic", "slices"} & set(frame)  # a row a pair of images
        groups = frame["pair"].factorize()[0] if wide else np.arange(len(frame))
        for column in frame.select_dtypes("float"):
            draw = np.random.default_rng(zlib.crc32(str(column).encode()) + seed)
            frame[column] *= draw.uniform(1.1, 1.4) * draw.uniform(0.7, 1.3, len(frame))[groups]
        return frame

    return read_other


@pytest.mark.full
@pytest.mark.parametrize("name", PAGES)
def test_every_number_of_a_sentence_follows_the_records(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WDUALMINE_DATA", "phantom")
    monkeypatch.chdir(tmp_path)  # no runs of this machine
    said = told(name, monkeypatch)
    assert said
    assert not [sentence for sentence in said if re.search(r"\bnan\b|-0\.0+\b|\bNone\b", sentence)]
    monkeypatch.setattr(wdualmine.records, "isclose", lambda *_, **__: True)
    read = pd.read_csv
    monkeypatch.setattr(pd, "read_csv", altered(read))
    others = told(name, monkeypatch)
    assert not [sentence for sentence in said if set(NUMBER.findall(sentence)) - SET and sentence in others]
    if same := set(exact(said)) & set(exact(others)) - SET:  # by chance, unless they stay the same again
        monkeypatch.setattr(pd, "read_csv", altered(read, seed=1))
        assert not same & set(exact(told(name, monkeypatch))), "of no record"


def exact(said: Iterable[str]) -> Iterator[str]:
    """The numbers of three digits, or of two and four decimals: others may come out the same by chance."""
    for number in NUMBER.findall(" ".join(said)):
        whole, _, decimals = number.partition("e")[0].partition(".")
        digits = (whole.lstrip("+-") + decimals).lstrip("0")
        if len(digits) > (1 if len(decimals) > 3 else 2) and decimals:
            yield number


@pytest.mark.parametrize("name", PAGES)
def test_no_number_of_a_sentence_is_typed(name: str) -> None:
    strings = [
        node.value
        for cell in cells(name)
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    assert not set(NUMBER.findall(" ".join(strings))) - SET
