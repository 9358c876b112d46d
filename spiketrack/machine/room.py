"""What is left of the limits: files, processes, shared memory; soft limits are raised on demand."""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from pathlib import Path

from spiketrack.machine.cgroups import Cgroups
from spiketrack.machine.limits import HERE, SHARED, shared_writable
from spiketrack.machine.limits import shared_memory as _shared_memory

ENDLESS = 2**31


def descriptors(wanted: int) -> int:
    """Files that this process may still open; for ``wanted`` ones its soft limit is raised."""
    used = sum(1 for _ in Path("/proc/self/fd").iterdir()) if Path("/proc/self/fd").is_dir() else 0
    return _limit(resource.RLIMIT_NOFILE, used + wanted) - used


def tasks(wanted: int, cgroups: Cgroups = HERE) -> int:
    """Processes and threads that may still start, of the user and of the control group."""
    free = cgroups.free_processes()
    most = ENDLESS if free is None else free
    if os.geteuid() == 0:  # whom the kernel does not limit
        return most
    used = user_tasks(os.getuid())
    return min(most, _limit(resource.RLIMIT_NPROC, used + wanted) - used)


def user_tasks(user: int, proc: Path = Path("/proc")) -> int:
    """Processes and threads of a user."""
    tasks = 0
    for home in proc.iterdir():
        with suppress(OSError):  # it has ended
            if home.name.isdecimal() and home.stat().st_uid == user:
                tasks += sum(1 for _ in (home / "task").iterdir())
    return tasks


def shared_memory(path: Path = SHARED) -> int | None:
    """Bytes free in ``/dev/shm``, None where there is none."""
    return _shared_memory(path)


def closed(path: Path = SHARED) -> str | None:
    """What is wrong and helps where ``/dev/shm`` takes no semaphore at all, else None."""
    if not path.is_dir():
        return f"{path} is missing: mount -t tmpfs tmpfs {path}"
    if not shared_writable(path):
        return f"{path} cannot be written to: mount -o remount,rw,mode=1777 {path}"
    return None


def _limit(kind: int, wanted: int) -> int:
    """The soft limit, raised to the hard one where that is enough."""
    soft, hard = resource.getrlimit(kind)
    if _number(soft) < wanted <= _number(hard):
        with suppress(OSError, ValueError):
            resource.setrlimit(kind, (hard, hard))
            soft = hard
    return _number(soft)


def _number(limit: int) -> int:
    return ENDLESS if limit == resource.RLIM_INFINITY else limit
