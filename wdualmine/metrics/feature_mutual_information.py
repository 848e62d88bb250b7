"""FMI: how much of the sources' local features the fused image carries (Fast-FMI).

A feature image is cut into 3 x 3 windows, one at every position. Each window, read column by column, min-max
scaled and divided by its sum, is a probability distribution p over the positions 1 to 9. Two of them, p of a
source and q of the fused image, do not have a joint distribution by themselves; Fast-FMI takes one between
independence and the most dependent joint distribution that they allow (a Frechet bound):

    joint = phi * bound + (1 - phi) * p q^T,    phi = |c| / r

where c is the correlation of the vectors p and q, and r the correlation that the bound itself gives the two
positions. For c > 0 the bound is the upper one, min(P_i, Q_j) of the cumulative distributions; for c < 0 the
lower one, max(P_i + Q_j - 1, 0). A window scores 2 MI / (H(p) + H(q)), identical windows 1; FMI is the mean
over the windows and the two sources.

Three remarks that the code below relies on:

- The bound is a staircase: cut [0, 1] at all P_i and Q_j, and each of the 17 pieces is the mass of one of the
  81 cells. Everywhere else the joint is (1 - phi) p_i q_j, whose entropy sums in closed form, so that
  logarithms are only taken on the staircase.
- The lower bound of (p, q) is the upper bound of (p, q backwards): one code path serves both signs of c.
- phi can exceed 1, since c is not a correlation of positions. Some "masses" are then negative; the published
  code takes the real part of their logarithm, that is log |x|, and so does this. A window can therefore score
  above 1 (1.03 at most on the published images, 3 on contrived ones) or, rarely, below 0.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from wdualmine.metrics.metric import Array, Convention, Image, Metric
from wdualmine.metrics.validation import require_size

Lookup = Callable[[Array], Array]

SIDE = 3  # of a window
CELLS = SIDE**2
_TINY = np.finfo(float).tiny
# Windows at a time. With more, each temporary array exceeds what the allocator keeps between uses, and page
# faults double the time.
_CHUNK = 1536


def pixels(image: Image) -> Array:
    """The grey levels themselves, (H, W)."""
    return image.astype(np.float64)


def cosines(image: Image) -> Array:
    """Orthonormal two-dimensional DCT-II of the whole image, (H, W)."""
    from scipy.fft import dctn

    return dctn(image.astype(np.float64), norm="ortho")


def gradient(image: Image) -> Array:
    """Horizontal derivative by central differences, one-sided at the borders, (H, W)."""
    return np.gradient(image.astype(np.float64), axis=1)


def edges(image: Image) -> Array:
    """Binary Sobel edges, (H, W): squared gradient above four times its mean, thinned to local maxima.

    A pixel survives if its gradient is the largest of three across the edge. (MATLAB's ``edge``, defaults.)
    """
    from scipy.ndimage import sobel

    values = image.astype(np.float64)
    across, down = (np.abs(sobel(values, axis=axis, mode="nearest")) for axis in (1, 0))
    strength = across**2 + down**2
    padded = np.pad(strength, 1, mode="edge")
    left, right = padded[1:-1, :-2], padded[1:-1, 2:]
    above, below = padded[:-2, 1:-1], padded[2:, 1:-1]
    peak_across = (across >= down) & (left <= strength) & (strength > right)
    peak_down = (down >= across) & (above <= strength) & (strength > below)
    return ((strength > 4 * strength.mean()) & (peak_across | peak_down)).astype(np.float64)


def wavelets(image: Image) -> Array:
    """The four bands of one level of the discrete Meyer wavelet transform, side by side in one image."""
    import pywt

    average, (horizontal, vertical, diagonal) = pywt.dwt2(image.astype(np.float64), "dmey", mode="symmetric")
    return np.block([[average, horizontal], [vertical, diagonal]])


def feature_mutual_information(
    a: Image, b: Image, fused: Image, feature: Callable[[Image], Array] = cosines
) -> float:
    """Fast-FMI of a fused image with its two sources, uint8 (H, W); the paper's FMI is that of the DCT.

    Returns:
        1 if every window equals the source's; about 0.4 on medical images in the DCT domain.

    Raises:
        WdualmineError: the images are smaller than a window.

    Source: M. Haghighat, M. A. Razian, 2014, DOI 10.1109/ICAICT.2014.7036000; M. Haghighat, A. Aghagolzadeh,
    H. Seyedarabi, 2011, DOI 10.1016/j.compeleceng.2011.07.012.
    """
    from_a, from_b = feature_information_maps((a, b), fused, feature).mean(axis=(1, 2))
    return float((from_a + from_b) / 2)


def feature_information_maps(
    sources: tuple[Image, ...], fused: Image, feature: Callable[[Image], Array] = cosines
) -> Array:
    """Score of every window of the feature image, (sources, H - 2, W - 2)."""
    require_size("FMI", fused, SIDE)
    target, *origins = (feature(image) for image in (fused, *sources))
    height, width = (size - SIDE + 1 for size in target.shape)
    maps = np.empty((len(sources), height, width))
    rows = max(1, _CHUNK // (len(sources) * width))
    for start in range(0, height, rows):
        block = slice(start, start + rows + SIDE - 1)
        u = np.stack([windows(origin[block]) for origin in origins], axis=1)
        v = windows(target[block])[:, None]
        maps[:, start : start + rows] = window_scores(u, v).reshape(len(sources), -1, width)
    return maps


def windows(feature: Array) -> Array:
    """All windows of a feature image (H, W), each read column by column: (9, (H - 2) (W - 2))."""
    height, width = (size - SIDE + 1 for size in feature.shape)
    offsets = [(row, column) for column in range(SIDE) for row in range(SIDE)]
    return np.stack([feature[row : row + height, column : column + width].ravel() for row, column in offsets])


def window_scores(u: Array, v: Array) -> Array:
    """2 MI / (H(p) + H(q)) of windows u and v, (9, ...) each: (...); 1 where they are identical.

    The shapes broadcast, so that the windows of one fused image serve those of several sources.
    """
    same = (u == v).all(axis=0)
    varied = (u != u[:1]).any(axis=0) & (v != v[:1]).any(axis=0) & ~same
    if varied.mean() > 0.5:  # it does not pay to pick them out
        return np.where(same, 1.0, _information_shared(u, v))
    scores = same.astype(np.float64)  # a flat window, such as most are of edges, shares nothing
    scores[varied] = _information_shared(*(x[:, varied] for x in np.broadcast_arrays(u, v)))
    return scores


def _information_shared(u: Array, v: Array) -> Array:
    p, q = _distributions(u), _distributions(v)
    p_offset, p_deviation = _position_moments(p)
    q_offset, q_deviation = _position_moments(q)
    entropies = -_x_log_x(p).sum(axis=0) - _x_log_x(q).sum(axis=0)
    p_centered, q_centered = p - 1 / CELLS, q - 1 / CELLS
    c = _divide(
        (p_centered * q_centered).sum(axis=0),
        np.sqrt((p_centered**2).sum(axis=0) * (q_centered**2).sum(axis=0)),
    )
    q = np.where(c < 0, q[::-1], q)
    q_offset = np.where(c < 0, -q_offset[::-1], q_offset)

    mass, on_p, on_q = _staircase(p, q)
    covariance = (mass * on_p(p_offset) * on_q(q_offset)).sum(axis=0)
    phi = _divide(np.abs(c) * p_deviation * q_deviation, covariance)

    independent = (1 - phi) * on_p(p) * on_q(q)
    gained = (_x_log_x(independent + phi * mass) - _x_log_x(independent)).sum(axis=0)
    information = phi * entropies + _x_log_x(1 - phi) + gained
    return _divide(2 * information, entropies)


def _distributions(values: Array) -> Array:
    """Windows (9, ...), each min-max scaled and divided by its sum; constant ones become uniform."""
    low = values.min(axis=0)
    span = values.max(axis=0) - low
    flat = span == 0
    scaled = (values - low) / (span + flat) + flat
    return scaled / scaled.sum(axis=0)


def _position_moments(p: Array) -> tuple[Array, Array]:
    """Positions less their mean (9, ...), and their standard deviation (...), under p (9, ...)."""
    positions = np.arange(float(CELLS)).reshape(-1, *[1] * (p.ndim - 1))
    offset = positions - (positions * p).sum(axis=0)
    return offset, np.sqrt((offset**2 * p).sum(axis=0))


def _staircase(p: Array, q: Array) -> tuple[Array, Lookup, Lookup]:
    """The upper Frechet bound of distributions (9, ...), as 17 pieces: 8 end at P_i, 8 at Q_j, the last at 1.

    A piece in the cell (i, j) starts at the larger of P_(i-1) and Q_(j-1).

    Returns:
        The masses (17, ...), and two functions that read a table (9, ...) by i, or by j, at each piece.
    """
    P, Q = _cumulative(p), _cumulative(q)
    below = (Q[1:] < P[1:, None]).view(np.int8)  # (8, 8, ...), counted in 8 bits for speed
    count = p[0].size
    window = np.arange(count).reshape(p[0].shape)
    row_at_q = (CELLS - 1 - below.sum(axis=0, dtype=np.int8)).astype(np.intp) * count + window
    column_at_p = below.sum(axis=1, dtype=np.int8).astype(np.intp) * count + window

    def on_p(table: Array) -> Array:
        return np.concatenate([table[:-1], table.ravel().take(row_at_q), table[-1:]])

    def on_q(table: Array) -> Array:
        return np.concatenate([table.ravel().take(column_at_p), table[:-1], table[-1:]])

    ends = np.concatenate([P[1:], Q[1:], np.ones_like(P[:1])])
    return ends - np.maximum(on_p(P), on_q(Q)), on_p, on_q


def _cumulative(p: Array) -> Array:
    """0 and P_1 to P_8, (9, ...); np.cumsum along this axis is five times as slow."""
    P = np.zeros_like(p)
    for row in range(1, CELLS):
        np.add(P[row - 1], p[row - 1], out=P[row])
    return P


def _divide(x: Array, y: Array) -> Array:
    """x / y, 0 where y is 0."""
    return np.divide(x, y, out=np.zeros_like(x), where=y > 0)


def _x_log_x(x: Array) -> Array:
    """x log2 |x|, 0 at 0."""
    result = np.abs(x)
    np.maximum(result, _TINY, out=result)
    np.log2(result, out=result)
    result *= x
    return result


#: The variants of the field.
_FEATURES: tuple[tuple[str, str, Callable[[Image], Array], str], ...] = (
    ("FMI", "DCT", cosines, r"\mathrm{DCT}"),
    ("FMI-pixel", "pixels", pixels, r"\mathrm{id}"),
    ("FMI-gradient", "gradient", gradient, r"\partial_x"),
    ("FMI-edge", "Sobel edges", edges, r"\mathrm{edge}"),
    ("FMI-wavelet", "Meyer wavelet", wavelets, r"\mathrm{DWT}"),
)

FMI_METRICS = tuple(
    Metric(
        key=key,
        name=f"Feature mutual information ({name})",
        range=(-np.inf, np.inf),
        source="Haghighat, Razian 2014, DOI 10.1109/ICAICT.2014.7036000",
        conventions=[
            Convention(
                name="fast-fmi",
                function=partial(feature_mutual_information, feature=feature),
                formula=r"\frac{1}{2} \sum_{S \in \{A, B\}} \overline{\left(\frac{2\, I(p_w, q_w)}"
                rf"{{H(p_w) + H(q_w)}}\right)}}_w, \quad p = {symbol}(S), \; q = {symbol}(F)",
                used_by="Haghighat's MATLAB code; the paper's own variant is unknown",
            )
        ],
    )
    for key, name, feature, symbol in _FEATURES
)
