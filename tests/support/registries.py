"""Node types and interpreters of a test's own, gone afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from spiketrack.deploy.chip.execution.products import UNITS
from spiketrack.export.nir import reader, vocabulary
from spiketrack.integer.nodes import node
from spiketrack.integer.registry import all_registries


def forget_type(kind: type[node.Node], op: str) -> None:
    """As if the module of a node type from outside had never been imported."""
    for registry in all_registries():
        registry.table.pop(kind, None)
        registry.reasons.pop(kind, None)
    del node._TYPES[kind.__name__], vocabulary.OPERATIONS[op], vocabulary._TYPES[op]
    for rule in [key for key in UNITS if key[0] == op]:
        del UNITS[rule]


@contextmanager
def as_before() -> Iterator[None]:
    """Whatever is registered inside, in any table, is forgotten at the end."""
    tables: list[dict[Any, Any]] = [node._TYPES, vocabulary.OPERATIONS, vocabulary._TYPES, UNITS]
    for registry in all_registries():
        tables += [registry.table, registry.reasons]
    kept = [dict(table) for table in tables]
    reader._kept.clear()  # graphs of the types that were
    try:
        yield
    finally:
        reader._kept.clear()
        for table, before in zip(tables, kept, strict=True):
            table.clear()
            table.update(before)
