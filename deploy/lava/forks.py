"""Lava's message infrastructure on forks alone: no server, no helper process, nothing named.

Lava's own keeps each channel in a named segment of ``/dev/shm`` that a server process frees, and
a tracker process after it; both outlive a parent that was killed. Here a channel lies in anonymous
memory that the forked processes inherit: it is gone with the last of them. Every process ends
with its parent, and what ``multiprocessing`` is set to in the user's program is neither asked nor
changed.
"""

from __future__ import annotations

import mmap
import multiprocessing
import os
import select
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from spiketrack.deploy.lava.crews import man
from spiketrack.deploy.lava.names import (
    ChannelType,
    MessageInfrastructureInterface,
    PyPyChannel,
    Runtime,
    pypychannel_module,
    runtime_module,
)
from spiketrack.machine.interrupts import follow

CONTEXT = multiprocessing.get_context("fork")


class Block:
    """Anonymous memory of one channel, as Lava's ports read and write it: ``buf``."""

    def __init__(self, size: int) -> None:
        self.memory = mmap.mmap(-1, max(size, 1))
        self.buf = memoryview(self.memory)

    def free(self) -> None:
        """Give the pages back, also where an array still looks at them."""
        if hasattr(mmap, "MADV_REMOVE"):
            self.memory.madvise(mmap.MADV_REMOVE)


class Memory:
    """What makes the blocks."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []

    def create_shared_memory(self, size: int) -> Block:
        """A block of ``size`` bytes, zeros."""
        self.blocks.append(Block(size))
        return self.blocks[-1]

    def shutdown(self) -> None:
        """Free all; no process that uses them is left."""
        for block in self.blocks:
            block.free()
        self.blocks.clear()


class Actor(CONTEXT.Process):  # type: ignore[name-defined,misc]
    """A forked process that ends with its parent and hands back the exception that ended it."""

    def __init__(self, target: Callable[..., None], options: dict[str, Any]) -> None:
        super().__init__(target=target, kwargs=options, daemon=True)
        self.parent = os.getpid()
        self.heard, self.told = CONTEXT.Pipe(duplex=False)
        self._exception: tuple[BaseException, str] | None = None
        self._is_done = False

    def run(self) -> None:
        """The target, in the child."""
        follow(self.parent)
        try:
            super().run()
        except Exception as error:
            self._tell(error, traceback.format_exc())

    def _tell(self, error: Exception, trace: str) -> None:
        try:
            self.told.send((error, trace))
        except Exception:  # it cannot be pickled
            self.told.send((RuntimeError(f"{type(error).__name__}: {error}"), trace))

    @property
    def exception(self) -> tuple[BaseException, str] | None:
        """What ended the process, and its traceback."""
        if self._exception is None and not self._is_done and self.heard.poll():
            self._exception = self.heard.recv()
        return self._exception

    def join(self, timeout: float | None = None) -> None:
        """Wait for the end and close what belongs to the process."""
        if not self._is_done:
            super().join(timeout)
            self._exception = self.exception
            self._is_done = True
            self.heard.close()
            self.told.close()
            self.close()


class Forks(MessageInfrastructureInterface):  # type: ignore[misc]
    """Processes and channels of one network."""

    def __init__(self) -> None:
        self._actors: list[Actor] = []
        self.gathered: list[Any] | None = None  # builders that wait for their crew
        self.smm = Memory()
        self._ends = select.poll()

    @property
    def actors(self) -> list[Actor]:
        """All processes, in the order in which they were forked."""
        return self._actors

    def start(self) -> None:
        """Nothing is needed."""

    def stop(self) -> None:
        """Wait for all processes and free the channels."""
        for actor in self._actors:
            actor.join()
        self.smm.shutdown()

    def build_actor(
        self, target_fn: Callable[..., None], builder: Any, exception_q: Any = None
    ) -> Actor | None:
        """Fork a process that builds and executes a model, or keep its builder for a crew."""
        if self.gathered is not None:
            self.gathered.append(builder)
            return None
        return self._fork(Actor(target_fn, {"builder": builder, "exception_q": exception_q}))

    def build_crew(self, builders: Sequence[Any], exception_q: Any) -> Actor:
        """Fork a process that builds and executes several models."""
        return self._fork(Actor(man, {"builders": builders, "exception_q": exception_q}))

    def _fork(self, actor: Actor) -> Actor:
        fork(actor)
        self._actors.append(actor)
        self._ends.register(actor.sentinel, select.POLLIN)
        return actor

    def channel_class(self, channel_type: Any) -> Any:
        """Lava's channels between Python processes."""
        if channel_type != ChannelType.PyPy:
            raise ValueError(f"channels of type {channel_type}")
        return PyPyChannel

    def ended(self) -> bool:
        """Whether any process has ended; one system call for all."""
        return bool(self._ends.poll(0))


class ForkRuntime(Runtime):  # type: ignore[misc]
    """Lava's runtime on ``Forks``; ``names`` of its processes in the order of forking."""

    names: list[str]
    crews: Sequence[int] = ()  # models in each process, in their order; empty: one

    def _build_processes(self) -> None:
        """As Lava does it, or a process for each crew."""
        if not self.crews:
            super()._build_processes()
            return
        forks: Forks = self._messaging_infrastructure
        forks.gathered = []
        queue, runtime_module.Queue = runtime_module.Queue, lambda: None
        try:
            super()._build_processes()
        finally:
            runtime_module.Queue = queue
        builders, forks.gathered = iter(forks.gathered), None
        del self.exception_q[:]
        for size in self.crews:
            self.exception_q.append(queue())
            forks.build_crew([next(builders) for _ in range(size)], self.exception_q[-1])

    def _build_message_infrastructure(self) -> None:
        self._messaging_infrastructure = Forks()

    def initialize(self, node_cfg_idx: int = 0) -> None:
        """As Lava does it, with semaphores and queues that need no start method."""
        with _forked_parts():
            super().initialize(node_cfg_idx)


@contextmanager
def _forked_parts() -> Iterator[None]:
    """Lava's modules take semaphores and queues of ``CONTEXT`` in place of the default one's."""
    parts = ((pypychannel_module, "Semaphore"), (runtime_module, "Queue"))
    before = [getattr(module, name) for module, name in parts]
    try:
        for module, name in parts:
            setattr(module, name, getattr(CONTEXT, name))
        yield
    finally:
        for (module, name), value in zip(parts, before, strict=True):
            setattr(module, name, value)


_launchers: dict[int, ThreadPoolExecutor] = {}  # process → its thread that forks


def fork(process: Actor) -> None:
    """Start a process from a thread that never computes and lives as long as this program.

    A child inherits the OpenMP team of the thread that forks, without its workers: had that
    thread computed on several threads, the child's first parallel region would wait for ever. And
    a child ends with the thread that forked it.
    """
    launcher = _launchers.get(os.getpid())
    if launcher is None:
        launcher = _launchers[os.getpid()] = ThreadPoolExecutor(1, "spiketrack-fork")
    launcher.submit(_start, process).result()


def _start(process: Actor) -> None:
    with warnings.catch_warnings():
        # Python 3.12 warns of threads, which hold no lock that a child takes
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
