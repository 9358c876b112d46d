"""Writing files and folders that appear complete or not at all."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from spiketrack.errors import SpikeTrackError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary file name beside ``path``; rename it to ``path`` on success.

    On any failure the temporary file is removed and ``path`` is as it was.
    """
    _require_folder(path)
    with tempfile.NamedTemporaryFile(
        dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
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


class PatientFile(io.FileIO):
    """A new file for HDF5, which crashes where a write fails, on a full disk for example.

    The first failure is kept and later writes are dropped; ``check`` raises it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+")
        self.path = path
        self.failure: OSError | None = None

    def write(self, data: Any) -> int:
        """All of ``data``, or nothing after a failure; the number of bytes either way."""
        view = memoryview(data).cast("B")
        done = 0
        try:
            while self.failure is None and done < len(view):
                done += super().write(view[done:])
        except OSError as error:
            self._keep(error)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """As usual, but a failure is kept."""
        try:
            return super().truncate(size)
        except OSError as error:
            self._keep(error)
        return size or 0

    def readinto(self, buffer: Any) -> int:
        """Whatever was not written reads as zeros."""
        view = memoryview(buffer).cast("B")
        found = super().readinto(view) or 0
        view[found:] = bytes(len(view) - found)
        return len(view)

    def close(self) -> None:
        """Close without a further failure."""
        with suppress(OSError):
            super().close()

    def check(self) -> None:
        """Raise the first ``OSError`` of writing, if there was one."""
        if self.failure is not None:
            raise self.failure

    def _keep(self, error: OSError) -> None:
        if self.failure is None:
            self.failure = OSError(error.errno, error.strerror, str(self.path))
