"""The version of this package, of its file formats and of their vocabulary."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from importlib import metadata

VERSION = "0.1.0"
FORMAT_VERSION = 1  # of export folders, runs and every JSON document


def versions_of(packages: Iterable[str]) -> dict[str, str]:
    """Package → installed version, without those that are not installed."""
    versions = {}
    for name in packages:
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions
