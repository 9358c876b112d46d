"""Figures as PNG, SVG and PDF, which kaleido draws with a Chrome; one line where it cannot."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from spiketrack.errors import MissingDependency

T = TypeVar("T")
NEEDS = "needs kaleido (pip install 'spiketrack-loihi[png]') and Chrome"


def drawn(draw: Callable[[], T], said: str) -> T:
    """What ``draw`` gives; ``MissingDependency`` that says ``said`` and why it could not."""
    try:
        return draw()
    except (ImportError, ValueError, RuntimeError, OSError) as error:
        raise MissingDependency(f"{said}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """The first line of its first part: plotly and choreographer explain at length."""
    text = str(error.args[0] if error.args else error).strip() or "no reason given"
    return "kaleido is not installed" if "Kaleido package" in text else text.splitlines()[0]
