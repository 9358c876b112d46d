"""Which readers of others take the standard NIR parts, and why one does not."""

from __future__ import annotations

import contextlib
import importlib
import io
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import nir


@dataclass(frozen=True)
class Reading:
    """One reader on all parts: how many of them it takes and its words on the others."""

    reader: str
    version: str
    taken: int
    parts: int
    reasons: Mapping[str, int]


def _unchecked(path: Path) -> Any:
    return nir.read(path, type_check=False)


def _snntorch(path: Path) -> Any:
    importer = importlib.import_module("snntorch.import_nir")
    with contextlib.redirect_stdout(io.StringIO()):  # it prints a line for every file
        return importer.import_from_nir(_unchecked(path))


READERS: Mapping[str, tuple[str, Callable[[Path], Any]]] = {
    "nir.read(type_check=False)": ("nir", _unchecked),
    "nir.read": ("nir", nir.read),
    "snntorch.import_nir.import_from_nir": ("snntorch", _snntorch),
}


def try_readers(folder: Path) -> list[Reading]:
    """Every installed reader on every ``.nir`` file of a folder."""
    paths = sorted(folder.glob("*.nir"))
    readings = []
    for name, (package, read) in READERS.items():
        try:
            installed = version(package)
        except PackageNotFoundError:
            continue  # a reader of others, not a dependency
        failures = [reason for path in paths if (reason := _attempt(read, path))]
        taken = len(paths) - len(failures)
        readings.append(Reading(name, installed, taken, len(paths), dict(Counter(failures))))
    return readings


def _attempt(read: Callable[[Path], Any], path: Path) -> str:
    """Empty if the file is taken, else the kind of refusal without the names of one part."""
    try:
        read(path)
    except Exception as error:  # readers of others raise whatever they like
        line = (str(error).splitlines() or [""])[0]
        return f"{type(error).__name__}: {line.split(': encoder')[0].split(': decoder')[0]}"
    return ""
