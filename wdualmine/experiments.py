"""Experiments as data: presets, variants, and what one run is made of."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from wdualmine.data.tasks import ALL, get_task, tasks_of
from wdualmine.errors import WdualmineError
from wdualmine.losses import LossWeights
from wdualmine.methods.registry import W_DUALMINE, get_system
from wdualmine.methods.system import NetworkConfig
from wdualmine.model import ModelConfig

#: Seeds are below this, so that seed and epoch together still seed a generator.
SEED_LIMIT = 2**32
FOLDS = 3  # PET-MRI's test pairs come from three volumes


@dataclass(frozen=True)
class Schedule:
    """How long and on what a network is trained."""

    epochs: int = 100  #: passes over the training pairs
    batch_size: int = 8  #: pairs a step
    learning_rate: float = 1e-5  #: Adam's; with one cycle the largest
    #: side of the random square that a pair is cropped to; None takes whole images
    patch_size: int | None = None
    train_pairs: int | None = None  #: use only the first so many training pairs; None uses all
    test_pairs: int | None = None  #: score only the first so many test pairs; None scores all
    #: an epoch is so many training pairs, drawn anew each time; None takes all of them
    epoch_pairs: int | None = None
    one_cycle: bool = False  #: raise the learning rate over the first tenth of the steps, then lower it to 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patch_size", "train_pairs", "test_pairs", "epoch_pairs"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int) and value >= 1):
                raise WdualmineError(f"{name.replace('_', ' ')} {value!r}: give an integer of at least 1")
        if not 0 < self.learning_rate < math.inf:
            raise WdualmineError(f"learning rate {self.learning_rate!r}: give a positive, finite number")


@dataclass(frozen=True)
class Preset:
    """A size of experiment: network, objective and schedule, and what it is for."""

    purpose: str
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossWeights = field(default_factory=LossWeights)
    schedule: Schedule = field(default_factory=Schedule)


PRESETS = {
    "smoke": Preset(
        purpose="Tests: shows that everything runs; its numbers mean nothing.",
        model=ModelConfig(widths=(8, 8, 16, 16)),
        schedule=Schedule(
            epochs=2, batch_size=4, learning_rate=1e-3, patch_size=64, train_pairs=8, test_pairs=3
        ),
    ),
    # 3 epochs at 3e-4 move Adam's parameters about as far as the paper's 100 epochs at 1e-5.
    "quick": Preset(
        purpose="A build in minutes on two cores: half our default widths, quarter images, 3 epochs.",
        model=ModelConfig(widths=(8, 16, 32, 64)),
        schedule=Schedule(epochs=3, learning_rate=3e-4, patch_size=128),
    ),
    "cpu": Preset(
        purpose="What a CPU can do in minutes per task: our default widths, quarter images, 10 epochs.",
        schedule=Schedule(epochs=10, learning_rate=1e-4, patch_size=128),
    ),
    "paper": Preset(purpose="The paper's schedule (Section 5.1.2): 256 x 256, batch 8, 1e-5, 100 epochs."),
}

#: What each variant changes of a preset: the network, the objective, the schedule or the split.
VARIANTS: dict[str, dict[str, Any]] = {
    "proposed": {},
    # Table 4
    "no-spatial-expert": {"model": {"spatial_expert": False}},
    "no-wavelet-expert": {"model": {"wavelet_expert": False}},
    "average-mixer": {"model": {"soft_gradient_mixer": False}},
    # Table 5
    "no-average": {"loss": {"average": 0.0}},
    "no-gradient": {"loss": {"gradient": 0.0}},
    "no-correlation": {"loss": {"correlation": 0.0}},
    "no-mutual-information": {"loss": {"mutual_information": 0.0}},
    "no-reconstruction": {"loss": {"reconstruction": 0.0}},
    # The paper's rate and epochs, and rates at which Adam's steps add up to as much or more.
    "rate-1e-5": {"schedule": {"learning_rate": 1e-5, "epochs": 100}},
    "rate-1e-4": {"schedule": {"learning_rate": 1e-4, "epochs": 10}},
    "rate-1e-3": {"schedule": {"learning_rate": 1e-3, "epochs": 10}},
    # Volume-disjoint splits: each test pair is scored by the one fold that saw no slice of its volume.
    **{f"fold-{fold}": {"fold": fold} for fold in range(FOLDS)},
    # What the paper leaves open
    "narrow": {"model": {"widths": (4, 8, 16, 32)}},
    "wide": {"model": {"widths": (16, 32, 64, 128)}},
    "three-scales": {"model": {"widths": (8, 16, 32)}},
    "residual-scale-1": {"model": {"residual_scale": 1.0}},
    "sobel-unscaled": {"loss": {"gradient": 16.0}},  # Eq. 14 with Sobel's kernels not divided by 8
    # Eq. 13, 14 and 17 as sums over the pixels of a 128 x 128 patch: beside them the other two terms vanish.
    "norms-summed": {"loss": {"correlation": 1.0 / 128**2, "mutual_information": 0.1 / 128**2}},
    "batch-16": {"schedule": {"batch_size": 16}},  # more pairs to tell apart in Eq. 16, half as many steps
}


@dataclass(frozen=True)
class Experiment:
    """Everything that determines a training run but the data and the code."""

    task: str
    preset: str
    variant: str
    seed: int
    model: ModelConfig | NetworkConfig
    loss: Any
    schedule: Schedule
    #: None takes the split as the data has it. A number below :data:`FOLDS` takes the fold of that number:
    #: test pairs of one in :data:`FOLDS` volumes, training pairs of the other volumes
    fold: int | None = None
    objective: str = "paper"  #: what it is trained for: the paper's, or the name of another system
    method: str = W_DUALMINE.name  #: the system whose network is trained; `model` is its configuration

    def __post_init__(self) -> None:
        tasks_of(self.task)
        if not (isinstance(self.seed, int) and 0 <= self.seed < SEED_LIMIT):
            raise WdualmineError(f"seed {self.seed}: give an integer of at least 0 and below 2^32")

    def as_dict(self) -> dict[str, Any]:
        """Return the experiment as plain values, the form in which it is recorded."""
        return asdict(self) | {"model": self.model.as_dict()}

    @classmethod
    def from_dict(cls, values: Any, record: str | Path = "record") -> "Experiment":
        """Rebuild an experiment from :meth:`as_dict`; what it does not name has its default.

        Raises:
            WdualmineError: the values describe no experiment; the message names the record.
        """
        try:
            system = get_system(values.get("method", W_DUALMINE.name))
            assert system.weights is not None
            parts = {
                "model": system.config(**values["model"]),
                "loss": system.weights(**values["loss"]),
                "schedule": Schedule(**values["schedule"]),
            }
            return cls(**values | parts)
        except (AttributeError, KeyError, TypeError, WdualmineError) as error:
            raise WdualmineError(
                f"{record}: holds no experiment of this package ({error}); run it again"
            ) from error

    @property
    def hash(self) -> str:
        """SHA-256 of the experiment's plain values."""
        return hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode()).hexdigest()

    @property
    def name(self) -> str:
        """A readable name, such as ``ct-mri-quick-proposed-seed0``."""
        what = self.variant
        if self.method != W_DUALMINE.name:
            what = self.method if self.variant == "proposed" else f"{self.method}-{self.variant}"
        return f"{self.task}-{self.preset}-{what}-seed{self.seed}"


