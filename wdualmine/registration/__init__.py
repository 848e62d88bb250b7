"""Registration: is a pair registered (`check`), and how it is brought into one space (`align`)."""

from wdualmine.registration.align import AS_IS, Alignment, align_images, align_volumes, on_one_grid
from wdualmine.registration.check import (
    SMALLEST,
    Misalignment,
    check_distance,
    distance,
    misalignment,
    require_one_place,
    require_registered,
    volume_misalignment,
)

__all__ = [
    "AS_IS", "SMALLEST", "Alignment", "Misalignment", "align_images", "align_volumes", "check_distance",
    "distance", "misalignment", "on_one_grid", "require_one_place", "require_registered",
    "volume_misalignment",
]  # fmt: skip
