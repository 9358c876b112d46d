"""``bench --json``: ratios and times measured in one run on one machine."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from spiketrack.documents.base import Count, Digest, Document, Part, Sparse


class ResultRow(Sparse):
    """One measure: a ratio of two medians or a value with its unit; quartiles where repeated."""

    variant: str
    branch: str
    measure: str
    ratio: float | None = None
    value: float | None = None
    unit: str | None = None
    low: float | None = None
    high: float | None = None


class DetailPart(Part):
    """What explains the rows of one variant; times in milliseconds."""

    variant: str
    giga_macs: float
    processes: Count
    shares: dict[str, float]
    slowest_processes: tuple[tuple[str, float], ...]
    slowest_layers: tuple[tuple[str, float], ...]
    network_digest: Digest


class StockPart(Part):
    """One shape of convolution on Lava's own model; null where that model is wrong."""

    variant: str
    layer: str
    shape: str
    stock_ms: float | None
    ours_ms: float
    ratio: float | None
    verdict: str


class BenchDocument(Document):
    """A benchmark; each variant's detail names the network that was measured."""

    REMEDY: ClassVar[str] = "write it with spiketrack bench --json"

    schema_id: Literal["spiketrack.bench"] = Field(default="spiketrack.bench", alias="schema")
    version: Literal[1] = 1
    machine: dict[str, str]
    frames: Count
    results: tuple[ResultRow, ...]
    details: tuple[DetailPart, ...]
    stock: tuple[StockPart, ...]
