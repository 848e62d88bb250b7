"""The trivial fusions of the 24 test pairs whose scores were measured before this package was written.

Those measurements used NumPy's rounding (half to even) and, for the color tasks, JPEG's luma of the
functional image as Pillow has it, which is up to one level off the grey that the paper's protocol scores. The
tolerance is 0.6 units of the last digit: half a unit, and what their own arithmetic left in the fifth digit.
"""

from functools import lru_cache

import numpy as np
import pytest
from PIL import Image

# task, method: Qabf, SSIM, VIF (mirrored at the border), SCD, SD of the fused image; means over the pairs
FRONTIER = {
    ("CT-MRI", "average"): (0.349, 0.734, 0.437, 1.06, 59.3),
    ("CT-MRI", "average, stretched"): (0.372, 0.736, 0.439, 1.12, 60.9),
    ("CT-MRI", "standardised sum, stretched"): (0.391, 0.735, 0.452, 1.13, 59.0),
    ("CT-MRI", "maximum"): (0.582, 0.734, 0.633, 1.55, 87.5),
    ("CT-MRI", "adafuse"): (0.353, 0.415, 0.432, 1.08, 60.0),
    ("CT-MRI", "asfe"): (0.343, 0.370, 0.424, 1.02, 58.4),
    ("PET-MRI", "average, stretched"): (0.559, 0.673, 0.739, 1.30, 74.7),
    ("PET-MRI", "maximum"): (0.745, 0.692, 0.869, 1.37, 88.3),
    ("SPECT-MRI", "average, stretched"): (0.598, 0.732, 0.578, 1.60, 62.0),
    ("SPECT-MRI", "maximum"): (0.662, 0.719, 0.692, 1.33, 61.8),
}
COLUMNS = ("Qabf", "SSIM", "VIF", "SCD", "SD")
DIGITS = {"Qabf": 3, "SSIM": 3, "VIF": 3, "SCD": 2, "SD": 1}


def frontier(column, rows=None):
    """Parametrize a test over (task, method, expected value, tolerance)."""
    index, tolerance = COLUMNS.index(column), 0.6 * 10 ** -DIGITS[column]
    chosen = [key for key in FRONTIER if rows is None or key in rows or key[0] in rows]
    cases = [pytest.param(*key, FRONTIER[key][index], tolerance, id=", ".join(key)) for key in chosen]
    return pytest.mark.parametrize(("task", "method", "expected", "tolerance"), cases)


def mean_score(function, harvard, published, task, method):
    """Mean of a metric function over the 24 test pairs of a task, each fused by the method."""
    scores = [
        function(a, b, fuse(a, b, name, published, task, method)) for name, a, b in pairs(harvard, task)
    ]
    assert len(scores) == 24
    return np.mean(scores)


@lru_cache
def pairs(harvard, task):
    """List of (file name, source A, source B) of the test split, uint8 (H, W)."""
    first, second = task.split("-")
    folder = harvard / task / "test"
    return [
        (path.name, luma(path), luma(folder / second / path.name))
        for path in sorted((folder / first).glob("*.png"), key=lambda path: int(path.stem))
    ]


def fuse(a, b, name, published, task, method):
    if method == "average":
        return np.round((a.astype(float) + b) / 2).astype(np.uint8)
    if method == "average, stretched":
        return stretch((a.astype(float) + b) / 2)
    if method == "standardised sum, stretched":
        return stretch(sum((image - image.mean()) / image.std() for image in (a, b)))
    if method == "maximum":
        return np.maximum(a, b)
    return luma(published / method / task / name)


def stretch(image):
    return np.round((image - image.min()) / (image.max() - image.min()) * 255).astype(np.uint8)


def luma(path):
    image = Image.open(path)
    return np.array(image if image.mode == "L" else image.convert("YCbCr").getchannel(0))
