"""Packages that only some outlets need: imported on first use, named with their extra if absent."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from spiketrack.errors import MissingDependency

LAVA_RELEASE = "0.10.0"  # the last one; its metadata forbid Python >= 3.11, where it runs
LAVA_INSTALL = f"pip install --no-deps --ignore-requires-python lava-nc=={LAVA_RELEASE}"

# extra → the Pythons that its packages exist for, and why
LIMITED = {
    "lava-dl": (((3, 10),), "its last release needs torch 2.3 and numpy 1"),
    "sanafe": (((3, 10), (3, 11)), "no wheels for others"),
}


def load(module: str, extra: str) -> Any:
    """Import ``module``; ``MissingDependency`` names the extra that brings it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependency(
            f"{module}: cannot be imported ({error}); {remedy(extra)}"
        ) from error


def remedy(extra: str) -> str:
    """How to get what an extra brings, in one line."""
    pythons, reason = LIMITED.get(extra, ((), ""))
    if pythons and sys.version_info[:2] not in pythons:
        versions = [".".join(map(str, python)) for python in pythons]
        known = " and ".join(versions)
        return f"it exists for Python {known} alone ({reason}): make setup PYTHON={versions[0]}"
    command = f"pip install 'spiketrack-loihi[{extra}]'"
    return command + (f" && {LAVA_INSTALL}" if extra == "lava" else "")
