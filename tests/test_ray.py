"""The recipe for Ray Data, as docs/engines.md has it."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("ray")
pytest.importorskip("pyarrow")

from engine_cases import check_scored, make_predictions, recipes, run

# One session, which takes its time to start, serves all.
MORE = """
import os

def of(dataset, *arguments, **options):
    return dataset.map_batches(
        scored, fn_args=arguments, fn_kwargs=options, batch_format="pyarrow", batch_size=None
    )

of(predictions, "score_logits", "label", "prob").write_parquet("scores")
of(predictions, "entropy", "p_*", base=2).write_parquet("entropies")
try:
    wrong = predictions.rename_columns({"id": "label", "label": "truth"})
    of(wrong, "log_loss", "label", "prob").materialize()
except Exception as error:
    print("at work:", [line for line in str(error).splitlines() if "column 'label'" in line][-1])
ray.shutdown()
"""


@pytest.mark.slow
def test_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results are those of the direct call, whatever the blocks; errors arrive."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    make_predictions(tmp_path)
    [recipe] = recipes("Ray Data")
    told = run(recipe + MORE, tmp_path)
    check_scored(tmp_path)
    assert "at work: " in told
    assert "but there are 6 classes" in told
