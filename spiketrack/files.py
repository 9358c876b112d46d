"""Writing files and folders that appear complete or not at all."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spiketrack.errors import SpikeTrackError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary file name beside ``path``; rename it to ``path`` on success.

    On any failure the temporary file is removed and ``path`` is as it was.
    """
    _require_folder(path)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        temporary = Path(file.name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path, force: bool = False) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``; rename it to ``path`` on success.

    An existing ``path`` is an error unless ``force``; it is then replaced at the very end.
    """
    path = path.absolute()
    if path.exists() and not force:
        raise SpikeTrackError(f"{path}: exists already; choose another --out or give --force")
    if path.exists() and not path.is_dir():
        raise SpikeTrackError(f"{path}: is a file, not a folder; choose another --out")
    _require_folder(path)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield temporary
        temporary.chmod(0o755)
        if path.exists():
            old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.old."))
            path.replace(old / "old")
            temporary.replace(path)
            shutil.rmtree(old)
        else:
            temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _require_folder(path: Path) -> None:
    if not path.absolute().parent.is_dir():
        raise SpikeTrackError(f"{path}: the folder {path.absolute().parent} does not exist")


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON with a final newline, atomically."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
