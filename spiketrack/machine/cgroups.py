"""Limits that a container or a service manager sets, in both versions of Linux's control groups.

A limit of any group round the process holds, so the smallest on the way to the root counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ENDLESS = 2**60  # version 1 writes "no limit" as a number near 2^63


@dataclass(frozen=True)
class Cgroups:
    """The groups of this process: ``root`` is where they are mounted, ``own`` lists them."""

    root: Path = Path("/sys/fs/cgroup")
    own: Path = Path("/proc/self/cgroup")

    def cores(self) -> float | None:
        """Quota of processor time in cores, None where there is none."""
        quotas = [*self._unified_quotas(), *self._old_quotas()]
        return min(quotas, default=None)

    def memory(self) -> tuple[int, int] | None:
        """(bytes left, limit in bytes) of the tightest group, None without a limit."""
        groups = [
            (limit - max(0, _number(home / used) - _cache(home)), limit)
            for name, used in (
                ("memory.max", "memory.current"),
                ("memory.limit_in_bytes", "memory.usage_in_bytes"),
            )
            for home in self._homes("memory")
            if 0 < (limit := _number(home / name)) < ENDLESS
        ]
        return min(groups, default=None)

    def processes(self) -> int | None:
        """Processes and threads that the tightest group takes, None without a limit."""
        limits = [_number(home / "pids.max") for home in self._homes("pids")]
        return min((limit for limit in limits if 0 < limit < ENDLESS), default=None)

    def free_processes(self) -> int | None:
        """Processes and threads that the tightest group still takes, None without a limit."""
        free = [
            limit - _number(home / "pids.current")
            for home in self._homes("pids")
            if 0 < (limit := _number(home / "pids.max")) < ENDLESS
        ]
        return min(free, default=None)

    def _unified_quotas(self) -> Iterator[float]:
        for home in self._homes("cpu"):
            words = _text(home / "cpu.max").split()
            if len(words) == 2 and words[0].isdigit():
                yield int(words[0]) / int(words[1])

    def _old_quotas(self) -> Iterator[float]:
        for home in self._homes("cpu"):
            quota, period = (_number(home / f"cpu.cfs_{n}_us") for n in ("quota", "period"))
            if quota > 0 and period > 0:
                yield quota / period

    def _homes(self, controller: str) -> Iterator[Path]:
        """Folders of the groups that hold a controller, from the process's own to the root."""
        for line in _text(self.own).splitlines():
            _, names, path = line.split(":", 2)
            if controller in names.split(","):
                top = self.root / controller
            elif not names:
                top = self.root
            else:
                continue
            inner = Path(path.lstrip("/"))
            for part in (inner, *inner.parents):
                yield top / part


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(encoding="utf-8")
    return ""


def _number(path: Path) -> int:
    """The integer in a file; 0 where there is none."""
    word = _text(path).strip()
    return int(word) if word.lstrip("-").isdigit() else 0


def _cache(home: Path) -> int:
    """Bytes of files that the kernel gives back when a group needs them."""
    for line in _text(home / "memory.stat").splitlines():
        name, _, value = line.partition(" ")
        if name in ("inactive_file", "total_inactive_file") and value.isdigit():
            return int(value)
    return 0
