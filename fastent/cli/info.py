"""What ``fastent info`` tells: the versions, the processor and the code chosen for it."""

from __future__ import annotations

import importlib
import os
import platform
import subprocess


def gather_info() -> dict[str, str | list[str] | None]:
    """Return the facts that a report of a wrong or slow result needs."""
    import numpy

    import fastent

    core = importlib.import_module("fastent._core")
    return {
        "fastent": fastent.__version__,
        "isa": core.isa(),
        "isas_available": list(core.available_isas()),
        "isas_built": list(core.built_isas()),
        "FASTENT_ISA": os.environ.get("FASTENT_ISA"),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "numpy": numpy.__version__,
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpu": processor_name(),
    }


def processor_name() -> str:
    """Return the processor's model name, or the best the system tells in its place."""
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
