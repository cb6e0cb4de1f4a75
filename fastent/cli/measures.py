"""What the command line knows about each measure."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from fastent.cli.errors import UseError


@dataclass(frozen=True)
class Measure:
    """One function of fastent, as the command line offers it."""

    name: str
    first: str
    """What INPUT holds, as a word of the function's signature."""
    second: str | None
    """What the file of ``--with`` holds; None for a measure of one operand."""
    pointwise: bool
    """True where every element has a result of its own."""
    options: frozenset[str]
    """The keywords the function takes, among those the command line offers."""
    spreads: bool
    """True where results lie along the axis of the rows."""
    result: str
    """The class of several results, of which each has a file of its own; or "" for one."""
    needs_first: bool
    """False where the function takes None for its first operand."""
    labels_last: bool
    """True where class indices go beside both operands, behind them."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of several results."""
        if not self.result:
            return ()
        import fastent  # not above: the help needs no NumPy

        names: tuple[str, ...] = getattr(fastent, self.result)._fields
        return names

    @property
    def needs_second(self) -> str:
        """What is said where there is nothing for the second operand."""
        takes = "labels" in self.options and not self.labels_last
        labels = f", or INPUT {self.second} and --labels FILE their class indices" if takes else ""
        return (
            f"{self.name} needs a second file: INPUT holds {self.first}, "
            f"--with FILE holds {self.second}{labels}"
        )

    @property
    def needs(self) -> list[str]:
        """The options without which it cannot be called."""
        return [option for option in ("top", "alpha", "order") if option in self.options]


def _measure(
    name: str,
    first: str,
    second: str | None,
    options: str,
    pointwise: bool = False,
    spreads: bool = False,
    result: str = "",
    needs_first: bool = True,
    labels_last: bool = False,
) -> Measure:
    """Return a table entry; `options` is a list of words."""
    words = frozenset(options.split())
    kind = (pointwise, words, spreads, result, needs_first, labels_last)
    return Measure(name, first, second, *kind)


MEASURES = {
    measure.name: measure
    for measure in (
        _measure("surprisal", "p", None, "base log_floor check", pointwise=True),
        _measure("binary_entropy", "p", None, "base check", pointwise=True),
        _measure("entropy", "p", None, "axis base normalize check bias_correction pseudocount"),
        _measure("renyi_entropy", "p", None, "axis base normalize check alpha"),
        _measure("tsallis_entropy", "p", None, "axis normalize check order"),
        _measure("perplexity", "p", None, "axis normalize check"),
        _measure("cross_entropy", "p", "q", "axis base normalize log_floor check"),
        _measure("kl_divergence", "p", "q", "axis base normalize log_floor check"),
        _measure("js_divergence", "p", "q", "axis base normalize check"),
        _measure("js_distance", "p", "q", "axis base normalize check"),
        _measure("jeffreys_divergence", "p", "q", "axis base normalize log_floor check"),
        _measure("renyi_divergence", "p", "q", "axis base normalize check alpha"),
        _measure("hellinger_distance", "p", "q", "axis normalize check"),
        _measure("total_variation_distance", "p", "q", "axis normalize check"),
        _measure("population_stability_index", "p", "q", "axis base check pseudocount"),
        _measure("binary_cross_entropy", "target", "prob", "base log_floor check", pointwise=True),
        _measure("log_loss", "labels", "prob", "axis base log_floor check labels ignore_index"),
        _measure("brier_score", "target", "prob", "axis check labels"),
        _measure("logsumexp", "logits", None, "axis temperature"),
        _measure("softmax_entropy", "logits", None, "axis base temperature"),
        _measure(
            "softmax_cross_entropy",
            "target",
            "logits",
            "axis base temperature labels ignore_index",
        ),
        _measure("softmax_kl_divergence", "logits_p", "logits_q", "axis base temperature"),
        _measure("softmax", "logits", None, "axis temperature", spreads=True),
        _measure("log_softmax", "logits", None, "axis temperature", spreads=True),
        _measure(
            "score_logits",
            "target",
            "logits",
            "axis base temperature labels ignore_index",
            result="LogitScores",
            needs_first=False,
        ),
        _measure(
            "compare_logits",
            "logits_p",
            "logits_q",
            "axis base temperature labels ignore_index",
            result="LogitComparison",
            labels_last=True,
        ),
        _measure(
            "top_log_probs",
            "logits",
            None,
            "axis base temperature top",
            spreads=True,
            result="TopLogProbs",
        ),
        _measure("sigmoid", "logits", None, "", pointwise=True),
        _measure(
            "binary_cross_entropy_with_logits", "target", "logits", "base check", pointwise=True
        ),
    )
}

BIAS_CORRECTIONS = ("miller-madow", "grassberger", "chao-shen")


def find_measure(name: str) -> Measure:
    """Return the measure called `name`, written with ``_`` or ``-``."""
    wanted = name.replace("-", "_")
    if wanted in MEASURES:
        return MEASURES[wanted]
    near = difflib.get_close_matches(wanted.lower(), MEASURES, n=1)
    advice = f"did you mean '{near[0]}'?" if near else f"choose from {', '.join(MEASURES)}"
    raise UseError(f"unknown measure '{name}'; {advice}")
