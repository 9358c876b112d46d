"""Cores, memory, shared memory and descriptors that this process may use."""

from __future__ import annotations

import os
import resource
import shutil
from dataclasses import dataclass
from pathlib import Path

from spiketrack.machine.cgroups import Cgroups

SHARED = Path("/dev/shm")
HERE = Cgroups()


@dataclass(frozen=True)
class Needs:
    """What a network takes on Lava: bytes of memory and of /dev/shm, descriptors, processes."""

    memory: float
    shared: float
    descriptors: int
    processes: int


NANO = Needs(memory=1.8e9, shared=4e6, descriptors=520, processes=360)  # measured while it ran


def cores(cgroups: Cgroups = HERE) -> tuple[float, str]:
    """Cores to count on, and what limits them."""
    there = os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else there
    quota = cgroups.cores()
    if quota is not None and quota < allowed:
        return quota, f"{quota:g} of {there} (quota of the control group)"
    if allowed < there:
        return allowed, f"{allowed} of {there} (affinity)"
    return there, f"{there}"


def memory(cgroups: Cgroups = HERE) -> tuple[int, int, str]:
    """Bytes left, bytes in all, and what limits them."""
    left, total = _machine_memory()
    limit = cgroups.memory()
    if limit is not None and limit[0] < left:
        return (*limit, " (limit of the control group)")
    return left, total, ""


def _machine_memory(path: Path = Path("/proc/meminfo")) -> tuple[int, int]:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:  # no Linux
        page = os.sysconf("SC_PAGE_SIZE")
        return page * os.sysconf("SC_PHYS_PAGES"), page * os.sysconf("SC_PHYS_PAGES")
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines if ":" in line}
    return 1024 * kilobytes["MemAvailable"], 1024 * kilobytes["MemTotal"]


def shared_memory(path: Path = SHARED) -> int | None:
    """Bytes free in ``/dev/shm``, None where there is none."""
    return shutil.disk_usage(path).free if path.is_dir() else None


def shared_writable(path: Path = SHARED) -> bool:
    """Whether semaphores may be made in ``/dev/shm``: it may be mounted read-only."""
    return os.access(path, os.W_OK)


def descriptors() -> int:
    """Files that this process may open at once; a large number where that is without end."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 2**31 if soft == resource.RLIM_INFINITY else soft


def processes(cgroups: Cgroups = HERE) -> int:
    """Processes and threads that the user and the control group may have."""
    soft = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    most = 2**31 if soft == resource.RLIM_INFINITY or os.geteuid() == 0 else soft
    return min(most, cgroups.processes() or most)
