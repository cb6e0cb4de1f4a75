"""The command line of ``python -m bench``: its options, and the cases that they choose."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.cases import CASES, DTYPES, HALF, LAYOUTS, LOGITS_LAYOUTS, MEASURES, Case
from bench.machine import processors

AXIS_0 = "axis0"
COLUMNS = (*dict.fromkeys((*LAYOUTS, *LOGITS_LAYOUTS)), "-", AXIS_0)
PICTURES = (".svg", ".png")
WHOLE: dict[str, Any] = {
    "measures": list(MEASURES),
    "dtype": [*DTYPES, HALF],
    "columns": list(COLUMNS),
    "mebibytes": 64.0,
    "rounds": 9,
}
QUICK: dict[str, Any] = {
    "measures": ["entropy", "kl_divergence", "bce_mean_hard"],
    "dtype": ["float32"],
    "columns": ["10", "1000", "-"],
    "mebibytes": 64.0,
    "rounds": 5,
}


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text}: pass 1 or more")
    return value


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: pass a number above 0")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Time every case against the floor, its goal and its peers.",
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="few cases, few rounds: about a minute")
    add("--measures", nargs="+", choices=MEASURES)
    add("--dtype", nargs="+", choices=[*DTYPES, HALF])
    add(
        "--columns",
        nargs="+",
        choices=COLUMNS,
        metavar="COLUMNS",
        help=f"of {' '.join(COLUMNS)}; 1e8: one row; 10@0: along axis 0 ({AXIS_0}: all of "
        "those); -: no rows",
    )
    add("--mebibytes", type=_positive, help="of each operand, but for the row of 1e8")
    add("--rounds", type=_count)
    add(
        "--threads",
        nargs="+",
        type=_count,
        default=[1, 2] if processors() > 1 else [1],
        help="of fastent, floors and PyTorch, one after the other (default: %(default)s)",
    )
    add("--peers", action=argparse.BooleanOptionalAction, default=True)
    add(
        "--compile",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="torch.compile among the peers: one or two seconds a case",
    )
    add("--json", type=Path, metavar="FILE", help="write every figure there")
    add("--picture", type=Path, metavar="FILE", help="draw the main cases: .svg or .png")
    add(
        "--from-json",
        type=Path,
        metavar="FILE",
        help="measure nothing: print (and draw) what --json wrote",
    )
    return parser


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the command line's options; what is not given comes from the preset."""
    parser = _parser()
    options = parser.parse_args(arguments)
    for name, value in (QUICK if options.quick else WHOLE).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    options.threads = sorted(set(options.threads))
    if options.picture and options.picture.suffix not in PICTURES:
        parser.error(f"--picture {options.picture}: the name must end in .svg or .png")
    if options.json and options.from_json:
        parser.error("--json writes what is measured, and --from-json measures nothing: drop one")
    for name in ("json", "picture"):
        path = getattr(options, name)
        if path and not path.parent.is_dir():
            parser.error(f"--{name} {path}: there is no folder {path.parent}: make it first")
    return options


def chosen(options: argparse.Namespace) -> list[Case]:
    """Return the cases that the options ask for."""
    layouts = set(options.columns)
    if AXIS_0 in layouts:
        layouts |= {layout for layout in LAYOUTS if layout.endswith("@0")}
    return [
        case
        for case in CASES
        if case.measure in options.measures
        and case.dtype in options.dtype
        and case.layout in layouts
    ]
