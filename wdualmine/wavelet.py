"""The orthonormal Haar wavelet transform of feature maps (Section 3.4.2), one level, as tensor operations."""

from math import sqrt

from torch import Tensor, cat, stack


def haar_dwt(x: Tensor) -> tuple[Tensor, Tensor]:
    """Decompose feature maps (N, C, H, W), H and W even, into the four Haar sub-bands.

    Returns:
        The low band LL (N, C, H/2, W/2) and the details (N, 3, C, H/2, W/2) in the order LH, HL, HH: detail
        along the rows (horizontal edges), along the columns (vertical edges) and along both. They equal
        PyWavelets' ``dwt2(x, "haar")`` with its (cH, cV, cD). Of volumes (N, C, D, H, W), there are eight
        bands: those of the sums of two slices, then those of their differences.

    Raises:
        ValueError: a side is odd.
    """
    if any(side % 2 for side in x.shape[2:]):
        raise ValueError(f"the Haar transform needs even sides, got {' x '.join(map(str, x.shape[2:]))}")
    if x.ndim == 5:
        front, back = x.unflatten(2, (-1, 2)).unbind(3)
        (low, details), (across, others) = _decompose(front + back), _decompose(front - back)
        return low / sqrt(2), cat((details, across[:, None], others), dim=1) / sqrt(2)
    return _decompose(x)


def _decompose(x: Tensor) -> tuple[Tensor, Tensor]:
    # unbind and not slices: its backward pass is one copy.
    top, bottom = x.unflatten(-2, (-1, 2)).unbind(-2)
    left_sum, right_sum = (top + bottom).unflatten(-1, (-1, 2)).unbind(-1)
    left_difference, right_difference = (top - bottom).unflatten(-1, (-1, 2)).unbind(-1)
    low = left_sum + right_sum
    low_high = left_difference + right_difference
    high_low = left_sum - right_sum
    high_high = left_difference - right_difference
    return low / 2, stack((low_high, high_low, high_high), dim=1) / 2


def haar_idwt(low: Tensor, details: Tensor) -> Tensor:
    """Invert :func:`haar_dwt` up to rounding: (N, C, h, w) and (N, 3, C, h, w) to (N, C, 2h, 2w)."""
    if low.ndim == 5:
        total, change = _compose(low, details[:, :3]), _compose(details[:, 3], details[:, 4:])
        return stack((total + change, total - change), dim=3).flatten(2, 3) / sqrt(2)
    return _compose(low, details)


def _compose(low: Tensor, details: Tensor) -> Tensor:
    low_high, high_low, high_high = details.unbind(dim=1)
    row_sum = _interleave(low + high_low, low - high_low, dim=-1)
    row_difference = _interleave(low_high + high_high, low_high - high_high, dim=-1)
    return _interleave(row_sum + row_difference, row_sum - row_difference, dim=-2) / 2


def _interleave(even: Tensor, odd: Tensor, dim: int) -> Tensor:
    """Alternate two tensors along a dimension: even, odd, even, odd, ..."""
    shape = list(even.shape)
    shape[dim] *= 2
    return (stack if dim == -1 else cat)((even, odd), dim=-1).reshape(shape)
