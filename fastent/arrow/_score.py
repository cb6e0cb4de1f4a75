"""``score``: the one function between Arrow data and the measures."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pyarrow as pa

from fastent.arrow._columns import Wanted
from fastent.arrow._measures import find_measure
from fastent.arrow._scorer import Scorer
from fastent.arrow._sources import open_source


def score(
    data: Any,
    measure: str | Callable[..., Any],
    *columns: Wanted,
    nulls: str = "null",
    **options: Any,
) -> Any:
    """Return a measure of each row of Arrow data, as Arrow data.

    Parameters
    ----------
    data : record batch, table, reader, array or sequence of arrays
        Of PyArrow, or of whatever has Arrow's PyCapsule protocol: Polars, pandas 3, DuckDB,
        nanoarrow. Arrays are the operands of the measure, in its order.
    measure : str or function
        Such as "entropy" or ``fastent.entropy``: any that has a result for each row.
    *columns : str, list of str or None
        One for each operand, in the order of the measure's. A name; or several columns of numbers,
        which make up one row: a list of names, or a pattern such as ``"p_*"``. None, or left out:
        the only column of lists, else all columns of numbers, without those of other operands. None
        for the target of `score_logits` and `compare_logits`: there is none.
    nulls : {"null", "zero"}
        What a null within a row means, which is an error by default: probability 0. Of logits that
        is -inf. A null row, or a null label, always gives a null; so does one in all of several
        columns.
    **options
        Keywords of the measure: `base`, `normalize`, `check`, `temperature`, `alpha`, ... `weight`,
        `pos_weight` and `indices_or_k` may be names of columns.

    Returns
    -------
    pyarrow.Array, or other Arrow data
        An array for a record batch or arrays; a chunked array for a table, chunked arrays or other
        libraries' streams, with the chunks of the data. With several results, such as those of
        `score_logits`, a record batch or a table with a column for each. For a RecordBatchReader a
        RecordBatchReader, which reads and scores a batch when it is asked for one.

    Raises
    ------
    ValueError
        For what the measure would refuse, with the column and the row, counted over all the data;
        for a null within a row; for names and lengths that do not fit.
    TypeError
        For types that no measure reads, with what to pass instead.

    Notes
    -----
    A row is a list, a fixed-size list, a fixed-shape tensor, a struct of numbers, or a number in
    each of several columns; lists may differ in length where the measure takes ``offsets``. Lists
    are read where they lie, and columns are gathered block by block into the same 1 MiB (4 MiB of
    very many), whatever the number of rows. Results have the bits of the measure of an array of the
    same rows, and its dtype. Pointwise measures have a result for each entry.

    Columns that a pattern matches come in the table's order, or in that of their numbers if what
    stands for the star is a number in all: p_2 comes before p_10. So do all columns of numbers
    that are taken where none is named.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from fastent.arrow import score
    >>> rows = pa.array([[0.5, 0.5], None, [1.0, 0.0]], pa.list_(pa.float64(), 2))
    >>> table = pa.table({"probs": rows, "label": [1, 0, 0]})
    >>> score(table, "entropy", base=2).to_pylist()
    [1.0, None, 0.0]
    >>> score(table, "log_loss", "label", "probs", base=2).to_pylist()
    [1.0, None, 0.0]
    >>> wide = pa.record_batch({"p_a": [0.5, 1.0], "p_b": [0.5, None]})
    >>> score(wide, "entropy", "p_*", base=2, nulls="zero").to_pylist()
    [1.0, 0.0]
    """
    source, operands = open_source(data, find_measure(measure), columns)
    scorer = Scorer(source.schema, measure, *operands, nulls=nulls, **options)
    if isinstance(source, pa.RecordBatch):
        return _alone(scorer.score(source))
    if isinstance(source, pa.RecordBatchReader):
        results = _each(scorer, source)
        if source is data:
            return pa.RecordBatchReader.from_batches(scorer.schema, results)
    else:
        results = _each(scorer, source.select(scorer.columns).to_batches())
    return _alone(pa.Table.from_batches(results, scorer.schema))


def _each(scorer: Scorer, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the results of one batch after the other."""
    done = 0
    for batch in batches:
        yield scorer.score(batch, done)
        done += batch.num_rows


def _alone(results: Any) -> Any:
    """Return the column of results that have one, and no other."""
    return results.column(0) if results.num_columns == 1 else results
