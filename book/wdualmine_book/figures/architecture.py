"""Figure 1: the network, drawn from its modules."""

from itertools import pairwise

from matplotlib.figure import Figure

from wdualmine.model import WDualMine
from wdualmine.report.style import WIDTH, styled
from wdualmine_book.figures.parts import Part, equations_of, format_shape, inspect_network
from wdualmine_book.figures.sheet import Block, Sheet, count_words, equation_words

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
    sheet = Sheet(rows + 1.42)
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


def _draw_output(sheet: Sheet, parts: dict[str, Part], model: WDualMine, top: float) -> Block:
    """Draw the images, their average and Eq. 11 above the scales, and the titles of the columns."""
    left, width = _COLUMNS["encoder"]
    fused = parts[""].shape
    lane, height = top + 0.5, 0.42
    images = sheet.block(left, lane, width, height, f"Images $I_1$, $I_2$\n{fused}", "image", title=False)
    sheet.arrow((images.center[0], lane), (images.center[0], top - 0.32))
    average = sheet.block(2.55, lane, 1.35, height, f"$(I_1 + I_2)\\,/\\,2$\n{fused}", "image", True, False)
    left, width = _COLUMNS["decoder"]
    scale = f"{model.config.residual_scale:g}"
    formula = f"$I_f$ = clip(average + {scale} tanh $R$)\n{fused}, {equation_words('11')}"
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
        text = f"{title}, {equation_words(equations)}" if equations else title
        if column == "encoder":
            sheet.text(
                x - 0.1,
                top + 0.24,
                f"{title},\n{equation_words(equations)}",
                ha="left",
                va="center",
                weight="bold",
            )
        else:
            sheet.text(x, top + 0.12, text, weight="bold")
    return image


def _draw_scale(
    sheet: Sheet, parts: dict[str, Part], model: WDualMine, scale: int, bottom: float
) -> tuple[Block, Block]:
    """Draw one scale; give its encoder block and the block that its fused feature leaves."""
    stage, prefix = model.stages[scale], f"stages.{scale}"
    middle = bottom + _ROW / 2
    part = parts[f"encoder.stages.{scale}"]
    left, width = _COLUMNS["encoder"]
    text = f"Stage {scale + 1}\n{part.shape}\n{part.layers}\n{count_words(part)}"
    encoder = sheet.block(left, bottom + 0.32, width, _ROW - 0.64, text, "encoder")

    part = parts[f"{prefix}.reliability"]
    left, width = _COLUMNS["reliability"]
    reliability, weight = map(format_shape, part.shapes)
    text = f"$r$: {reliability}\n$w_1$: {weight}\n{part.layers}\n{count_words(part)}"
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
        title = f"{kind.capitalize()}, {equation_words(part.equations)}"
        layers = f"{part.layers or 'Haar wavelet'}\n{count_words(part)}"
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
        text = f"{part.shape}\n$\\alpha$: {format_shape(part.shapes[1])}\n{part.layers}\n{count_words(part)}"
        block = sheet.block(left, middle - 0.33, width, 0.66, text, "mixer", title=False)
    for expert, shift in zip(experts, (0.12, -0.12), strict=True):
        corner = expert.right + (left - expert.right) / 2
        y = block.center[1] + shift
        sheet.arrow((expert.right, expert.center[1]), (corner, expert.center[1]), (corner, y), (left, y))
    return encoder, block


def _draw_decoder(sheet: Sheet, parts: dict[str, Part], fused: list[Block], image: Block) -> None:
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
        text = f"Decoder\n{part.shape}\n{part.layers}\n{count_words(part)}"
        block = sheet.block(left, y - 0.33, width, 0.66, text, "decoder")
        sheet.arrow((source.right, y), (left, y))
        sheet.arrow((x, below or y), (x, block.bottom))
        sheet.text(x + 0.08, block.bottom - 0.2, "2 × size", ha="left")
        below = block.top
    part = parts["decoder.residual"]
    bottom = image.bottom - 0.62
    text = f"$R$: {part.shape}\n{part.layers} {count_words(part)}"
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
        "image, $α$ the coefficients of the mixer. Below the shapes: the kernels of the convolutions "
        "(d: dilation, ECA: kernel of the channel attention) and the number of parameters."
    )
