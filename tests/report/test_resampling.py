from importlib import import_module

import numpy as np
import pytest

from tlimb.report.resampling import FORMS, resampled

CLASSES = {
    "accuracy": "Accuracy",
    "auroc": "AUROC",
    "balanced_accuracy": "BalancedAccuracy",
    "cross_entropy": "CrossEntropy",
    "mae": "MAE",
    "mse": "MSE",
    "r2": "R2",
}


def component(name):
    return getattr(import_module(f"tlimb.components.metrics.{name}"), CLASSES[name])()


def example(kind, classes, seed):
    generator = np.random.default_rng(seed)
    n = 25
    weights = generator.multinomial(n, np.full(n, 1 / n), size=60)
    # Samples that hold one class or one person only, and one that holds nothing twice.
    weights = np.concatenate([weights, np.eye(n, dtype=int)[:3] * n, np.ones((1, n), int)])
    if kind == "number":
        targets = generator.normal(50, 15, n)
        return targets, targets + generator.normal(0, 5, n), weights
    predictions = generator.dirichlet(np.ones(classes), n).round(1)  # rounded, so that there are ties
    predictions[:, 0] += 1e-3
    targets = generator.integers(0, classes, n)
    targets[:classes] = np.arange(classes)
    return targets, predictions / predictions.sum(axis=1, keepdims=True), weights


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("name", sorted(FORMS))
def test_the_closed_form_of_a_metric_equals_the_metric_on_every_sample(name, classes):
    metric = component(name)
    for seed in range(3):
        targets, predictions, weights = example(metric.kind, classes, seed)

        fast = resampled(name, metric, targets, predictions, weights)
        slow = resampled("", metric, targets, predictions, weights)

        np.testing.assert_allclose(fast, slow, rtol=1e-9, atol=1e-12, equal_nan=True)


def test_a_prediction_that_is_not_finite_makes_every_sample_undefined():
    targets, predictions, weights = example("number", 0, 0)
    predictions[3] = np.inf

    assert np.isnan(resampled("mae", component("mae"), targets, predictions, weights)).all()
