"""Measures over Arrow tables: a column of results for columns of distributions.

``score`` takes whatever speaks Arrow's PyCapsule protocol (PyArrow, Polars, pandas, DuckDB,
nanoarrow), whole or as a stream; ``Scorer`` is its plan for a schema, for those who read batches
themselves. The package pyarrow comes with the extra ``arrow``.
"""

try:
    import pyarrow as _  # noqa: F401
except ImportError as error:
    raise ImportError(
        'fastent.arrow needs the package pyarrow: pip install "fastent-numpy[arrow]"'
    ) from error

from fastent.arrow._score import score
from fastent.arrow._scorer import Scorer

__all__ = ["Scorer", "score"]
