"""The plotting library as the pages carry it: kept in ``library/``, packed, known by its hash.

``library.json`` says which release it is; ``python tools/renew_vendored.py plotly`` replaces it.
"""

from __future__ import annotations

import base64
import gzip
import json
from functools import cache
from importlib import resources

FOLDER = "library"


@cache
def source() -> str:
    """The library's own text."""
    return _kept(about()["file"])


@cache
def about() -> dict[str, str]:
    """Package, version, file and SHA-256 of what is kept."""
    facts: dict[str, str] = json.loads(_kept("library.json"))
    return facts


@cache
def packed() -> str:
    """The text as base64 of gzip, a third of its size; the same bytes each time."""
    return base64.b64encode(gzip.compress(source().encode(), 9, mtime=0)).decode("ascii")


def licence() -> str:
    """The library's licence, which goes with every copy."""
    return _kept("LICENSE")


def _kept(name: str) -> str:
    return (resources.files(__package__) / FOLDER / name).read_text("utf-8")
