"""The recipe for Spark, as docs/engines.md has it."""

from __future__ import annotations

from pathlib import Path

import pytest

import fastent as fe

pytest.importorskip("pyspark")
pytest.importorskip("pyarrow")

import pyarrow.parquet as pq
from engine_cases import PROB, THERE, check_scored, make_predictions, recipes, run

# One session, which takes its time to start, serves all.
MORE = """
scored(predictions, "score_logits", "label", "prob").write.parquet("scores")
scored(predictions, "entropy", "p_*", base=2).write.parquet("entropies")
scored(predictions, "softmax", "prob").write.parquet("softmax")
scored(predictions.where("id < 0"), "entropy", "prob").write.parquet("none")

from pyspark.errors import PythonException

try:
    scored(predictions.withColumn("label", predictions.id), "log_loss", "label", "prob").collect()
except PythonException as error:
    print("at work:", str(error).partition("ValueError: ")[2].splitlines()[0])
try:
    scored(predictions, "entropy", "probs")
except ValueError as error:
    print("before:", error)
spark.stop()
"""


@pytest.mark.slow
def test_recipe(tmp_path: Path) -> None:
    """Results are those of the direct call, whatever the batches; errors arrive."""
    make_predictions(tmp_path)
    [recipe] = recipes("Spark")
    small = recipe.replace(
        ".getOrCreate()",
        '.config("spark.sql.execution.arrow.maxRecordsPerBatch", 64).getOrCreate()',
    )
    assert small != recipe
    told = run(small + MORE, tmp_path)
    check_scored(tmp_path)
    softmax = pq.read_table(tmp_path / "softmax").sort_by("id")["softmax"]
    assert softmax.combine_chunks().flatten().to_numpy().tobytes() == (
        fe.softmax(PROB[THERE]).tobytes()
    )
    assert pq.read_table(tmp_path / "none").num_rows == 0
    assert "at work: column 'label', row " in told
    assert "but there are 6 classes" in told
    assert "before: there is no column 'probs': did you mean 'prob'" in told
