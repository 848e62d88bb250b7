"""A report as files: one page that needs nothing else, CSV and JSON."""

import math
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, StrictUndefined

from wdualmine import __version__
from wdualmine.background import BACKGROUND, BLACK
from wdualmine.errors import WdualmineError
from wdualmine.files import write_bytes
from wdualmine.metrics import METRICS
from wdualmine.records import now, read_json, write_csv, write_json
from wdualmine.report.command import Command
from wdualmine.report.figures import draw_figures, draw_pictures
from wdualmine.report.measure import Findings, title
from wdualmine.report.scores import REFERENCES
from wdualmine.report.words import verdict
from wdualmine.runtime import code_state

SCHEMA = 2
KIND = "report"
NONE = "–"


def write_report(findings: Findings, output: str | Path) -> Path:
    """Write ``report.html``, ``scores.csv``, ``comparisons.csv``, ``recovery.csv`` and ``report.json``.

    Returns:
        The page; an earlier report in the folder is replaced.

    Raises:
        WdualmineError: the folder holds something else, or cannot be written.
    """
    output = Path(output)
    check_output(output)
    sentences = {method.name: verdict(findings, method.name) for method in findings.judged}
    page = _page(findings, sentences)
    limits = findings.limits.rename(columns={key: f"{key}, limit" for key in ("CC", "PSNR")})
    write_csv(output / "scores.csv", findings.scores.merge(limits, on="pair"))
    write_csv(output / "comparisons.csv", findings.comparisons)
    recovery = output / "recovery.csv"
    if findings.recovery.empty:
        recovery.unlink(missing_ok=True)  # of an earlier report
    else:
        write_csv(recovery, findings.recovery)
    write_json(output / "report.json", _json(findings, sentences))
    write_bytes(output / "report.html", page.encode())
    return output / "report.html"


def check_output(output: Path) -> None:
    """Refuse a folder for the report that is a file, holds anything but a report, or cannot be written."""
    missing = []
    try:
        if output.exists() and not output.is_dir():
            raise WdualmineError(f"{output}: is a file; name a folder for the report with -o")
        if output.is_dir() and any(output.iterdir()):
            record = output / "report.json"
            if not record.is_file() or read_json(record).get("kind") != KIND:
                raise WdualmineError(f"{output}: holds other files; name an empty or new folder with -o")
        missing = [folder for folder in (output, *output.parents) if not folder.exists()]
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            pass
    except OSError as error:
        text = f"{output}: cannot be written ({error.strerror}); name another folder with -o"
        raise WdualmineError(text) from error
    finally:
        for folder in missing:  # it is left as it was
            with suppress(OSError):  # never made, or in use by now
                folder.rmdir()


def _json(findings: Findings, sentences: dict[str, list[str]]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "kind": KIND,
        "version": __version__,
        "code": code_state(__name__),
        "made": now(),
        "pairs": list(findings.files),
        "groups": dict(findings.groups.volumes),
        "group_source": findings.groups.source,
        "questions": findings.questions,
        "methods": [
            {
                "name": method.name,
                "stretched": findings.stretched[method.name],
                "command": method.fuse.text if isinstance(method.fuse, Command) else None,
                "says": sentences[method.name],
            }
            for method in findings.judged
        ],
        "metrics": {key: METRICS[key].conventions[0].name for key in findings.metrics},
        "limits": {key: _finite(findings.limits[key].mean()) for key in findings.limits.columns.drop("pair")},
        "means": [
            {
                "method": name,
                "stretch": stretch,
                "mean": {key: _finite(rows[key].mean(skipna=False)) for key in findings.metrics},
                "std": {key: _finite(_deviation(rows[key])) for key in findings.metrics},
            }
            for name, stretch, rows in _shown(findings, blends=True)
        ],
        "comparisons": _records(findings.comparisons),
        "recovery": _records(findings.recovery_summary),
        "undefined": list(chain.from_iterable(findings.undefined.values())),
        "misaligned": findings.misaligned,
        "continuity": findings.continuity,
        "rounded_to_8_bit": findings.reader.round_16_bit,
        "windows": findings.reader.windows,
    }


def _finite(value: Any) -> Any:
    """A value as JSON has it: no NaN and no infinity."""
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


def _records(frame: pd.DataFrame) -> list[dict]:
    return [{str(key): _finite(value) for key, value in row.items()} for row in frame.to_dict("records")]


def _deviation(values: pd.Series) -> float:
    """Their population standard deviation; NaN where one of them is missing or infinite."""
    return float(values.std(ddof=0)) if np.isfinite(values).all() else math.nan


def _shown(findings: Findings, blends: bool = False) -> Iterable[tuple[str, bool, pd.DataFrame]]:
    """Name, finish and rows of the judged methods, then of the baselines in each finish."""
    for method in findings.judged:
        yield method.name, findings.stretched[method.name], findings.rows(method.name)
    for stretch in sorted(set(findings.stretched.values())):
        own = findings.scores[findings.scores["stretch"] == stretch]
        judged = {method.name for method in findings.judged}
        for name in own["method"].unique():
            if name not in judged and (blends or name in REFERENCES):
                yield str(name), stretch, findings.rows(str(name), stretch)


