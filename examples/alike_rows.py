"""Which rows of a photograph look alike? Near-duplicates among histograms, by all pairs at once.

Each row of pixels is a histogram of its brightness, and the Jensen-Shannon divergence says how far
two are apart. Two samples of one and the same histogram are apart too, by chance: whatever is
nearer than that is a near-duplicate. Run it from anywhere: ``python examples/alike_rows.py``. It
needs fastent and NumPy alone.
"""

from pathlib import Path

import numpy as np

import fastent as fe

HERE = Path(__file__).resolve().parent
APART = 10  # rows, from which two are not merely neighbours


def by_chance(counts: np.ndarray, draws: int = 2000) -> float:
    """Return the mean divergence, in bits, of two samples of one row's histogram."""
    rng = np.random.default_rng(0)
    rows = counts[rng.integers(0, len(counts), draws)]
    shares = rows / rows.sum(axis=1, keepdims=True)
    pixels = int(counts[0].sum())
    one, other = rng.multinomial(pixels, shares), rng.multinomial(pixels, shares)
    return float(fe.js_divergence(one, other, base=2, normalize=True).mean())


def different(divergence: np.ndarray, near: float) -> np.ndarray:
    """Return rows of which no two are near, in order: each other row is near one of them."""
    kept: list[int] = []
    for row in range(len(divergence)):
        if not (divergence[row, kept] <= near).any():
            kept.append(row)
    return np.array(kept)


def main() -> None:
    """Print which rows are alike, and where the picture changes."""
    counts = np.load(HERE / "photograph_rows.npy")  # every other row
    divergence = fe.pairwise_js_divergence(counts, base=2, normalize=True)
    rows = len(counts)
    near = by_chance(counts)
    upper = np.triu_indices(rows, 1)
    pairs = divergence[upper]
    print(f"{rows} rows, every other one, of {counts[0].sum()} pixels in {counts.shape[1]} levels")
    print(f"Two rows are {np.median(pairs):.3f} bits apart (the median of {len(pairs)} pairs);")
    print(f"two samples of one histogram {near:.4f} bits: nearer rows are near-duplicates.")
    print(f"Near-duplicates: {np.count_nonzero(pairs <= near)} pairs")

    print("\nThe nearest that are no neighbours: rows, bits")
    distant = np.where(upper[1] - upper[0] >= APART, pairs, np.inf)
    for pair in np.argsort(distant, kind="stable")[:5]:
        print(f"  {2 * upper[0][pair]:3} and {2 * upper[1][pair]:3}  {distant[pair]:.4f}")

    kept = different(divergence, near)
    print(f"\n{len(kept)} rows stand for all: the others have a near-duplicate among them.")
    print("Rows that stay, of each tenth of the picture from above, and how far its neighbours are")
    steps = divergence[np.arange(rows - 1), np.arange(1, rows)]
    for part in np.array_split(np.arange(rows), 10):
        share = np.isin(part, kept).mean()
        apart = steps[part[:-1]].mean()
        ends = f"{2 * part[0]:3} to {2 * part[-1]:3}"
        print(f"  {ends}  {share:4.0%}  {apart:.4f} bits  {'#' * round(share * 40)}")


if __name__ == "__main__":
    main()
