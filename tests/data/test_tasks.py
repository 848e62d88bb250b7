import pytest

from wdualmine.data import TASKS, get_task
from wdualmine.errors import WdualmineError


def test_three_tasks_in_the_papers_order():
    assert [(task.key, task.folder, task.modalities, task.color) for task in TASKS.values()] == [
        ("ct-mri", "CT-MRI", ("CT", "MRI"), False),
        ("pet-mri", "PET-MRI", ("PET", "MRI"), True),
        ("spect-mri", "SPECT-MRI", ("SPECT", "MRI"), True),
    ]


@pytest.mark.parametrize("key", ["spect-mri", "SPECT-MRI", TASKS["spect-mri"]])
def test_key_folder_name_or_task(key):
    assert get_task(key) is TASKS["spect-mri"]


@pytest.mark.parametrize("key", ["", "ct", "CT_MRI", "mri-ct"])
def test_unknown_task_names_the_choices(key):
    with pytest.raises(WdualmineError, match=r"unknown task; choose one of ct-mri, pet-mri, spect-mri"):
        get_task(key)
