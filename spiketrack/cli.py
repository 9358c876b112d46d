"""The program ``spiketrack``: sub-commands, one-line errors, exit codes.

0: done; 1: a verification that found a difference; 2: bad input; 130: Ctrl-C.
"""

from __future__ import annotations

import errno
import functools
import importlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Annotated, Any, NoReturn

import typer

from spiketrack.errors import SpikeTrackError
from spiketrack.version import VERSION

# name → module in spiketrack.commands, in the order of --help
COMMANDS = (
    "info", "export", "simulate", "verify", "energy", "map", "report", "track", "evaluate",
    "train", "outlets", "bench", "doctor",
)  # fmt: skip

UsageError: Any = typer.BadParameter.__base__  # Typer has no public name for it

HELP = """Bring a trained SpikeTrack to neuromorphic hardware.

A checkpoint becomes an integer network, NIR files and Lava process graphs; runs are counted,
priced in energy and compared with the float network layer by layer.
"""


def build() -> typer.Typer:
    """The application with all commands."""
    app = typer.Typer(
        help=HELP,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for name in COMMANDS:
        app.command(name)(_command(name))
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"spiketrack {VERSION}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and end.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """The options of the program itself."""


_root.__doc__ = HELP


def _command(name: str) -> Callable[..., Any]:
    module = importlib.import_module(f"spiketrack.commands.{name}")
    return _guarded(getattr(module, name))


def _guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Expected errors become one line and an exit code."""

    @functools.wraps(function)
    def run(*arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except KeyboardInterrupt:
            _fail("interrupted", 130)
        except BrokenPipeError:
            sys.stderr.close()
            raise SystemExit(0) from None
        except SpikeTrackError as error:
            _fail(str(error))
        except OSError as error:
            _fail(_os_error(error))

    return run


def main(arguments: list[str] | None = None) -> None:
    """Run the program; never shows a traceback for an expected error."""
    # libgomp reads this when torch loads; idle threads that spin would fight over the cores
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = build()(arguments, prog_name="spiketrack", standalone_mode=False)
    except UsageError as error:
        if arguments or len(sys.argv) > 1:
            _fail(f"{error.format_message()} (see spiketrack --help)")
        error.show()  # no arguments at all: the help
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        _fail("interrupted", 130)
    raise SystemExit(code or 0)


def export_main() -> None:
    """``spiketrack-export`` is ``spiketrack export``."""
    main(["export", *sys.argv[1:]])


def _os_error(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{place}the disk is full; free some space and run the command again"
    return f"{place}{error.strerror or error}"


def _fail(message: str, code: int = 2) -> NoReturn:
    line = " ".join(message.split())
    print(f"spiketrack: error: {line}", file=sys.stderr)
    raise SystemExit(code)


def _terminate(number: int, frame: object) -> None:
    raise SystemExit(128 + number)
