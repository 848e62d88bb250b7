"""The names of VIFB and MEFB: each is one of our metrics in a convention that it has."""

import pytest

from wdualmine.metrics import METRICS
from wdualmine_book.metrics.benchmarks import BENCHMARKS, benchmark_names


@pytest.mark.parametrize(("benchmark", "size"), [("VIFB", 13), ("MEFB", 20)])
def test_every_name_is_a_metric_and_a_convention(benchmark, size):
    entries = BENCHMARKS[benchmark]
    assert len({entry.name for entry in entries}) == len(entries) == size
    for entry in entries:
        assert entry.convention in {convention.name for convention in METRICS[entry.key].conventions}


def test_the_table_has_a_row_a_name():
    table = benchmark_names()
    assert len(table) == 33
    assert set(table["Better"]) == {"higher", "lower"}
    lower = set(table.loc[table["Better"] == "lower", "Name there"])
    assert lower == {"CE", "RMSE", "Qcv", "QCV"}