def _page(findings: Findings, sentences: dict[str, list[str]]) -> str:
    names = [method.name for method in findings.judged]
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    template = environment.from_string((files("wdualmine.report") / "page.html").read_text(encoding="utf-8"))
    return template.render(
        heading=f"{', '.join(names)}: report on {findings.groups}",
        groups=findings.groups,
        questions=findings.questions,
        asked=findings.asked,
        made=f"Made by wdualmine {__version__}, {now()}.",
        verdicts=[{"name": name, "first": said[0], "rest": said[1:]} for name, said in sentences.items()],
        planes=findings.planes,
        scores=_scores_table(findings),
        undefined=list(chain.from_iterable(findings.undefined.values())),
        misaligned=findings.misaligned,
        reader=findings.reader,
        comparisons=_comparison_tables(findings),
        figures=draw_figures(findings),
        recovery=_recovery_table(findings),
        commanded=any(isinstance(method.fuse, Command) for method in findings.judged),
        background=_background_table(findings),
        black=BLACK,
        continuity=_continuity_table(findings),
        pictures=draw_pictures(findings),
        definitions=_definitions(findings),
    )


def _table(caption: str, frame: pd.DataFrame, text: bool = False) -> dict[str, Any]:
    """What the page's template makes a table of; text says whether the cells are words."""
    return {"caption": caption, "columns": list(frame), "rows": frame.to_numpy().tolist(), "text": text}


def _scores_table(findings: Findings) -> dict[str, Any]:
    """A row per metric, a column per method, the limit last."""
    columns = {"Metric": [f"{key} {METRICS[key].arrow}" for key in findings.metrics]}
    for name, stretch, rows in _shown(findings):
        columns[title(name, stretch)] = [_spread(rows[key]) for key in findings.metrics]
    limits = findings.limits.drop(columns="pair").mean()
    columns["Limit"] = [_number(limits.get(key, math.nan)) for key in findings.metrics]
    return _table("Scores", pd.DataFrame(columns))


def _comparison_tables(findings: Findings) -> list[dict[str, Any]]:
    tables = []
    for (method, against), compared in findings.comparisons.groupby(["method", "against"], sort=False):
        rows = [
            {
                "Metric": f"{row['metric']} {METRICS[row['metric']].arrow}",
                "Mean difference": f"{row['difference']:+.4f}",
                "95 % interval": f"{row['low']:+.4f} to {row['high']:+.4f}"
                if row["low"] <= row["high"]
                else NONE,
                "Better on": f"{row['wins']} of {findings.groups.count}",
                "p": "< 0.001" if row["p_corrected"] < 0.001 else _number(row["p_corrected"], 3),
                "Detectable": _number(row["detectable"]),
            }  # the tested ones first
            for row in compared.sort_values("p", key=pd.isna, kind="stable").to_dict("records")
        ]
        tables.append(_table(f"{method} against {title(str(against))}", pd.DataFrame(rows)))
    return tables


def _recovery_table(findings: Findings) -> dict[str, Any] | None:
    if findings.recovery_summary.empty:
        return None
    summary = findings.recovery_summary
    table = summary.pivot(index=["method", "source"], columns="statistic", values=["value", "share"])
    table = table.reindex(summary["method"].unique(), level="method")
    counts = findings.recovery.groupby(["method", "source"]).size()
    rows = [
        {
            "Method": title(method),
            "Signals in": f"source {source.upper()}",
            "Number": str(counts[method, source]),
            "Found": f"{row['value', 'search']:.0%}",
            "Of what the source alone shows": _share(row["share", "search"]),
            "d'": f"{row['value', 'detectability']:.2f}",
            "Contrast left": f"{row['value', 'recovery']:.2f}",
            "Lost": f"{row['value', 'lost']:.0%}",
        }
        for (method, source), row in zip(table.index, table.to_dict("records"), strict=True)
    ]
    return _table("Signal recovery", pd.DataFrame(rows))


def _continuity_table(findings: Findings) -> dict[str, Any] | None:
    rows = [{"Volume": name, "IFD_MI (bit)": _number(value)} for name, value in findings.continuity.items()]
    return _table("Continuity across slices", pd.DataFrame(rows)) if rows else None


def _share(value: float) -> str:
    return NONE if math.isnan(value) else f"{value:.0%}"


def _background_table(findings: Findings) -> dict[str, Any]:
    rows = []
    for name, stretch, own in _shown(findings):
        share, mean, nonzero = (own[column].mean() for column in BACKGROUND)
        row = {
            "Method": title(name, stretch),
            "Background": f"{share:.0%}",
            "Not black": _share(nonzero),
            "Mean level": _number(mean, 2),
        }
        for key in ("EN", "SSIM"):
            if key in findings.metrics:
                row[key] = _number(own[key].mean(skipna=False))
                row[f"{key}, black background"] = _number(own[f"{key}, black"].mean(skipna=False))
        rows.append(row | {"Distance to average": _number(own["from_average"].mean(), 2)})
    return _table("Background and finish", pd.DataFrame(rows))


def _definitions(findings: Findings) -> dict[str, Any]:
    rows = [
        {
            "Metric": metric.key,
            "Name": metric.name,
            "Convention": metric.conventions[0].name,
            "Scored on": "RGB" if metric.color else "grey",
            "Unit": metric.unit or NONE,
            "Range": " to ".join(f"{bound:.4g}".replace("inf", "∞") for bound in metric.range),
            "Used by; source": f"{metric.conventions[0].used_by}. {metric.source}",
        }
        for metric in map(METRICS.__getitem__, findings.metrics)
    ]
    return _table("Definitions", pd.DataFrame(rows), text=True)


def _spread(values: pd.Series) -> str:
    mean = values.mean(skipna=False)
    return f"{mean:.4f} ± {_deviation(values):.4f}" if math.isfinite(mean) else _number(mean)


def _number(value: float, decimals: int = 4) -> str:
    return f"{value:.{decimals}f}" if math.isfinite(value) else "∞" if value > 0 else NONE
