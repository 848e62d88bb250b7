"""Figure 2: how the network is trained, drawn from its objective."""

import inspect
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
from wdualmine_book.figures.sheet import Block, Sheet, equation_words
from wdualmine_book.figures.style import NARROW

#: The function and the symbol of each term of Eq. 12, by the name of its weight.
LOSS_TERMS: dict[str, tuple[Callable[..., Tensor], str]] = {
    "average": (losses.average_content_loss, r"$\mathcal{L}_{avg}$"),
    "gradient": (losses.gradient_maximum_loss, r"$\mathcal{L}_{grad}$"),
    "correlation": (losses.correlation_loss, r"$\mathcal{L}_{cc}$"),
    "mutual_information": (losses.mutual_information_loss, r"$\mathcal{L}_{mi}$"),
    "reconstruction": (losses.reconstruction_loss, r"$\mathcal{L}_{rec}$"),
}
#: Left side and width of what the terms compare, with the terms below it.
_COLUMNS: dict[str, tuple[float, float, tuple[str, ...]]] = {
    "fused": (0.2, 0.94, ("average", "gradient", "correlation")),
    "heads": (1.28, 1.04, ("reconstruction",)),
    "projection": (2.42, 0.98, ("mutual_information",)),
}
_TERM, _HEAD = 0.7, 0.84  # heights
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
    below = {kind: [name for name in column[2] if name in terms] for kind, column in _COLUMNS.items()}
    height = 2.76 + 0.78 * max(map(len, below.values()))
    sheet = Sheet(height)
    images = f"{schedule.batch_size} × {format_shape(parts[''].shapes[0])}"
    top = height - 0.6
    batch = sheet.block(0.2, top, 1.22, 0.57, f"Batch\n$I_1$, $I_2$\n{images}", "image")
    text = f"W-DUALMINE\n{equation_words('1-11')}\n# {parts[''].parameters:,}"
    network = sheet.block(1.82, top, 1.1, 0.57, text, "encoder")
    sheet.arrow((batch.right, batch.center[1]), (network.left, network.center[1]))
    text = "$\\mathcal{L}_{total}$, " + equation_words(equations_of(objective))
    total = sheet.block(0.2, 0.36, 3.2, 0.3, text, "mixer", plain=True)
    heads = _draw_heads(sheet, parts, network, {kind for kind, names in below.items() if names}, images)
    for kind, head in heads.items():
        for number, name in enumerate(below[kind]):
            text, tall = _term_text(name, terms[name]), _TERM if kind == "fused" else _HEAD
            bottom = head.bottom - 0.2 - number * (_TERM + 0.08) - tall
            term = sheet.block(
                head.left, bottom, head.width, tall, text, "reliability", True, bold=1 + name.count("_")
            )
            x, y = term.center
            if kind == "fused":
                bus, out = head.left - 0.12, head.right + 0.07
                sheet.arrow((head.left, head.center[1]), (bus, head.center[1]), (bus, y), (term.left, y))
                sheet.arrow((term.right, y), (out, y), (out, total.top))
            else:
                sheet.arrow((x, head.bottom), (x, term.top))
                sheet.arrow((x, term.bottom), (x, total.top))
    x, y = NARROW - 0.08, network.center[1]
    sheet.arrow((total.right, total.center[1]), (x, total.center[1]), (x, y), (network.right, y), dashed=True)
    rate = np.format_float_scientific(schedule.learning_rate, trim="-", exp_digits=1)
    epochs = f"{schedule.epochs} epoch" + ("s" if schedule.epochs > 1 else "")
    sheet.text(NARROW / 2, 0.16, f"gradients (dashed): Adam, learning rate {rate}, {epochs}")
    return sheet.figure


def _weights(weights: LossWeights) -> dict[str, float]:
    return {name: getattr(weights, name) for name in LOSS_TERMS}


def _term_text(name: str, weight: float) -> str:
    function, symbol = LOSS_TERMS[name]
    number = list(LOSS_TERMS).index(name) + 1  # LOSS_TERMS has the order of Eq. 12
    parameters = inspect.signature(function).parameters.values()
    inputs = [_SYMBOLS[p.name] for p in parameters if p.default is inspect.Parameter.empty]
    title = name.capitalize().replace("_", "\n")
    words = inputs if len(inputs) == 3 else [*inputs[:2], "\n" + inputs[2], *inputs[3:]]
    of = ", ".join(words).replace(", \n", "\n")
    equation = equation_words(equations_of(function))
    return f"{title}\n$\\lambda_{number}$ = {weight:g}, {symbol}\n{of}\n{equation}"


def _draw_heads(
    sheet: Sheet, parts: dict[str, Part], network: Block, wanted: set[str], images: str
) -> dict[str, Block]:
    """Draw what leaves the network, and the heads that turn it into what the terms compare."""
    bottom = network.bottom - 0.3 - _HEAD
    texts, blocks = {"fused": "Fused image\n$I_f$"}, {}
    if "heads" in wanted:
        part = parts["objective.reconstruct1"]
        count = part.parameters + parts["objective.reconstruct2"].parameters
        texts["heads"] = f"Heads\n$R_1$, $R_2$\n{part.layers}\n# {count:,}"
    if "projection" in wanted:
        part = parts["objective.projection"]
        layers = part.layers.replace(", ", "\n")
        texts["projection"] = f"Projection\n$z_f$, $z_1$, $z_2$\n{layers}\n# {part.parameters:,}"
    kinds = {"fused": "image", "heads": "wavelet", "projection": "spatial"}
    for kind, text in texts.items():
        left, width, _ = _COLUMNS[kind]
        blocks[kind] = sheet.block(left, bottom, width, _HEAD, text, kinds[kind])
    y = network.bottom - 0.14
    for kind in ("fused", "projection"):
        if kind in blocks:
            x = blocks[kind].center[0]
            start = network.center[0]
            sheet.arrow((start, network.bottom), (start, y), (x, y), (x, bottom + _HEAD))
    if "heads" in blocks:
        middle = bottom + _HEAD / 2
        sheet.arrow((blocks["fused"].right, middle), (blocks["heads"].left, middle))
    return blocks


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
        f"the pixels. #: number of learned parameters; dashed boxes: nothing learned.{absent}"
    )
