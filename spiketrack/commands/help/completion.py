"""Values that the shell completes: names that exist here, then files.

An option that a command takes in a way of its own stands under both names, as in ``map rules``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spiketrack.packaged import BOARDS, CONFIGS, PRICE_TABLES, RATE_TABLES
from spiketrack.simulators.backends import names as backend_names

WEIGHTS = ("nano", "nano-t3")
OUTLETS = ("onnx", "standard-nir", "netx")
BASELINES = ("csrt", "kcf", "mil")


@dataclass(frozen=True)
class Item:
    """What Typer's completion reads of a value; newer ones have no public name for their own."""

    value: str
    type: str = "plain"
    help: str | None = None


def _schemas() -> Iterable[str]:
    from spiketrack.documents import SCHEMAS

    return (*SCHEMAS, "chip")


def _rules() -> Iterable[str]:
    from spiketrack.deploy.chip.rules.strategy import RULES

    return RULES


def _starts() -> Iterable[str]:
    from spiketrack.tracking.starts import PROTOCOLS

    return PROTOCOLS


def _servers() -> Iterable[str]:
    from spiketrack.evaluation.submissions import SERVERS

    return SERVERS


def _branches() -> Iterable[str]:
    from spiketrack.inference import BRANCHES

    return BRANCHES


VALUES: dict[str, Callable[[], Iterable[str]]] = {
    "checkpoint": lambda: WEIGHTS,
    "source": lambda: WEIGHTS,
    "init": lambda: WEIGHTS,
    "backend": backend_names,
    "backends": backend_names,
    "prices": PRICE_TABLES.names,
    "board": BOARDS.names,
    "rates": RATE_TABLES.names,
    "also": lambda: OUTLETS,
    "only": lambda: ("onnx-float", *OUTLETS),
    "baseline": lambda: BASELINES,
    "execution": lambda: ("spike", "graded", "dense"),
    "device": lambda: ("auto", "cpu", "cuda"),
    "counts": lambda: ("totals", "full"),
    "mode": lambda: ("fall-through", "pipelined"),
    "spikes": lambda: ("graded", "binary"),
    "name": _schemas,
    "microcode networks": lambda: WEIGHTS,
    "config": CONFIGS.names,
    "rules": _rules,
    "processes": lambda: ("block", "branch"),
    "tiles": lambda: ("auto",),
    "starts": _starts,
    "evaluate only": lambda: ("kept-out",),
    "submit": _servers,
    "branch": _branches,
    "run backend": lambda: backend_names(operations=True),
    "bench against": lambda: ("stock",),
}
LISTS = ("backends", "also", "only", "baseline", "starts")  # comma separated
FILES = (
    "checkpoint", "source", "init", "prices", "rates", "board", "microcode networks", "config",
    "evaluate only",
)  # fmt: skip


def complete(name: str, context: Any, incomplete: str) -> list[Item]:
    """What may stand for an option: of a list the last word is completed."""
    before, comma, last = incomplete.rpartition(",") if name in LISTS else ("", "", incomplete)
    values = [f"{before}{comma}{v}" for v in VALUES[name]() if v.startswith(last)]
    paths = _paths(incomplete) if name in FILES else []
    return [Item(value) for value in (*values, *paths)]


def _paths(incomplete: str) -> list[str]:
    """Files and folders that begin so; a folder with a slash behind it."""
    folder = Path(incomplete) if incomplete.endswith("/") else Path(incomplete).parent
    start = "" if incomplete.endswith("/") else Path(incomplete).name
    if not folder.is_dir():
        return []
    there = sorted(p for p in folder.iterdir() if p.name.startswith(start) and p.name[0] != ".")
    return [f"{path}/" if path.is_dir() else str(path) for path in there]
