"""What starting a network takes of the machine, and whether it is there, before the first fork."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import Any

from spiketrack.errors import LavaError
from spiketrack.machine import room

# of each process: the queue of its first word, what hands its exception back, its end, two each
DESCRIPTORS = 6
SEMAPHORES_OF_A_QUEUE = 3
SPARE = 8  # descriptors that a start opens and closes on its way


@dataclass(frozen=True)
class Needs:
    """``processes`` of a network, its tasks (with threads), open files, bytes in ``/dev/shm``.

    The channels themselves lie in anonymous memory, their two semaphores in a page each.
    """

    processes: int
    tasks: int
    descriptors: int
    shared: int


def needs_of(executable: Any, threads: int, crews: int = 0) -> Needs:
    """Of a compiled network whose processes compute on so many threads each.

    ``crews``: processes that the models share, 0: one for each.
    """
    models, services = len(executable.proc_builders), len(executable.runtime_service_builders)
    hosts = crews or models
    processes = hosts + services
    pipes = sum(
        getattr(process, name).external_pipe_flag
        for process, builder in executable.proc_builders.items()
        for name in builder.py_ports
    )
    channels = len(executable.channel_builders) + len(executable.sync_channel_builders) + pipes
    # a process has a thread that sends its first word, a service two that wait for each model; the
    # program itself one for each pipe, two for each service, and the one that forks
    waiting = 2 * (models + services)
    tasks = 2 * processes + waiting + hosts * (threads - 1) + pipes + 2 * services + 1
    semaphores = 2 * channels + SEMAPHORES_OF_A_QUEUE * processes
    return Needs(processes, tasks, DESCRIPTORS * processes + SPARE, semaphores * mmap.PAGESIZE)


def require(needs: Needs) -> None:
    """``LavaError`` with number and remedy where something is short; soft limits are raised."""
    if (free := room.descriptors(needs.descriptors)) < needs.descriptors:
        raise LavaError(
            f"Lava needs {needs.descriptors:,} open files for {needs.processes} processes and "
            f"{free:,} are left: ulimit -n 8192, or docker run --ulimit nofile=8192"
        )
    if (free := room.tasks(needs.tasks)) < needs.tasks:
        raise LavaError(
            f"Lava needs {needs.tasks:,} processes and threads and {free:,} are left: "
            "ulimit -u 4096, or docker run --pids-limit=4096"
        )
    if (why := room.closed()) is not None:
        raise LavaError(f"Lava's semaphores need shared memory; {why}")
    left = room.shared_memory()
    if left is not None and left < needs.shared:
        raise LavaError(
            f"Lava needs {needs.shared / 1e6:.1f} MB of /dev/shm and {left / 1e6:.1f} MB are left: "
            "docker run --shm-size=256m, or mount -o remount,size=256M /dev/shm"
        )
