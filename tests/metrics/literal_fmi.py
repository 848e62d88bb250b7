"""Fast-FMI written out as the publication defines it, one window and one cell at a time: the slow reference.

Nothing is shared with the package's vectorised version: both Frechet bounds, second differences of the joint
cumulative distribution and the logarithm of every cell are spelt out here.
"""

import math

import numpy as np


def literal_map(source_feature, fused_feature):
    """Score of every 3 x 3 window of two feature images (H, W), as (H - 2, W - 2)."""
    height, width = source_feature.shape
    scores = np.empty((height - 2, width - 2))
    for row in range(height - 2):
        for column in range(width - 2):
            u = source_feature[row : row + 3, column : column + 3].ravel(order="F")
            v = fused_feature[row : row + 3, column : column + 3].ravel(order="F")
            scores[row, column] = literal_window(u, v)
    return scores


def literal_window(u, v):
    """Score of one window: nine values of the source and nine of the fused image, column by column."""
    if all(x == y for x, y in zip(u, v, strict=True)):
        return 1.0
    p, q = distribution(u), distribution(v)
    P, Q = cumulative(p), cumulative(q)
    c = correlation(p, q)
    deviations = deviation(p) * deviation(q)

    def product(i, j):
        return P[i] * Q[j]

    def bound(i, j):
        return min(P[i], Q[j]) if c > 0 else max(P[i] + Q[j] - 1, 0)

    weight = 0.0
    if c != 0 and deviations != 0:
        covariance = 0.0
        for i in range(1, 10):
            for j in range(1, 10):
                covariance += bound(i, j) - product(i, j)
        weight = c / (covariance / deviations)

    def joint(i, j):
        return weight * bound(i, j) + (1 - weight) * product(i, j)

    joint_entropy = 0.0
    for i in range(1, 10):
        for j in range(1, 10):
            mass = joint(i, j) - joint(i - 1, j) - joint(i, j - 1) + joint(i - 1, j - 1)
            if mass != 0:
                joint_entropy -= mass * math.log2(abs(mass))  # the real part, where the mass is negative

    marginals = entropy(p) + entropy(q)
    information = marginals - joint_entropy
    return 2 * information / marginals if marginals else 0.0


def distribution(values):
    low, high = min(values), max(values)
    scaled = [1.0] * 9 if low == high else [(x - low) / (high - low) for x in values]
    total = sum(scaled)
    return [x / total for x in scaled]


def cumulative(p):
    """Cumulative distribution with a leading 0: index i is P(position <= i)."""
    result = [0.0]
    for x in p:
        result.append(result[-1] + x)
    return result


def correlation(p, q):
    if len(set(p)) == 1 or len(set(q)) == 1:
        return 0.0
    p_mean, q_mean = sum(p) / 9, sum(q) / 9
    covariance = sum((x - p_mean) * (y - q_mean) for x, y in zip(p, q, strict=True))
    squares = sum((x - p_mean) ** 2 for x in p) * sum((y - q_mean) ** 2 for y in q)
    return covariance / math.sqrt(squares)


def deviation(p):
    """Standard deviation of the position, 1 to 9."""
    mean = sum(i * x for i, x in enumerate(p, 1))
    return math.sqrt(max(0.0, sum(i * i * x for i, x in enumerate(p, 1)) - mean**2))


def entropy(p):
    return -sum(x * math.log2(x) for x in p if x > 0)
