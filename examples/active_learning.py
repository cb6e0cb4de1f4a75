"""Which digits are worth labelling? Those that the model is least sure of, against any.

A classifier starts with twenty labelled images and asks for ten more at a time: the images of the
largest predictive entropy, or random ones. Run it from anywhere: ``python
examples/active_learning.py``. It needs fastent and NumPy alone, and takes a few seconds.
"""

from pathlib import Path

import numpy as np

import fastent as fe

HERE = Path(__file__).resolve().parent
FIRST, STEP, LAST = 20, 10, 200  # labels
UNSEEN = 500  # images that accuracy is measured on
REPEATS = 10  # other splits, other beginnings
STEPS, RATE, SHRINK = 100, 0.3, 1e-3
WIDTH, LOW, HIGH = 60, 0.6, 1.0  # of the figure


def train(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the weights of a softmax regression."""
    weights = np.zeros((images.shape[1], 10))
    speed = np.zeros_like(weights)
    for _ in range(STEPS):
        slope = images.T @ fe.softmax_cross_entropy_grad(labels, images @ weights) / len(images)
        speed = 0.9 * speed - RATE * (slope + SHRINK * weights)
        weights += speed
    return weights


def learn(
    images: np.ndarray, labels: np.ndarray, rng: np.random.Generator, by_entropy: bool
) -> list[float]:
    """Return the accuracy on unseen images after each round of labelling."""
    order = rng.permutation(len(images))
    unseen, pool = order[:UNSEEN], order[UNSEEN:]
    known, pool = pool[:FIRST], pool[FIRST:]
    found = []
    while True:
        weights = train(images[known], labels[known])
        found.append(float(((images[unseen] @ weights).argmax(axis=1) == labels[unseen]).mean()))
        if len(known) >= LAST:
            return found
        if by_entropy:
            unsure = fe.softmax_entropy(images[pool] @ weights)
            pool = pool[np.argsort(-unsure, kind="stable")]
        known, pool = np.concatenate([known, pool[:STEP]]), pool[STEP:]


def labels_needed(curve: np.ndarray, goal: float) -> str:
    """Return after how many labels a learning curve reaches an accuracy."""
    there = np.flatnonzero(curve >= goal)
    return str(FIRST + STEP * int(there[0])) if there.size else f"more than {LAST}"


def main() -> None:
    """Print both learning curves."""
    images = np.load(HERE / "digits_images.npy").reshape(-1, 64) / 16.0
    labels = np.load(HERE / "digits_labels.npy")
    images = np.column_stack([images, np.ones(len(images))])
    curves = {}
    for name, by_entropy in (("random", False), ("entropy", True)):
        runs = [
            learn(images, labels, np.random.default_rng(seed), by_entropy)
            for seed in range(REPEATS)
        ]
        curves[name] = np.mean(runs, axis=0)
    print(f"Accuracy on {UNSEEN} unseen digits, the mean of {REPEATS} runs")
    print(f"labels  random  entropy   {LOW:.0%}{'':{WIDTH - 6}}{HIGH:.0%}")
    for i, (random, entropy) in enumerate(zip(*curves.values(), strict=True)):
        line = [" "] * (WIDTH + 1)
        for mark, value in (("r", random), ("e", entropy)):
            line[round((max(value, LOW) - LOW) / (HIGH - LOW) * WIDTH)] = mark
        print(f"{FIRST + STEP * i:6}  {random:6.1%}  {entropy:7.1%}   {''.join(line).rstrip()}")
    goal = float(curves["random"][-1])
    needed = labels_needed(curves["entropy"], goal)
    print(f"The {goal:.1%} that {LAST} random labels reach take {needed} chosen by entropy.")


if __name__ == "__main__":
    main()
