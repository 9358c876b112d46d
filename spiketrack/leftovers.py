"""Temporary names beside a target, locked while their program lives, found when it was killed."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if os.name == "posix":
    import fcntl

MARK = "spiketrack-"
_NAME = re.compile(rf"\..*\.{MARK}[0-9a-f]{{8}}(\.\w+)?")
_LONGEST = 50  # characters, of up to four bytes, of a target's name in its temporary name


def beside(target: Path) -> Path:
    """A new hidden name in the same folder, with the same suffix."""
    suffix = target.suffix if re.fullmatch(r"\.\w{1,20}", target.suffix) else ""
    return target.with_name(f"{_prefix(target, suffix)}{secrets.token_hex(4)}{suffix}")


def _prefix(target: Path, suffix: str) -> str:
    return f".{target.name.removesuffix(suffix)[:_LONGEST]}.{MARK}"


@contextmanager
def held(path: Path, wait: bool = False) -> Iterator[bool]:
    """Lock a file or folder while this program lives; False where another one has the lock.

    ``OSError`` where the file system has no locks.
    """
    if os.name != "posix":
        yield True
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield _locked(descriptor, wait)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, wait: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return False  # no locks here: whoever looks must take it for held
    return True


def in_use(path: Path) -> bool:
    """Whether the program that made this temporary file or folder still runs, or nobody knows."""
    try:
        with held(path) as mine:
            return not mine
    except OSError:
        return True


def leftovers(folder: Path, target: Path | None = None) -> list[Path]:
    """Temporary files and folders, those of ``target`` or all, whose program was killed."""
    return [path for path in temporary_names(folder, target) if not in_use(path)]


def temporary_names(folder: Path, target: Path | None = None) -> list[Path]:
    """What looks like a temporary file or folder of this program, of ``target`` or all."""
    start = "" if target is None else _prefix(target, beside(target).suffix)
    with suppress(OSError):
        names = (p for p in folder.iterdir() if p.name.startswith(start))
        return sorted(p for p in names if _NAME.fullmatch(p.name) and not p.is_symlink())
    return []


def clear(path: Path) -> None:
    """Remove a leftover."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
