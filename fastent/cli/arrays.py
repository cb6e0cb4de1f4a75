"""One ``.npy`` input, scored block by block as it lies in memory: the direct path."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import fastent
from fastent.cli import rows as blocks
from fastent.cli.errors import DataError, UseError, with_options
from fastent.cli.measures import Measure
from fastent.cli.npy import NpyFile, NpyWriter, read_header
from fastent.cli.parts import Part, make_parts
from fastent.cli.rows import Rows, arrange
from fastent.cli.summary import Block

if TYPE_CHECKING:
    from fastent.cli.score import Request

_KEYWORDS = {"top": "indices_or_k"}
Results = dict[str, NDArray[Any]]


class ArrayJob:
    """One input with everything that was found out about it before the work starts."""

    def __init__(self, request: Request, path: Path, output: Path | None) -> None:
        self.path, self.target, self._request = path, output, request
        self._measures = request.measures
        _check_alike(request.measures)
        files = _operands(request, path)
        self._files = files
        self._rows = arrange(request.measures[0], files, request.array_axis)
        self.rows: int | None = self._rows.count
        self._turned = False
        self._outputs, self.output = self._name_outputs(output)
        self._check_keywords()
        self.sources: Sequence[Path] = [file.path for file in files]
        self._block_bytes = min(blocks.BLOCK_BYTES, request.memory // 16)

    def _check_keywords(self) -> None:
        """Raise what a measure says of its options before any work: no row is to blame for it."""
        for measure in self._measures:
            try:
                _caller(measure, self._request.keywords_of(measure))(*self._rows.none())
            except TypeError:
                pass  # of a dtype: that is the data's fault, and told with it
            except ValueError as error:
                raise DataError(f"{self.path}: {with_options(error)}") from error

    def _name_outputs(self, output: Path | None) -> tuple[dict[str, Path], Path | None]:
        """Return where each result goes, and what messages call all of them."""
        shape = self._rows.operands[-1].shape
        top = self._request.keywords.get("top")
        if top is not None and top > shape[-1]:
            raise UseError(f"{self.path}: has {shape[-1]} classes, so there is no --top {top}")
        axis = self._request.array_axis
        last = axis % len(shape) == len(shape) - 1 if shape else True
        spreads = any(measure.spreads for measure in self._measures)
        if spreads and output is not None and not last and len(shape) > 2:
            raise UseError(
                f"{self.path}: has {len(shape)} axes, and results are written along the last of "
                f"them, not along axis {axis}; without --output they are summarised"
            )
        self._turned = spreads and not last
        if output is None:
            return {}, None
        names = {}
        for measure in self._measures:
            for field in measure.fields or ("",):
                parts = [measure.name] if len(self._measures) > 1 else []
                word = ".".join(["", *parts, *([field] if field else [])])
                names[f"{measure.name}.{field}"] = output.with_name(f"{output.stem}{word}.npy")
        single = len(names) == 1
        return names, output if single else output.with_name(f"{output.stem}.*.npy")

    @property
    def outputs(self) -> list[Path]:
        """Every file that will be written."""
        return list(self._outputs.values())

    def parts(self, token: str) -> list[Part]:
        """Return parts that can be scored apart: blocks."""
        row_bytes = sum(operand.nbytes for operand in self._rows.operands) / max(1, self.rows or 1)
        lengths = self._rows.lengths(self._request.batch_rows, self._block_bytes)
        return make_parts(lengths, row_bytes, token)

    def assemble(self, parts: Sequence[Part]) -> Generator[int, None, None]:
        """Write the outputs from those of all parts; yield the rows of each."""
        with ExitStack() as stack:
            for path in self._outputs.values():
                writer = stack.enter_context(NpyWriter(path, self._rows.shape, self._turned))
                for part in parts:
                    with open(part.path_of(path), "rb") as file:
                        shape, dtype, _ = read_header(file)
                        tail, width = shape[1:], math.prod(shape[1:])
                        writer.write(np.empty((0, *tail), dtype), tail)  # where width is 0 too
                        step = max(1, self._block_bytes // max(1, width * dtype.itemsize))
                        while (values := np.fromfile(file, dtype, step * width)).size:
                            writer.write(values, tail)
                            yield values.size // width
            for source in self._files:
                source.check_unchanged()

    def run(self, part: Part | None = None) -> Generator[tuple[dict[str, Block], int], None, None]:
        """Score and write; yield what the summary tells of, measure by measure, and the rows."""
        with ExitStack() as stack:
            writers = {}
            for name, path in self._outputs.items():
                writer = NpyWriter(path, self._rows.shape, self._turned)
                if part is not None:
                    writer = NpyWriter(part.path_of(path), (part.rows,))
                writers[name] = stack.enter_context(writer)
            for found, outer in self._blocks(part):
                shown = {}
                count = 0
                for measure, fields in zip(self._measures, found, strict=True):
                    for field, values in fields.items():
                        key = f"{measure.name}.{field}"
                        if key in writers:
                            writers[key].write(values, values.shape[outer:])
                    shown[measure.name] = _summarised(measure, fields)
                    count = math.prod(next(iter(fields.values())).shape[:outer])
                yield shown, count
            for file in self._files:
                file.check_unchanged()

    def _blocks(self, part: Part | None) -> Iterator[tuple[list[Results], int]]:
        """Yield the results of one block after the other, and how many axes its rows have."""
        calls = [_caller(measure, self._request.keywords_of(measure)) for measure in self._measures]
        done = 0 if part is None else part.first_row
        some = () if part is None else (part.start, part.stop)
        for operands in self._rows.blocks(self._request.batch_rows, self._block_bytes, *some):
            found = []
            for file in self._files:
                file.check_unchanged()
            for measure, call in zip(self._measures, calls, strict=True):
                try:
                    found.append(call(*operands))
                except TypeError as error:
                    raise DataError(f"{self.path}: {error}") from error
                except ValueError as error:
                    row, reason = _find_row(call, operands, self._rows, error)
                    row = None if row is None else done + row
                    message = _explain(measure, self.path, self._rows, row, reason)
                    raise DataError(message) from error
            outer = self._rows.outer_axes(operands)
            # Let go of a copied block before the next one is made.
            del operands
            yield found, outer
            done += math.prod(next(iter(found[0].values())).shape[:outer])


def _operands(request: Request, path: Path) -> tuple[NpyFile, ...]:
    """Return the files of the operands, in their order."""
    measure = request.measures[0]
    missing = request.second is None and (request.labels is None or measure.labels_last)
    if measure.second is not None and missing and measure.needs_first:
        raise UseError(measure.needs_second)
    files = [NpyFile(path)]
    if request.second is not None:
        files.append(NpyFile(request.second))
    if request.labels is not None:
        before = NpyFile(Path(request.labels))
        if before.array.dtype.kind not in "biu":
            raise DataError(
                f"{before.path}: --labels wants class indices, not numbers of dtype "
                f"{before.array.dtype}: distributions are INPUT, and what is judged --with"
            )
        files.insert(0, before)
    return tuple(files)


def _check_alike(measures: tuple[Measure, ...]) -> None:
    """Raise unless measures read the same operands in the same way."""
    first = measures[0]
    for measure in measures[1:]:
        for one, other in (
            (first.second is None, measure.second is None),
            (first.pointwise, measure.pointwise),
            ("labels" in first.options, "labels" in measure.options),
            (first.spreads, measure.spreads),
            (first.labels_last, measure.labels_last),
        ):
            if one != other:
                raise UseError(
                    f"{first.name} and {measure.name} read .npy files in different ways: "
                    f"score one after the other, or write a table: --format parquet"
                )


def _summarised(measure: Measure, fields: Results) -> Block:
    """Return what the summary tells of: of a row of results, the largest."""
    if measure.fields:
        return Block(fields)
    values = fields[""]
    return Block(values.max(axis=-1, initial=-math.inf) if measure.spreads else values)


def _caller(measure: Measure, options: dict[str, Any]) -> Callable[..., Results]:
    """Return a function of operands that returns all results of a measure by their names."""
    function = getattr(fastent, measure.name)
    keywords = {_KEYWORDS.get(name, name): value for name, value in options.items()}

    def call(*operands: NDArray[Any]) -> Results:
        if measure.labels_last and len(operands) == 3:
            operands = (*operands[1:], operands[0])
        elif measure.second is not None and len(operands) == 1:
            operands = (None, *operands)  # type: ignore[assignment]
        with np.errstate(invalid="ignore"):
            # Invalid rows are counted by their NaN, and told in one line at the end.
            found = function(*operands, **keywords)
        names, parts = (measure.fields, found) if measure.fields else ([""], [found])
        pairs = zip(names, parts, strict=True)
        return {name: np.asarray(part) for name, part in pairs if part is not None}

    return call


def _find_row(
    call: Callable[..., Any],
    operands: tuple[NDArray[Any], ...],
    rows: Rows,
    error: ValueError,
) -> tuple[int | None, ValueError]:
    """Return the first row of a block that alone raises an error, and that error.

    It is found by halving, so nothing hangs on the wording of the message. An error that no
    single row raises comes back as it is, with None.
    """
    flat = rows.flatten(operands)
    low, high = 0, len(flat[0])
    while low < high:
        # Rows before `low` are fine, and rows from `low` up to `high` hold the first bad one.
        middle = low + max(1, (high - low) // 2)
        try:
            call(*(array[low:middle] for array in flat))
        except ValueError as found:
            if middle - low == 1:
                return low, found
            high = middle
        else:
            low = middle
    return None, error


def _explain(measure: Measure, path: Path, rows: Rows, row: int | None, error: ValueError) -> str:
    """Return the message for a row that was scored alone, so that its own count began at 0."""
    message = with_options(error)
    for word, file in zip((measure.first, measure.second), rows.files, strict=False):
        # Who works with files knows the operand by its file.
        if message.startswith(f"{word}: "):
            path, message = file.path, message.removeprefix(f"{word}: ")
    if row is None:
        return f"{path}: {message}"
    message, found = re.subn(r"(\b(?:row|index|element) |\w\[)0\b(?!\.)", rf"\g<1>{row}", message)
    return f"{path}: {message}" if found else f"{path}: row {row}: {message}"
