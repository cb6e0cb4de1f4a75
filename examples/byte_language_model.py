"""Train a small language model on Python's own library, and score text it has not seen.

Run it from anywhere: ``python examples/byte_language_model.py``. It needs fastent and NumPy alone,
and takes about a minute, most of it training. Where PyTorch is installed, its loss of the same
logits is shown beside ours.
"""

import argparse
import sysconfig
from pathlib import Path
from typing import Any

import numpy as np

import fastent

CONTEXT = 8  # bytes that the next is predicted from
WIDTH = 24  # numbers a byte is known by
HIDDEN = 256
BATCH = 512
HELD_OUT = ("argparse.py", "heapq.py", "textwrap.py")


def read_library() -> tuple[Any, Any]:
    """Return the bytes of the standard library's modules: to train on, and held out."""
    folder = Path(sysconfig.get_path("stdlib"))
    texts = {path.name: path.read_bytes() for path in sorted(folder.glob("*.py"))}
    held_out = b"".join(texts.pop(name) for name in HELD_OUT)
    return np.frombuffer(b"".join(texts.values()), np.uint8), np.frombuffer(held_out, np.uint8)


def contexts(text: Any) -> tuple[Any, Any]:
    """Return the bytes before each byte of a text, and the byte."""
    windows = np.lib.stride_tricks.sliding_window_view(text, CONTEXT + 1)
    return windows[:, :-1], windows[:, -1]


class Model:
    """Bytes to vectors, one hidden layer, logits of the next byte; trained by Adam."""

    def __init__(self, rng: np.random.Generator) -> None:
        def draw(*shape: int) -> Any:
            return (rng.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)

        self.weights = [draw(256, WIDTH), draw(CONTEXT * WIDTH, HIDDEN), draw(HIDDEN, 256)]
        self.weights.append(np.zeros(256, np.float32))
        self.moments = [(np.zeros_like(w), np.zeros_like(w)) for w in self.weights]
        self.steps = 0

    def logits(self, before: Any) -> Any:
        """Return the scores of each next byte, and what the gradient needs."""
        vectors, inner, outer, bias = self.weights
        seen = vectors[before].reshape(len(before), -1)
        hidden = np.tanh(seen @ inner)
        return hidden @ outer + bias, hidden, seen

    def train(self, before: Any, following: Any, rate: float) -> None:
        """Take one step."""
        _, inner, outer, _ = self.weights
        logits, hidden, seen = self.logits(before)
        # The gradient of the mean cross entropy by the logits: softmax less the truth.
        slope = np.exp(logits - fastent.logsumexp(logits, keepdims=True))
        slope[np.arange(len(before)), following] -= 1
        slope /= len(before)
        back = (slope @ outer.T) * (1 - hidden * hidden)
        shares, ids = (back @ inner.T).reshape(-1, WIDTH), before.ravel()
        sums = [np.bincount(ids, shares[:, j], 256) for j in range(WIDTH)]
        by_vectors = np.stack(sums, axis=1).astype(np.float32)
        self._descend([by_vectors, seen.T @ back, hidden.T @ slope, slope.sum(0)], rate)

    def _descend(self, slopes: list[Any], rate: float) -> None:
        self.steps += 1
        for weight, slope, (first, second) in zip(self.weights, slopes, self.moments, strict=True):
            first += 0.1 * (slope - first)
            second += 0.01 * (slope * slope - second)
            lead = first / (1 - 0.9**self.steps)
            weight -= rate * lead / (np.sqrt(second / (1 - 0.99**self.steps)) + 1e-8)


def peer_loss(logits: Any, following: Any) -> str:
    """Return PyTorch's loss in words, if it is here."""
    try:
        import torch
    except ImportError:
        return "PyTorch is not installed"
    scores, true = torch.from_numpy(logits), torch.from_numpy(following.astype(np.int64))
    loss = torch.nn.functional.cross_entropy(scores, true).item()
    return f"PyTorch: {loss:.6f} nats, perplexity {np.exp(loss):.4f}"


def main() -> None:
    """Train, score, and show where the text surprises most."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2000, help=f"of training, {BATCH} bytes each")
    steps = parser.parse_args().steps
    rng = np.random.default_rng(1)
    train, held_out = read_library()
    before, following = contexts(train)
    model = Model(rng)
    for step in range(steps):
        some = rng.integers(0, len(before), BATCH)
        model.train(before[some], following[some], 3e-3 * (1 - step / steps))
    print(f"{steps} steps of {BATCH} bytes, of {len(train):,}")

    before, following = contexts(held_out)
    logits = np.concatenate([model.logits(part)[0] for part in np.array_split(before, 64)])
    loss = fastent.softmax_cross_entropy(following, logits, reduction="mean")
    print(f"\nHeld out: {len(following):,} bytes of {', '.join(HELD_OUT)}")
    print(f"fastent: {loss:.6f} nats, perplexity {np.exp(loss):.4f}")
    print(peer_loss(logits, following))
    surprise = fastent.softmax_cross_entropy(following, logits, base=2)
    unsure = fastent.softmax_entropy(logits, base=2)
    print(f"bits a byte: {surprise.mean():.3f}; the model expects {unsure.mean():.3f}")
    print("\nThe most surprising places")
    for place in np.argsort(-surprise, kind="stable")[:8]:
        text = held_out[max(0, place + CONTEXT - 30) : place + CONTEXT].tobytes()
        shown = text.decode("utf-8", "replace").replace("\n", "\\n")
        byte = chr(following[place])
        print(
            f"{surprise[place]:5.1f} bits ({unsure[place]:.1f} expected)  {shown!s:>32}[{byte!r}]"
        )


if __name__ == "__main__":
    main()
