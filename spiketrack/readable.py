"""Files that a user names to be read: whatever gives bytes, a pipe of the shell among them."""

from __future__ import annotations

import stat
from contextlib import suppress
from pathlib import Path

_PIPED: dict[tuple[int, int, int], bytes] = {}


def readable(path: Path) -> bool:
    """Whether a name is a file, a pipe or a device; a name too long for one is none."""
    with suppress(OSError, ValueError):
        return not stat.S_ISDIR(path.stat().st_mode)
    return False


def is_pipe(path: Path) -> bool:
    """Whether a name gives its bytes once, as ``<(command)`` and ``/dev/stdin`` may."""
    with suppress(OSError, ValueError):
        kind = path.stat().st_mode
        return stat.S_ISFIFO(kind) or stat.S_ISCHR(kind) or stat.S_ISSOCK(kind)
    return False


def read_start(path: Path, most: int) -> bytes:
    """The first ``most`` bytes at most; ``OSError`` where they cannot be read.

    A pipe gives its bytes once: they are kept for the next who asks, as long as nothing new came.
    """
    if is_pipe(path) and (kept := _PIPED.get(_state(path))) is not None:
        return kept[:most]
    with path.open("rb") as file:
        content = file.read(most)
    if is_pipe(path):
        _PIPED[_state(path)] = content
    return content


def _state(path: Path) -> tuple[int, int, int]:
    about = path.stat()
    return about.st_dev, about.st_ino, about.st_mtime_ns
