"""Softmax regression on handwritten digits: fastent's loss and gradient, the rest NumPy.

    python examples/softmax_regression.py [picture.svg]

Minimising cross entropy is minimising KL: with smoothed labels the entropy of the labels is what
cannot be learned, and the cross entropy falls towards it exactly as the KL divergence falls to 0.
A model that has learned from smoothed labels is less sure than it could be: its probabilities are
held against what happens, before and after a temperature is fitted. A picture needs matplotlib.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

import fastent as fe

FOLDER = Path(__file__).parent
SMOOTHING = 0.1  # of the labels that the model learns from
STEPS, RATE = 400, 0.5


def train(images: Any, labels: Any) -> tuple[Any, list[float]]:
    """Descend from weights of 0; return the weights, and the mean cross entropy at each step."""
    weights = np.zeros((images.shape[1], 10))
    losses = []
    for _ in range(STEPS):
        loss, gradient = fe.softmax_cross_entropy_grad(
            labels,
            images @ weights,
            label_smoothing=SMOOTHING,
            reduction="mean",
            value_and_grad=True,
        )
        weights -= RATE * images.T @ gradient
        losses.append(float(loss))
    return weights, losses


def main(picture: str | None) -> None:
    """Train, print what there is to see, and draw it."""
    pixels = np.load(FOLDER / "digits_images.npy").reshape(-1, 64) / 16
    images = np.column_stack([pixels, np.ones(len(pixels))])
    labels = np.load(FOLDER / "digits_labels.npy").astype(int)
    seen, unseen = slice(0, 1000), slice(1000, None)

    weights, losses = train(images[seen], labels[seen])
    smoothed = (1 - SMOOTHING) * np.eye(10)[labels[seen]] + SMOOTHING / 10
    least = float(fe.entropy(smoothed, reduction="mean"))
    print("step  cross entropy  = entropy of the labels + KL divergence, nats")
    for step in (0, 10, 100, STEPS - 1):
        print(f"{step:4}  {losses[step]:13.4f}  = {least:21.4f} + {losses[step] - least:13.4f}")
    final = fe.softmax_cross_entropy_grad(
        smoothed, images[seen] @ weights, reduction="mean", value_and_grad=True
    )[0]
    divergence = fe.kl_divergence(smoothed, fe.softmax(images[seen] @ weights), reduction="mean")
    print(f"in the end  {final:.4f} = {least:.4f} + {divergence:.4f}, from kl_divergence")

    two = np.flatnonzero(labels < 2)
    logits = images[two] @ weights[:, :2]
    softmax = fe.softmax_cross_entropy(labels[two], logits, reduction="mean")
    binary = fe.binary_cross_entropy_with_logits(
        labels[two], logits[:, 1] - logits[:, 0], reduction="mean"
    )
    print(f"two classes: softmax {softmax:.12f}, binary cross entropy {binary:.12f}")

    logits = images[unseen] @ weights
    half = len(logits) // 2
    temperature = fe.fit_temperature(labels[unseen][:half], logits[:half])
    print(f"temperature {temperature:.3f}, fitted on {half} unseen images; on the others")
    curves = {}
    for name, scaled in (("before", logits[half:]), ("after", logits[half:] / temperature)):
        truth = labels[unseen][half:]
        error = fe.expected_calibration_error(truth, scaled, from_logits=True)
        loss = fe.softmax_cross_entropy(truth, scaled, reduction="mean")
        curves[name] = fe.reliability_curve(truth, scaled, bins=8, from_logits=True)
        print(f"  {name:6}  cross entropy {loss:.4f}, expected calibration error {error:.4f}")
    if picture:
        draw(picture, losses, least, curves)
        print(f"drew {picture}")


def draw(path: str, losses: list[float], least: float, curves: dict[str, Any]) -> None:
    """Draw the losses of every step, and both reliability curves."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    left.plot(losses, label="cross entropy")
    left.plot(np.subtract(losses, least), label="KL divergence")
    left.axhline(least, color="gray", label="entropy of the labels")
    left.set(xlabel="step", ylabel="nats", ylim=(0, None))
    left.legend()
    right.plot([0, 1], [0, 1], color="gray")
    for name, curve in curves.items():
        right.plot(curve.confidence, curve.accuracy, marker="o", label=f"{name} fit_temperature")
    right.set(xlabel="confidence", ylabel="accuracy")
    right.legend()
    figure.savefig(path)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
