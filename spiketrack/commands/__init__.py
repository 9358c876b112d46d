"""The sub-commands, one a file: what defines a function of its file's name is one.

They are found by listing this folder and the entry points of the group ``spiketrack.commands``,
which installed packages bring, and imported when one is called or its help is shown. A command
imports at its top only what is light; torch, OpenCV, numba and Lava wait until it runs.
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from spiketrack.commands.help import furnish, text
from spiketrack.errors import MissingDependency
from spiketrack.version import VERSION

ENTRY_POINTS = "spiketrack.commands"
UsageError: Any = typer.BadParameter.__base__  # Typer has no public name for it
CONTEXT = {"help_option_names": ["-h", "--help"]}
PANELS = {
    "All in one": ("run",),
    "The road": (
        "info",
        "convert",
        "export",
        "simulate",
        "verify",
        "energy",
        "map",
        "time",
        "report",
    ),
    "The tracker": ("track", "evaluate", "score", "train"),
    "Measured here": (
        "outlets",
        "bench",
        "microcode",
        "partitions",
        "sanafe",
        "compare-chip",
        "schema",
        "doctor",
    ),
}  # order and headings of the help; a command that is not named here stands under MORE
MORE = "More commands"
HELP = (
    "Bring a trained SpikeTrack to neuromorphic hardware.\n\n"
    "A checkpoint becomes an integer network, NIR files and Lava process graphs; runs are counted, "
    "priced in energy and compared with the float network layer by layer."
)


@functools.cache
def own_commands() -> tuple[str, ...]:
    """Names of the commands in this folder, in the order of the help."""
    present = set(_modules())
    ordered = [name for names in PANELS.values() for name in names if name in present]
    return (*ordered, *sorted(present.difference(ordered)))


@functools.cache
def _modules() -> dict[str, str]:
    """Command → its module, of this folder and of ``chip/``; a dash stands for an underscore."""
    home = Path(__file__).parent
    modules = {}
    for folder, package in ((home, __name__), (home / "chip", f"{__name__}.chip")):
        for path in folder.glob("*.py"):
            if _is_command(path):
                modules[path.stem.replace("_", "-")] = f"{package}.{path.stem}"
    return modules


def _is_command(path: Path) -> bool:
    pattern = rf"^def {re.escape(path.stem)}\("
    return re.search(pattern, path.read_text(encoding="utf-8"), re.MULTILINE) is not None


@functools.cache
def foreign_commands() -> dict[str, metadata.EntryPoint]:
    """Commands of installed packages; one of a name that is taken here is left out."""
    points = metadata.entry_points(group=ENTRY_POINTS)
    return {point.name: point for point in points if point.name not in own_commands()}


def load(name: str) -> Callable[..., Any]:
    """The function of a command; ``MissingDependency`` where another package's is broken."""
    if name in own_commands():
        module = _modules()[name]
        own: Callable[..., Any] = getattr(
            importlib.import_module(module), module.rpartition(".")[2]
        )
        return own
    point = foreign_commands()[name]
    try:
        function: Callable[..., Any] = point.load()
    except Exception as error:  # a foreign package may fail in any way
        raise MissingDependency(
            f"{name}: cannot be loaded ({point.value}: {type(error).__name__}: {error})"
        ) from error
    return function


def broken_commands() -> dict[str, str]:
    """Commands of installed packages that cannot be loaded, and why."""
    broken = {}
    for name in foreign_commands():
        try:
            load(name)
        except MissingDependency as error:
            broken[name] = str(error)
    return broken


class Passed(Exception):
    """What Typer would answer itself, on its way to the program."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


@contextmanager
def _unanswered() -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, EOFError) as error:
        raise Passed(error) from error


class Program(TyperGroup):
    """The group of all commands, each imported when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of the help."""
        return [*own_commands(), *foreign_commands()]

    def get_command(self, ctx: Any, name: str) -> Any:
        """The command, or None for a name that does not exist."""
        if name in own_commands() or name in foreign_commands():
            return _command(name)
        return None

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """As usual; Ctrl-C is the program's to answer."""
        with _unanswered():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        """As usual; Ctrl-C is the program's to answer."""
        with _unanswered():
            return super().invoke(ctx)


def _command(name: str) -> Any:
    try:
        function = load(name)
    except MissingDependency as error:
        function = _broken(error)
    app = typer.Typer(
        add_completion=False, pretty_exceptions_enable=False, context_settings=CONTEXT
    )
    panel = next((panel for panel, names in PANELS.items() if name in names), MORE)
    app.command(name, help=text(name, function), rich_help_panel=panel)(function)
    return furnish(typer.main.get_command(app))


def _broken(error: MissingDependency) -> Callable[[], None]:
    def broken() -> None:
        raise error

    broken.__doc__ = str(error)
    return broken


def build() -> typer.Typer:
    """The application with all commands."""
    app = typer.Typer(
        cls=Program,
        help=HELP,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings=CONTEXT,
    )
    app.callback()(_root)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"spiketrack {VERSION}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            "-V",
            help="Print the version and end.",
            is_eager=True,
            callback=_print_version,
        ),
    ] = False,
) -> None:
    """The options of the program itself."""


_root.__doc__ = HELP
