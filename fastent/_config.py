"""What ``show_config`` and ``fastent info`` tell: versions, processor, code chosen, threads."""

from __future__ import annotations

import os

from fastent import _core as core
from fastent import _threads

Facts = dict[str, str | int | list[str] | None]


def show_config(mode: str = "text") -> Facts | None:
    """Print versions, compiler, instruction sets and threads, ready to paste into a bug report.

    Parameters
    ----------
    mode : {"text", "json", "dict"}
        Print lines, print JSON, or return a dictionary.

    Examples
    --------
    >>> import fastent as fe
    >>> fe.show_config()  # doctest: +ELLIPSIS
    fastent ...
    """
    facts = gather_info()
    if mode == "dict":
        return facts
    if mode == "json":
        import json

        print(json.dumps(facts, indent=2))
    elif mode == "text":
        for name, value in facts.items():
            shown = ", ".join(value) if isinstance(value, list) else value
            print(f"{name:<16}{'-' if shown is None else shown}")
    else:
        raise ValueError(f"mode must be 'text', 'json' or 'dict', not {mode!r}")
    return None


def gather_info() -> Facts:
    """Return the facts that a report of a wrong or slow result needs."""
    import platform

    import numpy

    wanted = os.environ.get("FASTENT_ISA")
    best = core.isa() == core.available_isas()[-1]
    return {
        "fastent": core.VERSION,
        "isa": core.isa(),
        "isa_chosen_by": "FASTENT_ISA" if wanted else "best available" if best else "the program",
        "isas_available": list(core.available_isas()),
        "isas_built": list(core.built_isas()),
        "FASTENT_ISA": wanted,
        "threads": _threads.get_num_threads(),
        "threads_from": _threads.source(),
        **core.BUILD,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "numpy": numpy.__version__,
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpu": processor_name(),
    }


def processor_name() -> str:
    """Return the processor's model name, or the best the system tells in its place."""
    import platform

    if platform.system() == "Linux":
        name = _name_from_linux()
    elif platform.system() == "Darwin":
        name = _name_from_macos()
    else:
        name = ""
    return name or platform.processor() or platform.machine()


def _name_from_linux() -> str:
    """Return the model name in ``/proc/cpuinfo``; Arm kernels often give none."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                key, _, value = line.partition(":")
                if key.strip() == "model name":
                    return value.strip()
    except OSError:
        pass
    return ""


def _name_from_macos() -> str:
    """Return what ``sysctl`` calls the processor."""
    import subprocess

    try:
        answer = subprocess.run(
            ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip()
