"""What ``sanafe --json`` writes: the network in SANA-FE beside this program."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from spiketrack.documents.base import Count, Digest, Document, Number, Part


class PartRun(Part):
    """A part that ran: its populations, and the spikes that could be fired and differ."""

    name: str
    populations: tuple[str, ...]
    neurons: Count
    synapses: Count
    spikes: Count
    different: Count


class PartTried(Part):
    """A part and its run, or the reason why SANA-FE cannot hold it."""

    name: str
    result: PartRun | None
    reason: str


class QuantityRow(Part):
    """One number of the frame on both sides."""

    name: str
    ours: Number
    theirs: Number
    equal: bool


class TermRow(Part):
    """Seconds of a frame with one more of SANA-FE's times, and what they add to those before."""

    name: str
    seconds: Number
    added: Number


class SanafeDocument(Document):
    """All findings; ``steps``: time steps of the frame, 0 where only parts ran."""

    REMEDY: ClassVar[str] = "write it with spiketrack sanafe EXPORT --json"

    schema_id: Literal["spiketrack.sanafe"] = Field(default="spiketrack.sanafe", alias="schema")
    version: Literal[1] = 1
    agrees: bool
    steps: Count
    parts: tuple[PartTried, ...]
    quantities: tuple[QuantityRow, ...]
    terms: tuple[TermRow, ...]
    network_digest: Digest
