"""Starting and ending Lava's OS processes: a start cannot hang, nothing stays behind."""

from __future__ import annotations

import io
import itertools
import logging
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout, suppress
from typing import Any

from spiketrack.deploy.lava.forks import ForkRuntime, Forks
from spiketrack.deploy.lava.health import SERVICE, exit_words
from spiketrack.deploy.lava.names import (
    MGMT_COMMAND,
    AbstractProcess,
    ActorType,
)
from spiketrack.deploy.lava.needs import needs_of, require
from spiketrack.errors import LavaError, SpikeTrackError
from spiketrack.machine.interrupts import interrupts_wait


def start(
    process: AbstractProcess,
    run_config: Any,
    slots: int,
    names: Mapping[AbstractProcess, str],
    timeout: float,
    threads: int = 1,
    most: int = 0,
) -> ForkRuntime:
    """Compile and fork everything connected to ``process``; ``slots`` messages fit a channel.

    ``most``: operating system processes that the models share, 0: one for each.

    ``LavaError`` says what the machine lacks for it, before the first fork, and names, as
    ``names`` do, a process that fails, ends or does not answer within ``timeout`` seconds; all
    have ended then. Signals wait until all have started.
    """
    runtime: ForkRuntime | None = None
    try:
        with interrupts_wait():
            executable = process.compile(run_config, {"pypy_channel_size": slots})
            crews: tuple[int, ...] = ()
            if most:  # neighbours of the network in one process
                builders = executable.proc_builders
                executable.proc_builders = {p: builders[p] for p in {**names, **builders}}
                crews = crew_sizes(len(builders), most)
            require(needs_of(executable, threads, len(crews)))
            runtime = ForkRuntime(executable, ActorType.MultiProcessing, logging.WARNING)
            executable.assign_runtime_to_all_processes(runtime)
            models = [names.get(p, type(p).__name__) for p in executable.proc_builders]
            runtime.crews, runtime.names = crews, crew_names(models, crews)
            runtime.exception_q = _Answers(runtime, runtime.names, timeout)
            with redirect_stdout(io.StringIO()):  # Lava prints the traceback of a failure
                runtime.initialize()
        return runtime
    except BaseException as error:
        if runtime is not None:
            kill(runtime)
        if isinstance(error, SpikeTrackError) or not isinstance(error, Exception):
            raise
        raise LavaError(f"Lava did not start: {type(error).__name__}: {error}") from error


def crew_sizes(models: int, most: int) -> tuple[int, ...]:
    """Models of each of at most so many crews, as equal as can be."""
    crews = min(models, most)
    return tuple(models // crews + (number < models % crews) for number in range(crews))


def crew_names(models: Sequence[str], crews: Sequence[int]) -> list[str]:
    """What the processes are called: after their first and last model, if they have several."""
    if not crews:
        return list(models)
    ends = list(itertools.accumulate(crews))
    return [
        models[end - 1] if size == 1 else f"of {models[end - size]} to {models[end - 1]}"
        for size, end in zip(crews, ends, strict=True)
    ]


class _Answers(list[Any]):
    """The queues of the processes' first words; waiting for one ends with its process."""

    def __init__(self, runtime: ForkRuntime, names: list[str], timeout: float) -> None:
        super().__init__()
        self.runtime, self.names = runtime, names
        self.timeout = timeout

    def __iter__(self) -> Iterator[Any]:
        deadline = time.monotonic() + self.timeout
        for position, answer in enumerate(super().__iter__()):
            yield _Answer(self, position, answer, deadline)


class _Answer:
    """What ``Runtime.initialize`` asks for one process's exception."""

    def __init__(self, answers: _Answers, position: int, answer: Any, deadline: float) -> None:
        self.answers, self.position = answers, position
        self.answer, self.deadline = answer, deadline

    def get(self) -> Any:
        """None for a process that has started, else its exception."""
        while True:
            try:
                return self.answer.get(timeout=0.5)
            except queue.Empty:
                self._look()

    def _look(self) -> None:
        names, position = self.answers.names, self.position
        name = names[position] if position < len(names) else SERVICE
        code = self.answers.runtime._messaging_infrastructure.actors[position].exitcode
        if code is not None:
            raise LavaError(f"Lava process {name}: at its start {exit_words(code)}")
        if time.monotonic() > self.deadline:
            raise LavaError(f"Lava process {name}: no start within {self.answers.timeout:g} s")


def pauses(runtime: ForkRuntime, timeout: float, end_step: Callable[[], None]) -> bool:
    """Ask a run without end to pause; False when it did not within ``timeout`` seconds.

    Lava looks for commands between two time steps alone: ``end_step`` lets the one that waits
    for a frame end, again where that came before the command.
    """
    for port in runtime.runtime_to_service:
        port.send(MGMT_COMMAND.PAUSE)
    deadline = time.monotonic() + timeout
    for port in runtime.service_to_runtime:
        while not arrives(port, 0.0):
            end_step()
            if not arrives(port, 1.0) and time.monotonic() > deadline:
                return False
        port.recv()
    return True


def arrives(port: Any, timeout: float) -> bool:
    """Whether a message comes within ``timeout`` seconds; it stays there."""
    try:
        port._queue.get(block=timeout > 0, timeout=timeout, peek=True)
    except queue.Empty:
        return False
    return True


def wait_for_steps(runtime: ForkRuntime, patience: float) -> None:
    """Until a run that does not block is over; Lava would wait for ever for a lost process.

    What ended a process is raised; ``LavaError`` where it says nothing, or after ``patience`` s.
    """
    deadline = time.monotonic() + patience
    while not all(arrives(port, 0.25) for port in runtime.service_to_runtime):
        for actor in runtime._messaging_infrastructure.actors:
            if actor.exception is not None:
                raise actor.exception[0]
            if actor.exitcode is not None:
                raise LavaError(f"a process ended with exit code {actor.exitcode}")
        if time.monotonic() > deadline:
            raise LavaError(f"no answer within {patience:g} s")


def stops(process: AbstractProcess, timeout: float) -> bool:
    """Ask a run to stop; False when it failed to, or did not within ``timeout`` seconds.

    Lava waits for ever for a process that ends while it stops, so a thread does the waiting.
    """
    done: list[bool] = []

    def ask() -> None:
        with suppress(Exception):  # whatever Lava found broken: the caller kills the processes
            process.stop()
            done.append(True)

    asking = threading.Thread(target=ask, name="lava stop", daemon=True)
    asking.start()
    asking.join(timeout)
    return bool(done)


def end(runtime: ForkRuntime, stopped: Callable[[], bool]) -> None:
    """End all processes: ``stopped`` asks them to, what does not end by that is killed.

    ``LavaError`` where one did not live until now, unless another error is on its way.
    """
    lost: LavaError | None = None
    with interrupts_wait():
        try:
            if not stopped():
                kill(runtime)
        except LavaError as error:
            kill(runtime)
            lost = error
    if lost is not None and sys.exc_info()[0] is None:
        raise lost


def kill(runtime: ForkRuntime) -> None:
    """End every process of a runtime at once and unlink its shared memory."""
    infrastructure: Forks | None = runtime._messaging_infrastructure
    runtime._is_started = False  # keeps Lava's destructor from talking to dead processes
    runtime._is_running = False
    if infrastructure is None:
        return
    for actor in infrastructure.actors:
        if not actor._is_done and actor.is_alive():
            actor.kill()
    for actor in infrastructure.actors:
        actor.join()
    for port in runtime._open_ports:
        port.join()
    runtime._open_ports.clear()
    infrastructure.smm.shutdown()
