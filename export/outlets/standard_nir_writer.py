"""Parts of the integer graph as one ``.nir`` file each, plus ``<branch>.json`` that joins them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nir

from spiketrack.export.outlets.standard_nir_nodes import (
    DT,
    Memories,
    Part,
    PartWriter,
    unit_fraction,
)
from spiketrack.export.outlets.standard_nir_parts import Plan
from spiketrack.files import write_json
from spiketrack.integer.graph import Graph


def write_parts(graph: Graph, plan: Plan, memories: Memories, folder: Path) -> None:
    """Write ``<part>.nir`` for every part and ``<branch>.json`` that says how they join."""
    for part in plan.parts:
        nir.write(folder / f"{part.name}.nir", PartWriter(graph, part, memories).run())
    steps = [_join(graph, step) for step in plan.steps]
    write_json(folder / f"{graph.name}.json", {"branch": graph.name, "dt": DT, "steps": steps})


def _join(graph: Graph, step: Any) -> dict[str, Any]:
    if isinstance(step, Part):
        ends = {key: _tensors(graph, getattr(step, key)) for key in ("inputs", "outputs")}
        return {"part": f"{step.name}.nir", **ends}
    node = graph[step.node]
    return {
        "operation": type(node).__name__,
        "name": node.name,
        "inputs": list(node.inputs),
        "why": step.reason,
    }


def _tensors(graph: Graph, names: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "signal": graph.signal(name),
            "shape": list(graph[name].shape[1:]),
            "fraction": unit_fraction(graph, name),
        }
        for name in names
    ]
