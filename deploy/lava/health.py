"""Whether the processes of a network live: one that ended or stands still is named."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from spiketrack.deploy.lava.forks import Actor, ForkRuntime, Forks
from spiketrack.errors import LavaError

HINTS = {
    -9: "what the kernel does when memory runs out",
    -7: "what happens where /dev/shm or memory is full: docker run --shm-size=256m",
}
SERVICE = "runtime service"


def exit_words(code: int | None) -> str:
    """How a process ended, and what that hints at."""
    hint = f" ({HINTS[code]})" if code in HINTS else ""
    return f"ended with exit code {code}{hint}"


class Health:
    """``look`` raises ``LavaError`` where a process has ended, or stood still for ``timeout`` s.

    ``names`` are those of the processes in the order of forking; ``place`` says where in a step
    the process of a name is.
    """

    def __init__(
        self, runtime: ForkRuntime, names: list[str], place: Callable[[str], str], timeout: float
    ) -> None:
        self.forks: Forks = runtime._messaging_infrastructure
        self.names, self.place, self.timeout = names, place, timeout
        self.standing: dict[int, float] = {}  # process → since when, monotonic seconds

    def look(self) -> None:
        """Once a step, and while one is waited for."""
        self.look_for_ended()
        for name, actor in self._all():
            since = self._stands_since(actor)
            if since is not None and time.monotonic() - since > self.timeout:
                raise self._stands(name)

    def look_for_ended(self) -> None:
        """An exception comes before an end, and an end with a code before one without."""
        if not self.forks.ended() and not any(a.exception for a in self.forks.actors):
            return
        for _, actor in self._all():
            if actor.exception is not None:
                raise LavaError(str(actor.exception[0]))
        ended = [(name, actor.exitcode) for name, actor in self._all()]
        for name, code in sorted(ended, key=lambda row: not row[1]):
            if code is not None:
                raise LavaError(f"Lava process {name}{self.place(name)}: {exit_words(code)}")

    def look_at_the_end(self) -> None:
        """Before the processes are told to stop; one that stands still would never do so."""
        self.look_for_ended()
        for name, actor in self._all():
            if self._stands_since(actor) is not None:
                raise self._stands(name)

    def _all(self) -> list[tuple[str, Actor]]:
        names = [*self.names, *[SERVICE] * len(self.forks.actors)]
        return list(zip(names, self.forks.actors, strict=False))

    def _stands(self, name: str) -> LavaError:
        return LavaError(f"Lava process {name}{self.place(name)}: stands still (SIGSTOP)")

    def _stands_since(self, actor: Actor) -> float | None:
        """A stopped process is left to whoever waits for it."""
        pid = actor.pid or 0
        try:
            stopped = os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:  # it has ended, and was waited for
            stopped = None
        if stopped is None:
            self.standing.pop(pid, None)
            return None
        return self.standing.setdefault(pid, time.monotonic())
