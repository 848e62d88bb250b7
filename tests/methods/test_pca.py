"""PCA weights against scikit-learn's, and what they do where there is no direction."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from tolerances import TOLERANCES

from wdualmine.methods.pca import pca_average


def test_the_weights_are_those_of_the_first_component(rng: np.random.Generator) -> None:
    a = rng.random((20, 30))
    b = 0.3 * a + 0.2 * rng.random((20, 30))
    component = np.abs(PCA(1).fit(np.stack((a.ravel(), b.ravel()), axis=1)).components_[0])
    share = component / component.sum()
    fused = pca_average(*(torch.from_numpy(x)[None, None] for x in (a, b)))[0, 0].numpy()
    assert np.abs(fused - (share[0] * a + share[1] * b)).max() <= TOLERANCES["library"].value
    assert share[0] > 0.7  # the source that varies more counts more


def test_a_batch_is_weighted_pair_by_pair(rng: np.random.Generator) -> None:
    a, b = torch.from_numpy(rng.random((2, 3, 1, 8, 9)))
    whole = pca_average(a, b)
    for k in range(3):
        assert torch.equal(whole[k : k + 1], pca_average(a[k : k + 1], b[k : k + 1]))


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_two_constants_are_averaged(level: float) -> None:
    a, b = torch.full((1, 1, 5, 5), level), torch.full((1, 1, 5, 5), 0.5)
    assert torch.allclose(pca_average(a, b), (a + b) / 2)


def test_a_constant_beside_an_image_counts_for_nothing(rng: np.random.Generator) -> None:
    image = torch.from_numpy(rng.random((1, 1, 9, 9)))
    assert torch.allclose(pca_average(image, torch.full_like(image, 0.4)), image)
