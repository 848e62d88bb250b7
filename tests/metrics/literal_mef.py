"""MEF-SSIM of Ma, Zeng and Wang (2015) for two sources, window by window: the slow reference."""

import numpy as np

WINDOW = np.exp(-np.add.outer(np.arange(-5, 6) ** 2, np.arange(-5, 6) ** 2) / (2 * 1.5**2))
WINDOW /= WINDOW.sum()


def literal_mef(a, b, fused):
    """Mean over all whole 11 x 11 windows, images float64 (H, W) on 0-255."""
    height, width = fused.shape
    values = []
    for i in range(height - 10):
        for j in range(width - 10):
            x, y, f = (image[i : i + 11, j : j + 11] for image in (a, b, fused))
            values.append(literal_mef_window(x - x.mean(), y - y.mean(), f))
    return np.mean(values)


def literal_mef_window(x, y, f):
    norms = [np.linalg.norm(x), np.linalg.norm(y)]
    contrasts = [norm + 0.001 for norm in norms]
    eps = np.finfo(float).eps
    consistency = min((np.linalg.norm(x + y) + eps) / (sum(norms) + eps), 1 - eps)
    p = min(np.tan(np.pi / 2 * consistency), 10)
    weights = [(contrast / 11) ** p + eps for contrast in contrasts]
    wanted = sum(w / sum(weights) * patch / c for w, patch, c in zip(weights, (x, y), contrasts, strict=True))
    if np.linalg.norm(wanted) > 0:
        wanted = wanted / np.linalg.norm(wanted) * max(contrasts)
    r, f = wanted - (WINDOW * wanted).sum(), f - (WINDOW * f).sum()
    constant = (0.03 * 255) ** 2
    return (2 * (WINDOW * r * f).sum() + constant) / ((WINDOW * (r**2 + f**2)).sum() + constant)
