"""What a command's options will write, checked before its work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from spiketrack.errors import SpikeTrackError
from spiketrack.leftovers import leftovers
from spiketrack.ownership import Kind
from spiketrack.targets import Source, check_apart, check_folder, check_target, is_stdout
from spiketrack.terminal.console import console, note


def will_write(inputs: Iterable[Source] = (), **files: Path | None) -> None:
    """Check the files that options name (``json=``); tables then leave standard output to them."""
    given = [(f"--{option}", path) for option, path in files.items() if path is not None]
    sources = list(inputs)
    for option, path in given:
        check_target(option, path, sources)
    check_apart(given)
    console.stderr = any(is_stdout(path) for _, path in given)
    for _, path in given:
        _notes(path)


def will_fill(out: Path | None, kind: Kind, force: bool, inputs: Iterable[Source] = ()) -> None:
    """Check the folder that an option names."""
    if out is not None:
        check_folder("", out, kind, force, inputs)
        _notes(out)


@contextmanager
def then_show(show: Callable[[], object]) -> Iterator[None]:
    """Files are written inside, tables shown after: all the same where a file could not be."""
    try:
        yield
    except (OSError, SpikeTrackError):
        show()
        raise
    show()


def _notes(path: Path) -> None:
    for left in leftovers(path.absolute().parent, path):
        note(
            f"note: {left} was left by a program that was killed; "
            "spiketrack doctor --clear removes it"
        )
