"""One input that is a table: read, scored and written batch by batch, each in its own thread."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from fastent.arrow import Scorer
from fastent.cli.errors import DataError, UseError, with_options
from fastent.cli.files import FORMATS, Format, format_of
from fastent.cli.files.base import BLOCK_BYTES, COPIES, EVERY, File, Reader, Settings, boundary
from fastent.cli.files.npy import NpyReader
from fastent.cli.files.stream import format_of_stream
from fastent.cli.inputs import STREAM
from fastent.cli.measures import Measure
from fastent.cli.operands import Plan, Table, choose, explain_type, is_one_row
from fastent.cli.parts import Part, make_parts
from fastent.cli.pipeline import read_ahead
from fastent.cli.sink import Sink, summarised
from fastent.cli.sizes import mebibytes
from fastent.cli.summary import Block

if TYPE_CHECKING:
    from fastent.cli.score import Request


class TableJob:
    """One input with everything that was found out about it before the work starts."""

    def __init__(
        self, request: Request, path: Path, output: Path | None, format: Format | None
    ) -> None:
        if request.axis is not None and request.axis != -1:
            raise UseError(
                f"{path}: --axis is of .npy files whose results are .npy too; the entries of a row "
                f"lie in a list, or in several columns"
            )
        self.path, self.output, self.target = path, output, output
        self._request, self._format = request, format
        self._opened: _Opened | None = _Opened(request, path, format)
        self.rows = self._opened.rows
        self.sources: Sequence[Path] = self._opened.sources
        if path != STREAM:
            # Closed until its turn comes: there may be thousands.
            self._opened.close()
            self._opened = None

    @property
    def outputs(self) -> list[Path]:
        """Every file that will be written."""
        return [] if self.output is None or self.output == STREAM else [self.output]

    def parts(self, token: str) -> list[Part]:
        """Return parts that can be scored apart: row groups, record batches, rows of .npy."""
        opened = self._open()
        with closing(opened):
            if len(parts := opened.parts(token)) > 1 and self.output and self._format:
                # What the format has no place for is told before any work.
                sink = Sink(self.output, self._format, *opened.written)
                with contextlib.suppress(_EnoughError), sink:
                    raise _EnoughError
            return parts

    def assemble(self, parts: Sequence[Part]) -> Generator[int, None, None]:
        """Write the output from those of all parts; yield the rows of each batch."""
        if self.output is None or self._format is None:
            return
        opened = self._open()
        with ExitStack() as stack:
            stack.callback(opened.close)
            sink = stack.enter_context(Sink(self.output, self._format, *opened.written))
            for part in parts:
                with (
                    pa.OSFile(str(part.path_of(self.output))) as file,
                    pa.ipc.open_stream(file) as batches,
                ):
                    for batch in batches:
                        sink.put(batch)
                        yield batch.num_rows
            opened.check_unchanged()
            sink.finish()

    def _open(self) -> _Opened:
        return self._opened or _Opened(self._request, self.path, self._format)

    def run(self, part: Part | None = None) -> Generator[tuple[dict[str, Block], int], None, None]:
        """Score and write; yield what the summary tells of, measure by measure, and the rows."""
        opened = self._open()
        with ExitStack() as stack:
            stack.callback(opened.close)
            sink = None
            if self.output is not None and self._format is not None:
                output, format = self.output, self._format
                if part is not None:
                    output, format = part.path_of(output), FORMATS["arrows"]
                sink = stack.enter_context(Sink(output, format, *opened.written))
            batches = stack.enter_context(read_ahead(opened.batches(part)))
            done = 0 if part is None else part.first_row
            for batch in _at_least_one(batches, opened.schema):
                found = opened.score(batch, done)
                if sink is not None:
                    sink.put(opened.joined(batch, found))
                done += batch.num_rows
                yield opened.shown(found), batch.num_rows
                del batch, found
            opened.check_unchanged()
            if sink is not None:
                sink.finish()


class _EnoughError(Exception):
    """Ends an output that was only tried."""


def _at_least_one(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield batches, or an empty one, which shows what results would be."""
    none = True
    for batch in batches:
        none = False
        yield batch
        del batch
    if none:
        yield from pa.Table.from_batches([], schema).to_batches(max_chunksize=1) or [
            pa.RecordBatch.from_arrays([pa.array([], f.type) for f in schema], schema=schema)
        ]


def _refuse_text(table: Table) -> None:
    """Raise if there are words in a CSV file of which all columns of numbers would be taken."""
    for field in table.schema:
        kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_null)
        if not any(kind(field.type) for kind in kinds):
            raise UseError(
                f"{table.path}: column '{field.name}' holds other things than numbers: "
                f"--columns says which columns are meant"
            )


