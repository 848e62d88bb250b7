"""One pair on its way through the equations: a small picture for each section of the method."""

import re
from base64 import b64encode
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from wdualmine import losses
from wdualmine.data import Pair
from wdualmine.errors import WdualmineError
from wdualmine.fusion import luma_tensor
from wdualmine.methods import CLASSICAL
from wdualmine.model import Fusion, WDualMine, sobel_magnitude
from wdualmine.report.style import DIVERGING, render_figure
from wdualmine.wavelet import haar_dwt
from wdualmine_book.figures.style import NARROW, SEQUENTIAL, show_map, styled_on_black, without_border

#: What each picture shows, as its alternative text and caption.
STEPS = {
    "encoder": "The first image's features at each scale, mean absolute value over the channels (Eq. 1)",
    "reliability": "Both images' reliabilities and the first one's weight at the finest scale (Eq. 2-3)",
    "wavelet": "The first image's low and horizontal bands, and where the latter is the larger (Eq. 6-7)",
    "mixer": "Gradients of both images, and the spatial expert's coefficient at the finest scale (Eq. 8-9)",
    "residual": "The average of the images, the residual that the network adds, and the fused image (Eq. 11)",
}


def plot_steps(pair: Pair, model: WDualMine) -> dict[str, Figure]:
    """Draw a pair at each step of the method.

    Args:
        pair: of a size that the network takes.
        model: the network; the picture of a part that it lacks is left out.

    Returns:
        A figure for each key of :data:`STEPS`.
    """
    image1, image2 = luma_tensor(pair.luma_a), luma_tensor(pair.luma_b)
    with torch.inference_mode():
        fusion: Fusion = model.cpu()(image1, image2)
        finest = fusion.stages[0]
        low, details = haar_dwt(image1)
        details2 = haar_dwt(image2)[1]
        features = {
            f"$|f^{scale}_1|$": feature.abs().mean(dim=1, keepdim=True)
            for scale, feature in enumerate(fusion.features1, start=1)
        }
        rows: dict[str, dict[str, Tensor]] = {
            "encoder": features,
            "reliability": {
                "$r_1$": finest.reliability[:, :1],
                "$r_2$": finest.reliability[:, 1:],
                "weight $w_1$": finest.weight,
            },
            "wavelet": {
                "LL": low,
                "|LH|": details[:, 0].abs(),
                "larger in $I_1$": (details[:, 0].abs() > details2[:, 0].abs()).float(),
            },
            "residual": {
                "average": fusion.average,
                r"residual $\tanh R$": fusion.residual,
                "$I_f$": fusion.fused,
            },
        }
        if finest.mixing is not None:
            gradients = {"$G(I_1)$": sobel_magnitude(image1), "$G(I_2)$": sobel_magnitude(image2)}
            rows["mixer"] = gradients | {r"mixing $\alpha_1$": finest.mixing[:, :1]}
    arrays = {
        step: {title: values[0, 0].numpy() for title, values in row.items()} for step, row in rows.items()
    }
    return {step: _draw_row(arrays[step]) for step in STEPS if step in arrays}


@styled_on_black
def _draw_row(panels: Mapping[str, NDArray]) -> Figure:
    side = NARROW / len(panels)
    figure, axes = plt.subplots(
        1, len(panels), figsize=(NARROW, side + 0.35), layout="constrained", squeeze=False
    )
    for axis, (title, values) in zip(axes[0], panels.items(), strict=True):
        axis.set(title=title)
        if title in ("$I_f$", "average"):
            show_map(axis, values, "gray", 0, 1)
            continue
        inside = without_border(values)
        limit = float(np.percentile(np.abs(inside), 99.5)) or 1.0
        signed = title.startswith("residual")
        nearly_constant = title.startswith(("weight", "mixing", "$r_", "$|f"))  # and far from 0
        low = -limit if signed else float(np.percentile(inside, 0.5)) if nearly_constant else 0.0
        show_map(axis, values, DIVERGING if signed else SEQUENTIAL, low, limit)
    return figure


def losses_table(pair: Pair, model: WDualMine) -> pd.DataFrame:
    """Give the terms of the objective that need no head, for images that are easy to name.

    Args:
        pair: of a size that the network takes.
        model: the network.

    Returns:
        One row an image, one column a term (Eq. 13, 14, 15), unweighted.
    """
    image1, image2 = luma_tensor(pair.luma_a), luma_tensor(pair.luma_b)
    with torch.inference_mode():
        images = {"I_1": image1, "I_2": image2}
        for name in ("average", "maximum"):
            if fuse := CLASSICAL[name].fuse:
                images[name] = fuse(image1, image2)
        images["W-DUALMINE"] = model.cpu()(image1, image2).fused
        terms = {
            "L_avg": losses.average_content_loss,
            "L_grad": losses.gradient_maximum_loss,
            "L_cc": losses.correlation_loss,
        }
        return pd.DataFrame(
            {
                term: {name: float(loss(image, image1, image2)) for name, image in images.items()}
                for term, loss in terms.items()
            }
        )


def losses_html(table: pd.DataFrame) -> str:
    """Print :func:`losses_table` as HTML."""
    text = table.to_html(float_format="{:.4f}".format, border=0, classes="comparison")
    return re.sub(r"\b([IL])_(\w+)", r"<i>\1</i><sub>\2</sub>", text)


def as_html(figure: Figure, step: str) -> str:
    """Give a step's figure as an HTML image with its alternative text, to be shown on another page.

    Raises:
        WdualmineError: there is no such step.
    """
    if step not in STEPS:
        raise WdualmineError(f"unknown step {step!r}; choose one of {', '.join(STEPS)}")
    content = b64encode(render_figure(figure, "png")).decode()
    plt.close(figure)
    return f'<img class="step" src="data:image/png;base64,{content}" alt="{STEPS[step]}">'
