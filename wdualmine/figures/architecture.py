"""Figures 1 and 2: the network and its training, drawn from the modules themselves.

Shapes come from a forward pass without data; numbers of parameters, kernels and equations from the modules
and their docstrings: another width, or an expert switched off, is another drawing.
"""

import copy
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import Tensor, nn

from wdualmine import losses
from wdualmine.experiments import PRESETS, Schedule
from wdualmine.figures.style import WIDTH, styled
from wdualmine.losses import LossWeights, Objective
from wdualmine.model import WDualMine

#: The function and the symbol of each term of Eq. 12, by the name of its weight.
TERMS: dict[str, tuple[Callable[..., Tensor], str]] = {
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
_FILLS = {
    "image": "white",
    "encoder": "#d6e6f4",
    "reliability": "#fdebc8",
    "spatial": "#d5eedd",
    "wavelet": "#eadff0",
    "mixer": "#fbdbd3",
    "decoder": "#e3e3e3",
}
_SMALL = 7.5  # points


@dataclass(frozen=True)
class Part:
    """What a module is, as a block of a figure says it.

    Attributes:
        shapes: of its output tensors, without the batch.
        parameters: number of learned parameters.
        equations: numbers of the paper's equations that it computes, such as "4-5"; empty if none.
        layers: its convolutions and linear layers in words.
    """

    shapes: tuple[tuple[int, ...], ...]
    parameters: int
    equations: str
    layers: str

    @property
    def shape(self) -> str:
        """The shape of the first output, as printed."""
        return format_shape(self.shapes[0])


def format_shape(shape: Sequence[int]) -> str:
    """Print a shape: "16 × 256 × 256"."""
    return " × ".join(map(str, shape))


def equations_of(thing: Any) -> str:
    """Read from a docstring which equations of the paper a module or function computes: "4-5"; "" if none."""
    found = re.search(r"Eq\. (\d+(?:-\d+)?)", inspect.getdoc(thing) or "")
    return found[1] if found else ""


def inspect_network(
    model: WDualMine, objective: Objective | None = None, size: int = 256, batch: int = 1
) -> dict[str, Part]:
    """Describe every module of a network, and of its objective, by running both without data.

    Args:
        model: the network; it is left as it is.
        objective: its modules are named ``objective.<name>``.
        size: side of the square images; divisible by ``model.multiple``.
        batch: pairs a step.

    Returns:
        The modules that ran, by name ("stages.0.mixer"), and the whole network under "".

    Raises:
        WdualmineError: the network does not take images of this size.
    """
    # On the device "meta" tensors have shapes and no content: nothing is computed.
    network = copy.deepcopy(model).to("meta")
    image = torch.empty(batch, 1, size, size, device="meta")
    parts: dict[str, Part] = {}
    _watch(network, "", parts)
    fusion = network(image, image)
    if objective is not None:
        watched = copy.deepcopy(objective).to("meta")
        _watch(watched, "objective.", parts)
        watched([fusion], image, image)
    return parts


def _watch(module: nn.Module, prefix: str, parts: dict[str, Part]) -> None:
    for name, child in module.named_modules():

        def note(which: nn.Module, _: Any, output: Any, name: str = prefix + name) -> None:
            shapes = tuple(tuple(tensor.shape[1:]) for tensor in _tensors(output))
            count = sum(parameter.numel() for parameter in which.parameters())
            parts[name] = Part(shapes, count, equations_of(type(which)), _layers(which))

        child.register_forward_hook(note)


def _tensors(output: Any) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, dict):
        yield from output.values()
    elif output is not None:
        for item in output:
            yield from _tensors(item)


def _layers(module: nn.Module) -> str:
    words = []
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            word = f"{layer.kernel_size[0]}×{layer.kernel_size[1]}"
            words.append(word + (f" d{layer.dilation[0]}" if layer.dilation[0] > 1 else ""))
        elif isinstance(layer, nn.Conv1d):
            words.append(f"ECA {layer.kernel_size[0]}")
        elif isinstance(layer, nn.Linear):
            words.append(f"{layer.in_features}→{layer.out_features}")
    return ", ".join(words)


# Drawing


@dataclass(frozen=True)
class _Block:
    """A box, in inches."""

    left: float
    bottom: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def top(self) -> float:
        return self.bottom + self.height

    @property
    def center(self) -> tuple[float, float]:
        return self.left + self.width / 2, self.bottom + self.height / 2


