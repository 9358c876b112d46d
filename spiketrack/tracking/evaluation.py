"""Run trackers over benchmark sequences and score them, one sequence at a time.

The document of it, schema ``spiketrack.evaluation``, is ``documents.tracking.EvaluationDocument``:
means over the sequences (``mean``), over all frames together as GOT-10k's toolkit reports them
(``pooled``), figures and curves of each sequence, and what failed with its reason.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from spiketrack.config import TrackerConfig
from spiketrack.documents.tracking import (
    EvaluationDocument,
    FiguresPart,
    PooledPart,
    ScoresPart,
    SequencePart,
    Thresholds,
)
from spiketrack.errors import ClipError
from spiketrack.inference import Inference, Simulator
from spiketrack.tracking.metrics import (
    IOU_THRESHOLDS,
    NORMALISED_THRESHOLDS,
    PIXEL_THRESHOLDS,
    Scores,
    mean_scores,
    score,
)
from spiketrack.tracking.sequences import Sequence
from spiketrack.tracking.tracker import Tracker, follow
from spiketrack.video.boxes import Box
from spiketrack.video.footage import Frame

MJ = 1e-9  # millijoules in a picojoule
POOLED = ("ao", "sr50", "sr75")
SCORES = tuple(one.name for one in dataclasses.fields(Scores))

Operations = Mapping[str, NDArray[np.int64]]
Price = Callable[[Operations], float]
Step = Callable[[], None]
Outcomes = dict[str, SequencePart]
THRESHOLDS = Thresholds(
    success=tuple(IOU_THRESHOLDS.round(2).tolist()),
    precision=tuple(PIXEL_THRESHOLDS.tolist()),
    normalised=tuple(NORMALISED_THRESHOLDS.round(2).tolist()),
)


class Method(Protocol):
    """Anything that follows a box through frames."""

    name: str

    def follow(self, frames: Iterable[Frame], box: Box) -> Iterator[Box]:
        """Boxes of all frames, the first as given."""


@dataclass
class Tally:
    """Sums of operation counts by layer, of searches and of template encodings apart."""

    search: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    template: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    frames: int = 0

    def add(self, search: Inference | None, encoding: Inference | None) -> None:
        """Count one frame's inferences."""
        self.frames += search is not None
        for total, inference in ((self.search, search), (self.template, encoding)):
            for layer, counts in inference.trace.operations.items() if inference else ():
                total[layer] = total[layer] + counts if layer in total else counts.copy()


class NetworkMethod:
    """SpikeTrack on a backend; ``tally`` holds the operations of the last sequence."""

    def __init__(self, simulator: Simulator, settings: TrackerConfig) -> None:
        self.name = simulator.name
        self.simulator = simulator
        self.settings = settings
        self.tally = Tally()

    def follow(self, frames: Iterable[Frame], box: Box) -> Iterator[Box]:
        """Boxes of all frames, the first as given."""
        self.tally = Tally()
        for result in follow(Tracker(self.simulator, self.settings), frames, box):
            self.tally.add(result.inference, result.encoding)
            yield result.box


@dataclass(frozen=True)
class Energy:
    """mJ a tracked frame: of its search, and of the template encodings spread over the frames."""

    search: float
    template: float


@dataclass(frozen=True)
class SequenceResult:
    """One sequence: boxes found (N, 4), frame size, figures (None where the labels hold the first
    frame alone), seconds of each frame, energy a frame, what was odd.
    """

    sequence: Sequence
    boxes: NDArray[np.float64]
    size: tuple[int, int]
    scores: Scores | None
    times: tuple[float, ...]
    energy: Energy | None
    notes: tuple[str, ...] = ()

    @property
    def frames(self) -> int:
        """Frames after the first."""
        return len(self.boxes) - 1

    @property
    def seconds(self) -> float:
        """Of all frames, reading included."""
        return sum(self.times)

    @property
    def fps(self) -> float:
        """Tracked frames a second, reading included."""
        return self.frames / self.seconds


