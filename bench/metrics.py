"""Time `fastent.metrics` beside the functions of scikit-learn: ``python -m bench.metrics``.

Both run in every round, one after the other, on the same arrays; their results are compared first.
The figures are how many times as long scikit-learn takes, lower quartile and median of the rounds'
ratios. Sizes for which it would take minutes, or many times the memory of the probabilities, are
left out.
"""

import argparse
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import sklearn.metrics

import fastent as fe
import fastent.metrics
from bench.timing import no_collection, seconds

Array = Any
Arguments = tuple[tuple[Any, ...], dict[str, Any]]
LEAST_SECONDS = 2e-3  # of what is timed: shorter calls are repeated
LONG_SECONDS = 1.0  # what takes scikit-learn longer is timed in the first of three rounds
ENTRIES = 3e7  # of rows of probabilities: scikit-learn makes several arrays of their size
TERMS = 2e8  # of scikit-learn's sum of the expected information: ten seconds
TOLERANCE = 1e-6  # what scikit-learn's log-factorials leave of an adjusted score


class Data(NamedTuple):
    """Two labelings of as many classes, and rows of probabilities."""

    true: Array
    pred: Array
    prob: Array  # None where none are needed
    classes: int

    def names(self, labels: Array) -> Array:
        """Return labels as strings that sort as they do."""
        return np.array([f"class {i:04}" for i in range(self.classes)])[labels]


class Case(NamedTuple):
    """A function, and what it is called with."""

    function: str
    arguments: Callable[[Data], Arguments]
    needs: str = ""  # "rows" of probabilities; "all" classes among the labels, too; "two" of them


CASES: dict[str, Case] = {
    "log_loss": Case("log_loss", lambda d: ((d.true, d.prob), {}), "rows all"),
    "log_loss, labels=": Case(
        "log_loss", lambda d: ((d.true, d.prob), {"labels": np.arange(d.classes)}), "rows"
    ),
    "log_loss, sample_weight=": Case(
        "log_loss",
        lambda d: ((d.true, d.prob), {"sample_weight": 1.0 + d.pred}),
        "rows all",
    ),
    "log_loss, strings": Case("log_loss", lambda d: ((d.names(d.true), d.prob), {}), "rows all"),
    "log_loss, 1-D": Case(
        "log_loss", lambda d: ((d.true, d.prob[:, 1].copy()), {}), "rows all two"
    ),
    "brier_score_loss": Case("brier_score_loss", lambda d: ((d.true, d.prob), {}), "rows all"),
    "brier_score_loss, 1-D": Case(
        "brier_score_loss", lambda d: ((d.true, d.prob[:, 1].copy()), {}), "rows all two"
    ),
    "mutual_info_score": Case("mutual_info_score", lambda d: ((d.true, d.pred), {})),
    "mutual_info_score, strings": Case(
        "mutual_info_score", lambda d: ((d.names(d.true), d.names(d.pred)), {})
    ),
    "normalized_mutual_info_score": Case(
        "normalized_mutual_info_score", lambda d: ((d.true, d.pred), {})
    ),
    "adjusted_mutual_info_score": Case(
        "adjusted_mutual_info_score", lambda d: ((d.true, d.pred), {}), "terms"
    ),
}


class Figures(NamedTuple):
    """Seconds of both, and the quartile and median of the ratios."""

    ours: float
    theirs: float
    low: float
    median: float


def draw(samples: int, classes: int, with_rows: bool) -> Data:
    """Return labels, of which half agree, and probabilities that favour the true one."""
    rng = np.random.default_rng(0)
    true, other = rng.integers(classes, size=(2, samples))
    true[:classes] = np.arange(classes)[:samples]
    pred = np.where(rng.random(samples) < 0.5, true, other)
    if not with_rows:
        return Data(true, pred, None, classes)
    prob = rng.random((samples, classes))
    prob[np.arange(samples), true] += classes
    prob /= prob.sum(1, keepdims=True)
    return Data(true, pred, prob, classes)


def is_possible(case: Case, samples: int, classes: int) -> bool:
    """Whether scikit-learn can be asked for this, and answers before long."""
    few = not ("all" in case.needs and samples < classes) and samples > 1
    two = not ("two" in case.needs and classes != 2)
    entries = samples * classes if "rows" in case.needs else 0
    terms = samples * classes if "terms" in case.needs else 0
    return few and two and entries <= ENTRIES and terms <= TERMS


def compare(case: Case, data: Data, rounds: int) -> Figures:
    """Return the figures of a case; raise if the results differ."""
    arguments, keywords = case.arguments(data)
    functions = [getattr(module, case.function) for module in (fastent.metrics, sklearn.metrics)]
    calls = [lambda f=f: f(*arguments, **keywords) for f in functions]
    np.testing.assert_allclose(calls[0](), calls[1](), rtol=TOLERANCE, atol=TOLERANCE)
    once = [seconds(call) for call in calls]
    repeats = [max(1, round(LEAST_SECONDS / spent)) for spent in once]
    if once[1] > LONG_SECONDS:
        rounds = max(1, rounds // 3)
    times = []
    with no_collection():
        for _ in range(rounds):
            pair = zip(calls, repeats, strict=True)
            times.append([seconds(call, count) / count for call, count in pair])
    ratios = [theirs / ours for ours, theirs in times]
    ours, theirs = (statistics.median(spent) for spent in zip(*times, strict=True))
    return Figures(ours, theirs, float(np.quantile(ratios, 0.25)), statistics.median(ratios))


def lines(options: argparse.Namespace) -> Iterator[tuple[str, int, int, Figures]]:
    """Yield what is measured: the case, samples, classes and figures."""
    for name in options.cases:
        case = CASES[name]
        for classes in options.classes:
            for samples in options.samples:
                if is_possible(case, samples, classes):
                    data = draw(samples, classes, "rows" in case.needs)
                    yield name, samples, classes, compare(case, data, options.rounds)


def shown(spent: float) -> str:
    """Return a time with three digits and its unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if spent >= size:
            return f"{spent / size:.3g} {unit}"
    return f"{spent / 1e-6:.3g} µs"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line a case and size, or a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m bench.metrics", description=__doc__)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    sizes = [10**i for i in range(1, 8)]
    parser.add_argument("--samples", nargs="+", type=lambda x: int(float(x)), default=sizes)
    parser.add_argument("--classes", nargs="+", type=int, default=[2, 10, 1000])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--markdown", action="store_true", help="a table for the documentation")
    options = parser.parse_args(arguments)
    fe.set_num_threads(options.threads)
    if options.markdown:
        print("| function | samples | classes | fastent | scikit-learn | times as long |")
        print("|---|---|---|---|---|---|")
    else:
        print(f"{options.threads} threads; scikit-learn {sklearn.__version__} over fastent")
        print(
            f"{'function':30}{'samples':>9}{'classes':>8}{'ours':>10}{'theirs':>10}     low  median"
        )
    for name, samples, classes, found in lines(options):
        ours, theirs = shown(found.ours), shown(found.theirs)
        if options.markdown:
            ratio = f"{found.median:.3g} ({found.low:.3g})"
            cells = (
                f"`{name}`",
                f"{samples:.0e}".replace("e+0", "e"),
                classes,
                ours,
                theirs,
                ratio,
            )
            print("|", " | ".join(map(str, cells)), "|", flush=True)
        else:
            ratio = f"{found.low:8.2f}{found.median:8.2f}"
            print(f"{name:30}{samples:9}{classes:8}{ours:>10}{theirs:>10}{ratio}", flush=True)


if __name__ == "__main__":
    main()
