"""``track --json`` and ``evaluate --json``: boxes of one clip, scores of many sequences.

``network_digest``: of the integer network that ran, null on the float backend; there
``checkpoint_sha256`` names what did, which is null where an export folder was given.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from spiketrack.documents.base import Count, Digest, Document, Number, Part, Share, Sparse
from spiketrack.documents.network import SizesPart, TrackerPart

Rate = Annotated[float, Field(ge=0)]


class TrackedBox(Part):
    """The object in one frame, pixels from 0."""

    frame: Count
    x: Number
    y: Number
    w: Number
    h: Number
    score: Number


class TrackDocument(Document):
    """One tracked clip. ``updates``: frames whose object became a template."""

    REMEDY: ClassVar[str] = "write it with spiketrack track --json"

    schema_id: Literal["spiketrack.track"] = Field(default="spiketrack.track", alias="schema")
    version: Literal[1] = 1
    network: str
    backend: str
    clip: str
    frames: Count
    seconds: Rate
    fps: Rate
    updates: tuple[Count, ...]
    settings: TrackerPart
    boxes: tuple[TrackedBox, ...]
    files: tuple[str, ...]
    network_digest: Digest | None
    checkpoint_sha256: Digest | None


class ScoresPart(Part):
    """Figures, 0..1, curves at the document's thresholds; millijoules a frame where counted."""

    success_auc: Share
    precision_20: Share
    normalised_precision: Share
    ao: Share
    sr50: Share
    sr75: Share
    success_curve: tuple[Share, ...]
    precision_curve: tuple[Share, ...]
    normalised_curve: tuple[Share, ...]
    fps: Rate
    energy_mj: Rate | None
    template_mj: Rate | None


class SequencePart(ScoresPart):
    """Figures of one sequence; ``scored``: frames with a visible target."""

    layout: str
    frames: Count
    scored: Count
    seconds: Rate


class PooledPart(Part):
    """Over all frames together, as GOT-10k reports."""

    ao: Share
    sr50: Share
    sr75: Share


class FiguresPart(Part):
    """One method on all sequences."""

    mean: ScoresPart
    pooled: PooledPart
    sequences: dict[str, SequencePart]


class Thresholds(Part):
    """Of IoU, of pixels, and of normalised distances."""

    success: tuple[float, ...]
    precision: tuple[float, ...]
    normalised: tuple[float, ...]


class EvaluationDocument(Document, Sparse):
    """A network on benchmark sequences, beside OpenCV's trackers."""

    REMEDY: ClassVar[str] = "write it with spiketrack evaluate --json"

    schema_id: Literal["spiketrack.evaluation"] = Field(
        default="spiketrack.evaluation", alias="schema"
    )
    version: Literal[1] = 1
    method: str
    backend: str | None = None
    network: SizesPart | None = None
    tracker: TrackerPart | None = None
    frames_limit: Count | None = None
    prices: str | None = None
    mean: ScoresPart
    pooled: PooledPart
    sequences: dict[str, SequencePart]
    thresholds: Thresholds
    baselines: dict[str, FiguresPart]
    opencv: str
    network_digest: Digest | None = None
    checkpoint_sha256: Digest | None = None
