"""What the whole loop costs this machine."""

import threading
from collections.abc import Callable

import psutil


class Meter:
    """The peak of what `look` sees, which is sampled every so many seconds.

    By default the resident memory of this process and all its descendants, in bytes. Shared pages
    count once for each process, so the figure errs on the high side.
    """

    def __init__(self, every: float = 0.5, look: Callable[[], int] | None = None) -> None:
        self._every = every
        self._look = look or (lambda: resident(psutil.Process()))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="meter", daemon=True)
        self.peak = 0

    def __enter__(self) -> "Meter":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(self._every):
            self.peak = max(self.peak, self._look())


def resident(root: psutil.Process) -> int:
    """Resident memory of a process and its descendants, in bytes; one that ends meanwhile: 0."""
    total = 0
    for process in [root, *descendants(root)]:
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total


def descendants(root: psutil.Process) -> list[psutil.Process]:
    """All processes below this one."""
    try:
        return root.children(recursive=True)
    except psutil.Error:
        return []
