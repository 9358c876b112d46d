"""What ``partitions --json`` writes: printed partitions beside ours, networks under all rules."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from spiketrack.documents.base import Count, Document, Part, Share

Size = tuple[Count, Count, Count]  # x, y, channels


class PrintedCores(Part):
    """One kind of core as the compiler printed it; ``slice`` null: a dense layer."""

    cores: Count
    neurons: Count
    words: Count
    slice: Size | None


class PartitionRow(Part):
    """A printed layer cut anew. ``reproduced``: slice, neurons of a core and cores are the same."""

    network: str
    layer: str
    size: Size
    slice: Size
    neurons: Count
    cores: Count
    words: Count
    printed: PrintedCores
    reproduced: bool


class RulesRow(Part):
    """Both branches of an export placed by one set of rules, or the reason why they cannot be.

    ``use``: mean over the cores of the fullest resource; ``messages`` of an inference of each
    branch that leave their core, at most.
    """

    network: str
    rules: str
    cores: Count | None
    chips: Count | None
    use: Share | None
    neurons_a_core: Count | None
    messages: Count | None
    reason: str | None


class PartitionsDocument(Document):
    """All rows."""

    REMEDY: ClassVar[str] = "write it with spiketrack partitions --json"

    schema_id: Literal["spiketrack.partitions"] = Field(
        default="spiketrack.partitions", alias="schema"
    )
    version: Literal[1] = 1
    printed: tuple[PartitionRow, ...]
    rules: tuple[RulesRow, ...]