class _Sheet:
    """A sheet of paper to draw blocks and arrows on; lengths are inches, from the lower left corner."""

    def __init__(self, height: float) -> None:
        self.figure = plt.figure(figsize=(WIDTH, height))
        self.axes: Axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, WIDTH), ylim=(0, height))
        self.axes.set_axis_off()

    def block(
        self,
        left: float,
        bottom: float,
        width: float,
        height: float,
        lines: str,
        kind: str,
        plain: bool = False,
        title: bool = True,
    ) -> _Block:
        """Draw a box around text, its first line a bold title; a plain one (nothing learned) is dashed."""
        block = _Block(left, bottom, width, height)
        self.axes.add_patch(
            FancyBboxPatch(
                (left, bottom),
                width,
                height,
                boxstyle="round,pad=0,rounding_size=0.05",
                facecolor=_FILLS[kind],
                edgecolor="0.25",
                linewidth=0.9,
                linestyle="--" if plain else "-",
                gid="block",
            )
        )
        rows = lines.split("\n")
        x, middle = block.center
        step = 0.135
        for number, row in enumerate(rows):
            y = middle + ((len(rows) - 1) / 2 - number) * step
            self.text(x, y, row, weight="bold" if title and number == 0 else "normal")
        return block

    def text(self, x: float, y: float, text: str, **settings: Any) -> None:
        """Write centered text."""
        settings = {"ha": "center", "va": "center_baseline", "fontsize": _SMALL, **settings}
        self.axes.text(x, y, text, **settings)

    def arrow(self, *points: tuple[float, float], dashed: bool = False, head: bool = True) -> None:
        """Draw an arrow through points."""
        style: Any = {"color": "0.25", "linewidth": 0.9, "linestyle": "--" if dashed else "-"}
        self.axes.plot(*zip(*points, strict=True), solid_capstyle="butt", **style)
        if head:
            arrow = {"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0, "mutation_scale": 9, "color": "0.25"}
            self.axes.annotate("", points[-1], points[-2], arrowprops=arrow | {"linewidth": 0})


def _equation(numbers: str) -> str:
    return f"Eq. {numbers.replace('-', '–')}" if numbers else ""


def _count(part: Part) -> str:
    return f"# {part.parameters:,}" if part.parameters else "nothing learned"


# Figure 1

_ROW, _GAP, _HALF = 1.3, 0.2, 0.6  # height of a scale, between two scales, of an expert
_COLUMNS = {
    "encoder": (0.1, 1.28),
    "reliability": (1.68, 1.12),
    "expert": (3.16, 1.34),
    "mixer": (4.74, 1.0),
    "decoder": (6.0, 1.1),
}


@styled
def plot_architecture(model: WDualMine, size: int = 256) -> Figure:
    """Draw Figure 1, the network, from its modules.

    Args:
        model: any configuration; what it lacks is not drawn.
        size: side of the images in pixels.

    Raises:
        WdualmineError: the network does not take images of this size.
    """
    parts = inspect_network(model, size=size)
    scales = len(model.config.widths)
    rows = scales * (_ROW + _GAP)
    sheet = _Sheet(rows + 1.42)
    bottoms = [rows - (scale + 1) * (_ROW + _GAP) + 0.42 for scale in range(scales)]
    output = _draw_output(sheet, parts, model, bottoms[0] + _ROW)
    stages = [_draw_scale(sheet, parts, model, scale, bottom) for scale, bottom in enumerate(bottoms)]
    for (upper, _), (lower, _) in pairwise(stages):
        x = upper.center[0]
        sheet.arrow((x, upper.bottom), (x, lower.top))
    _draw_decoder(sheet, parts, [fused for _, fused in stages], output)
    total = f"#: number of learned parameters, {parts[''].parameters:,} in all"
    sheet.text(
        WIDTH / 2,
        0.14,
        f"channels × height × width;  {total};  dashed: nothing learned",
        color="0.3",
    )
    return sheet.figure


def _draw_output(sheet: _Sheet, parts: dict[str, Part], model: WDualMine, top: float) -> _Block:
    """Draw the images, their average and Eq. 11 above the scales, and the titles of the columns."""
    left, width = _COLUMNS["encoder"]
    fused = parts[""].shape
    lane, height = top + 0.5, 0.42
    images = sheet.block(left, lane, width, height, f"Images $I_1$, $I_2$\n{fused}", "image", title=False)
    sheet.arrow((images.center[0], lane), (images.center[0], top - 0.32))
    average = sheet.block(2.55, lane, 1.35, height, f"$(I_1 + I_2)\\,/\\,2$\n{fused}", "image", True, False)
    left, width = _COLUMNS["decoder"]
    scale = f"{model.config.residual_scale:g}"
    formula = f"$I_f$ = clip(average + {scale} tanh $R$)\n{fused}, {_equation('11')}"
    image = sheet.block(WIDTH - 0.1 - 2.0, lane, 2.0, height, formula, "image", True, False)
    sheet.arrow((images.right, images.center[1]), (average.left, images.center[1]))
    sheet.arrow((average.right, images.center[1]), (image.left, images.center[1]))
    titles = {
        "encoder": ("Encoder, shared", equations_of(model.encoder)),
        "reliability": ("Reliability", equations_of(model.stages[0].reliability)),
        "expert": (
            "Experts" if model.config.spatial_expert and model.config.wavelet_expert else "Expert",
            "",
        ),
        "mixer": ("Mixer", equations_of(model.stages[0].mixer) if model.stages[0].mixer else None),
    }
    for column, (title, equations) in titles.items():
        if equations is None:
            continue
        left, width = _COLUMNS[column]
        x = left + width / 2 + (0.2 if column == "encoder" else 0)  # beside the arrow
        text = f"{title}, {_equation(equations)}" if equations else title
        if column == "encoder":
            sheet.text(
                x - 0.1,
                top + 0.24,
                f"{title},\n{_equation(equations)}",
                ha="left",
                va="center",
                weight="bold",
            )
        else:
            sheet.text(x, top + 0.12, text, weight="bold")
    return image


def _draw_scale(
    sheet: _Sheet, parts: dict[str, Part], model: WDualMine, scale: int, bottom: float
) -> tuple[_Block, _Block]:
    """Draw one scale; give its encoder block and the block that its fused feature leaves."""
    stage, prefix = model.stages[scale], f"stages.{scale}"
    middle = bottom + _ROW / 2
    part = parts[f"encoder.stages.{scale}"]
    left, width = _COLUMNS["encoder"]
    text = f"Stage {scale + 1}\n{part.shape}\n{part.layers}\n{_count(part)}"
    encoder = sheet.block(left, bottom + 0.32, width, _ROW - 0.64, text, "encoder")

    part = parts[f"{prefix}.reliability"]
    left, width = _COLUMNS["reliability"]
    reliability, weight = map(format_shape, part.shapes)
    text = f"$r$: {reliability}\n$w_1$: {weight}\n{part.layers}\n{_count(part)}"
    gate = sheet.block(left, bottom + _ROW - 0.66, width, 0.66, text, "reliability", title=False)
    bus = gate.right + 0.15
    sheet.arrow((encoder.right, gate.center[1]), (gate.left, gate.center[1]))
    low = bottom + 0.36
    sheet.arrow((encoder.right, low), (bus, low), head=False)
    sheet.text((encoder.right + bus) / 2, low - 0.09, "$f_1$, $f_2$")

    experts = []
    left, width = _COLUMNS["expert"]
    for name, kind in (("spatial_expert", "spatial"), ("wavelet_expert", "wavelet")):
        expert = getattr(stage, name)
        if expert is None:
            continue
        part = parts[f"{prefix}.{name}"]
        title = f"{kind.capitalize()}, {_equation(part.equations)}"
        layers = f"{part.layers or 'Haar wavelet'}\n{_count(part)}"
        y = bottom + _ROW - _HALF if kind == "spatial" else bottom
        y = y if stage.spatial_expert is not None and stage.wavelet_expert is not None else middle - _HALF / 2
        experts.append(
            sheet.block(
                left, y, width, _HALF, f"{title}\n{part.shape}\n{layers}", kind, plain=not part.parameters
            )
        )
    ends = [gate.center[1], low, *(expert.center[1] for expert in experts)]
    sheet.arrow((gate.right, gate.center[1]), (bus, gate.center[1]), head=False)
    sheet.arrow((bus, min(ends)), (bus, max(ends)), head=False)
    for expert in experts:
        sheet.arrow((bus, expert.center[1]), (expert.left, expert.center[1]))
    if len(experts) == 1:
        return encoder, experts[0]

    left, width = _COLUMNS["mixer"]
    if stage.mixer is None:
        fused = parts[prefix].shape
        block = sheet.block(left, middle - 0.23, width, 0.46, f"Mean of both\n{fused}", "mixer", plain=True)
    else:
        part = parts[f"{prefix}.mixer"]
        text = f"{part.shape}\n$\\alpha$: {format_shape(part.shapes[1])}\n{part.layers}\n{_count(part)}"
        block = sheet.block(left, middle - 0.33, width, 0.66, text, "mixer", title=False)
    for expert, shift in zip(experts, (0.12, -0.12), strict=True):
        corner = expert.right + (left - expert.right) / 2
        y = block.center[1] + shift
        sheet.arrow((expert.right, expert.center[1]), (corner, expert.center[1]), (corner, y), (left, y))
    return encoder, block


def _draw_decoder(sheet: _Sheet, parts: dict[str, Part], fused: list[_Block], image: _Block) -> None:
    left, width = _COLUMNS["decoder"]
    x = left + width / 2
    below: float | None = None
    for scale in range(len(fused) - 1, -1, -1):
        source = fused[scale]
        y = source.center[1]
        if scale == len(fused) - 1:
            sheet.arrow((source.right, y), (x, y), head=False)
            below = y
            continue
        part = parts[f"decoder.merges.{scale}"]
        text = f"Decoder\n{part.shape}\n{part.layers}\n{_count(part)}"
        block = sheet.block(left, y - 0.33, width, 0.66, text, "decoder")
        sheet.arrow((source.right, y), (left, y))
        sheet.arrow((x, below or y), (x, block.bottom))
        sheet.text(x + 0.08, block.bottom - 0.2, "2 × size", ha="left")
        below = block.top
    part = parts["decoder.residual"]
    bottom = image.bottom - 0.62
    text = f"$R$: {part.shape}\n{part.layers} {_count(part)}"
    block = sheet.block(left, bottom, width, 0.42, text, "decoder", title=False)
    sheet.arrow((x, below or bottom), (x, block.bottom))
    sheet.arrow((x, block.top), (x, image.bottom))


def architecture_caption(model: WDualMine, size: int = 256) -> str:
    """Say in Markdown what :func:`plot_architecture` shows."""
    parts = inspect_network(model, size=size)
    config = model.config
    words = [f"{len(config.widths)} scales of {', '.join(map(str, config.widths))} channels"]
    words += [] if config.spatial_expert else ["no spatial expert"]
    words += [] if config.wavelet_expert else ["no wavelet expert"]
    if config.spatial_expert and config.wavelet_expert and not config.soft_gradient_mixer:
        words += ["the experts are averaged"]
    return (
        f"**Figure 1.** The network, drawn from its modules: {', '.join(words)}, {parts[''].parameters:,} "
        f"learned parameters, shapes for images of {size} × {size} pixels. Both images pass through one "
        "encoder; $f_1$ and $f_2$ are their features, $r$ the reliabilities, $w_1$ the weight of the first "
        "image, $α$ the coefficients of the mixer. Under the shapes stand the kernels of the convolutions "
        "(d: dilation, ECA: kernel of the channel attention) and the number of parameters."
    )


# Figure 2


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
    sheet = _Sheet(height)
    images = f"{schedule.batch_size} × {format_shape(parts[''].shapes[0])}"
    middle = height / 2 + 0.15
    batch = sheet.block(0.1, middle - 0.4, 1.12, 0.8, f"Batch\n$I_1$, $I_2$\n{images}", "image")
    text = f"W-DUALMINE\n{_equation('1-11')}\n# {parts[''].parameters:,}"
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
    text = "$\\mathcal{L}_{total}$\n" + _equation(equations_of(objective))
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
    function, symbol = TERMS[name]
    number = list(TERMS).index(name) + 1  # TERMS has the order of Eq. 12
    parameters = inspect.signature(function).parameters.values()
    inputs = ", ".join(_SYMBOLS[p.name] for p in parameters if p.default is inspect.Parameter.empty)
    title = f"{name.replace('_', ' ').capitalize()}, {_equation(equations_of(function))}"
    return f"{title}\n$\\lambda_{number}$ = {weight:g}, {symbol}\nof {inputs}"


def _draw_heads(
    sheet: _Sheet,
    parts: dict[str, Part],
    network: _Block,
    blocks: dict[str, _Block],
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
            _elbow(sheet, fused, blocks[name], 0.65)
    if "reconstruction" in blocks:
        part = parts["objective.reconstruct1"]
        count = part.parameters + parts["objective.reconstruct2"].parameters
        text = f"Heads $R_1$, $R_2$\n2 × ({images})\n{part.layers} each\n# {count:,}"
        head = sheet.block(left, middle - 0.26, width, 0.66, text, "wavelet")
        sheet.arrow((fused.center[0], fused.bottom), (fused.center[0], head.top))
        _elbow(sheet, head, blocks["reconstruction"], 0.25)
    if "mutual_information" in blocks:
        part = parts["objective.projection"]
        feature = max(
            (name for name in parts if re.fullmatch(r"stages\.\d+", name)), key=lambda n: int(n[7:])
        )
        text = (
            f"Projection, shared\n$z_f$, $z_1$, $z_2$: {batch} × {part.shape}\n"
            f"of means, {parts[feature].shape}\n{part.layers}\n{_count(part)}"
        )
        head = sheet.block(left, middle - 1.3, width, 0.8, text, "spatial")
        y = network.center[1] - 0.2
        sheet.arrow((network.right, y), (corner, y), (corner, head.center[1]), (left, head.center[1]))
        _elbow(sheet, head, blocks["mutual_information"])


def _elbow(sheet: _Sheet, source: _Block, target: _Block, turn: float = 0.5) -> None:
    corner = source.right + turn * (target.left - source.right)
    start, end = source.center[1], target.center[1]
    sheet.arrow((source.right, start), (corner, start), (corner, end), (target.left, end))


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
