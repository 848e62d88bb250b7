"""Qncie: how closely the three images go together, in a correlation made of mutual information."""

import math

import numpy as np

from wdualmine.metrics.metric import Image, Metric
from wdualmine.metrics.mutual_information import information_between

METRIC = Metric(
    key="Qncie",
    name="Nonlinear correlation information entropy",
    range=(1 - math.log(3) / math.log(256), 1.0),
    source="Wang, Shen, Zhang 2005, DOI 10.1016/j.physd.2004.11.001",
)


@METRIC.define(
    "base-256",
    r"1 + \sum_{k=1}^{3} \frac{\lambda_k}{3} \log_{256} \frac{\lambda_k}{3}, \quad "
    r"\lambda = \operatorname{eig} \begin{pmatrix} 1 & I_{AB} & I_{AF} \\ I_{AB} & 1 & I_{BF} \\ "
    r"I_{AF} & I_{BF} & 1 \end{pmatrix}, \; I_{XY} = \frac{\mathrm{MI}(X, Y)}{8 \text{ bit}}",
    "Liu's MATLAB toolbox; the MEFB benchmark",
)
def qncie(a: Image, b: Image, fused: Image) -> float:
    """Nonlinear correlation information entropy of the two sources and the fused image.

    The eigenvalues of the 3 x 3 matrix of mutual informations (256 bins, logarithms to base 256, ones on the
    diagonal) are read as a distribution; the value is one less its entropy to base 256. Most of it does not
    depend on the fused image at all: three independent images have 0.802.

    Returns:
        1 - ln 3 / ln 256 = 0.802 (independent) to 1 (each determines the others, all levels equally often).

    Source: Q. Wang, Y. Shen, J. Q. Zhang, 2005, DOI 10.1016/j.physd.2004.11.001.
    """
    correlations = np.eye(3)
    images = (a, b, fused)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        correlations[i, j] = correlations[j, i] = information_between(images[i], images[j]) / 8
    shares = np.linalg.eigvalsh(correlations) / 3
    shares = shares[shares > 0]  # one of three equal images is 0 but for rounding
    return float(1 + (shares * np.log(shares)).sum() / math.log(256))
