"""The public names: each function from the module of its group."""

try:
    from fastent._core import VERSION
except ImportError as error:
    if "subinterpreter" in str(error):
        raise ImportError(
            "fastent, like NumPy, runs in the main interpreter alone: use threads, whose calls run "
            "side by side, or processes"
        ) from error
    raise

from fastent._binary_gradients import (
    binary_cross_entropy_grad,
    binary_cross_entropy_with_logits_grad,
)
from fastent._brier import brier_score
from fastent._calibration import (
    ReliabilityCurve,
    expected_calibration_error,
    fit_temperature,
    reliability_curve,
)
from fastent._compare import LogitComparison, compare_logits, softmax_kl_divergence
from fastent._config import show_config
from fastent._distances import hellinger_distance, js_distance, total_variation_distance
from fastent._distributions import cross_entropy, entropy, kl_divergence, perplexity
from fastent._divergences import jeffreys_divergence, js_divergence
from fastent._drift import population_stability_index
from fastent._events import binary_entropy, surprisal
from fastent._gradients import softmax_cross_entropy_grad
from fastent._joint import conditional_entropy, joint_entropy, mutual_information
from fastent._log_loss import log_loss
from fastent._logits import binary_cross_entropy_with_logits, sigmoid
from fastent._losses import binary_cross_entropy
from fastent._orders import renyi_divergence, renyi_entropy, tsallis_entropy
from fastent._pairs import NearestRows
from fastent._pairwise import (
    pairwise_cross_entropy,
    pairwise_js_divergence,
    pairwise_kl_divergence,
)
from fastent._scores import LogitScores, score_logits
from fastent._softmax import logsumexp, softmax_cross_entropy, softmax_entropy
from fastent._spread import log_softmax, softmax
from fastent._threads import get_num_threads, num_threads, set_num_threads
from fastent._top_log_probs import TopLogProbs, top_log_probs

__version__ = VERSION

__all__ = [
    "LogitComparison",
    "LogitScores",
    "NearestRows",
    "ReliabilityCurve",
    "TopLogProbs",
    "binary_cross_entropy",
    "binary_cross_entropy_grad",
    "binary_cross_entropy_with_logits",
    "binary_cross_entropy_with_logits_grad",
    "binary_entropy",
    "brier_score",
    "compare_logits",
    "conditional_entropy",
    "cross_entropy",
    "entropy",
    "expected_calibration_error",
    "fit_temperature",
    "get_num_threads",
    "hellinger_distance",
    "jeffreys_divergence",
    "joint_entropy",
    "js_distance",
    "js_divergence",
    "kl_divergence",
    "log_loss",
    "log_softmax",
    "logsumexp",
    "mutual_information",
    "num_threads",
    "pairwise_cross_entropy",
    "pairwise_js_divergence",
    "pairwise_kl_divergence",
    "perplexity",
    "population_stability_index",
    "reliability_curve",
    "renyi_divergence",
    "renyi_entropy",
    "score_logits",
    "set_num_threads",
    "show_config",
    "sigmoid",
    "softmax",
    "softmax_cross_entropy",
    "softmax_cross_entropy_grad",
    "softmax_entropy",
    "softmax_kl_divergence",
    "surprisal",
    "top_log_probs",
    "total_variation_distance",
    "tsallis_entropy",
]
