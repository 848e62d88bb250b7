"""The guided filter against least squares window by window, and what fusion by it keeps."""

import numpy as np
import torch
from tolerances import TOLERANCES

from wdualmine.methods.guided_filter import box_mean, guided_filter, guided_filter_fusion


def literal_guided_filter(guide: np.ndarray, image: np.ndarray, radius: int, epsilon: float) -> np.ndarray:
    """Fit a line in every window by ridge regression, then average the lines over each pixel's windows."""
    height, width = guide.shape
    lines = np.empty((height, width, 2))
    windows = {}
    for y, x in np.ndindex(height, width):
        windows[y, x] = (slice(max(y - radius, 0), y + radius + 1), slice(max(x - radius, 0), x + radius + 1))
        g, p = guide[windows[y, x]].ravel(), image[windows[y, x]].ravel()
        # The penalty as one more equation: sqrt(n epsilon) slope = 0.
        left = np.vstack((np.stack((g, np.ones_like(g)), axis=1), [[np.sqrt(g.size * epsilon), 0]]))
        lines[y, x] = np.linalg.lstsq(left, np.append(p, 0), rcond=None)[0]
    return np.array(
        [
            [lines[windows[y, x]].mean(axis=(0, 1)) @ (guide[y, x], 1) for x in range(width)]
            for y in range(height)
        ]
    )


def test_the_filter_is_local_ridge_regression(rng: np.random.Generator) -> None:
    guide, image = rng.random((2, 14, 11))
    for radius, epsilon in ((1, 1e-2), (3, 0.3), (20, 1e-3)):
        ours = guided_filter(*(torch.from_numpy(x)[None, None] for x in (guide, image)), radius, epsilon)[
            0, 0
        ].numpy()
        expected = literal_guided_filter(guide, image, radius, epsilon)
        assert np.abs(ours - expected).max() <= TOLERANCES["library"].value


def test_the_box_is_cut_by_the_border() -> None:
    image = torch.arange(12.0).reshape(1, 1, 3, 4)
    means = box_mean(image, 1)[0, 0]
    assert means[0, 0] == image[0, 0, :2, :2].mean()
    assert means[1, 1] == image[0, 0, :3, :3].mean()
    assert torch.allclose(box_mean(image, 50), image.mean().expand(1, 1, 3, 4))


def test_the_sharp_half_of_each_source_is_taken(rng: np.random.Generator) -> None:
    """What the method was made for: each source is blurred on one side."""
    sharp = torch.from_numpy(rng.random((1, 1, 64, 128)))
    blurred = box_mean(sharp, 2)
    a, b = sharp.clone(), sharp.clone()
    a[..., 64:], b[..., :64] = blurred[..., 64:], blurred[..., :64]
    error = (guided_filter_fusion(a, b) - sharp).abs()
    assert error[..., 20:44].mean() < 0.1 * (b - sharp).abs()[..., 20:44].mean()
    assert error[..., 84:108].mean() < 0.1 * (a - sharp).abs()[..., 84:108].mean()
    assert error.mean() < 0.3 * ((a + b) / 2 - sharp).abs().mean()
