"""Threads that read ahead and write behind, so that reading, scoring and writing overlap."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from queue import Empty, Full, Queue
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")

READ_DEPTH, WRITE_DEPTH = 2, 1
"""How many items wait between two threads. Reading goes on while a row group is written."""
_PATIENCE = 0.05
_FAREWELL = 0.6
"""Seconds that a thread may take to end after an error or Ctrl-C."""
_END = object()
_left_behind: list[threading.Thread] = []


def is_stuck() -> bool:
    """Whether a thread still waits, for standard input mostly, so that Python could not end."""
    return any(thread.is_alive() for thread in _left_behind)


class _Worker:
    """A thread that can be told to stop."""

    def __init__(self, work: Callable[[], None], name: str, depth: int) -> None:
        self.queue: Queue[Any] = Queue(depth)
        self.stopped = threading.Event()
        self.error: BaseException | None = None
        self._work = work
        self._thread = threading.Thread(target=self._run, name=f"fastent {name}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # raised again in the thread that waits for this one
            self.error = error
            self.stopped.set()

    def put(self, item: Any) -> bool:
        """Put an item into the queue; return False if the thread was stopped."""
        while not self.stopped.is_set():
            try:
                self.queue.put(item, timeout=_PATIENCE)
                return True
            except Full:
                continue
        return False

    def get(self) -> Any:
        """Return the next item, or the end if the thread was stopped."""
        while True:
            try:
                return self.queue.get(timeout=_PATIENCE)
            except Empty:
                if self.stopped.is_set() or not self._thread.is_alive():
                    # What was put between the two looks still counts.
                    try:
                        return self.queue.get_nowait()
                    except Empty:
                        return _END

    def join(self, seconds: float | None) -> None:
        """Wait for the thread."""
        self._thread.join(seconds)
        if self._thread.is_alive():
            _left_behind.append(self._thread)

    def stop(self) -> None:
        """Tell the thread to stop, and wait a moment."""
        self.stopped.set()
        self.join(_FAREWELL)


@contextmanager
def read_ahead(items: Iterable[Item]) -> Iterator[Iterator[Item]]:
    """Yield an iterator over what a thread takes from `items` in the meantime."""

    def fill() -> None:
        for item in items:
            if not worker.put(item):
                return
            del item  # it belongs to the other thread now
        worker.put(_END)

    def taken() -> Iterator[Item]:
        while (item := worker.get()) is not _END:
            yield item
            del item
        if worker.error is not None:
            raise worker.error

    ready = threading.Event()

    def start() -> None:
        ready.wait()
        fill()

    worker = _Worker(start, "reader", READ_DEPTH)
    ready.set()
    try:
        yield taken()
    finally:
        worker.stop()


class WriteBehind(Generic[Item]):
    """A thread that is handed items to write."""

    def __init__(self, write: Callable[[Item], None]) -> None:
        self._write = write
        self._ready = threading.Event()
        self._worker = _Worker(self._drain, "writer", WRITE_DEPTH)
        self._ready.set()

    def _drain(self) -> None:
        self._ready.wait()
        while (item := self._worker.get()) is not _END:
            self._write(item)
            del item

    def put(self, item: Item) -> None:
        """Hand over an item; raise what went wrong with one before."""
        if not self._worker.put(item):
            self._raise()

    def finish(self) -> None:
        """Wait until all is written."""
        self._worker.put(_END)
        self._worker.join(None)
        self._raise()

    def stop(self) -> None:
        """Write no more."""
        self._worker.stop()

    def _raise(self) -> None:
        if self._worker.error is not None:
            raise self._worker.error
