"""The command line: ``fastent score`` and ``fastent info``.

Its libraries, click and rich, are an extra, so nothing here is imported by ``import fastent``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line on `arguments`, by default the ones of this process."""
    if find_spec("click") is None or find_spec("rich") is None:
        print(
            'fastent: the command line needs its extra: pip install "fastent-numpy[cli]"',
            file=sys.stderr,
        )
        raise SystemExit(2)
    from fastent.cli.command import command

    command(arguments, prog_name="fastent")
