"""Widgets before the explorer: ipywidgets 7.7 or 8."""

import html
import io
from dataclasses import replace
from typing import Any

from matplotlib.figure import Figure

from wdualmine.data import TASKS
from wdualmine.errors import WdualmineError
from wdualmine.methods import W_DUALMINE
from wdualmine.metrics import METRICS, PAPER_METRICS
from wdualmine_book.explore import PUBLISHED, Explorer, View, draw


class Sliders:
    """Controls, image and scores of one view; every change redraws both. Show :attr:`box`.

    Only what ipywidgets 7.7 (Google Colab) and 8 have in common is used.

    Args:
        explorer: what computes.
        task: the task to begin with.

    Raises:
        WdualmineError: there is no ipywidgets here, or no such task in the data.
    """

    def __init__(self, explorer: Explorer, task: str = "ct-mri") -> None:
        try:
            import ipywidgets as widgets
        except ImportError:
            raise WdualmineError("the sliders need ipywidgets: pip install ipywidgets") from None
        self.explorer = explorer
        view = explorer.first(task)

        def slider(description: str, value: float, lowest: float = 0.0, form: str = ".0%") -> Any:
            return widgets.FloatSlider(
                value, min=lowest, max=1.0, step=0.01, description=description, readout_format=form
            )

        tasks = [(known.folder, key) for key, known in TASKS.items() if key in explorer.source.tasks]
        methods = [(title, name) for name, title in explorer.methods().items()]
        self.task = widgets.Dropdown(options=tasks, value=view.task, description="Task")
        self.pair = widgets.Dropdown(description="Pair")
        self.method = widgets.Dropdown(options=methods, value=view.method, description="Method")
        self.weights = widgets.Dropdown(description="Weights")
        self.residual_scale = slider("λ of Eq. 11", 0.5, form=".2f")
        self.stretch = widgets.Checkbox(view.stretch, description="Stretch to the full range")
        self.size = slider("Window", view.size, lowest=0.1)
        self.x, self.y = (slider(f"Center {name}", at) for name, at in zip("xy", view.center, strict=True))
        self.image = widgets.Image(format="png")
        self.scores = widgets.HTML()
        controls = [self.task, self.pair, self.method, self.weights, self.residual_scale, self.stretch]
        controls += [self.size, self.x, self.y]
        self.box = widgets.HBox(
            [widgets.VBox([*controls, self.scores]), self.image],
            layout=widgets.Layout(flex_flow="row wrap", align_items="flex-start"),
        )
        self._filling = False
        self._fill()
        self._redraw()
        for control in controls:
            control.observe(self._changed, "value")

    @property
    def view(self) -> View:
        """What the controls say."""
        return View(
            self.task.value,
            self.pair.value,
            self.method.value,
            self.weights.value,
            self.residual_scale.value,
            self.stretch.value,
            (self.x.value, self.y.value),
            self.size.value,
        )

    def _changed(self, change: Any) -> None:
        if self._filling:
            return
        self._filling = True
        try:
            if change["owner"] is self.task:
                self._fill()
            elif change["owner"] is self.weights:
                self._take_residual_scale()
            self._redraw()
        except WdualmineError as error:  # a callback's exception would be lost in a log
            self.scores.value = f"<strong>{html.escape(str(error))}</strong>"
        finally:
            self._filling = False

    def _fill(self) -> None:
        """Offer the pairs and weights of the task."""
        for control, known in (
            (self.pair, self.explorer.pairs(self.task.value)),
            (self.weights, self.explorer.weights(self.task.value)),
        ):
            control.options = list(known)
            control.value = next(iter(known))
        self._take_residual_scale()

    def _take_residual_scale(self) -> None:
        """Set the lambda with which the chosen weights were trained."""
        trained = replace(self.view, residual_scale=None)
        self.residual_scale.value = self.explorer.residual_scale(trained)

    def _redraw(self) -> None:
        learned, published = self.method.value == W_DUALMINE.name, self.method.value in PUBLISHED
        self.weights.disabled = self.residual_scale.disabled = not learned
        self.stretch.disabled = published
        self.x.disabled = self.y.disabled = self.size.value == 1
        self.image.value = _png(draw(self.explorer, self.view))
        self.scores.value = _html(self.explorer, self.view)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", pil_kwargs={"compress_level": 1})  # the time goes into compressing
    return buffer.getvalue()


def _html(explorer: Explorer, view: View) -> str:
    """Print the scores of the whole image, and under them those of the window if there is one."""
    regions = {"Whole image": replace(view, size=1.0, center=(0.5, 0.5))}
    if view.size < 1:
        regions["Window"] = view
    units = {name: f"{name} ({METRICS[name].unit})" if METRICS[name].unit else name for name in PAPER_METRICS}
    columns = {"score": "This image", "average": "Stretched average", "difference": "Difference"}
    formats = {"This image": "{:.4f}", "Stretched average": "{:.4f}", "Difference": "{:+.4f}"}
    return "".join(
        f"<h4>{title}</h4>"
        + explorer.compare(region)
        .rename(index=units, columns=columns)
        .to_html(border=0, na_rep="–", formatters={name: form.format for name, form in formats.items()})
        for title, region in regions.items()
    )
