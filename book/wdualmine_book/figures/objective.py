"""Figure 2: how the network is trained, drawn from its objective."""

import inspect
import re
from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from wdualmine import losses
from wdualmine.experiments import PRESETS, Schedule
from wdualmine.losses import LossWeights, Objective
from wdualmine.model import WDualMine
from wdualmine.report.style import styled
from wdualmine_book.figures.parts import Part, equations_of, format_shape, inspect_network
from wdualmine_book.figures.sheet import Block, Sheet, count_words, equation_words

#: The function and the symbol of each term of Eq. 12, by the name of its weight.
LOSS_TERMS: dict[str, tuple[Callable[..., Tensor], str]] = {
    "average": (losses.average_content_loss, r"$\mathcal{L}_{avg}$"),
    "gradient": (losses.gradient_maximum_loss, r"$\mathcal{L}_{grad}$"),
    "correlation": (losses.correlation_loss, r"$\mathcal{L}_{cc}$"),
    "mutual_information": (losses.mutual_information_loss, r"$\mathcal{L}_{mi}$"),
    "reconstruction": (losses.reconstruction_loss, r"$\mathcal{L}_{rec}$"),
}
# From top to bottom in Figure 2: like this no two arrows cross.
_ORDER = ("average", "gradient", "correlation", "reconstruction", "mutual_information")
_SYMBOLS = {
    "fused": "$I_f$",
    "image1": "$I_1$",
    "image2": "$I_2$",
    "latent_fused": "$z_f$",
    "latent1": "$z_1$",
    "latent2": "$z_2$",
    "reconstruction1": "$R_1(I_f)$",
    "reconstruction2": "$R_2(I_f)$",
}


@styled
def plot_training(
    model: WDualMine, objective: Objective, schedule: Schedule | None = None, size: int | None = None
) -> Figure:
    """Draw Figure 2, how the network is trained, from the network and its objective.

    Args:
        model: the network.
        objective: terms of weight 0, and heads that serve only them, are not drawn.
        schedule: batch size, learning rate and epochs; the paper's unless told.
        size: side of the images in pixels; the schedule's patch size unless told, or the data's 256.

    Raises:
        WdualmineError: the network does not take images of this size.
    """
    schedule = schedule or Schedule()
    size = size or schedule.patch_size or 256
    parts = inspect_network(model, objective, size, schedule.batch_size)
    terms = {name: weight for name, weight in _weights(objective.weights).items() if weight}
    height, step = 3.9, 0.66
    sheet = Sheet(height)
    images = f"{schedule.batch_size} × {format_shape(parts[''].shapes[0])}"
    middle = height / 2 + 0.15
    batch = sheet.block(0.1, middle - 0.4, 1.12, 0.8, f"Batch\n$I_1$, $I_2$\n{images}", "image")
    text = f"W-DUALMINE\n{equation_words('1-11')}\n# {parts[''].parameters:,}"
    network = sheet.block(1.44, middle - 0.4, 1.0, 0.8, text, "encoder")
    sheet.arrow((batch.right, middle), (network.left, middle))
    tops = [height - 0.2 - number * step for number in range(len(terms))]
    blocks = {
        name: sheet.block(
            4.48, top - 0.54, 1.72, 0.54, _term_text(name, terms[name]), "reliability", plain=True
        )
        for name, top in zip(terms, tops, strict=True)
    }
    _draw_heads(sheet, parts, network, blocks, images, schedule.batch_size)
    text = "$\\mathcal{L}_{total}$\n" + equation_words(equations_of(objective))
    total = sheet.block(6.45, middle - 0.3, 0.65, 0.6, text, "mixer", plain=True)
    for block in blocks.values():
        y = middle + 0.2 * (block.center[1] - middle) / (height / 2)
        corner = (block.right + total.left) / 2
        sheet.arrow((block.right, block.center[1]), (corner, block.center[1]), (corner, y), (total.left, y))
    x, y = total.center[0], 0.24
    sheet.arrow(
        (x, total.bottom), (x, y), (network.center[0], y), (network.center[0], network.bottom), dashed=True
    )
    rate = np.format_float_scientific(schedule.learning_rate, trim="-", exp_digits=1)
    epochs = f"{schedule.epochs} epoch" + ("s" if schedule.epochs > 1 else "")
    sheet.text((x + network.center[0]) / 2, y - 0.11, f"gradients; Adam, learning rate {rate}, {epochs}")
    return sheet.figure


