"""What ``compare-chip --json`` writes: a chip's measurements against a run."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from spiketrack.documents.base import Count, Digest, Document, Number, Part


class LayerVerdict(Part):
    """One layer, in the order of time: counts compared and how many differ.

    ``where``: the first that differs, in words; ``fields``: of a profiler, expected and measured.
    """

    name: str
    compared: Count
    different: Count
    where: str
    fields: dict[str, tuple[Count, Count]]


class WholeFrame(Part):
    """Seconds or joules of a frame: measured, if it was, and the range of the model."""

    name: str
    measured: float | None
    low: Number
    high: Number
    how: str


class ChipComparisonDocument(Document):
    """The comparison. ``unknown``: names that were measured, but are no layer of the branch."""

    REMEDY: ClassVar[str] = "write it with spiketrack compare-chip RUN MEASURED --json"

    schema_id: Literal["spiketrack.chip-comparison"] = Field(
        default="spiketrack.chip-comparison", alias="schema"
    )
    version: Literal[1] = 1
    device: str
    branch: str
    layers: tuple[LayerVerdict, ...]
    unknown: tuple[str, ...]
    whole: tuple[WholeFrame, ...]
    network_digest: Digest
    run_digest: Digest
