"""Where sequences are followed: in this process, in others of this machine, on a Dask cluster.

All are executors of ``concurrent.futures``; a future holds what one sequence gave.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.util
import os
import pickle
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Protocol

from typing_extensions import Self

from spiketrack.errors import UnsupportedError
from spiketrack.evaluation import work
from spiketrack.evaluation.work import Desk, Job
from spiketrack.machine import room
from spiketrack.machine.interrupts import follow
from spiketrack.tracking.evaluation import Tracked
from spiketrack.tracking.sequences import Sequence

Step = Callable[[], None]


class Engine(Protocol):
    """What a driver asks of where sequences run."""

    @property
    def what(self) -> str:
        """Where, for notes."""

    @property
    def room(self) -> int:
        """How many sequences may be under way at once."""

    def submit(self, method: str, sequence: Sequence) -> Future[Tracked]:
        """Begin to follow a sequence."""

    def mend(self) -> None:
        """Begin anew after a future ended in ``BrokenExecutor``."""

    def __enter__(self) -> Self:
        """Return self."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End; what is under way is dropped."""


class Here:
    """This process: a sequence is followed when it is submitted, ``step`` is called each frame.

    A backend that is not exact gets one thread, as in every other engine: its sums may depend on
    their number.
    """

    what = "this process"
    room = 1

    def __init__(self, job: Job, step: Step = lambda: None) -> None:
        import torch

        self.job = job
        self.step = step
        self.desk = Desk(job)
        self.threads = torch.get_num_threads()
        if not job.exact:
            torch.set_num_threads(1)

    def submit(self, method: str, sequence: Sequence) -> Future[Tracked]:
        """Follow it now; Ctrl-C ends it."""
        future: Future[Tracked] = Future()
        try:
            future.set_result(work.guarded(self.desk, method, sequence, self.step))
        except Exception as error:  # for whoever asks the future
            future.set_exception(error)
        return future

    def mend(self) -> None:
        """Nothing breaks here."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        import torch

        self.desk.close()
        torch.set_num_threads(self.threads)


class Workers:
    """So many processes of this machine, started afresh: torch's threads do not survive a fork."""

    def __init__(self, job: Job, count: int) -> None:
        if (why := room.closed()) is not None:
            raise UnsupportedError(f"{count} processes need shared memory; {why}, or --workers 1")
        self.what = f"{count} processes"
        self.count = self.room = count
        self.key, self.content = job.key, pickle.dumps(job)
        self.before = set(multiprocessing.active_children())
        self.pool = self._pool()

    def _pool(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        arguments = (os.getpid(), self.content)
        return ProcessPoolExecutor(self.count, context, initializer=_begin, initargs=arguments)

    def submit(self, method: str, sequence: Sequence) -> Future[Tracked]:
        """Hand it to a process."""
        return self.pool.submit(work.track, self.key, method, sequence)

    def mend(self) -> None:
        """Other processes in place of those that ended."""
        self._end()
        self.pool = self._pool()

    def _end(self) -> None:
        self.pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            if process not in self.before:
                process.kill()
                process.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.pool.shutdown()
        self._end()


def _begin(parent: int, content: bytes) -> None:
    """In a new process: leave Ctrl-C to the parent, end with it, take the job."""
    follow(parent)
    key = work.install(content)
    multiprocessing.util.Finalize(None, work.forget, (key,), exitpriority=10)
