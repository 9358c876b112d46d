"""``track --json`` and ``evaluate --json``: boxes of one clip, scores of many sequences.

``network_digest``: of the integer network that ran, null on the float backend, where the
checkpoint with ``checkpoint_sha256`` ran itself.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from spiketrack.documents.base import Count, Digest, Document, Number, Part, Share
from spiketrack.documents.network import SizesPart, TrackerPart
from spiketrack.files import json_text

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
    """One tracked clip. ``updates``: frames whose object became a template; ``problem``: why the
    clip ended early, null if it did not.
    """

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
    notes: tuple[str, ...] = ()
    problem: str | None = None
    network_digest: Digest | None
    checkpoint_sha256: Digest


FIGURES = (
    "success_auc", "precision_20", "normalised_precision_20", "normalised_precision_auc",
    "ao", "sr50", "sr75", "success_curve", "precision_curve", "normalised_curve",
)  # fmt: skip


class AccuracyPart(Part):
    """Figures, 0..1, curves at the document's thresholds, all null where nothing was scored.

    ``normalised_precision_20``: at the threshold 0.20; ``normalised_precision_auc``: mean over
    0..0.5. Millijoules a frame where operations were counted: of the search's operations, of those
    of template encodings spread over the frames; with a placement, of all that its chips spend.
    """

    success_auc: Share | None
    precision_20: Share | None
    normalised_precision_20: Share | None
    normalised_precision_auc: Share | None
    ao: Share | None
    sr50: Share | None
    sr75: Share | None
    success_curve: tuple[Share, ...] | None
    precision_curve: tuple[Share, ...] | None
    normalised_curve: tuple[Share, ...] | None
    energy_mj: Rate | None
    template_mj: Rate | None
    whole_low_mj: Rate | None = None
    whole_high_mj: Rate | None = None

    @property
    def operations_mj(self) -> float | None:
        """Of all operations of a frame: its search, and encodings spread."""
        return None if self.energy_mj is None else self.energy_mj + (self.template_mj or 0.0)

    @property
    def whole_mj(self) -> tuple[float, float] | None:
        """Of all that the chips of a placement spend, low and high."""
        if self.whole_low_mj is None or self.whole_high_mj is None:
            return None
        return self.whole_low_mj, self.whole_high_mj

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """Figures and curves are there together."""
        absent = {name for name in FIGURES if getattr(self, name) is None}
        if absent and len(absent) < len(FIGURES):
            raise ValueError(f"{min(absent)} is null where other figures are not")
        return self


class ScoresPart(AccuracyPart):
    """Figures and tracked frames a second of one process."""

    fps: Rate


class OutcomePart(AccuracyPart):
    """What one sequence gave, time left aside: the same wherever and whenever it ran.

    ``frames``: tracked ones, all but the first; ``scored``: frames with a visible target, and
    ``scored_later``: those of them after the first; ``counted``: frames that success and precision
    are shares of, by ``rule``, the data set's; ``of`` and ``begins``: which sequence this is a run
    of, and from which start; ``notes``: what was odd about it.
    """

    layout: str
    rule: str
    of: str
    begins: str
    frames: Count
    scored: Count
    scored_later: Count
    counted: Count
    attributes: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of all of it."""
        return hashlib.sha256(json_text(self.model_dump(mode="json")).encode()).hexdigest()

    @model_validator(mode="after")
    def _possible(self) -> Self:
        """Something was tracked, and scored where there are figures."""
        if not self.frames:
            raise ValueError("nothing was tracked")
        if self.success_auc is not None and not self.scored_later:
            raise ValueError("figures of no frame")
        return self


class SequencePart(OutcomePart):
    """The same with seconds and tracked frames a second."""

    seconds: Rate
    fps: Rate

    @classmethod
    def timed(cls, outcome: OutcomePart, seconds: float) -> SequencePart:
        """An outcome with the seconds of all its frames."""
        fps = outcome.frames / seconds if seconds else 0.0
        values = {name: getattr(outcome, name) for name in OutcomePart.model_fields}
        return cls(**values, seconds=seconds, fps=fps)


class SequenceDocument(Document):
    """One finished sequence of an evaluation, in a file of its own.

    ``settings_sha256``: of what the figures depend on; ``sequence_sha256``: of the sequence's name
    and layout, frames' names, labels and start; ``boxes_sha256``: of the file of boxes;
    ``outcome_sha256``: of the outcome.
    """

    REMEDY: ClassVar[str] = "remove it and call spiketrack evaluate again"
    INDENT: ClassVar[int | None] = None

    schema_id: Literal["spiketrack.sequence"] = Field(default="spiketrack.sequence", alias="schema")
    version: Literal[3] = 3
    method: str
    name: str
    outcome: OutcomePart
    settings_sha256: Digest
    sequence_sha256: Digest
    boxes_sha256: Digest
    outcome_sha256: Digest
    network_digest: Digest | None
    checkpoint_sha256: Digest | None


