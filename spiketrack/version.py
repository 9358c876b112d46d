"""The version of this package and of those that it stands on."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

VERSION = "0.1.0"


def versions_of(packages: Iterable[str]) -> dict[str, str]:
    """Package → installed version, without those that are not installed."""
    from importlib import metadata  # more than all else that the program's start imports

    versions = {}
    for name in packages:
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions
