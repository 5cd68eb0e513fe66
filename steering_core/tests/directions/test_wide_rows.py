"""Methods at a hidden size far above the number of prompts give what the libraries give on the rows as they are."""

import numpy as np
import pytest
import torch
from scipy.stats import bootstrap
from sklearn.decomposition import PCA, FastICA
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from steering_core.directions import extract_direction
from steering_core.directions.evaluation.uncertainty import DRAWS, SEED, effect_size
from steering_core.directions.extraction.row_space import RowSpace

HIDDEN, PAIRS = 300, 30


@pytest.fixture(params=[0, 5, 7])
def classes(request: pytest.FixtureRequest) -> tuple[Tensor, Tensor]:
    """Ten independent sources with heavy tails, a gap between the classes, and a large common mean."""
    rng = np.random.default_rng(request.param)
    mixed = rng.laplace(size=(2 * PAIRS, 10)) @ rng.normal(size=(10, HIDDEN)) + 1e-3 * rng.normal(
        size=(2 * PAIRS, HIDDEN)
    )
    rows = torch.tensor(mixed + 5 * rng.normal(size=HIDDEN), dtype=torch.float32)
    return rows[:PAIRS] + torch.tensor(rng.normal(size=HIDDEN), dtype=torch.float32), rows[PAIRS:]


def whole(classes: tuple[Tensor, Tensor]) -> tuple[np.ndarray, np.ndarray]:
    """In float64: all rows, and the differences of the pairs."""
    positive, negative = (each.double().numpy() for each in classes)
    return np.concatenate([positive, negative]), positive - negative


def assert_direction(name: str, classes: tuple[Tensor, Tensor], expected: np.ndarray) -> None:
    """Equal with its sign and norm, up to float32."""
    found = extract_direction(name, *classes).double().numpy()
    assert np.linalg.norm(found - expected) <= 1e-6 * np.linalg.norm(expected)


def test_rows_in_their_own_space_are_the_rows(classes: tuple[Tensor, Tensor]) -> None:
    rows, _ = whole(classes)
    space = RowSpace(rows)

    assert space.coordinates.shape == (2 * PAIRS, 2 * PAIRS + 1)
    assert np.allclose([space.lift(each) for each in space.coordinates], rows, atol=1e-10)
    assert np.allclose(space.coordinates[:, 0], rows[:, 0], atol=1e-10), "the first feature stays a coordinate"
    assert np.allclose(space.coordinates @ space.coordinates.T, rows @ rows.T)


def test_principal_components_are_those_of_all_features(classes: tuple[Tensor, Tensor]) -> None:
    _, differences = whole(classes)
    both = np.concatenate([differences, -differences])

    assert_direction("pca_centered", classes, PCA(1, svd_solver="full").fit(differences).components_[0])
    assert_direction("pca_uncentered", classes, PCA(1, svd_solver="full").fit(both).components_[0])


def test_independent_components_are_those_of_all_features(classes: tuple[Tensor, Tensor]) -> None:
    rows, _ = whole(classes)
    fit = FastICA(10, whiten="unit-variance", random_state=42, max_iter=1000).fit(rows)

    assert_direction("ica", classes, fit.mixing_[:, 0])


@pytest.mark.parametrize("normalized", [False, True])
def test_the_probe_is_that_of_all_features(classes: tuple[Tensor, Tensor], normalized: bool) -> None:
    """L-BFGS on the rows as they are, far beyond its default tolerance."""
    rows, _ = whole(classes)
    if normalized:
        rows /= np.linalg.norm(rows, axis=1, keepdims=True) + 1e-8
    labels = np.repeat([1, 0], PAIRS)
    expected = LogisticRegression(tol=1e-9, max_iter=100_000).fit(rows, labels).coef_[0]
    name = "linear_probe_normalized" if normalized else "linear_probe"

    found = extract_direction(name, *classes).double().numpy()
    assert np.linalg.norm(found - expected) <= 1e-3 * np.linalg.norm(expected)


def test_the_gradient_is_that_of_the_loss(classes: tuple[Tensor, Tensor]) -> None:
    """The source's loop: autograd, and torch's Adam."""
    gap = classes[0].double().mean(0) - classes[1].double().mean(0)
    vector = torch.randn(HIDDEN, generator=torch.Generator().manual_seed(42), dtype=torch.float64).requires_grad_()
    optimizer = torch.optim.Adam([vector], lr=0.01)
    for _ in range(100):
        optimizer.zero_grad()
        (0.01 * vector.norm() - gap @ (vector / vector.norm())).backward()
        optimizer.step()

    assert_direction("gradient_100_steps", classes, (vector / vector.norm()).detach().numpy())


def test_the_interval_of_the_effect_size_is_scipys() -> None:
    """The same draws: the same numbers."""

    def size(one: np.ndarray, other: np.ndarray, axis: int = -1) -> np.ndarray:
        spread = np.sqrt((one.var(axis, ddof=1) + other.var(axis, ddof=1)) / 2)
        return (one.mean(axis) - other.mean(axis)) / spread

    rng = np.random.default_rng(0)
    classes = rng.normal(0.6, 0.2, 20), rng.normal(0.4, 0.1, 17)
    options = {"n_resamples": DRAWS, "vectorized": True, "method": "percentile", "rng": np.random.default_rng(SEED)}
    expected = bootstrap(classes, size, **options).confidence_interval
    _, low, high = effect_size(*classes)

    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)
