"""Have the digits drifted? Each pixel's histogram in two halves of the data, in collection order.

The halves are held against each other by the population stability index and the Jensen-Shannon
divergence, pixel by pixel, and so are halves drawn at random, which differ by chance alone.
"""

from pathlib import Path

import numpy as np

import fastent as fe

HERE = Path(__file__).resolve().parent
BINS = 5  # of a pixel's 17 values
RANDOM_HALVES = 200


def histograms(images: np.ndarray) -> np.ndarray:
    """Return how many images have a pixel in each bin: a row a pixel."""
    bins = np.minimum(images.reshape(len(images), -1) * BINS // 17, BINS - 1)
    counts: np.ndarray = (bins[:, :, None] == np.arange(BINS)).sum(axis=0)
    return counts


def drift(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the index and the divergence (in bits) of each pixel."""
    before, after = histograms(first), histograms(second)
    index = fe.population_stability_index(before, after, pseudocount=1e-3)
    return index, fe.js_divergence(before, after, base=2, normalize=True)


def main() -> None:
    """Print what drifted, and what chance alone would do."""
    images = np.load(HERE / "digits_images.npy")
    half = len(images) // 2
    index, divergence = drift(images[:half], images[half:])
    generator = np.random.default_rng(0)
    chance = []
    for _ in range(RANDOM_HALVES):
        mixed = generator.permutation(images)
        chance.append([x.mean() for x in drift(mixed[:half], mixed[half:])])
    ordinary = np.percentile(chance, 99, axis=0)
    print(f"{len(images)} images of 8 x 8 pixels: the first half against the second")
    print("                       mean over pixels   99 of 100 random halves are below")
    print(f"stability index        {index.mean():16.4f}   {ordinary[0]:.4f}")
    print(f"Jensen-Shannon, bits   {divergence.mean():16.5f}   {ordinary[1]:.5f}")
    worst = np.argsort(index)[::-1][:5]
    print("Pixels that changed most: row, column, index, bits")
    for pixel in worst:
        print(f"  {pixel // 8} {pixel % 8}  {index[pixel]:.3f}  {divergence[pixel]:.4f}")
    verdict = "drifted" if index.mean() > ordinary[0] else "not drifted"
    print(f"The digits have {verdict}: other people wrote the second half.")


if __name__ == "__main__":
    main()
