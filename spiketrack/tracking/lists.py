"""Lists of sequences: a name a line, remarks after #; packaged in ``configs``."""

from __future__ import annotations

import importlib.resources
from pathlib import Path

from spiketrack.errors import ConfigError
from spiketrack.video.boxes import read_text


def read_list(given: str) -> tuple[str, ...]:
    """The names of a file, or of a packaged list: ``kept-out``.

    ``ConfigError`` for one that is not there, holds nothing, or names a sequence twice.
    """
    packaged = importlib.resources.files("spiketrack") / "configs" / f"{given}.txt"
    path = Path(given)
    if not path.is_file() and packaged.is_file():
        path = Path(str(packaged))
    if not path.is_file():
        raise ConfigError(f"{given}: no such list; give a file with a name a line, or kept-out")
    lines = (line.partition("#")[0].strip() for line in read_text(path).splitlines())
    names = [line for line in lines if line]
    if not names:
        raise ConfigError(f"{given}: names no sequence")
    if twin := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError(f"{given}: names {twin} twice")
    return tuple(names)
