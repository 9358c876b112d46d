"""Hands sequences to an engine and takes what they give, in whatever order it comes.

A process that dies takes the sequences with it that were under way. They are begun again, one after
the other, so that the one that kills its process is known: after ``TRIES`` deaths it has failed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Future,
    wait,
)
from dataclasses import dataclass

from spiketrack.errors import ClipError
from spiketrack.evaluation.engines import Engine
from spiketrack.tracking.evaluation import Tracked
from spiketrack.tracking.sequences import Sequence

LOOK = 0.2  # seconds after which signals are looked for
TRIES = 2  # deaths of a process that had one sequence alone
DIED = "its process died twice (killed, or out of memory)"


@dataclass(frozen=True)
class Task:
    """One sequence for one method."""

    method: str
    sequence: Sequence


@dataclass(frozen=True)
class Done:
    """What a task gave, or why it failed."""

    task: Task
    tracked: Tracked | None
    reason: str = ""


class Driver:
    """Tasks on an engine; ``look`` raises what a signal asked for."""

    def __init__(self, engine: Engine, look: Callable[[], None] = lambda: None) -> None:
        self.engine = engine
        self.look = look
        self.running: dict[Future[Tracked], Task] = {}
        self.suspects: deque[Task] = deque()
        self.deaths: dict[int, int] = {}

    def run(self, tasks: Iterable[Task]) -> Iterator[Done]:
        """Every task once, as it ends; errors other than a sequence's own end it all."""
        waiting = deque(tasks)
        while waiting or self.running or self.suspects:
            self._fill(waiting)
            ended = wait(self.running, LOOK, FIRST_COMPLETED).done if self.running else set()
            self.look()
            broken = [future for future in ended if _broke(future)]
            for future in ended.difference(broken):
                yield self._taken(future)
            if broken:
                yield from self._after_a_death()

    def _fill(self, waiting: deque[Task]) -> None:
        """Submit what there is room for: a suspect alone, else one after the other."""
        while (self.suspects or waiting) and len(self.running) < self._room():
            task = (self.suspects or waiting).popleft()
            try:
                self.running[self.engine.submit(task.method, task.sequence)] = task
            except BrokenExecutor:
                self.suspects.appendleft(task)
                self.engine.mend()

    def _room(self) -> int:
        return 1 if self.suspects or self.deaths else self.engine.room

    def _taken(self, future: Future[Tracked]) -> Done:
        task = self.running.pop(future)
        self.deaths.pop(id(task), None)
        try:
            return Done(task, future.result())
        except ClipError as error:
            return Done(task, None, str(error))
        except Exception as error:
            if type(error).__name__ == "KilledWorker":  # Dask's, which may not be here
                return Done(task, None, f"{task.sequence.name}: its Dask workers died ({error})")
            raise

    def _after_a_death(self) -> Iterator[Done]:
        """Sort what was under way: ended in time, or to be begun again."""
        wait(self.running)
        alone = len(self.running) == 1
        for future, task in list(self.running.items()):
            if not _broke(future):
                yield self._taken(future)
                continue
            del self.running[future]
            count = self.deaths[id(task)] = self.deaths.get(id(task), 0) + alone
            if count < TRIES:
                self.suspects.append(task)
            else:
                del self.deaths[id(task)]
                yield Done(task, None, f"{task.sequence.name}: {DIED}")
        self.engine.mend()


def _broke(future: Future[Tracked]) -> bool:
    return future.cancelled() or isinstance(future.exception(), (BrokenExecutor, CancelledError))
