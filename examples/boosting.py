"""fastent's derivatives as the objective of LightGBM and XGBoost.

    python examples/boosting.py

Needs lightgbm or xgboost, and scikit-learn for the data. The loss that each library's own objective
reaches is printed beside the one that ours does, and the share of the training time that objectives
take: ours, and the one that is usually written in NumPy.
"""

import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

import fastent as fe

ROWS, ROUNDS = 200_000, 40

Objective = Callable[[Any, Any], tuple[Any, Any]]


def objective(labels: Any, raw: Any) -> tuple[Any, Any]:
    """Return the gradient and the Hessian of binary cross entropy by the raw scores."""
    gradient, hessian = fe.binary_cross_entropy_with_logits_grad(labels, raw)
    return gradient, hessian


def usual_objective(labels: Any, raw: Any) -> tuple[Any, Any]:
    """Return the same as one writes it in NumPy."""
    prob = 1 / (1 + np.exp(-raw))
    return prob - labels, prob * (1 - prob)


class Timed:
    """An objective, and the seconds that were spent in it."""

    def __init__(self, wrapped: Objective) -> None:
        self.wrapped, self.seconds = wrapped, 0.0

    def __call__(self, labels: Any, raw: Any) -> tuple[Any, Any]:
        """Call the objective."""
        start = time.perf_counter()
        result = self.wrapped(labels, raw)
        self.seconds += time.perf_counter() - start
        return result


def with_lightgbm(data: Any, chosen: Objective | None) -> Any:
    """Train, and return the raw scores of the held-out rows."""
    import lightgbm

    features, labels, unseen = data
    settings: dict[str, Any] = {"verbose": -1, "deterministic": True, "num_threads": 2, "seed": 0}
    if chosen is None:
        settings["objective"] = "binary"
        settings["boost_from_average"] = False  # as custom objectives start
    else:
        settings["objective"] = lambda raw, train: chosen(train.get_label(), raw)
    train = lightgbm.Dataset(features, labels)
    model = lightgbm.train(settings, train, num_boost_round=ROUNDS)
    return model.predict(unseen, raw_score=True)


def with_xgboost(data: Any, chosen: Objective | None) -> Any:
    """Train, and return the raw scores of the held-out rows."""
    import xgboost

    features, labels, unseen = data
    settings = {"nthread": 2, "base_score": 0.5, "objective": "binary:logistic"}
    train = xgboost.DMatrix(features, labels)
    custom = None if chosen is None else lambda raw, data: chosen(data.get_label(), raw)
    model = xgboost.train(settings, train, num_boost_round=ROUNDS, obj=custom)
    return model.predict(xgboost.DMatrix(unseen), output_margin=True)


def main() -> None:
    """Train with each library that is here, and with each objective."""
    from sklearn.datasets import make_classification

    features, labels = make_classification(ROWS, n_informative=8, flip_y=0.1, random_state=0)
    half = ROWS // 2
    data = (features[:half].astype(np.float32), labels[:half], features[half:].astype(np.float32))
    for library, train in (("lightgbm", with_lightgbm), ("xgboost", with_xgboost)):
        if find_spec(library) is None:
            print(f"{library} is not installed")
            continue
        for name, chosen in (("own", None), ("fastent", objective), ("NumPy", usual_objective)):
            timed = None if chosen is None else Timed(chosen)
            start = time.perf_counter()
            raw = train(data, timed)
            seconds = time.perf_counter() - start
            loss = fe.binary_cross_entropy_with_logits(labels[half:], raw, reduction="mean")
            share = "" if timed is None else f", {timed.seconds / seconds:.2%} of {seconds:.2f} s"
            print(f"{library:9} {name:8} held-out loss {loss:.6f}{share}")


if __name__ == "__main__":
    main()
