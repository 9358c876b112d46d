"""Packages that only some outlets need: imported on first use, named with their extra if absent."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from spiketrack.errors import MissingDependency

# extra → the one Python that its packages exist for, and why
LIMITED = {"lava-dl": ((3, 10), "lava-dl 0.6, the last release, needs torch 2.3 and numpy 1")}


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
    python, reason = LIMITED.get(extra, (None, ""))
    if python is None or sys.version_info[:2] == python:
        return f"install it with: pip install 'spiketrack-loihi[{extra}]'"
    version = ".".join(map(str, python))
    return f"it exists for Python {version} alone ({reason}): make setup PYTHON=python{version}"