class _Opened:
    """The files of an input, open, and the plan of each measure."""

    def __init__(self, request: Request, path: Path, format: Format | None) -> None:
        self._request, self.path = request, path
        text = request.append and format is not None and format.name == "csv"
        self._settings = Settings(request.memory, request.header, text)
        self._files: list[File] = []
        self._readers: dict[str, Reader] = {}
        try:
            self._open()
            self._shape_arrays()
            self._plan()
        except BaseException:
            self.close()
            raise

    # ---- opening --------------------------------------------------------------------------

    def _open(self) -> None:
        """Open the input, and what lies beside it row by row."""
        request = self._request
        paths = {"input": self.path}
        if request.second is not None:
            paths["with"] = request.second
        self._add("input", self.path)
        labels = request.labels
        is_column = labels is None or labels in self._readers["input"].schema.names
        if labels is not None and not is_column and Path(labels).is_file():
            paths["labels"] = Path(labels)
        for name, path in paths.items():
            if name != "input":
                self._add(name, path)
        self._paths = paths
        self.sources = list(paths.values())

    def _add(self, name: str, path: Path) -> None:
        file = File(path)
        self._files.append(file)
        format = format_of_stream(file) if path == STREAM else format_of(path)
        with boundary(path):
            self._readers[name] = format.open(file, self._settings)
        self._is_csv = getattr(self, "_is_csv", False) or (name == "input" and format.name == "csv")

    def _shape_arrays(self) -> None:
        """Take arrays of one axis for one row where they are one if results are .npy too."""
        flat = {n: r for n, r in self._readers.items() if isinstance(r, NpyReader) and r.flat}
        measures, pair = self._request.measures, "with" in self._readers
        for name, reader in flat.items():
            whole = [is_one_row(measure, name, flat, pair) for measure in measures]
            if len(set(whole)) > 1:
                one, other = measures[whole.index(True)].name, measures[whole.index(False)].name
                raise UseError(
                    f"{self._paths[name]}: has one axis, which is one row of {one} and many of "
                    f"{other}: score one after the other"
                )
            if whole[0]:
                reader.make_one_row()

    # ---- planning -------------------------------------------------------------------------

    def _tables(self) -> dict[str, Table]:
        """Return the schemas, with a prefix before the columns of other files than the input."""
        return {
            name: Table(self._paths[name], reader.schema, "" if name == "input" else f"{name}:")
            for name, reader in self._readers.items()
        }

    def _plan(self) -> None:
        """Choose columns, plan the measures, and see how many rows fit into memory."""
        request, tables = self._request, self._tables()
        if self._is_csv and not request.columns:
            _refuse_text(tables["input"])
        plans = [choose(request, measure.name, tables) for measure in request.measures]
        self._use(plans, tables)
        tables = self._tables()
        self.schema = pa.schema(
            [
                pa.field(table.prefix + field.name, field.type)
                for name, table in tables.items()
                for field in table.schema
                if field.name in self._read[name]
            ]
        )
        self._scorers = [
            self._scorer(measure, plan)
            for measure, plan in zip(request.measures, plans, strict=True)
        ]
        self._kept = tables["input"].schema.names if request.append else []
        self.result_schema = self._name_results()
        self._batch_rows = self._rows_that_fit()
        counts = [reader.rows for reader in self._readers.values()]
        self.rows = counts[0]
        if None not in counts and len(set(counts)) > 1 and not self._is_csv:
            told = ", ".join(
                f"{self._paths[name]} has {reader.rows} rows"
                for name, reader in self._readers.items()
            )
            raise DataError(f"files do not go together row by row: {told}")

    def _use(self, plans: Sequence[Plan], tables: dict[str, Table]) -> None:
        """Tell the readers which columns are read."""
        used = [n for p in plans for w in p.wanted if w for n in ([w] if isinstance(w, str) else w)]
        truths = {plan.truth for plan in plans if plan.truth}
        self._read: dict[str, list[str]] = {}
        for name, table in tables.items():
            mine = set(used)
            reader = self._readers[name]
            columns = [n for n in table.schema.names if table.prefix + n in mine]
            every = self._request.append and name == "input"
            self._read[name] = list(table.schema.names) if every else columns
            counts = {n for n in columns if table.prefix + n in truths}
            with boundary(table.path):
                reader.use(self._read[name], counts)
                if every and self._settings.text and hasattr(reader, "keep_text"):
                    reader.keep_text([n for n in table.schema.names if n not in columns])

    def _scorer(self, measure: Measure, plan: Plan) -> Scorer:
        request = self._request
        names = {"top": "indices_or_k"}
        keywords = {names.get(k, k): v for k, v in request.keywords_of(measure).items()}
        try:
            return Scorer(self.schema, measure.name, *plan.wanted, nulls=request.nulls, **keywords)
        except TypeError as error:
            raise explain_type(self.path, error) from error
        except ValueError as error:
            raise DataError(f"{self.path}: {with_options(error)}") from error

    def _name_results(self) -> pa.Schema:
        """Return the schema of what is written: a result has the name of its measure."""
        names = [name for scorer in self._scorers for name in scorer.schema.names]
        fields = []
        for measure, scorer in zip(self._request.measures, self._scorers, strict=True):
            for field in scorer.schema:
                twice = names.count(field.name) > 1 and field.name != measure.name
                fields.append(field.with_name(f"{measure.name}.{field.name}") if twice else field)
        kept = [field for field in self.schema if field.name in set(self._kept)]
        for field in fields:
            if field.name in self._kept:
                raise UseError(
                    f"{self.path}: has a column '{field.name}' already: leave out --append, or "
                    f"give it another name"
                )
        return pa.schema(kept + fields)

    def _rows_that_fit(self) -> int:
        """Return how many rows are read at a time; raise if memory is too small for one."""
        request, memory = self._request, self._request.memory
        row_bytes = 0.0
        for name, reader in self._readers.items():
            with boundary(self._paths[name]):
                row_bytes += reader.row_bytes()
                what, size = reader.largest()
            if size > memory / 2:
                raise UseError(
                    f"{self._paths[name]}: {what} needs {mebibytes(2 * size)}, more than --memory "
                    f"{mebibytes(memory)}: raise it, or write the file in smaller parts"
                )
        if row_bytes > memory / COPIES:
            raise UseError(
                f"{self.path}: a row takes {mebibytes(row_bytes)}, and {COPIES} times that is more "
                f"than --memory {mebibytes(memory)}: raise it"
            )
        fitting = int(min(BLOCK_BYTES, memory / COPIES) / max(1.0, row_bytes))
        most = int(memory / COPIES / max(1.0, row_bytes))
        return max(1, min(request.batch_rows, most) if request.batch_rows else fitting)

    # ---- working --------------------------------------------------------------------------

    def parts(self, token: str) -> list[Part]:
        """Return parts of the input, none if it is read beside other files, or as a whole."""
        if len(self._readers) > 1:
            return []
        reader = self._readers["input"]
        return make_parts(reader.stretches(self._batch_rows), reader.row_bytes(), token)

    def batches(self, part: Part | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows of all files side by side."""
        some = EVERY if part is None else slice(part.start, part.stop)
        sources = {name: self._guarded(name, r, some) for name, r in self._readers.items()}
        if len(sources) == 1:
            yield from sources["input"]
            return
        waiting: dict[str, pa.RecordBatch | None] = dict.fromkeys(sources)
        while True:
            for name, source in sources.items():
                here = waiting[name]
                while here is None or here.num_rows == 0:
                    here = waiting[name] = next(source, None)
                    if here is None:
                        break
            ended = [name for name, batch in waiting.items() if batch is None]
            if ended:
                longer = [name for name in sources if name not in ended]
                if longer:
                    raise DataError(
                        f"files do not go together row by row: {self._paths[longer[0]]} has more "
                        f"rows than {self._paths[ended[0]]}"
                    )
                return
            parts = [batch for batch in waiting.values() if batch is not None]
            count = min(part.num_rows for part in parts)
            columns = [column for part in parts for column in part.slice(0, count).columns]
            for name, here in zip(list(waiting), parts, strict=True):
                waiting[name] = here.slice(count)
            yield pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _guarded(self, name: str, reader: Reader, some: slice) -> Iterator[pa.RecordBatch]:
        """Yield the batches of a file; what its reader raises is one line."""
        path = self._paths[name]
        source = reader.batches(self._batch_rows, some)
        while True:
            with boundary(path):
                batch = next(source, None)
            if batch is None:
                return
            yield batch
            del batch

    def score(self, batch: pa.RecordBatch, first_row: int) -> list[pa.RecordBatch]:
        """Return the results of each measure."""
        found = []
        for scorer in self._scorers:
            try:
                with np.errstate(invalid="ignore"):
                    found.append(scorer.score(batch, first_row))
            except (ValueError, TypeError) as error:
                raise DataError(f"{self.path}: {with_options(error)}") from error
        return found

    @property
    def written(self) -> tuple[pa.Schema, list[str]]:
        """The schema of the output, and which of its columns are results."""
        names: list[str] = self.result_schema.names
        return self.result_schema, names[len(self._kept) :]

    def joined(self, batch: pa.RecordBatch, found: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
        """Return what is written of a batch: columns of the input first."""
        kept = [batch.column(name) for name in self._kept]
        results = [column for each in found for column in each.columns]
        return pa.RecordBatch.from_arrays(kept + results, schema=self.result_schema)

    def shown(self, found: Sequence[pa.RecordBatch]) -> dict[str, Block]:
        """Return results as the summary takes them."""
        pairs = zip(self._request.measures, found, strict=True)
        return {measure.name: summarised(measure, results) for measure, results in pairs}

    def check_unchanged(self) -> None:
        """Raise if a file was changed while it was read."""
        for file in self._files:
            file.check_unchanged()

    def close(self) -> None:
        """Close all files."""
        closers: list[Reader | File] = [*self._readers.values(), *self._files]
        for each in closers:
            with contextlib.suppress(Exception):
                each.close()
