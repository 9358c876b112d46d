"""``chip.json``: the programs of both branches, everything that is set before the chip runs.

Beside the weights in the ``.nir`` files this is all that an execution reads: phase counters,
delays, resets, what each layer sends and what its neurons do. ``docs/chip-time.md`` has every key.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from spiketrack.deploy.chip.program import ChipProgram
from spiketrack.documents.base import Digest, Document
from spiketrack.errors import DocumentError
from spiketrack.integer.digest import network_digest
from spiketrack.integer.graph import Graph

CHIP_FILE = "chip.json"


class ChipDocument(Document):
    """Programs by branch, of the network with this digest."""

    REMEDY: ClassVar[str] = "write it with spiketrack simulate --backend chip"
    INDENT: ClassVar[int] = 1

    schema_id: Literal["spiketrack.chip"] = Field(default="spiketrack.chip", alias="schema")
    version: Literal[1] = 1
    network_digest: Digest
    programs: dict[str, ChipProgram]

    @model_validator(mode="after")
    def _connected(self) -> Self:
        """Names are unique and every source is a layer before its reader, or an input."""
        for branch, program in self.programs.items():
            seen: set[str] = set()
            later = {layer.name for layer in program.layers}
            for layer in program.layers:
                for link in layer.synapses:
                    if link.source in later and link.source not in seen:
                        raise ValueError(f"{branch}: {layer.name} reads {link.source} too early")
                if layer.name in seen:
                    raise ValueError(f"{branch}: two layers are called {layer.name}")
                seen.add(layer.name)
        return self


def chip_document(programs: Mapping[str, ChipProgram], graphs: Mapping[str, Graph]) -> ChipDocument:
    """The document of programs that were built from these graphs."""
    return ChipDocument(network_digest=network_digest(graphs), programs=dict(programs))


def read_programs(path: Path, graphs: Mapping[str, Graph]) -> Mapping[str, ChipProgram]:
    """Programs of ``chip.json``; ``DocumentError`` where they are those of another network."""
    document = ChipDocument.read(path)
    if document.network_digest != network_digest(graphs):
        raise DocumentError(f"{path}: of another network; {ChipDocument.REMEDY}")
    return document.programs
