"""The tasks as a parameter: the first in `make test`, all of them in `make test-all`."""

import pytest

from wdualmine.data import TASKS

_first, *_others = TASKS
FIRST_TASK_FAST = [_first, *(pytest.param(task, marks=pytest.mark.full) for task in _others)]
