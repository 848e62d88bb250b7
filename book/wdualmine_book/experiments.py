"""The book's studies as data: which runs answer which question."""

from dataclasses import dataclass

from wdualmine.data import TASKS
from wdualmine.experiments import FOLDS, VARIANTS


@dataclass(frozen=True)
class Study:
    """A question that runs of "proposed" and of these variants answer, with several seeds each."""

    question: str
    variants: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ("ct-mri",)


STUDIES = {
    "reference": Study("What does the full model score on each task?", tasks=tuple(TASKS)),
    "ablations": Study(
        "What do the parts of the network and the terms of the objective contribute? (Tables 4 and 5)",
        tuple(VARIANTS)[1:9],
    ),
    "learning-rate": Study(
        "How far does training get at the paper's learning rate, and at larger ones?",
        ("rate-1e-5", "rate-1e-4", "rate-1e-3"),
    ),
    "leakage": Study(
        "Does it matter that slices of the test volumes are in training?",
        tuple(f"fold-{fold}" for fold in range(FOLDS)),
        tuple(TASKS),
    ),
    "choices": Study(
        "How much do the choices matter that the paper leaves open?",
        ("narrow", "wide", "three-scales", "residual-scale-1", "sobel-unscaled", "norms-summed", "batch-16"),
    ),
}
