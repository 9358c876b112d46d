"""Where a command may write, asked before its work: one mechanism for every option."""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from spiketrack.errors import SpikeTrackError
from spiketrack.ownership import KINDS, Kind

Source = Path | str | None
_RESULTS = (".json", ".csv", ".html")  # no command reads them from a folder of pictures


def check_target(option: str, path: Path | None, inputs: Iterable[Source] = ()) -> None:
    """Refuse a file that could not be written later, or that is one of the ``inputs``."""
    if path is not None and not is_stdout(path):
        _say(f"{option} {path}", _file_obstacle(path, list(inputs)))


def check_apart(targets: Iterable[tuple[str, Path]]) -> None:
    """Refuse two options that name one file: the later result would replace the earlier."""
    taken: dict[Path, str] = {}
    for option, path in targets:
        if path == Path(os.devnull) or (is_stream(path) and not is_stdout(path)):
            continue
        place = Path("-") if is_stdout(path) else real(path)
        if place in taken:
            raise SpikeTrackError(f"{option} {path}: {taken[place]} writes it; choose another name")
        taken[place] = option


def check_folder(
    option: str, path: Path | None, kind: Kind, force: bool, inputs: Iterable[Source] = ()
) -> None:
    """Refuse a folder that could not be written later, or whose replacement would lose anything.

    An existing one is replaced with ``force`` alone, and where it holds nothing but what a
    folder of its ``kind`` does.
    """
    if path is not None:
        _say(f"{option} {path}".strip(), folder_obstacle(path, kind, force, list(inputs)))


def _say(where: str, obstacle: str) -> None:
    if obstacle:
        raise SpikeTrackError(f"{where}: {obstacle}")


def is_stdout(path: Path) -> bool:
    """Whether a path is standard output: ``-``, or a name of what it is connected to."""
    if path == Path("-"):
        return True
    try:
        return is_stream(path) and os.path.samestat(path.stat(), os.fstat(sys.stdout.fileno()))
    except (OSError, ValueError):  # closed, or replaced by something without a number
        return False


def is_stream(path: Path) -> bool:
    """Whether a path is written to as it stands: a pipe, a terminal, an open file's number."""
    try:
        kind = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISDIR(kind) and (not stat.S_ISREG(kind) or _is_descriptor(path))


def _is_descriptor(path: Path) -> bool:
    """Whether the name leads to ``/proc/self/fd/N``, as ``/dev/stdout`` does."""
    for _ in range(40):
        home = os.path.realpath(path.absolute().parent)
        if re.fullmatch(r"/proc/(self|\d+)(/task/\d+)?/fd", home):
            return True
        if not path.is_symlink():
            return False
        path = Path(home) / path.readlink()
    return False


def real(path: Path) -> Path:
    """The absolute path behind all links; the last part need not exist."""
    try:
        return path.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # Python 3.13 tells a loop in strict mode alone
        if isinstance(error, RuntimeError) or error.errno == errno.ELOOP:
            raise SpikeTrackError(f"{path}: a loop of links") from None
        return path.resolve()


def _file_obstacle(path: Path, inputs: list[Source]) -> str:
    if path.is_dir():
        return "is a folder"
    if is_stream(path):
        if path.is_block_device():
            return "is a disk"
        return "" if os.access(path, os.W_OK) else "may not be written to"
    target = real(path)
    if any(_belongs(target, source) for source in _sources(inputs)):
        return "is an input of this command; choose another name"
    return _parent_obstacle(target)


def _belongs(target: Path, source: Path) -> bool:
    """Whether a file is an input, or a part of the folder that is one."""
    if target == source:
        return True
    if not target.exists() or source not in target.parents:
        return False
    kind = next((k for k in KINDS if k.recognises(source) is not None), None)
    if kind is None:
        return target.suffix.lower() not in _RESULTS
    return target.relative_to(source).as_posix() in kind.names(source)


def _parent_obstacle(target: Path) -> str:
    """Whether a file can be made beside the target: tried, since nothing else tells."""
    if not target.parent.is_dir():
        return "its folder does not exist"
    try:
        with tempfile.TemporaryFile(dir=target.parent):
            return ""
    except OSError as error:
        return f"its folder cannot be written to ({error.strerror})"


def folder_obstacle(path: Path, kind: Kind, force: bool, inputs: list[Source]) -> str:
    """Why a folder must not be written or replaced; empty if it may."""
    target = real(path)
    if why := precious(target, inputs, kind.option):
        return why
    if target.exists():
        if not target.is_dir():
            return "is a file, not a folder; choose another name"
        obstacle = kind.obstacle(target)
        if not force:
            again = "" if obstacle else " or give --force"
            return f"exists already; choose another {kind.option}{again}"
        if obstacle:
            return f"{obstacle}; --force replaces nothing else: choose another {kind.option}"
        if target.is_mount():
            return "is a mount point, which cannot be replaced; choose a folder below it"
    return _parent_obstacle(target)


def precious(target: Path, inputs: list[Source], option: str = "--out") -> str:
    """Why the folder of an option is nothing that a command may fill; empty where it may."""
    if target == target.parent:
        return "is the root folder"
    for what, place in (("your home folder", _home()), ("the current folder", _current())):
        if place is not None and (target == place or target in place.parents):
            return f"{'is' if target == place else 'holds'} {what}; choose another {option}"
    for source in _sources(inputs):
        if target == source or target in source.parents:
            word = "is" if target == source else "holds"
            return f"{word} an input of this command; choose another {option}"
    return ""


def _sources(inputs: list[Source]) -> list[Path]:
    """Those inputs that are files or folders, links followed."""
    return [real(Path(x)) for x in inputs if x is not None and Path(x).exists()]


def _home() -> Path | None:
    try:
        return Path.home().resolve()
    except (OSError, RuntimeError):
        return None


def _current() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # it was deleted
        return None
