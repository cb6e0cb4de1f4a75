"""Which columns of which files hold the operands of a measure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from fastent.arrow._columns import NoColumnsError, Wanted, choose_operand
from fastent.arrow._measures import Measure, find_measure
from fastent.cli.errors import DataError, UseError, with_options
from fastent.cli.measures import Measure as CommandMeasure
from fastent.cli.measures import find_measure as find_command_measure

if TYPE_CHECKING:
    from fastent.cli.score import Request

TRUTHS = ("labels", "target")


@dataclass(frozen=True)
class Table:
    """A file's schema, and what its columns are called beside those of other files."""

    path: Path
    schema: pa.Schema
    prefix: str = ""

    def called(self, names: Sequence[str]) -> list[str]:
        """Return the names of columns among all."""
        return [self.prefix + name for name in names]

    def choose(self, measure: Measure, role: str, wanted: Wanted, taken: Sequence[str]) -> Wanted:
        """Return the columns of an operand by their names among all."""
        mine = [n.removeprefix(self.prefix) for n in taken if n.startswith(self.prefix)]
        only = self.schema.names[0] if len(self.schema) == 1 else None
        if (wanted is None and role in TRUTHS) or self.prefix:
            wanted = only or wanted  # a file beside the input may call its column as it likes
        try:
            names, alone = choose_operand(self.schema, measure, role, wanted, mine)
        except ValueError as error:
            told = with_options(error)
            if isinstance(error, NoColumnsError) and mine:
                told = find_command_measure(measure.name).needs_second
            raise UseError(f"{self.path}: {told}") from error
        found = self.called(names)
        return found[0] if alone else found


@dataclass(frozen=True)
class Plan:
    """The columns of each operand of a measure, and those that hold class indices."""

    wanted: list[Wanted]
    truth: str | None


def choose(request: Request, name: str, tables: dict[str, Table]) -> Plan:
    """Return the columns of the operands of a measure.

    `tables` has the input as "input", and the files of ``--with`` and ``--labels`` by these names.
    """
    measure = find_measure(name)
    found: dict[str, Wanted] = {}
    truth = next((role for role in measure.operands if role in TRUTHS), None)
    if truth is not None and request.labels is not None:
        found[truth] = _truth(request, measure, truth, tables)
    rest = [
        role
        for role in measure.operands
        if role not in found and not (role == truth and measure.may_lack(role))
    ]
    homes = [tables["input"]] * len(rest)
    if "with" in tables and len(rest) > 1:
        homes[-1] = tables["with"]
    elif "with" in tables and truth is not None and measure.may_lack(truth) and truth not in found:
        # As for arrays: INPUT holds the truth, and what is judged is --with.
        rest, homes = [truth, *rest], [tables["input"], tables["with"]]
    pieces = _pieces(request, rest)
    truth_first = sorted(range(len(rest)), key=lambda place: pieces[place] is None)
    for place in truth_first:
        taken = [
            n for each in found.values() for n in ([each] if isinstance(each, str) else each or [])
        ]
        found[rest[place]] = homes[place].choose(measure, rest[place], pieces[place], taken)
    labels = found.get(truth) if truth is not None else None
    wanted = [found.get(role) for role in measure.operands]
    return Plan(wanted, labels if isinstance(labels, str) else None)


def is_one_row(measure: CommandMeasure, file: str, flat: Collection[str], pair: bool) -> bool:
    """Whether an array of one axis is one row, rather than a number a row, as `rows` arranges it.

    `flat` are the files that have one axis; `pair` tells whether there is a file of ``--with``.
    """
    if measure.pointwise or measure.second == "prob" or file == "labels":
        return False
    holds_truth = pair and file == "input" and measure.first in TRUTHS
    return not holds_truth or "with" in flat


def _truth(request: Request, measure: Measure, role: str, tables: dict[str, Table]) -> Wanted:
    """Return the column of labels, or targets: of the input, or of a file of their own."""
    if "labels" in tables:
        table = tables["labels"]
        if len(table.schema) != 1:
            raise UseError(
                f"{table.path}: --labels FILE wants one column, and there are "
                f"{', '.join(table.schema.names)}"
            )
        return table.called(table.schema.names)[0]
    return tables["input"].choose(measure, role, request.labels, [])


def _pieces(request: Request, roles: Sequence[str]) -> list[Wanted]:
    """Return what ``--columns`` says of each operand; None where it says nothing."""
    said = request.columns
    many = max(_free(request, measure.name) for measure in request.measures)
    pieces: list[Wanted]
    if len(said) > 1:
        pieces = [_list(each) for each in said]
    elif not said:
        pieces = []
    elif many == 1:
        pieces = [_list(said[0])]
    else:
        pieces = list(said[0].split(","))
        if len(pieces) == 1 and request.second is not None:
            pieces *= 2
    if len(pieces) > max(many, 1):
        raise UseError(
            f"--columns {' '.join(said)}: there are {many} operands, {', '.join(roles)}; several "
            f"columns of one are a pattern such as 'p_*', or each operand a --columns of its own"
        )
    return (pieces + [None] * len(roles))[: len(roles)]


def _free(request: Request, name: str) -> int:
    """Return how many operands of a measure ``--columns`` may name."""
    measure = find_measure(name)
    truths = [role for role in measure.operands if role in TRUTHS]
    free = len(measure.operands) - len(truths)
    needed = [role for role in truths if not measure.may_lack(role) or request.second is not None]
    return free + (len(needed) if request.labels is None and free != 2 else 0)


def _list(text: str) -> Wanted:
    """Return one name or pattern, or the list that commas make."""
    words = text.split(",")
    return words[0] if len(words) == 1 else words


def explain_type(path: Path, error: TypeError) -> DataError:
    """Return the error of columns of a type that is not scored."""
    return DataError(f"{path}: {with_options(error)}")
