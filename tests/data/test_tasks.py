import pytest

from wdualmine.data import ALL, TASKS, get_task, tasks_of
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


def test_all_stands_for_every_task():
    assert tasks_of(ALL) == list(TASKS.values())
    assert tasks_of("pet-mri") == [TASKS["pet-mri"]]
    for call in (lambda: tasks_of("every"), lambda: get_task(ALL)):
        with pytest.raises(WdualmineError, match="unknown task"):
            call()
