"""Temporary names beside a target, locked while their program lives, found when it was killed."""

from __future__ import annotations

import re
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from spiketrack.machine.locks import in_use

MARK = "spiketrack-"
_NAME = re.compile(rf"\..*\.{MARK}[0-9a-f]{{8}}(\.\w+)?")
_LONGEST = 50  # characters, of up to four bytes, of a target's name in its temporary name


def beside(target: Path) -> Path:
    """A new hidden name in the same folder, with the same suffix."""
    suffix = target.suffix if re.fullmatch(r"\.\w{1,20}", target.suffix) else ""
    return target.with_name(f"{_prefix(target, suffix)}{secrets.token_hex(4)}{suffix}")


def _prefix(target: Path, suffix: str) -> str:
    return f".{target.name.removesuffix(suffix)[:_LONGEST]}.{MARK}"


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
