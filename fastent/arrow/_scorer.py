"""The plan of a measure over the columns of a schema, for one batch after the other."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from fastent._arrays import Array
from fastent.arrow._columns import Wanted, choose_columns
from fastent.arrow._errors import explain, first_bad_row
from fastent.arrow._layouts import Layout
from fastent.arrow._measures import check_options, find_measure
from fastent.arrow._readers import NullEntryError, Ragged, Rows
from fastent.arrow._results import Result
from fastent.arrow._shapes import LengthsError, arguments, check_shapes, empty_operands

NULLS = ("null", "zero")
BLOCK_BYTES = 1 << 20
"""About how much is copied at a time, where rows cannot be read as they lie."""
BLOCK_ROWS = 1024
"""How many rows are, up to four times as much: each of many columns is entered once a block."""
ALONE_ROWS, ALONE_ENTRIES = 1 << 20, 1 << 17
"""How many bytes a thread takes on without others' help: half of what is shared out among threads,
of rows with a result each and of entries with a result each."""


class Scorer:
    """A measure of some columns of a schema, ready for batches: what `score` makes of its data.

    Parameters
    ----------
    schema : pyarrow.Schema
        Of the batches that will come.
    measure, *columns, nulls, **options
        As `score` takes them.

    Attributes
    ----------
    columns : list of str
        The columns that are read: batches need no others.
    schema : pyarrow.Schema
        Of the results: one column of the measure's name, or one for each of its results.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from fastent.arrow import Scorer
    >>> batch = pa.record_batch({"p_0": [0.5, 1.0], "p_1": [0.5, 0.0], "name": ["a", "b"]})
    >>> scorer = Scorer(batch.schema, "entropy", "p_*", base=2)
    >>> scorer.columns, scorer.schema.names
    (['p_0', 'p_1'], ['entropy'])
    >>> scorer.score(batch)["entropy"].to_pylist()
    [1.0, 0.0]
    """

    def __init__(
        self,
        schema: pa.Schema,
        measure: str | Callable[..., Any],
        *columns: Wanted,
        nulls: str = "null",
        **options: Any,
    ) -> None:
        if nulls not in NULLS:
            raise ValueError(f"nulls must be 'null' or 'zero', not {nulls!r}")
        self._nulls = nulls
        self._measure = find_measure(measure)
        check_options(self._measure, options)
        self._layouts = choose_columns(schema, self._measure, columns, options)
        roles = {layout.role for layout in self._layouts}
        self._options = {name: value for name, value in options.items() if name not in roles}
        for role in self._measure.operands:
            if role not in roles:
                self._options[role] = None
        check_shapes(self._measure, self._layouts, self._options)
        self._results = self._results_of_nothing()
        self.columns = list(dict.fromkeys(n for each in self._layouts for n in each.columns))
        self.schema = pa.schema([result.field for result in self._results])

    def _results_of_nothing(self) -> list[Result]:
        """Return what the measure makes of no rows, which tells types, and what options are bad."""
        measure = self._measure
        found = self._call(empty_operands(self._layouts, self._options))
        parts = found if isinstance(found, tuple) else (found,)
        sources = [
            layout.shape
            for layout in self._layouts
            if (layout.role == "indices_or_k") == (measure.name == "top_log_probs")
        ]
        lists = None in sources
        return [
            Result(name, part.dtype, part.shape[1:], lists and part.ndim > 1)
            for name, part in zip(measure.result_names(found), parts, strict=True)
            if part is not None
        ]

    def score(
        self, batch: pa.RecordBatch, first_row: int = 0, *, alone: bool = False
    ) -> pa.RecordBatch:
        """Return the results of a batch.

        Parameters
        ----------
        batch : pyarrow.RecordBatch
            With the columns that are read, of the types that they have in the schema.
        first_row : int
            The number of rows before it, by which errors count.
        alone : bool
            Work on the calling thread alone, for engines that have threads of their own.

        Returns
        -------
        pyarrow.RecordBatch
            As many rows, with the columns of `schema`.
        """
        rows = batch.num_rows
        groups = [layout.fetch(batch) for layout in self._layouts]
        mask = self._present(groups)
        fillings = [result.of(rows) for result in self._results]
        for start, stop, places, operands in self._blocks(groups, rows, mask, first_row, alone):
            found, offsets = self._of_block(operands, places, first_row + start)
            for filling, part in zip(fillings, found, strict=True):
                filling.put(start, stop, places, part, offsets)
        arrays = [filling.finish(mask) for filling in fillings]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def score_arrays(self, operands: Mapping[str, Array]) -> list[Array]:
        """Return the results, one array for each, of operands that are arrays of rows already."""
        return self._of_block(dict(operands), None, 0)[0]

    def _present(self, groups: Sequence[Sequence[pa.Array]]) -> Array | None:
        """Return which rows have a result: none of their operands is null. None if all have."""
        mask: Array | None = None
        for layout, arrays in zip(self._layouts, groups, strict=True):
            there = layout.present(arrays)
            if there is not None:
                mask = there if mask is None else mask & there
        return mask

    def _blocks(
        self,
        groups: Sequence[Sequence[pa.Array]],
        rows: int,
        mask: Array | None,
        first_row: int,
        alone: bool,
    ) -> Iterator[tuple[int, int, Array | None, dict[str, Rows]]]:
        """Yield blocks: their rows, the places of those that are there (None: all), the operands.

        All rows are one block, if nothing is null, they can be read as they lie, and other threads
        may help.
        """
        pairs = list(zip(self._layouts, groups, strict=True))
        step = rows
        copied = mask is not None or any(layout.copies(arrays) for layout, arrays in pairs)
        if copied or alone:
            size = max(1.0, sum(layout.row_bytes(arrays) for layout, arrays in pairs))
            if copied:
                step = int(max(BLOCK_BYTES / size, min(BLOCK_ROWS, 4 * BLOCK_BYTES / size), 1))
            if alone:
                most = ALONE_ENTRIES if self._measure.spreads else ALONE_ROWS
                step = min(step, int(max(most / size, 1)))
        readers = [layout.reader(arrays, self._nulls, step) for layout, arrays in pairs]
        for start in range(0, rows, max(step, 1)):
            stop = min(start + step, rows)
            kept = None if mask is None else mask[start:stop]
            places = None
            if kept is not None and not kept.all():
                places = np.flatnonzero(kept)  # what lies under null rows is never looked at
                if len(places) == 0:
                    continue
            operands = {}
            for layout, reader in zip(self._layouts, readers, strict=True):
                try:
                    operands[layout.role] = reader.rows(start, stop, places)
                except NullEntryError as null:
                    row = null.row if places is None else int(places[null.row])
                    raise self._null_entry(layout, null.what, first_row + start + row) from None
            yield start, stop, places, operands

    def _null_entry(self, layout: Layout, what: str, row: int) -> ValueError:
        """Return the error about a null within a row that is not null itself."""
        advice = "fill it, or make the whole row null"
        value = layout.fill("zero")
        if value is not None:
            meant = "a logit of -inf, probability 0" if value else "probability 0"
            advice += f', or pass nulls="zero" ({meant})'
        return ValueError(f"{what}, row {row} ({layout.role}, {layout.kind}), is null: {advice}")

    def _of_block(
        self, operands: dict[str, Rows], places: Array | None, first_row: int
    ) -> tuple[list[Array], Array | None]:
        """Return the results of a block of rows, and their offsets if they are ragged lists."""
        rows = len(next(iter(operands.values())))

        def place(row: int) -> int:
            return first_row + (row if places is None else int(places[row]))

        try:
            found = self._call(operands)
        except LengthsError as error:
            titles = ", ".join(dict.fromkeys(layout.title for layout in self._layouts))
            raise ValueError(f"{titles}, row {place(error.row)}: {error.what}") from None
        except ValueError as error:
            bad, reason = first_bad_row(self._call, operands, rows, error)
            row = None if bad is None else place(bad)
            raise explain(self._layouts, row, reason) from None
        parts = found if isinstance(found, tuple) else (found,)
        ragged = next((r.offsets for r in operands.values() if isinstance(r, Ragged)), None)
        return [part for part in parts if part is not None], ragged

    def _call(self, operands: Mapping[str, Rows]) -> Any:
        """Return what the measure makes of operands."""
        return self._measure.function(**arguments(self._measure, operands), **self._options)
