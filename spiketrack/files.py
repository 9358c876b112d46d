"""Writing files and folders that appear complete or not at all."""

from __future__ import annotations

import errno
import hashlib
import io
import itertools
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from spiketrack.errors import SpikeTrackError
from spiketrack.leftovers import beside, temporary_names
from spiketrack.machine.locks import held, in_use
from spiketrack.ownership import Kind
from spiketrack.targets import Source, check_folder, folder_obstacle, is_stdout, is_stream, real

HDF5_VERSIONS = ("v110", "v110")  # file layouts that HDF5 1.10, of 2016, and all later ones read

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # a write, whose error names no file
_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary file name beside ``path``; rename it to ``path`` on success.

    Links are followed. ``-`` is standard output; a pipe or a device is written to as it stands.
    On any failure the temporary file is removed and ``path`` is as it was; errors name ``path``.
    """
    if is_stdout(path) or is_stream(path):
        with _streamed(path) as temporary:
            yield temporary
        return
    target = real(path)
    if not target.parent.is_dir():
        raise SpikeTrackError(f"{path}: its folder does not exist")
    temporary = beside(target)
    with _named_for(temporary, path):
        try:
            with temporary.open("xb"), held(temporary):
                yield temporary
                _take_mode(temporary, target)
                temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def _streamed(path: Path) -> Iterator[Path]:
    """Yield a temporary file elsewhere; what it holds goes to the stream on success."""
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder) / f"stream{path.suffix}"
        yield temporary
        data = temporary.read_bytes()
    if is_stdout(path):
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    else:
        with path.open("ab") as file:  # a file that is open elsewhere is not cut
            file.write(data)


@contextmanager
def atomic_folder(
    path: Path, kind: Kind, force: bool = False, inputs: Iterable[Source] = ()
) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``; rename it to ``path`` on success.

    An existing ``path`` is an error unless ``force``; it is then replaced at the very end, and
    only where it holds nothing but what a folder of its ``kind`` does. A folder that another
    program is writing is an error at the start; where one has appeared at the end, this one is
    kept under a name beside it.
    """
    sources = list(inputs)
    check_folder("", path, kind, force, sources)
    target = real(path)
    with ExitStack() as stack:
        temporary = _claimed(path, target, stack)
        yield temporary
        if folder_obstacle(path, kind, force, sources) or not _moved(temporary, target, force):
            kept = _keep(temporary, target)
            raise SpikeTrackError(f"{path}: was written meanwhile; this result is in {kept}")


def _claimed(path: Path, target: Path, stack: ExitStack) -> Path:
    """A new temporary folder, held; an error if another program holds one for this target."""
    temporary = beside(target)
    stack.enter_context(_named_for(temporary, path))
    with held(target.parent, wait=True):  # one at a time looks for names and takes one
        if any(in_use(other) for other in temporary_names(target.parent, target)):
            raise SpikeTrackError(f"{path}: another program is writing it; choose another --out")
        temporary.mkdir()
        stack.callback(shutil.rmtree, temporary, ignore_errors=True)
        stack.enter_context(held(temporary))
    return temporary


def _take_mode(temporary: Path, target: Path) -> None:
    with suppress(OSError):  # there is no target yet, or a share that refuses modes
        temporary.chmod(target.stat().st_mode & 0o777)


def _moved(temporary: Path, target: Path, replace: bool) -> bool:
    """Rename; False where something that may not be replaced has appeared at the target."""
    old = beside(target)
    try:
        if replace and target.exists():
            target.rename(old)
        temporary.rename(target)
    except OSError as error:
        if error.errno not in _TAKEN:
            raise
        return False
    finally:
        if old.exists() and not target.exists():
            old.rename(target)
    shutil.rmtree(old, ignore_errors=True)
    return True


def _keep(temporary: Path, target: Path) -> Path:
    """Rename to the first free name beside the target."""
    for number in itertools.count(2):
        kept = target.with_name(f"{target.name}-{number}")
        if not os.path.lexists(kept):
            temporary.rename(kept)
            return kept
    raise AssertionError  # the count has no end


@contextmanager
def _named_for(temporary: Path, path: Path) -> Iterator[None]:
    """Errors inside name what the user asked for."""
    hidden, shown = str(temporary), str(path)
    try:
        yield
    except OSError as error:
        name = str(error.filename or (hidden if error.errno in _FULL else ""))
        if hidden not in name:
            raise
        raise OSError(error.errno, error.strerror, name.replace(hidden, shown)) from error
    except SpikeTrackError as error:
        if hidden not in str(error):
            raise
        raise type(error)(str(error).replace(hidden, shown)) from error


def file_digest(path: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def json_text(value: Any, indent: int | None = 2) -> str:
    """Indented JSON with a final newline; of names that are no UTF-8 the odd bytes as escapes.

    Python makes lone surrogates of such bytes, which readers of JSON refuse.
    """
    text = json.dumps(value, indent=indent, allow_nan=False)
    if "\\ud" in text:  # a surrogate, alone or half of a pair
        text = json.dumps(_readable(value), indent=indent, allow_nan=False)
    return text + "\n"


def _readable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {_readable(key): _readable(one) for key, one in value.items()}
    return [_readable(one) for one in value] if isinstance(value, (list, tuple)) else value


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(json_text(value), encoding="utf-8")


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
        size = super().readinto(view) or 0
        view[size:] = bytes(len(view) - size)
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
