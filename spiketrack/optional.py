"""Packages that only some outlets need: imported on first use, named with their extra if absent."""

from __future__ import annotations

import importlib
from typing import Any

from spiketrack.errors import MissingDependency


def load(module: str, extra: str) -> Any:
    """Import ``module``; ``MissingDependency`` names the extra that brings it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependency(
            f"{module}: cannot be imported ({error}); "
            f"install it with: pip install 'spiketrack-loihi[{extra}]'"
        ) from error
