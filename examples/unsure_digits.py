"""Ask a classifier of handwritten digits what it is unsure of.

Run it from anywhere: ``python examples/unsure_digits.py``. It needs fastent and NumPy alone.
"""

from pathlib import Path

import numpy as np

import fastent

FOLDER = Path(__file__).parent


def main() -> None:
    """Print the report."""
    probabilities = np.load(FOLDER / "digits_probabilities.npy")
    labels = np.load(FOLDER / "digits_labels.npy")
    predictions = probabilities.argmax(axis=1)
    right = predictions == labels

    # One number an image: 0 bits when the model is certain, log2(10) = 3.32 when it has no idea.
    entropy = fastent.entropy(probabilities, base=2)

    print("Digits, the least certain first")
    print("digit  mean entropy  accuracy")
    by_digit = [(entropy[labels == digit].mean(), digit) for digit in range(10)]
    for mean, digit in sorted(by_digit, reverse=True):
        print(f"{digit:5}  {mean:7.3f} bits  {right[labels == digit].mean():8.1%}")

    order = np.argsort(-entropy, kind="stable")
    print("\nThe five most uncertain images")
    print("image  entropy     label  prediction")
    for image in order[:5]:
        print(f"{image:5}  {entropy[image]:.3f} bits  {labels[image]:5}  {predictions[image]:10}")

    quarter = len(order) // 4
    print(f"\nAccuracy among the most certain quarter   {right[order[-quarter:]].mean():7.2%}")
    print(f"Accuracy among the least certain quarter  {right[order[:quarter]].mean():7.2%}")
    print(f"Log loss  {fastent.log_loss(labels, probabilities, reduction='mean'):.4f} nats")

    # Two classes need one probability: that of class 1, here a benign tumour.
    benign = np.load(FOLDER / "breast_cancer_probabilities.npy")
    target = np.load(FOLDER / "breast_cancer_labels.npy")
    loss = fastent.binary_cross_entropy(target, benign)
    print("\nBreast cancer: is the tumour benign?")
    print(f"Binary cross entropy  {loss.mean():.4f} nats, worst patient {loss.max():.2f}")


if __name__ == "__main__":
    main()
