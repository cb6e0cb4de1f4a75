"""Make the small data sets of the examples, from data that scikit-learn ships.

The probabilities come from cross-validation: each image, each patient is judged by a model that
was fitted without it. Only this script needs scikit-learn; the files it writes are kept beside it.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_digits, load_sample_image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FOLDER = Path(__file__).parent


def judge(features: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the probability of every class for every sample, by ten-fold cross-validation."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    folds = StratifiedKFold(n_splits=10, shuffle=True, random_state=0)
    probabilities: NDArray[np.float64] = cross_val_predict(
        model, features, labels, cv=folds, method="predict_proba"
    )
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return probabilities


def save(name: str, probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> None:
    """Write both arrays, in the smallest types that hold what the examples need."""
    np.save(FOLDER / f"{name}_probabilities.npy", probabilities.astype(np.float32))
    np.save(FOLDER / f"{name}_labels.npy", labels.astype(np.int8))


def brightness(photograph: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Return how many pixels of every other row have each of sixteen brightnesses."""
    grey = photograph[::2] @ np.array([0.299, 0.587, 0.114])
    counts: NDArray[np.uint16] = (grey[:, :, None] // 16 == np.arange(16)).sum(1, dtype=np.uint16)
    return counts


def main() -> None:
    """Write the six files."""
    features, labels = load_digits(return_X_y=True)
    save("digits", judge(features, labels), labels)
    np.save(FOLDER / "digits_images.npy", features.astype(np.uint8).reshape(-1, 8, 8))

    # A temple and its garden; reading it needs Pillow.
    np.save(FOLDER / "photograph_rows.npy", brightness(load_sample_image("china.jpg")))

    features, labels = load_breast_cancer(return_X_y=True)
    save("breast_cancer", judge(features, labels)[:, 1], labels)


if __name__ == "__main__":
    main()
