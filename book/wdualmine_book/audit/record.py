"""The audit of the paper's numbers: what images that nobody trained for score on the same pairs.

Beside the network stand blends of average and maximum, untrained networks, images with noise in an empty
background, and the worst image that Eq. 11 allows; each pair's closed-form limits stand in rows of their own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from wdualmine.background import BACKGROUND, BLACK, background_scores, blacken
from wdualmine.data import Pair, Task
from wdualmine.data.color import to_grey
from wdualmine.errors import WdualmineError
from wdualmine.evaluation import LIMIT
from wdualmine.fusion import Fuse, fuse_images, luma_tensor
from wdualmine.methods import W_DUALMINE, blend, fuse_with, load_model, maximum
from wdualmine.metrics import score
from wdualmine.metrics.limits import limits
from wdualmine.model import WDualMine
from wdualmine.progress import task_bar
from wdualmine.records import KEYS
from wdualmine.report.scores import BLENDS
from wdualmine_book.metrics.published import published_files, published_image
from wdualmine_book.recorder import Request

KIND = "audit"
AUDIT_METRICS = ("EN", "MI", "CC", "PSNR", "FMI", "Qabf", "SSIM", "VIF", "SCD", "SD")
#: For images of which only the gross statistics are in question: milliseconds a pair.
QUICK = ("EN", "MI", "CC", "PSNR", "SD")
#: Seeds of the untrained networks.
SEEDS = (0, 1, 2)
#: Amplitudes, in grey levels, of the noise that is put into the background of the average.
NOISE = (1, 2, 4, 8)
#: Added to a method's name where its background was set to black before scoring.
ON_BLACK = "+black-background"


@dataclass(frozen=True)
class AuditedMethod:
    """A way to fuse, and what is scored of it.

    Attributes:
        name: its name in the record.
        fuse: how it fuses.
        seed: the seed that made it, if any.
        stretched: metrics of the stretched image.
        unstretched: metrics of the image as it is; empty leaves that image out.
        blackened: metrics of the stretched image with its background set to black; empty leaves it out.
    """

    name: str
    fuse: Fuse
    seed: int | None = None
    stretched: tuple[str, ...] = AUDIT_METRICS
    unstretched: tuple[str, ...] = QUICK
    blackened: tuple[str, ...] = ()


def audit(request: Request) -> pd.DataFrame:
    """Audit a task's test pairs, and record it as a run of kind "audit".

    Methods in the record: ``blend-T`` for T of :data:`BLENDS`; ``w-dualmine`` with the package's weights;
    ``untrained`` with a seed of :data:`SEEDS`; ``noise-K``, the average with noise in the background;
    ``adverse-residual``; ``adafuse`` and ``asfe-fusion`` beside the real pairs; ``limit``, the closed-form
    limits. Names that end in :data:`ON_BLACK` were scored with their background set to black. Beside the
    metrics stand the columns of :func:`background_scores`. What was not asked for is left empty.
    """
    pairs, task, source = request.pairs, request.task, request.source
    audited = _audited_methods(task)
    published = published_files(task, source)
    rows: list[dict[str, Any]] = []
    with task_bar(f"{task.key} audit", len(pairs), request.progress) as advance:
        for pair in pairs:
            for method in audited:
                rows += _fused_rows(method, pair)
            for name, files in published.items():
                image = published_image(files, pair.name, name)
                rows.append(_row(pair, image, name, AUDIT_METRICS))
                rows.append(_blackened_row(pair, image, name, (*QUICK, "SSIM")))
            bounds = limits(pair.image_a, pair.image_b, (f"{pair.name} ({task.a})", f"{pair.name} (MRI)"))
            rows.append({"pair": pair.name, "method": LIMIT, "stretch": False, **bounds})
            advance()
    frame = pd.DataFrame(rows).assign(task=task.key, split="test").astype({"seed": "Int64"})
    return frame.reindex(columns=[*KEYS, *AUDIT_METRICS, *BACKGROUND])


def noisy_average(amplitude: int, seed: int = 0) -> Fuse:
    """The average, with noise where both sources are black.

    The noise is uniform over the whole grey levels from -amplitude to amplitude, cut off at black; the same
    for the same seed and size.

    Raises:
        WdualmineError: the amplitude is not from 0 to 255.
    """
    if not 0 <= amplitude <= 255:
        raise WdualmineError(f"amplitude {amplitude}: give a number of grey levels from 0 to 255")

    def fuse(a: Tensor, b: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randint(-amplitude, amplitude + 1, a.shape, generator=generator) / 255
        black = torch.maximum(a, b) * 255 <= BLACK + 0.5
        return ((a + b) / 2 + noise.to(a) * black).clamp(0, 1)

    return fuse


def adverse_residual(a: Tensor, b: Tensor, residual_scale: float = 0.5) -> Tensor:
    """An image that Eq. 11 allows: the residual has its full size everywhere, and the sign that does harm.

    tanh(R) is 1 where the average is darker than its mean and -1 elsewhere (a limit that R approaches).
    """
    average = (a + b) / 2
    dark = average < average.mean(dim=(-2, -1), keepdim=True)
    return (average + residual_scale * torch.where(dark, 1.0, -1.0)).clamp(0, 1)


def untrained_network(seed: int) -> WDualMine:
    """Give the network as it is before its first training step with this seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return WDualMine().eval().requires_grad_(False)


def _audited_methods(task: Task) -> list[AuditedMethod]:
    black = (*QUICK, "SSIM")
    audited = [
        AuditedMethod(f"blend-{t:.1f}", blend(maximum, t), blackened=black if t in (0, 1) else ())
        for t in BLENDS
    ]
    audited.append(AuditedMethod(W_DUALMINE.name, fuse_with(load_model(task.key)), blackened=black))
    audited += [
        AuditedMethod("untrained", fuse_with(untrained_network(seed)), seed, blackened=black)
        for seed in SEEDS
    ]
    for k in NOISE:
        audited.append(AuditedMethod(f"noise-{k}", noisy_average(k), None, black, (), blackened=QUICK))
    audited.append(AuditedMethod("adverse-residual", adverse_residual, stretched=QUICK))
    return audited


def _fused_rows(method: AuditedMethod, pair: Pair) -> Iterator[dict[str, Any]]:
    with torch.inference_mode():  # once, although it is finished in two ways
        fused = method.fuse(luma_tensor(pair.luma_a), luma_tensor(pair.luma_b))
    for stretch, metrics in ((True, method.stretched), (False, method.unstretched)):
        if metrics:
            image = fuse_images(pair.image_a, pair.image_b, lambda a, b: fused, stretch)
            yield _row(pair, image, method.name, metrics, stretch, method.seed)
            if stretch and method.blackened:
                yield _blackened_row(pair, image, method.name, method.blackened, method.seed)


def _row(
    pair: Pair,
    image: NDArray,
    method: str,
    metrics: Sequence[str],
    stretch: bool = True,
    seed: int | None = None,
) -> dict[str, Any]:
    names = (f"{pair.name}, image A", f"{pair.name}, image B", f"{pair.name}, {method}")
    return {
        "pair": pair.name,
        "method": method,
        "stretch": stretch,
        "seed": seed,
        **score(pair.image_a, pair.image_b, image, metrics, names=names),
        **background_scores(pair.grey_a, pair.grey_b, to_grey(image)),
    }


def _blackened_row(
    pair: Pair, image: NDArray, method: str, metrics: Sequence[str], seed: int | None = None
) -> dict[str, Any]:
    return _row(pair, blacken(pair, image), method + ON_BLACK, metrics, seed=seed)