def evaluate_sequence(
    method: Method, sequence: Sequence, price: Price | None = None, step: Step = lambda: None
) -> SequenceResult:
    """Follow the first frame's box and score the boxes; ``step`` is called for each frame.

    ``price`` turns operation counts into picojoules. ``ClipError`` names the sequence.
    """
    found: list[Box] = []
    times: list[float] = []
    notes: list[str] = []
    size = (0, 0)

    def frames() -> Iterator[Frame]:
        nonlocal size
        for frame in sequence.frames(notes):
            size = (frame.shape[1], frame.shape[0])
            yield frame

    try:
        start = time.perf_counter()
        for box in method.follow(frames(), sequence.start):
            found.append(box)
            times.append(time.perf_counter() - start)
            step()
            start = time.perf_counter()
        boxes = np.array([box.as_tuple() for box in found])
        truth, visible = sequence.boxes, sequence.visible
        scores = score(boxes, truth, visible, size) if sequence.labelled else None
    except (ClipError, cv2.error) as error:
        raise ClipError(f"{sequence.name}: {' '.join(str(error).split())}") from error
    said = (*sequence.notes, *notes)
    return SequenceResult(sequence, boxes, size, scores, tuple(times), energy(method, price), said)


def energy(method: Method, price: Price | None) -> Energy | None:
    """mJ a tracked frame of the last sequence, None where no operations were counted."""
    tally = method.tally if isinstance(method, NetworkMethod) else Tally()
    if price is None or not tally.search or not tally.frames:
        return None
    search, template = (price(part) / tally.frames * MJ for part in (tally.search, tally.template))
    return Energy(search, template)


def outcome(result: SequenceResult) -> SequencePart:
    """A sequence's part of the document."""
    found, spent = result.scores, result.energy
    figures = dict.fromkeys(SCORES) if found is None else dataclasses.asdict(found)
    visible = result.sequence.visible & result.sequence.labelled
    return SequencePart(
        **figures,
        layout=result.sequence.layout,
        frames=result.frames,
        scored=int(visible.sum()),
        scored_later=int(visible[1:].sum()),
        seconds=result.seconds,
        fps=result.fps,
        energy_mj=None if spent is None else spent.search,
        template_mj=None if spent is None else spent.template,
        notes=result.notes,
    )


def figures(found: Outcomes, failed: Mapping[str, str]) -> FiguresPart:
    """What one method reached on all its sequences."""
    return FiguresPart(
        mean=_mean(found), pooled=_pooled(found), sequences=found, failed=dict(failed)
    )


def _mean(found: Outcomes) -> ScoresPart | None:
    parts = list(found.values())
    if not parts:
        return None
    scored = [p for p in parts if p.success_auc is not None]
    means: dict[str, Any] = dict.fromkeys(SCORES)
    if scored:
        whole = [Scores(**{name: getattr(p, name) for name in SCORES}) for p in scored]
        means = dataclasses.asdict(mean_scores(whole))
    fps = sum(p.frames for p in parts) / sum(p.seconds for p in parts)
    search, template = (
        _mean_energy([getattr(p, name) for p in parts]) for name in ("energy_mj", "template_mj")
    )
    return ScoresPart(**means, fps=fps, energy_mj=search, template_mj=template)


def _mean_energy(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


def _pooled(found: Outcomes) -> PooledPart:
    """AO and SR over the visible later frames of all sequences together, as GOT-10k reports."""
    parts = [part for part in found.values() if part.success_auc is not None]
    weights = [part.scored_later for part in parts]
    if not parts:
        return PooledPart(**dict.fromkeys(POOLED))
    return PooledPart(
        **{n: float(np.average([getattr(p, n) for p in parts], weights=weights)) for n in POOLED}
    )


def document(
    method: str,
    methods: Mapping[str, FiguresPart],
    planned: Iterable[str],
    settings: Mapping[str, Any] | None = None,
    notes: Iterable[str] = (),
) -> EvaluationDocument:
    """The whole of it; ``methods`` holds ``method`` itself and the baselines."""
    own = methods[method]
    return EvaluationDocument(
        method=method,
        **(settings or {}),
        planned=tuple(planned),
        notes=tuple(notes),
        mean=own.mean,
        pooled=own.pooled,
        sequences=own.sequences,
        failed=own.failed,
        thresholds=THRESHOLDS,
        baselines={name: part for name, part in methods.items() if name != method},
        opencv=cv2.__version__,
    )
