"""How long this process's threads were ready to run while other programs had the cores."""

from pathlib import Path

TASKS = Path("/proc/self/task")


def waited_seconds() -> float:
    """Return the time that its threads have waited for a core so far; 0 where no system says."""
    total = 0
    try:
        for task in TASKS.iterdir():
            total += int((task / "schedstat").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):  # not Linux, or a thread that has just ended
        return 0.0
    return total / 1e9
