"""Signals, other people's pools, and the ways in which Python can be started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from children import run

import fastent as fe

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and forks are POSIX's")

CTRL_C = """
import os, signal, threading, time, numpy as np, fastent as fe
fe.set_num_threads({threads})
base = np.full({shape}, 0.1, {dtype!r})
p = np.broadcast_to(base, {whole})  # seconds of work
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
start = time.perf_counter()
try:
    {call}
    print("not interrupted")
except KeyboardInterrupt:
    print("interrupted", time.perf_counter() - start < 2)
print(fe.entropy(np.full((100_000, 4), 0.25), base=2).sum())
"""
LONG_CALLS = {
    "rows": "fe.entropy(p)",
    "rows by columns": "fe.entropy(p, axis=0)",
    "one row": "fe.entropy(p, axis=None)",
    "mean": "fe.perplexity(p, reduction='mean')",
    "elements, mean": "fe.surprisal(p, reduction='mean')",
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", LONG_CALLS)
def test_ctrl_c(name: str, threads: int) -> None:
    """A long call ends soon after the signal, with KeyboardInterrupt; the next one is right."""
    shape, whole = (
        ((1, 1000), (20_000_000, 1000))
        if name != "rows by columns"
        else (
            (1000, 1),
            (1000, 20_000_000),
        )
    )
    code = CTRL_C.format(
        threads=threads, shape=shape, whole=whole, dtype="f4", call=LONG_CALLS[name]
    )
    done = run(code)
    assert done.stdout == "interrupted True\n200000.0\n", done.stderr


def test_handlers_that_do_not_raise() -> None:
    """They run during the call, which goes on to its end."""
    code = """
import os, signal, threading, numpy as np, fastent as fe
seen = []
entropy = fe.entropy  # imported before a handler asks for it
signal.signal(signal.SIGUSR1, lambda *_: seen.append(entropy([0.5, 0.5], base=2)))
threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1)).start()
p = np.broadcast_to(np.full((1, 1000), 0.001), (3_000_000, 1000))  # half a second and more
mean = fe.entropy(p, reduction="mean")
print(seen, round(float(mean), 6))
"""
    assert run(code).stdout == "[np.float64(1.0)] 6.907755\n"


def test_fork_beside_a_call_that_asks_for_signals() -> None:
    """The main thread waits for the interpreter now and then; a fork must not wait for it."""
    code = """
import os, threading, time, warnings, numpy as np, fastent as fe
warnings.simplefilter("ignore")
fe.set_num_threads(2)
p = np.broadcast_to(np.full((1, 1000), 0.001), (400_000, 1000))
stop = False
def forks():
    while not stop:
        child = os.fork()
        if child == 0:
            fe.entropy(np.full((100_000, 10), 0.1))
            os._exit(0)
        os.waitpid(child, 0)
thread = threading.Thread(target=forks)
thread.start()
for _ in range(4):
    fe.entropy(p)
stop = True
thread.join()
print("fine")
"""
    assert run(code).stdout == "fine\n"


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_joblib(backend: str) -> None:
    """The same bits in joblib's workers; its processes are told how many threads to use."""
    joblib = pytest.importorskip("joblib")
    p = np.random.default_rng(1).dirichlet(np.ones(10), 30_000)
    with joblib.parallel_config(backend=backend, n_jobs=2):
        parts = joblib.Parallel()(joblib.delayed(fe.entropy)(part) for part in np.split(p, 4))
    assert np.concatenate(parts).tobytes() == fe.entropy(p).tobytes()
    if backend == "loky":
        counts = joblib.Parallel(n_jobs=2, backend=backend)(
            joblib.delayed(fe.get_num_threads)() for _ in range(4)
        )
        assert max(counts) <= max(1, (os.cpu_count() or 1) // 2)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads in /proc")
def test_pools_within_pools() -> None:
    """Sixteen callers of two threads each: one thread more in all, and the same bits."""
    code = """
import os, threading, time, numpy as np, fastent as fe
from concurrent.futures import ThreadPoolExecutor
p = np.random.default_rng(2).dirichlet(np.ones(10), 100_000)
expected = fe.entropy(p).tobytes()
before = len(os.listdir("/proc/self/task"))
most = 0
with fe.num_threads(2), ThreadPoolExecutor(16) as pool:
    jobs = [pool.submit(fe.entropy, p) for _ in range(64)]
    while not all(job.done() for job in jobs):
        most = max(most, len(os.listdir("/proc/self/task")))
        time.sleep(0.001)
    print(all(job.result().tobytes() == expected for job in jobs), most - before <= 17)
"""
    assert run(code).stdout == "True True\n"


@pytest.mark.parametrize("flags", ["-O", "-OO", "-W error", "-I", "-X dev"])
def test_ways_to_start_python(flags: str, tmp_path: Path) -> None:
    """Optimised, warnings as errors, isolated, development mode; from a folder without rights."""
    tmp_path.chmod(0o500)
    code = "import fastent as fe; print(fe.entropy([0.5, 0.25, 0.25], base=2))"
    done = subprocess.run(
        [sys.executable, "-P", *flags.split(), "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert (done.stdout, done.stderr) == ("1.5\n", "")


def test_no_optional_package_is_imported() -> None:
    """Importing fastent brings nothing, and its first name NumPy: none of what needs an extra."""
    code = """
import sys, fastent
def imported():
    names = {name.split(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)
    return sorted(n for n in names if not n.startswith(("_", "cython_runtime")))
print(imported())
fastent.entropy([0.5, 0.5])
print(imported())
print([n for n in sys.modules if n.startswith("fastent.") and "._" not in n])
"""
    assert run(code).stdout == "['fastent']\n['fastent', 'numpy']\n[]\n"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="3.12 and later refuse")
def test_subinterpreters_are_refused() -> None:
    """With a sentence that says what to do."""
    code = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
made = interpreters.create()
print(interpreters.run_string(made, '''
try:
    from fastent import entropy
except ImportError as error:
    print(error)
'''))
"""
    assert "runs in the main interpreter alone" in run(code).stdout


def test_threads_of_signals() -> None:
    """The pool's threads take no signal: handlers stay where the program put them."""
    fe.set_num_threads(2)
    fe.entropy(np.full((100_000, 10), 0.1))
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
