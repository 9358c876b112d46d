"""Files that a user names to be read: whatever gives bytes, a pipe of the shell among them."""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from contextlib import suppress
from pathlib import Path

PATIENCE = 10.0  # seconds for a named pipe's writer to come
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
    One that nobody writes to is an error.
    """
    if not path.is_fifo():
        with path.open("rb") as file:
            return file.read(most)
    if (kept := _PIPED.get(_state(path))) is not None:
        return kept[:most]
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as pipe:
        first = _first(descriptor, path)
        os.set_blocking(descriptor, True)
        content = first + pipe.read(most - len(first))
    _PIPED[_state(path)] = content
    return content


def _first(descriptor: int, path: Path) -> bytes:
    """A byte, or none where the writer is there and silent, or has gone."""
    gone = select.poll()
    gone.register(descriptor, select.POLLHUP)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with suppress(BlockingIOError):
            if byte := os.read(descriptor, 1):
                return byte
            if not gone.poll(0):
                time.sleep(0.01)
                continue
        return b""
    raise OSError(errno.ETIMEDOUT, "a pipe that nobody writes to", str(path))


def _state(path: Path) -> tuple[int, int, int]:
    about = path.stat()
    return about.st_dev, about.st_ino, about.st_mtime_ns
