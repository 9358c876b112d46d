"""The coarse parts of the network that a layer's name tells."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TypeVar

Row = TypeVar("Row")


def stage(name: str) -> str:
    """``encoder.block3.0.conv`` → ``stage 3``; the memory's retrieval and the head by name."""
    parts = name.split(".")
    if parts[0] == "decoder":
        return "head"
    if parts[0] != "encoder" or len(parts) < 2:
        return "input, output"
    if parts[1] == "mrm":
        return "retrieval"
    digit = re.search(r"\d", parts[1])
    return f"stage {digit.group()}" if digit else "encoder"


def by_stage(rows: Iterable[Row], name: Callable[[Row], str]) -> dict[str, list[Row]]:
    """Rows by the stage of their names, in the order of the network's own parts."""
    stages: dict[str, list[Row]] = {}
    for row in rows:
        stages.setdefault(stage(name(row)), []).append(row)
    return dict(sorted(stages.items(), key=lambda pair: _place(pair[0])))


def _place(name: str) -> tuple[int, str]:
    order = ("input, output", "stage", "encoder", "retrieval", "head")
    return next(i for i, start in enumerate(order) if name.startswith(start)), name