def _weights(weights: LossWeights) -> dict[str, float]:
    return {name: getattr(weights, name) for name in _ORDER}


def _term_text(name: str, weight: float) -> str:
    function, symbol = LOSS_TERMS[name]
    number = list(LOSS_TERMS).index(name) + 1  # LOSS_TERMS has the order of Eq. 12
    parameters = inspect.signature(function).parameters.values()
    inputs = ", ".join(_SYMBOLS[p.name] for p in parameters if p.default is inspect.Parameter.empty)
    title = f"{name.replace('_', ' ').capitalize()}, {equation_words(equations_of(function))}"
    return f"{title}\n$\\lambda_{number}$ = {weight:g}, {symbol}\nof {inputs}"


def _draw_heads(
    sheet: Sheet,
    parts: dict[str, Part],
    network: Block,
    blocks: dict[str, Block],
    images: str,
    batch: int,
) -> None:
    """Draw what leaves the network, and the heads that turn it into what the terms compare."""
    left, width = 2.78, 1.4
    middle = network.center[1]
    corner = (network.right + left) / 2
    fused = sheet.block(left, middle + 0.62, width, 0.46, f"Fused image $I_f$\n{images}", "image")
    y = network.center[1] + 0.2
    sheet.arrow((network.right, y), (corner, y), (corner, fused.center[1]), (left, fused.center[1]))
    for name in blocks:
        if name not in ("mutual_information", "reconstruction"):
            sheet.elbow(fused, blocks[name], 0.65)
    if "reconstruction" in blocks:
        part = parts["objective.reconstruct1"]
        count = part.parameters + parts["objective.reconstruct2"].parameters
        text = f"Heads $R_1$, $R_2$\n2 × ({images})\n{part.layers} each\n# {count:,}"
        head = sheet.block(left, middle - 0.26, width, 0.66, text, "wavelet")
        sheet.arrow((fused.center[0], fused.bottom), (fused.center[0], head.top))
        sheet.elbow(head, blocks["reconstruction"], 0.25)
    if "mutual_information" in blocks:
        part = parts["objective.projection"]
        feature = max(
            (name for name in parts if re.fullmatch(r"stages\.\d+", name)), key=lambda n: int(n[7:])
        )
        text = (
            f"Projection, shared\n$z_f$, $z_1$, $z_2$: {batch} × {part.shape}\n"
            f"of means, {parts[feature].shape}\n{part.layers}\n{count_words(part)}"
        )
        head = sheet.block(left, middle - 1.3, width, 0.8, text, "spatial")
        y = network.center[1] - 0.2
        sheet.arrow((network.right, y), (corner, y), (corner, head.center[1]), (left, head.center[1]))
        sheet.elbow(head, blocks["mutual_information"])


def parts_of(preset: str) -> tuple[WDualMine, Objective, Schedule]:
    """Give what a preset trains, for :func:`plot_training`: its own network, objective and schedule."""
    chosen = PRESETS[preset]
    return WDualMine(chosen.model), Objective(chosen.model.widths[-1], chosen.loss), chosen.schedule


def training_caption(model: WDualMine, objective: Objective, schedule: Schedule | None = None) -> str:
    """Say in Markdown what :func:`plot_training` shows."""
    schedule = schedule or Schedule()
    off = [name.replace("_", " ") for name, weight in _weights(objective.weights).items() if not weight]
    absent = f" Not drawn, because their weight is 0: {', '.join(off)}." if off else ""
    images = f"squares of {schedule.patch_size} pixels" if schedule.patch_size else "whole images"
    return (
        f"**Figure 2.** The training, drawn from the objective: a network of widths "
        f"{', '.join(map(str, model.config.widths))}, batches of {schedule.batch_size} pairs "
        f"({images}), the terms of Eq. 12 with their weights and inputs, and the heads that only training "
        "needs, which learn along with the network. $z$ are codes of the coarsest features, averaged over "
        f"the pixels. #: number of learned parameters; dashed: nothing learned.{absent}"
    )
