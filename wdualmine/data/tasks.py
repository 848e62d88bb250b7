"""The three fusion tasks of the paper, and how their folders are named."""

from dataclasses import dataclass

from wdualmine.errors import WdualmineError

#: The two halves of a data set; the paper scores the test half.
SPLITS = ("train", "test")


@dataclass(frozen=True)
class Task:
    """Two modalities that are fused: image A, the first in the task's name, with the MRI as image B."""

    key: str  #: the name used in commands and records, "ct-mri"
    folder: str  #: the name of the task's folder, "CT-MRI"
    a: str  #: modality and folder of image A, "CT"
    b: str  #: modality and folder of image B, "MRI"
    color: bool  #: whether image A is RGB, as PET and SPECT are

    @property
    def modalities(self) -> tuple[str, str]:
        """The folders of images A and B."""
        return self.a, self.b


TASKS: dict[str, Task] = {
    "ct-mri": Task("ct-mri", "CT-MRI", "CT", "MRI", color=False),
    "pet-mri": Task("pet-mri", "PET-MRI", "PET", "MRI", color=True),
    "spect-mri": Task("spect-mri", "SPECT-MRI", "SPECT", "MRI", color=True),
}

#: In place of a task's key: all of them, of a network that is trained for all at once.
ALL = "all"


def tasks_of(key: str) -> list[Task]:
    """Return the task of a key, or all of them for :data:`ALL`.

    Raises:
        WdualmineError: there is no such task.
    """
    return list(TASKS.values()) if key == ALL else [get_task(key)]


def get_task(key: str | Task) -> Task:
    """Return a task by its key or its folder name, whatever the case, or raise a WdualmineError."""
    if isinstance(key, Task):
        return key
    try:
        return TASKS[str(key).lower()]
    except KeyError:
        raise WdualmineError(f"{key}: unknown task; choose one of {', '.join(TASKS)}") from None
