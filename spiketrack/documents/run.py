"""``run.json`` of a run folder: what was run, on what, and the digests of the folder's files."""

from __future__ import annotations

from statistics import median
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from spiketrack.documents.base import Count, Digest, Document, FourNumbers, Part
from spiketrack.documents.network import CheckpointPart, NetworkPart, TrackerPart

Seconds = Annotated[float, Field(ge=0)]


class ClipPart(Part):
    """The clip's name, where it lay, its frames a second (null where it says none) and digest.

    ``digest``: of its bytes (``spiketrack/video/identity.py``), null for a camera or an address.
    """

    name: str
    path: str
    fps: Annotated[float, Field(gt=0)] | None
    digest: Digest | None = None


class SecondsPart(Part):
    """``first``: start and first template; ``frames``: each tracked frame."""

    first: Seconds
    frames: tuple[Seconds, ...]

    @property
    def median(self) -> float:
        """Of the tracked frames, of which there is one at least."""
        return median(self.frames)


class MadePart(Part):
    """When a run ended (ISO 8601, UTC), on which machine."""

    date: str
    machine: dict[str, str]


class ProcessPart(Part):
    """A Lava process: the kind of block and the nodes in it."""

    kind: str
    nodes: tuple[str, ...]


Processes = dict[str, dict[str, ProcessPart]]  # by branch, by process


class RunDocument(Document):
    """A run. ``network_digest``: of the exported network that it was given, on every backend;
    ``files``: SHA-256 of the folder's other files; ``made``: null in runs of older programs.
    The SHA-256 of this file is the run's digest.
    """

    REMEDY: ClassVar[str] = "make the run again with spiketrack simulate"

    schema_id: Literal["spiketrack-run"] = Field(default="spiketrack-run", alias="format")
    version: Literal[1] = 1
    network: NetworkPart
    checkpoint: CheckpointPart
    export: str
    clip: ClipPart
    box: FourNumbers
    frames: Count
    backend: str
    counts: Literal["full", "totals"]
    tracker: TrackerPart
    seconds: SecondsPart
    placement: Processes | None
    updates: tuple[Count, ...]
    versions: dict[str, str]
    made: MadePart | None = None
    network_digest: Digest
    files: dict[str, Digest]
