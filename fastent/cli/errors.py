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
