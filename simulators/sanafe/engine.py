"""SANA-FE itself: imported on first use, run without a word on the user's terminal.

Its parsers and its C++ core print to standard output and error; both go to a
file meanwhile.
"""

from __future__ import annotations

import ctypes
import io
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from spiketrack.documents.yaml_files import parse_yaml
from spiketrack.errors import SpikeTrackError, printable
from spiketrack.optional import load

EXTRA = "sanafe"
STOCK = "examples/loihi.yaml"  # of the installed package


def sanafe() -> Any:
    """The package; ``MissingDependency`` names the extra that brings it."""
    return load("sanafe", EXTRA)


@contextmanager
def silent() -> Iterator[None]:
    """Whatever is printed inside, by Python or C++, stays away from the terminal.

    ``SpikeTrackError`` where SANA-FE fails.
    """
    _flush()
    with (
        tempfile.TemporaryFile() as said,
        io.TextIOWrapper(said, "utf-8", "replace", write_through=True) as words,
    ):
        kept = [os.dup(number) for number in (1, 2)]
        try:
            for number in (1, 2):
                os.dup2(said.fileno(), number)
            with redirect_stdout(words), redirect_stderr(words):
                yield
        except SpikeTrackError:
            raise
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            raise SpikeTrackError(f"SANA-FE: {printable(str(error), 300)}") from error
        finally:
            _flush()
            for number, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, number)
                os.close(copy)


def _flush() -> None:
    """Python's streams, and those of C, which keep what is printed to a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    ctypes.CDLL(None).fflush(None)


def stock_architecture() -> dict[str, Any]:
    """SANA-FE's own description of Loihi 1, read from the installed package for its prices."""
    path = Path(sanafe().__file__).parent / STOCK
    architecture = parse_yaml(path.read_bytes(), str(path))["architecture"]
    if not isinstance(architecture, dict):
        raise SpikeTrackError(f"{path}: holds no architecture; another release of SANA-FE?")
    return architecture
