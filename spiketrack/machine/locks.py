"""Locks that end with the program that took them, however it ends.

A lock is ``flock``'s. Processes that are forked inherit its descriptor and would keep the lock of a
program that was killed, so they close it at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from spiketrack.errors import ConfigError

if os.name == "posix":
    import fcntl

LOCK = ".spiketrack.lock"  # in a folder that a later call may go on with
_ours: set[int] = set()


def _let_go() -> None:
    while _ours:
        with suppress(OSError):
            os.close(_ours.pop())


if os.name == "posix":
    os.register_at_fork(after_in_child=_let_go)


@contextmanager
def held(path: Path, wait: bool = False) -> Iterator[bool]:
    """Lock a file or folder while this program lives; False where another one has the lock.

    ``OSError`` where it cannot be opened; False where the file system has no locks.
    """
    if os.name != "posix":
        yield True
        return
    with _open(path, os.O_RDONLY) as descriptor:
        yield bool(_locked(descriptor, wait))


def in_use(path: Path) -> bool:
    """Whether the program that made this temporary file or folder still runs, or nobody knows."""
    try:
        with held(path) as mine:
            return not mine
    except OSError:
        return True


@contextmanager
def alone(folder: Path, stays: Path | None = None, does: str = "works") -> Iterator[str]:
    """Hold a folder that a later call may go on with; yield what is to be said, mostly nothing.

    Its lock is that of a file in it, since shares refuse locks of folders, and whoever makes a
    folder locks the one around it; it is removed at the end. ``stays``: where the folder will
    stand then. ``ConfigError`` where another program, which ``does`` what, holds it.
    """
    if os.name != "posix":
        yield ""
        return
    place = folder if stays is None else stays
    with _mine(folder / LOCK) as (descriptor, lock):
        if lock is False:
            raise ConfigError(
                f"{place}: another program {does} here; wait for its end or choose another --out"
            )
        try:
            yield (
                ""
                if lock
                else (
                    f"note: {place}: its file system has no locks; start no second program there "
                    "before this one has ended"
                )
            )
        finally:
            _remove(place / LOCK, descriptor)


@contextmanager
def _mine(path: Path) -> Iterator[tuple[int, bool | None]]:
    """The descriptor of a lock file, made if need be, and whether it was locked."""
    while True:  # until the file that was locked is the one that stands there
        with _open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK) as descriptor:
            lock = _locked(descriptor, False)
            if lock is False or _same(path, descriptor):
                yield descriptor, lock
                return


def _locked(descriptor: int, wait: bool) -> bool | None:
    """Whether the lock was taken; None where there are no locks: nobody knows who is there."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


@contextmanager
def _open(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags, 0o666)
    _ours.add(descriptor)
    try:
        yield descriptor
    finally:
        if descriptor in _ours:  # not in a forked process
            _ours.discard(descriptor)
            os.close(descriptor)


def _same(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(descriptor))
    except OSError:
        return False


def _remove(path: Path, descriptor: int) -> None:
    """Remove the lock file before its lock ends, unless another one stands there."""
    with suppress(OSError):
        if descriptor in _ours and _same(path, descriptor):
            path.unlink()
