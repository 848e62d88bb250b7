"""Figure 1: the network, drawn from its modules, and the sizes of its parts."""

from itertools import pairwise

import pandas as pd
from matplotlib.figure import Figure

from wdualmine.model import WDualMine
from wdualmine.report.style import styled
from wdualmine_book.figures.parts import Part, equations_of, inspect_network
from wdualmine_book.figures.sheet import Block, Sheet, equation_words
from wdualmine_book.figures.style import NARROW

_ROW, _GAP, _HALF = 0.86, 0.32, 0.38  # height of a scale, between two scales, of an expert
#: Left side and width of each column.
_COLUMNS = {
    "encoder": (0.03, 0.58),
    "reliability": (0.76, 0.74),
    "expert": (1.66, 0.62),
    "mixer": (2.44, 0.46),
    "decoder": (3.0, 0.57),
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
    sheet = Sheet(rows + 0.94)
    bottoms = [rows - (scale + 1) * (_ROW + _GAP) + 0.04 for scale in range(scales)]
    output = _draw_output(sheet, parts, model, bottoms[0] + _ROW)
    stages = [_draw_scale(sheet, parts, model, scale, bottom) for scale, bottom in enumerate(bottoms)]
    for (upper, _), (lower, _) in pairwise(stages):
        sheet.arrow((upper.center[0], upper.bottom), (upper.center[0], lower.top))
    _draw_decoder(sheet, parts, [fused for _, fused in stages], output)
    return sheet.figure


def _draw_output(sheet: Sheet, parts: dict[str, Part], model: WDualMine, top: float) -> Block:
    """Draw the images, their average and Eq. 11 above the scales."""
    lane, height = top + 0.66, 0.5
    images = sheet.block(0.03, lane, 0.7, height, "Images\n$I_1$, $I_2$", "image")
    encoder = _COLUMNS["encoder"][0] + _COLUMNS["encoder"][1] / 2
    sheet.arrow((encoder, lane), (encoder, top - _ROW / 2 + _HALF / 2))
    average = sheet.block(0.98, lane, 0.88, height, "Average\n$(I_1 + I_2)\\,/\\,2$", "image", True)
    scale = f"{model.config.residual_scale:g}"
    formula = f"Fused image\naverage + {scale} tanh $R$\nclipped, {equation_words('11')}"
    image = sheet.block(NARROW - 0.03 - 1.4, lane, 1.4, height, formula, "image", True)
    for left, right in ((images, average), (average, image)):
        sheet.arrow((left.right, left.center[1]), (right.left, right.center[1]))
    return image


def _draw_scale(
    sheet: Sheet, parts: dict[str, Part], model: WDualMine, scale: int, bottom: float
) -> tuple[Block, Block]:
    """Draw one scale; return its encoder block and the block that its fused feature leaves."""
    stage, prefix = model.stages[scale], f"stages.{scale}"
    middle = bottom + _ROW / 2
    sheet.text(
        _COLUMNS["reliability"][0],
        bottom + _ROW + 0.1,
        f"Scale {scale + 1}: {parts[prefix].shape}",
        ha="left",
    )

    def block(column: str, y: float, height: float, title: str, equations: str, plain: bool = False) -> Block:
        left, width = _COLUMNS[column]
        text = "\n".join(filter(None, (title, equation_words(equations))))
        kind = title.lower() if column == "expert" else column
        return sheet.block(left, y - height / 2, width, height, text, kind, plain)

    encoder = block("encoder", middle, _HALF, "Encoder", equations_of(model.encoder))
    gate = block("reliability", middle, _HALF, "Reliability", equations_of(stage.reliability))
    sheet.arrow((encoder.right, middle), (gate.left, middle))
    kinds = {"Spatial": f"{prefix}.spatial_expert", "Wavelet": f"{prefix}.wavelet_expert"}
    present = {title: parts[name] for title, name in kinds.items() if name in parts}
    places = (bottom + _ROW - _HALF / 2, bottom + _HALF / 2) if len(present) > 1 else (middle,)
    experts = [
        block("expert", y, _HALF, title, part.equations, not part.parameters)
        for (title, part), y in zip(present.items(), places, strict=True)
    ]
    bus = (gate.right + experts[0].left) / 2
    for expert in experts:
        y = expert.center[1]
        sheet.arrow((gate.right, middle), (bus, middle), (bus, y), (expert.left, y))
    if len(experts) == 1:
        return encoder, experts[0]
    if stage.mixer is None:
        mixed = block("mixer", middle, _HALF, "Mean", "", True)
    else:
        first, last = equations_of(stage.mixer).split("-")
        left, width = _COLUMNS["mixer"]
        text = f"Mixer\nEq. {first}\nto {last}"
        mixed = sheet.block(left, middle - 0.27, width, 0.54, text, "mixer")
    for expert, shift in zip(experts, (0.1, -0.1), strict=True):
        corner, y = (expert.right + mixed.left) / 2, middle + shift
        sheet.arrow(
            (expert.right, expert.center[1]), (corner, expert.center[1]), (corner, y), (mixed.left, y)
        )
    return encoder, mixed


def _draw_decoder(sheet: Sheet, parts: dict[str, Part], fused: list[Block], image: Block) -> None:
    left, width = _COLUMNS["decoder"]
    x = left + width / 2
    coarsest = fused[-1]
    sheet.arrow((coarsest.right, coarsest.center[1]), (x, coarsest.center[1]), head=False)
    below = coarsest.center[1]
    for source in reversed(fused[:-1]):
        y = source.center[1]
        block = sheet.block(left, y - _HALF / 2, width, _HALF, "Decoder\n2 × size", "decoder")
        sheet.arrow((source.right, y), (left, y))
        sheet.arrow((x, below), (x, block.bottom))
        below = block.top
    block = sheet.block(left, image.bottom - 0.45, width, 0.26, "$R$", "decoder")
    sheet.arrow((x, below), (x, block.bottom))
    sheet.arrow((x, block.top), (x, image.bottom))


def sizes_table(model: WDualMine, size: int = 256) -> pd.DataFrame:
    """Return the size of every part of Figure 1.

    Returns:
        Columns Scale, Part, output (shape), layers (kernels) and parameters, as printed.
    """
    parts = inspect_network(model, size=size)
    rows = []
    for scale in range(len(model.config.widths)):
        names = {
            f"encoder.stages.{scale}": "encoder",
            f"stages.{scale}.reliability": "reliability",
            f"stages.{scale}.spatial_expert": "spatial expert",
            f"stages.{scale}.wavelet_expert": "wavelet expert",
            f"stages.{scale}.mixer": "mixer",
            f"decoder.merges.{scale}": "decoder",
        }
        rows += [(f"Scale {scale + 1}", title, parts[name]) for name, title in names.items() if name in parts]
    rows.append(("Output", "residual R", parts["decoder.residual"]))
    cells = [
        (scale, title, part.shape, part.layers or "–", f"{part.parameters:,}") for scale, title, part in rows
    ]
    return pd.DataFrame(cells, columns=["Scale", "Part", "output", "kernels", "parameters"])


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
        f"learned parameters. Both images pass through one encoder. Above each scale: channels × height × "
        f"width of its features, for images of {size} × {size} pixels. Dashed: nothing learned."
    )
