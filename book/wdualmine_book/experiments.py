"""The book's studies as data: which runs answer which question."""

from dataclasses import dataclass

from wdualmine.data import TASKS
from wdualmine.experiments import FOLDS, RECOVERY_TERMS, VARIANTS


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
        "Where does the paper's learning rate stop, and what do larger ones reach?",
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
    "recovery": Study(
        "Can the network keep the signals of both sources, on volumes that it never saw? (preset cycle)",
        ("recovery", *(f"recovery-fold-{fold}" for fold in range(FOLDS))),
        tuple(TASKS),
    ),
    "recovery-range": Study(
        "What does a network lose that may leave the range of the image? (preset cycle)",
        ("recovery-fold-0", "recovery-tight"),
        ("ct-mri", "pet-mri"),
    ),
    "recovery-terms": Study(
        "What does each term of the recovery objective do? (preset cycle)",
        ("recovery-short", "recovery-wide", *(f"recovery-no-{term}" for term in RECOVERY_TERMS)),
    ),
}
