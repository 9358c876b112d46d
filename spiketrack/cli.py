"""The programs ``spiketrack`` and ``spiketrack-export``: signals, streams, errors, exit codes.

====  =====================================================================================
0     done
1     ``verify`` or ``outlets`` found a difference, ``doctor`` something missing; a clip, or a
      sequence, failed midway: what was won before is kept
2     bad input, a full disk, a missing package: one line on standard error says which
130   Ctrl-C (``interrupted``)
129   SIGHUP (``the terminal is gone``)
141   whoever reads the output stopped reading; files that were asked for are written
143   SIGTERM (``terminated``)
====  =====================================================================================

What is imported here is light: a signal that comes while Python loads finds its handler.
"""

from __future__ import annotations

import errno
import math
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from spiketrack.errors import SpikeTrackError, printable
from spiketrack.machine.interrupts import interruptible
from spiketrack.terminal.characters import tolerant_streams

if TYPE_CHECKING:
    import typer

OUT_OF_MEMORY = (
    "failed to map segment", "cannot allocate memory", "can't allocate memory",
    "insufficient memory", "can't start new thread",
)  # fmt: skip
FAILED, INTERRUPTED, CLOSED_PIPE = 2, 130, 141
SIGNALLED = {128 + signal.SIGTERM: "terminated", 128 + signal.SIGHUP: "the terminal is gone"}
LONGEST = 1500  # characters of an error


def build() -> typer.Typer:
    """The application with all commands."""
    from spiketrack.commands import build

    return build()


def main(arguments: list[str] | None = None) -> None:
    """Run the program; never shows a traceback for an expected error."""
    try:
        with interruptible():
            tolerant_streams()
            _share_cores()
            code = _run(arguments)
            _flush()
    except KeyboardInterrupt:
        _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:
        _end_of_pipe()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # of rich and Typer, which say 1
            _end_of_pipe()
        if end.code in SIGNALLED:
            _fail(SIGNALLED[end.code], end.code)
        raise
    except SpikeTrackError as error:
        _fail(str(error))
    except OSError as error:
        _fail(_os_error(error))
    except Exception as error:
        if not _memory_ran_out(error):
            raise
        words = str(error) or type(error).__name__
        _fail(f"memory runs out ({words}); free some, or raise ulimit -v, docker run --memory")
    raise SystemExit(code)


def _share_cores() -> None:
    """What libgomp reads when torch loads: idle threads that spin would fight over the cores."""
    from spiketrack.machine.cgroups import Cgroups

    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    quota = Cgroups().cores()
    if quota is not None:  # torch would take a thread for each of the host's cores
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, math.floor(quota))))


def export_main() -> None:
    """``spiketrack-export`` is ``spiketrack export``."""
    words = sys.argv[1:]
    main(["--version"] if {"--version", "-V"} & {*words} else ["export", *words])


def _run(arguments: list[str] | None) -> int:
    """The exit code of a command that ended by itself."""
    _require_place()
    from spiketrack.commands import Passed, UsageError, build

    try:
        code = build()(arguments, prog_name="spiketrack", standalone_mode=False)
    except Passed as passed:
        raise passed.error from None
    except UsageError as error:
        if arguments or len(sys.argv) > 1:
            _fail(f"{error.format_message()} (see spiketrack --help)")
        error.show()  # no arguments at all: the help
        return FAILED
    return int(code or 0)


def _require_place() -> None:
    """Libraries end Python, or say nothing of use, where the current folder was deleted."""
    try:
        Path.cwd()
    except FileNotFoundError:
        raise SpikeTrackError("the current folder was deleted; change into another one") from None


def _flush() -> None:
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            _discard_output()
            raise OSError(error.errno, error.strerror, "standard output") from None


def _end_of_pipe() -> NoReturn:
    _discard_output()
    raise SystemExit(CLOSED_PIPE)


def _discard_output() -> None:
    """Python writes what is left when it ends: let that go nowhere."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _memory_ran_out(error: Exception) -> bool:
    """Libraries say it in their own ways; those that are loaded then, as an ``ImportError``."""
    words = str(error).lower()
    return isinstance(error, MemoryError) or any(hint in words for hint in OUT_OF_MEMORY)


def _os_error(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{place}the disk is full; free some space and run the command again"
    return f"{place}{error.strerror or error}"


def _fail(message: str, code: int = FAILED) -> NoReturn:
    """End with one line: foreign text with its control characters as escapes, and not too long."""
    line = printable(" ".join(message.split()), LONGEST)
    with suppress(OSError):
        print(f"spiketrack: error: {line}", file=sys.stderr, flush=True)
    raise SystemExit(code)
