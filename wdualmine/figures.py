"""Figures, drawn from records and networks when the book is built; none is stored in the repository."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from wdualmine.data import Pair
from wdualmine.fusion import fuse_images, luma_tensor
from wdualmine.methods import CLASSICAL, fuse_with
from wdualmine.model import WDualMine

TERMS = {
    "average": "average content, Eq. 13",
    "gradient": "gradient maximum, Eq. 14",
    "correlation": "correlation, Eq. 15",
    "mutual_information": "mutual information, Eq. 16",
    "reconstruction": "reconstruction, Eq. 17",
    "residual": "mean |tanh R|, Eq. 11",
}
_STYLES = ("-", "--", ":", "-.", (0, (5, 1)), (0, (1, 1)))


def plot_log(log: pd.DataFrame) -> Figure:
    """Draw each loss term and the residual over the epochs, relative to the first epoch.

    Args:
        log: a run's ``log.csv``.
    """
    figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
    colors = plt.get_cmap("cividis")(np.linspace(0, 0.9, len(TERMS)))
    for (name, label), color, style in zip(TERMS.items(), colors, _STYLES, strict=True):
        axes.plot(
            log["epoch"], log[name] / log[name].iloc[0], linestyle=style, color=color, label=label, lw=2
        )
    axes.set_xlabel("epoch")
    axes.set_ylabel("value relative to epoch 1")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return figure


def plot_pair(pair: Pair, model: WDualMine, modalities: Sequence[str] = ("A", "B")) -> Figure:
    """Show a pair, its average, its fusion by a network, and what the network adds to the average.

    Both results are stretched as the paper's protocol does; the residual is shown in its own range.
    """
    fused = fuse_images(pair.image_a, pair.image_b, fuse_with(model))
    average = fuse_images(pair.image_a, pair.image_b, CLASSICAL["average"].fuse or fuse_with(model))
    residual = _inspect(pair, model)["residual"]
    limit = max(float(np.abs(residual).max()), 1e-6)
    panels: Mapping[str, NDArray] = {
        modalities[0]: pair.image_a,
        modalities[1]: pair.image_b,
        "average": average,
        "W-DUALMINE": fused,
    }
    figure, axes = plt.subplots(1, 5, figsize=(9, 2.3), layout="constrained")
    for axis, (title, image) in zip(axes, panels.items(), strict=False):
        axis.imshow(image, cmap="gray", vmin=0, vmax=255)
        axis.set_title(title)
    shown = axes[-1].imshow(residual, cmap="RdBu_r", vmin=-limit, vmax=limit)
    axes[-1].set_title("residual tanh R")
    figure.colorbar(shown, ax=axes[-1], shrink=0.8)
    for axis in axes:
        axis.set_axis_off()
    return figure


def plot_internals(pair: Pair, model: WDualMine) -> Figure:
    """Show the reliability weight w_1 and the mixing coefficient of the spatial expert at every scale."""
    maps = _inspect(pair, model)
    rows = {"reliability weight $w_1$": maps["weights"], r"mixing $\alpha_1$ (spatial)": maps["mixing"]}
    rows = {title: row for title, row in rows.items() if row}
    scales = len(maps["weights"])
    figure, axes = plt.subplots(
        len(rows), scales, figsize=(2.2 * scales, 2.4 * len(rows)), layout="constrained", squeeze=False
    )
    for line, (title, images) in zip(axes, rows.items(), strict=True):
        low, high = min(image.min() for image in images), max(image.max() for image in images)
        for scale, (axis, image) in enumerate(zip(line, images, strict=True), start=1):
            shown = axis.imshow(image, cmap="cividis", vmin=low, vmax=high)
            axis.set_title(f"{title}, scale {scale}", fontsize="small")
            axis.set_axis_off()
        figure.colorbar(shown, ax=line, shrink=0.8)
    return figure


def _inspect(pair: Pair, model: WDualMine) -> dict:
    """Run the network on a pair whose sides it takes, and keep its maps as arrays."""
    device = next(model.parameters()).device
    with torch.inference_mode():
        fusion = model(luma_tensor(pair.luma_a).to(device), luma_tensor(pair.luma_b).to(device))
    return {
        "residual": fusion.residual[0, 0].cpu().numpy(),
        "weights": [stage.weight[0, 0].cpu().numpy() for stage in fusion.stages],
        "mixing": [stage.mixing[0, 0].cpu().numpy() for stage in fusion.stages if stage.mixing is not None],
    }