class SpreadPart(Part):
    """How success AUC depends on the start, and how sure its mean is.

    ``mean``: of the sequences' means; ``low``, ``high``: 95 % interval of that mean, from 2,000
    seeded resamples of the sequences; ``worst``: mean of the sequences' worst starts;
    ``deviation``: mean over the sequences of the standard deviation over starts.
    """

    sequences: Count
    runs: Count
    mean: Share
    low: Share
    high: Share
    worst: Share
    deviation: Rate


class PairedPart(Part):
    """Success AUC of the network less that of another, over the runs that both scored.

    ``other``: its name and ``starts``; ``difference``: mean over the sequences; ``low``, ``high``:
    95 % interval, from 2,000 seeded resamples of the sequences, each with both its figures;
    ``better``: sequences in which the network's figure is the higher one.
    """

    other: str
    other_digest: Digest | None
    starts: str
    sequences: Count
    runs: Count
    difference: Number
    low: Number
    high: Number
    better: Count


class PooledPart(Part):
    """Over all frames together, as GOT-10k reports; null where nothing was scored."""

    ao: Share | None
    sr50: Share | None
    sr75: Share | None


class FiguresPart(Part):
    """One method: what it reached, and NAME → reason of the sequences that failed."""

    mean: ScoresPart | None
    pooled: PooledPart
    spread: SpreadPart | None
    spread_by_starts: dict[str, SpreadPart] = Field(default_factory=dict)
    sequences: dict[str, SequencePart]
    failed: dict[str, str]


class Thresholds(Part):
    """Of IoU, of pixels, and of normalised distances."""

    success: tuple[float, ...]
    precision: tuple[float, ...]
    normalised: tuple[float, ...]


class EvaluationDocument(Document):
    """A network on benchmark sequences, beside OpenCV's trackers; written as they are won.

    ``planned``: names of all sequences; ``notes``: what was left out; ``footage``: the folders;
    ``starts``: ope, sre, tre or pixel, or several with commas between, each with its own spread in
    ``spread_by_starts``; ``against``: the difference to another evaluation; ``prices_sha256``: of
    what the table of prices holds; ``placement``: SHA-256 of the file that whole frames were
    priced on.
    """

    REMEDY: ClassVar[str] = "write it with spiketrack evaluate --json"

    schema_id: Literal["spiketrack.evaluation"] = Field(
        default="spiketrack.evaluation", alias="schema"
    )
    version: Literal[4] = 4
    method: str
    backend: str | None = None
    network: SizesPart | None = None
    tracker: TrackerPart | None = None
    frames_limit: Count | None = None
    starts: str = "ope"
    prices: str | None = None
    prices_sha256: Digest | None = None
    placement: str | None = None
    footage: str | None = None
    planned: tuple[str, ...]
    notes: tuple[str, ...]
    mean: ScoresPart | None
    pooled: PooledPart
    spread: SpreadPart | None
    spread_by_starts: dict[str, SpreadPart] = Field(default_factory=dict)
    against: PairedPart | None = None
    sequences: dict[str, SequencePart]
    failed: dict[str, str]
    thresholds: Thresholds
    baselines: dict[str, FiguresPart]
    opencv: str
    network_digest: Digest | None = None
    checkpoint_sha256: Digest | None = None

    @model_validator(mode="after")
    def _curves(self) -> Self:
        """Every curve has a value at each of its thresholds."""
        at = self.thresholds
        for part in self.methods.values():
            for name, scores in part.sequences.items():
                curves = (
                    (scores.success_curve, at.success),
                    (scores.precision_curve, at.precision),
                    (scores.normalised_curve, at.normalised),
                )
                if any(len(c) != len(thresholds) for c, thresholds in curves if c is not None):
                    raise ValueError(f"{name}: a curve of another length than its thresholds")
        return self

    @property
    def methods(self) -> dict[str, FiguresPart]:
        """The network's figures and the baselines'."""
        own = FiguresPart(
            mean=self.mean,
            pooled=self.pooled,
            spread=self.spread,
            spread_by_starts=self.spread_by_starts,
            sequences=self.sequences,
            failed=self.failed,
        )
        return {self.method: own, **self.baselines}

    @property
    def complete(self) -> bool:
        """Whether every method scored every sequence."""
        return all(set(part.sequences) == set(self.planned) for part in self.methods.values())
