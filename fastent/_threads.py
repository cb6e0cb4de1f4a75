"""How many threads a call may use: the machine's answer at import, the user's from then on."""

import operator
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastent import _core

ENVIRONMENT = "FASTENT_NUM_THREADS"


def set_num_threads(n: int) -> None:
    """Use up to `n` threads from now on, in every thread of this process.

    Parameters
    ----------
    n : int
        1 or more; more than there are cores is allowed.

    Notes
    -----
    Results have the same bits whatever the number. Arrays of less than 2 MiB are
    worked on by the calling thread alone, and so is a call that finds another one's work under way.

    Examples
    --------
    >>> import fastent as fe
    >>> before = fe.get_num_threads()
    >>> fe.set_num_threads(2)
    >>> fe.get_num_threads()
    2
    >>> fe.set_num_threads(before)
    """
    global _source
    _core.set_threads(_count(n))
    _source = "set_num_threads"


def get_num_threads() -> int:
    """Return how many threads a call may use.

    At import that is FASTENT_NUM_THREADS, else OMP_NUM_THREADS (which joblib and others set for
    their workers), else the processors that this process may run on and its control group pays for.

    Examples
    --------
    >>> import fastent as fe
    >>> fe.get_num_threads() >= 1
    True
    """
    return _core.get_threads()


@contextmanager
def num_threads(n: int) -> Iterator[None]:
    """Use up to `n` threads within a with block.

    Parameters
    ----------
    n : int
        As for `set_num_threads`. The number is the process's, not that of the current thread.

    Examples
    --------
    >>> import fastent as fe
    >>> with fe.num_threads(1):
    ...     fe.get_num_threads()
    1
    """
    global _source
    before, source = get_num_threads(), _source
    set_num_threads(n)
    try:
        yield
    finally:
        _core.set_threads(before)
        _source = source


def source() -> str:
    """Return where the number of threads came from."""
    return _source


def _count(n: int) -> int:
    """Return n as an int of 1 or more, or raise."""
    try:
        count = operator.index(n)
    except TypeError:
        raise TypeError(f"the number of threads must be an integer, not {n!r}") from None
    if count < 1:
        raise ValueError(f"the number of threads must be 1 or more, not {n!r}")
    return min(count, 1024)


def _at_import() -> tuple[int, str]:
    """Return the number of threads to start with, and where it comes from."""
    wanted = os.environ.get(ENVIRONMENT, "")
    if wanted:
        try:
            return _count(int(wanted)), ENVIRONMENT
        except ValueError:
            raise ImportError(
                f"{ENVIRONMENT}={wanted}: it must be an integer of 1 or more"
            ) from None
    others = os.environ.get("OMP_NUM_THREADS", "")
    if others.isdecimal() and int(others) > 0:
        return _count(int(others)), "OMP_NUM_THREADS"
    try:
        allowed, where = len(os.sched_getaffinity(0)), "processors allowed"
    except AttributeError:  # not on macOS and Windows
        allowed, where = os.cpu_count() or 1, "processors"
    quota = _control_group_quota()
    if quota < allowed:
        return quota, "control group"
    return allowed, where


def _control_group_quota() -> int:
    """Return how many processors the control group pays for, rounded up; many without a limit."""
    root = Path("/sys/fs/cgroup")
    try:
        quota, period = (root / "cpu.max").read_text().split()  # version 2
    except (OSError, ValueError):
        try:  # version 1
            quota = (root / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (root / "cpu/cpu.cfs_period_us").read_text().strip()
        except OSError:
            return 1 << 30
    try:
        share = -(-int(quota) // int(period))
    except (ValueError, ZeroDivisionError):  # "max"
        return 1 << 30
    return max(1, share) if int(quota) > 0 else 1 << 30


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_core.adopt_main_thread)
_number, _source = _at_import()
_core.set_threads(_number)