def make_experiment(
    task: str,
    preset: str = "quick",
    variant: str = "proposed",
    seed: int = 0,
    method: str = W_DUALMINE.name,
    **schedule: Any,
) -> Experiment:
    """Build an experiment from names.

    Args:
        task: "ct-mri", "pet-mri" or "spect-mri"; "all" for one network of all, as `light` is.
        preset: a key of :data:`PRESETS`.
        variant: a key of :data:`VARIANTS`.
        seed: of the initial weights, the order of the pairs and the augmentation; from 0, below 2^32.
        method: the learned system to train. Others than W-DUALMINE have their own network and objective, so
            that of the variants only "proposed" and the folds are for them; the preset gives the schedule,
            but "paper" stands for their own.
        **schedule: fields of :class:`Schedule` to change; None leaves the preset's or the variant's value.

    Raises:
        WdualmineError: an unknown name, or a value out of range.
    """
    for kind, key, known in (("preset", preset, PRESETS), ("variant", variant, VARIANTS)):
        if key not in known:
            raise WdualmineError(f"unknown {kind} {key!r}; choose one of {', '.join(known)}")
    base, changes, system = PRESETS[preset], VARIANTS[variant], get_system(method)
    objective, model, loss = "paper", base.model, base.loss
    own_schedule: Mapping[str, Any] = {}
    if method != W_DUALMINE.name:
        if set(changes) - {"fold"}:
            raise WdualmineError(
                f"variant {variant!r} changes W-DUALMINE, not {method}: choose proposed or fold-0 to "
                f"fold-{FOLDS - 1}"
            )
        if system.objective is None or system.weights is None:
            raise WdualmineError(f"{method}: is not trained here; choose another of `wdualmine methods`")
        model = system.config(**system.smoke if preset == "smoke" else {})
        loss, objective = system.weights(), system.name
        own_schedule = system.schedule if preset == "paper" else {}
    known_settings = Schedule.__dataclass_fields__
    for name in schedule:
        if name not in known_settings:
            raise WdualmineError(f"unknown setting {name!r}; choose one of {', '.join(known_settings)}")
    return Experiment(
        task=task if task == ALL else get_task(task).key,
        preset=preset,
        variant=variant,
        seed=seed,
        model=replace(model, **changes.get("model", {})),
        loss=replace(loss, **changes.get("loss", {})),
        schedule=replace(
            base.schedule,
            **own_schedule
            | changes.get("schedule", {})
            | {name: value for name, value in schedule.items() if value is not None},
        ),
        fold=changes.get("fold"),
        objective=objective,
        method=method,
    )
