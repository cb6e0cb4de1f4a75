"""What the doors to other libraries share: how their functions are called, and how rows go in."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from fastent.arrow._measures import (
    COLUMN_OPTIONS,
    NO_OPTIONS,
    SETTINGS,
    Measure,
    check_options,
)
from fastent.arrow._scorer import NULLS, Scorer

CONSTANT_ROWS = 1 << 16
"""How many rows are taken at a time beside an operand that is the same in all of them."""


def signature_of(measure: Measure, first: str = "") -> inspect.Signature:
    """Return how a measure is called: as fastent's, but for keywords that columns have no use for.

    `first` is what a method calls its own object, which is the first operand.
    """
    known = inspect.signature(measure.function).parameters.values()
    kept = [each.replace(annotation=each.empty) for each in known if each.name not in NO_OPTIONS]
    if first:
        kept[0] = kept[0].replace(name=first)
        if measure.may_lack(measure.operands[0]):
            kept[1] = kept[1].replace(default=None)
    nulls = inspect.Parameter("nulls", inspect.Parameter.KEYWORD_ONLY, default="null")
    return inspect.Signature([*kept, nulls])


def document(measure: Measure, own: str, operand: str, result: str) -> str:
    """Return a docstring: what `own` operand a method's object is, what others and results are."""
    first = measure.operands[0]
    others = measure.operands[1:] if own else measure.operands
    lines = [(measure.function.__doc__ or "").partition("\n")[0], ""]
    if own and measure.may_lack(first):
        lines += [f"{own} is {first}, or {', '.join(others)} if nothing else is passed.", ""]
    elif own:
        lines += [f"{own} is {first}.", ""]
    lines += ["Parameters", "----------"]
    if others:
        lines += [f"{', '.join(others)} : {operand}"]
    columns = [name for name in COLUMN_OPTIONS if name in measure.options]
    lines += [
        'nulls : {"null", "zero"}',
        "    What a null within a row means: an error, or probability 0 (of logits: -inf).",
        "**options",
        f"    As of `fastent.{measure.name}`: {', '.join(sorted(measure.options))}.",
        *([f"    Columns, too: {', '.join(columns)}."] if columns else []),
        *("", "Returns", "-------", result),
        *("    One result a row; null where an operand is null.", ""),
    ]
    return "\n".join(lines)


def arguments_of(
    measure: Measure, given: Sequence[Any], options: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the operands that a measure is called with, and its options, or raise a TypeError."""
    names = (*measure.operands, *(name for name in SETTINGS if name in measure.options))
    if len(given) > len(names):
        raise TypeError(
            f"{measure.name} takes {', '.join(names)}, and keywords: {len(given)} values came"
        )
    options = dict(options)
    for name, value in zip(names, given, strict=False):
        if name in options:
            raise TypeError(f"{name} of {measure.name} came twice")
        options[name] = value
    operands = {role: options.pop(role, None) for role in measure.operands}
    for role in measure.required():
        if operands[role] is None:
            raise TypeError(f"{measure.name} needs {role}")
    nulls = options.get("nulls", "null")
    if nulls not in NULLS:
        raise ValueError(f"nulls must be 'null' or 'zero', not {nulls!r}")
    check_options(measure, {name: value for name, value in options.items() if name != "nulls"})
    return operands, options


def score_columns(
    scorer: Scorer, columns: Mapping[str, pa.ChunkedArray], rows: int, alone: bool = False
) -> pa.Table:
    """Return the results of so many rows of columns, of which one may hold a row for all."""
    found, done = [], 0
    for batch in _batches(columns, rows) if rows else ():
        found.append(scorer.score(batch, done, alone=alone))
        done += batch.num_rows
    return pa.Table.from_batches(found) if found else scorer.schema.empty_table()


def _batches(columns: Mapping[str, pa.ChunkedArray], rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows of columns. One that holds a single row stands beside each of the others'."""
    constant = {n: c for n, c in columns.items() if len(c) == 1 != rows}
    varying = pa.table({name: c for name, c in columns.items() if name not in constant})
    repeated = {
        name: pa.repeat(column[0], min(rows, CONSTANT_ROWS)) for name, column in constant.items()
    }
    for batch in varying.to_batches(CONSTANT_ROWS if constant else None):
        arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
        arrays |= {name: column[: batch.num_rows] for name, column in repeated.items()}
        yield pa.record_batch({name: arrays[name] for name in columns})


@contextmanager
def speaking(words: Mapping[str, str], place: Callable[[str], str] = str) -> Iterator[None]:
    """Say in a library's words what is said of Arrow data, and where the row is, if `place` can."""
    try:
        yield
    except (TypeError, ValueError) as error:
        message = str(error)
        for said, word in words.items():
            message = message.replace(said, word)
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(place(message)) from None
