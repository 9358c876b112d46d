"""``manifest.json`` of an export folder and what ``info`` writes: a network and its nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import ConfigDict, Field

from spiketrack.documents.base import Count, Digest, Document, FourNumbers, Part, Share, Sparse
from spiketrack.documents.network import CheckpointPart, NetworkPart, TrackerPart


class Calibration(Sparse):
    """What the quantiser's statistics are from: clip and its digest, first box, tracked frames."""

    clip: str
    digest: Digest | None = None
    box: FourNumbers
    frames: Count


class NotStandard(Part):
    """Operations that NIR does not have, each with the reason, in a vocabulary of this project."""

    vocabulary: str
    version: int
    operations: dict[str, str]


class LayerFormat(Sparse):
    """A node's shapes, number format and head-room; ``peak``: its largest partial sum.

    Convolutions also have weights, their shape and bits and the least and largest shift;
    populations thresholds, reset and decay; node types of others what they store.
    """

    model_config = ConfigDict(extra="allow")

    name: str
    type: str
    signal: str
    inputs: tuple[str, ...]
    shape: tuple[Count, ...]
    dense_mac: Count
    fraction: int
    peak: int
    headroom_bits: float
    weights: Count | None = None
    weight_shape: tuple[Count, ...] | None = None
    weight_bits: Count | None = None
    shift: tuple[int, int] | None = None
    thresholds: tuple[int, ...] | None = None
    reset: int | None = None
    decay: tuple[int, ...] | None = None


class OutletEntry(Part):
    """A file, folder or index of several in another format: what it covers and leaves out.

    ``populations`` of ``of``; ``operations``: share of the branch's dense MACs; ``arithmetic``:
    float, integer, real (integers · 2^-n in float32) or thermometer; ``left_out``: reason → nodes.
    """

    path: str
    branch: str
    arithmetic: str
    populations: Count
    of: Count
    operations: Share
    left_out: dict[str, Count]


class Compiled(Document, Sparse):
    """A compiled network. ``network_digest``: of both integer graphs, whatever file holds them;
    ``files``: SHA-256 of every other file of an export folder by its path in it.
    """

    schema_id: str
    version: int
    versions: dict[str, str]
    checkpoint: CheckpointPart
    network: NetworkPart
    tracker: TrackerPart
    calibration: Calibration | None = None
    not_standard_nir: NotStandard
    layers: Mapping[str, tuple[LayerFormat, ...]]
    also: dict[str, tuple[OutletEntry, ...]] | None = None
    network_digest: Digest
    files: dict[str, Digest]


class Manifest(Compiled):
    """An export folder."""

    REMEDY: ClassVar[str] = "export the checkpoint again"
    INDENT: ClassVar[int] = 1

    schema_id: Literal["spiketrack-export"] = Field(default="spiketrack-export", alias="format")
    version: Literal[1] = 1


class PlacedLayer(LayerFormat):
    """``process``: of Lava, which executes the node; null for inputs and outputs."""

    process: str | None


class InfoDocument(Compiled):
    """What ``info`` knows of a network; ``parameters`` of a checkpoint."""

    REMEDY: ClassVar[str] = "write it with spiketrack info SOURCE --json"

    schema_id: Literal["spiketrack.info"] = Field(default="spiketrack.info", alias="schema")
    version: Literal[1] = 1
    layers: Mapping[str, tuple[PlacedLayer, ...]]
    parameters: Count | None = None
