"""The two ways a run can fail, told apart by the exit code."""

from __future__ import annotations


class CommandError(Exception):
    """Ends the run with one line on stderr."""

    exit_code = 1


class UseError(CommandError):
    """The command was asked for something that makes no sense: exit code 2."""

    exit_code = 2


class DataError(CommandError):
    """A file does not hold what the measure needs: exit code 1."""


class InterruptedRunError(CommandError):
    """Ctrl-C: exit code 130."""

    exit_code = 130


def with_options(error: BaseException) -> str:
    """Return a message of the functions, on one line, in the words of the command line."""
    message = " ".join(str(error).split())
    for word, option in (
        ("normalize=True", "--normalize"),
        (', or pass nulls="zero"', ", or say --nulls zero"),
        ("indices_or_k", "--top"),
        ("labels are class indices", "--labels wants class indices"),
        ("bias_correction", "--bias-correction"),
        ("pseudocount", "--pseudocount"),
        ("temperature must", "--temperature must"),
    ):
        message = message.replace(word, option)
    return message
