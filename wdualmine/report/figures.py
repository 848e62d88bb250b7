"""What a report shows: scores pair by pair, the plane of two metrics, and the best and the worst images."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from wdualmine.data.color import to_grey
from wdualmine.methods import average
from wdualmine.metrics import METRICS
from wdualmine.report.measure import ALONE, LINE, Findings, title
from wdualmine.report.scores import REFERENCES, finished
from wdualmine.report.style import COLORS, DIVERGING, LINES, WIDTH, render_figure, styled
from wdualmine.report.words import compared

#: Drawn pair by pair, as far as they are scored; others where none of them is.
CURVES = ("CC", "PSNR", "MI", "EN", "Qabf", "SSIM")
#: Drawn against CC, as far as they are scored.
PLANE = ("MI", "Qabf")
#: The longest side of a picture on the page, in pixels.
PICTURE = 512


def _label(name: str) -> str:
    """A name as matplotlib prints it, whose dollar signs would start a formula."""
    return name.replace("$", r"\$")


def _metric(key: str) -> str:
    return f"{key} ({unit})" if (unit := METRICS[key].unit) else key


@styled
def plot_differences(findings: Findings) -> Figure:
    """Draw each judged method's difference to the average in its finish, pair by pair, a panel per metric."""
    keys = [key for key in CURVES if key in findings.metrics] or list(findings.metrics[: len(CURVES)])
    columns = min(2, len(keys))
    rows = -(-len(keys) // columns)
    size = (WIDTH, 2.2 * rows + 0.4)
    figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    names = list(findings.files)
    for axes, key in zip(grid.flat, keys, strict=False):
        for number, method in enumerate(findings.judged):
            axes.plot(
                range(1, len(names) + 1), findings.gains(method.name, key)[names],
                color=COLORS[number % len(COLORS)], linestyle=LINES[number % len(LINES)], marker="o",
                markersize=3, label=_label(method.name),
            )  # fmt: skip
        axes.axhline(0, color="0.3", linewidth=0.8)
        axes.set(title=_metric(key), xlabel="pair")
        axes.grid(True)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in grid.flat[len(keys) :]:
        axes.set_axis_off()
    figure.legend(*grid.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


@styled
def plot_plane(findings: Findings, keys: Sequence[str]) -> Figure:
    """Draw the methods' means in the plane of CC and each of some metrics, with the line of blends."""
    figure, grid = plt.subplots(1, len(keys), figsize=(WIDTH, 3.4), squeeze=False, layout="constrained")
    for axes, key in zip(grid.flat, keys, strict=True):
        for stretch, color in ((True, "0.55"), (False, "0.75")):
            if stretch not in findings.stretched.values():
                continue
            means = np.array([findings.means(name, stretch)[["CC", key]] for name in LINE])
            finish = "stretched" if stretch else "not stretched"
            axes.plot(*means.T, color=color, marker=".", label=f"blends, average to maximum, {finish}")
            pyramid = findings.means(REFERENCES[2], stretch)[["CC", key]]
            axes.scatter(*pyramid, marker="s", color=color, label=f"{title(REFERENCES[2])}, {finish}")
        for number, method in enumerate(findings.judged):
            axes.scatter(
                *findings.means(method.name)[["CC", key]], color=COLORS[number % len(COLORS)], s=48,
                marker="o^vDP*X"[number % 7], edgecolor="black", linewidth=0.5, zorder=3,
                label=_label(method.name),
            )  # fmt: skip
        limit = findings.limits["CC"].mean()
        axes.axvline(limit, color="0.3", linestyle="--", linewidth=1, label="limit of CC")
        axes.set(xlabel="CC, mean", ylabel=f"{_metric(key)}, mean")
        axes.grid(True)
        axes.margins(0.1)
    figure.legend(*grid.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def draw_figures(findings: Findings) -> list[dict[str, str]]:
    """Draw the figures: the source, as a page has it inside, and the caption of each."""
    shown = [key for key in CURVES if key in findings.metrics] or findings.metrics[: len(CURVES)]
    differences = (
        f"Difference to the average of the sources in {', '.join(shown)}, pair by pair, sorted by name."
    )
    drawn = [(plot_differences(findings), differences)]
    if plane := [key for key in PLANE if {key, "CC"} <= set(findings.metrics)]:
        caption = (
            "Means over the pairs. The line joins blends from the average (high CC) to the pixelwise "
            "maximum; a method below it could be replaced by a blend. No image can be to the right of the "
            "dashed line."
        )
        drawn.append((plot_plane(findings, plane), caption))
    sources = []
    for figure, caption in drawn:
        content = render_figure(figure, "svg")
        plt.close(figure)
        sources.append({"source": _inlined(content, "image/svg+xml"), "caption": caption})
    return sources


def draw_pictures(findings: Findings) -> list[dict[str, Any]]:
    """Show each method's best and worst pair: sources, average, every method's image, and a map."""
    shown = []
    for method in findings.judged:
        key, gains = gains_by_pair(findings, method.name)
        for name in dict.fromkeys((str(gains.idxmax()), str(gains.idxmin()))):
            side = f"{abs(gains[name]):.4f} {'better' if gains[name] > 0 else 'worse'} than the average's"
            headline = f"{method.name}, pair {name}{f': {key} is {side}' if key and gains[name] else ''}"
            shown.append({"title": headline, "images": _pictures_of(findings, name, method.name)})
    return shown


def gains_by_pair(findings: Findings, method: str) -> tuple[str, pd.Series]:
    """Return a metric, and by how much a method is better than the average in it on each pair.

    The metric is the one whose difference is the largest in standard errors, of those that are tested and
    look at the sources, too, as far as there are any; empty, with gains of 0, where nothing can be compared.
    """
    rows = compared(findings, method, "average")
    tested = rows[rows["p"].notna()]
    decisive = tested[~tested["metric"].isin(ALONE)]
    rows = next((some for some in (decisive, tested) if len(some)), rows).set_index("metric")
    if rows.empty:
        return "", pd.Series(0.0, index=list(findings.files))
    key = str((rows["difference"].abs() / rows["error"]).fillna(0).idxmax())
    return key, findings.gains(method, key) * METRICS[key].sign


def _pictures_of(findings: Findings, name: str, method: str) -> list[dict[str, str]]:
    """Show a pair, with a map of what one method makes of it less the average in the same finish."""
    paths = findings.files[name]
    pair = findings.reader.pair(name, paths)
    averages = {stretch: finished(pair, average, stretch) for stretch in set(findings.stretched.values())}
    fused = {
        judged.name: findings.reader.image(path)
        for judged, path in zip(findings.judged, paths[2:], strict=True)
    }
    greys = to_grey(fused[method]), to_grey(averages[findings.stretched[method]])
    difference = greys[0].astype(float) - greys[1]
    limit = max(float(np.percentile(np.abs(difference), 99.5)), 1.0)
    colored = plt.get_cmap(DIVERGING)(difference / limit / 2 + 0.5, bytes=True)[..., :3]
    images = {
        "source A": pair.image_a,
        "source B": pair.image_b,
        **{title("average", stretch): image for stretch, image in sorted(averages.items())},
        **fused,
        f"{method} less the average, blue to red: -{limit:.0f} to {limit:.0f} grey levels": colored,
    }
    return [
        {
            "source": inline_picture(Image.fromarray(image)),
            "caption": caption,
            "alt": f"Pair {name}, {caption}",
        }
        for caption, image in images.items()
    ]


def inline_picture(picture: Image.Image) -> str:
    """Return a picture, made small enough, as a page has it inside."""
    picture.thumbnail((PICTURE, PICTURE))
    content = io.BytesIO()
    picture.save(content, "PNG", optimize=True)
    return _inlined(content.getvalue(), "image/png")


def _inlined(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
