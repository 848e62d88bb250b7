"""Registration: is a pair registered (`check`), and how it is brought into one space (`align`)."""

from wdualmine.registration.align import AS_IS, Alignment, align_images, align_volumes
from wdualmine.registration.check import (
    SMALLEST,
    Misalignment,
    check_distance,
    distance,
    misalignment,
    require_one_place,
    require_registered,
    require_registered_slices,
)

__all__ = [
    "AS_IS", "SMALLEST", "Alignment", "Misalignment", "align_images", "align_volumes", "check_distance",
    "distance", "misalignment", "require_one_place", "require_registered", "require_registered_slices",
]  # fmt: skip
