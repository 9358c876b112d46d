"""Run trackers over benchmark sequences and score them, one sequence at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from spiketrack.config import TrackerConfig
from spiketrack.errors import ClipError
from spiketrack.inference import Inference, Simulator
from spiketrack.tracking.metrics import Scores, score, settled
from spiketrack.tracking.rules import rule_of
from spiketrack.tracking.sequences import Sequence
from spiketrack.tracking.tracker import Tracker, follow
from spiketrack.video.boxes import Box
from spiketrack.video.footage import Frame

MJ = 1e-9  # millijoules in a picojoule

Operations = Mapping[str, NDArray[np.int64]]
Price = Callable[[Operations], float]
Step = Callable[[], None]


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
    encodings: int = 0

    def add(self, search: Inference | None, encoding: Inference | None) -> None:
        """Count one frame's inferences."""
        self.frames += search is not None
        self.encodings += encoding is not None
        for total, inference in ((self.search, search), (self.template, encoding)):
            for layer, counts in inference.trace.operations.items() if inference else ():
                total[layer] = total[layer] + counts if layer in total else counts.copy()


class NetworkMethod:
    """SpikeTrack on a backend; ``tally`` and ``confidence`` are those of the last sequence."""

    def __init__(self, simulator: Simulator, settings: TrackerConfig) -> None:
        self.name = simulator.name
        self.simulator = simulator
        self.settings = settings
        self.tally = Tally()
        self.confidence: list[float] = []

    def follow(self, frames: Iterable[Frame], box: Box) -> Iterator[Box]:
        """Boxes of all frames, the first as given."""
        self.tally, self.confidence = Tally(), []
        for result in follow(Tracker(self.simulator, self.settings), frames, box):
            self.tally.add(result.inference, result.encoding)
            self.confidence.append(result.score)
            yield result.box


Whole = Callable[[Tally], tuple[float, float]]  # picojoules of a frame, low and high


@dataclass(frozen=True)
class Energy:
    """mJ a tracked frame: of the operations of its search, and of the template encodings spread
    over the frames; all that chips spend on both, low and high, None without a placement.
    """

    search: float
    template: float
    whole: tuple[float, float] | None = None


@dataclass(frozen=True)
class Tracked:
    """What following one sequence gave, before any label but the first is looked at.

    ``boxes`` (N, 4); ``confidence`` (N,) or nothing; ``times`` seconds of each frame, reading
    included; ``size`` (width, height); ``tally`` of operations; ``notes``: what reading showed.
    """

    boxes: NDArray[np.float64]
    confidence: tuple[float, ...]
    times: tuple[float, ...]
    size: tuple[int, int]
    tally: Tally
    notes: tuple[str, ...]


@dataclass(frozen=True)
class SequenceResult:
    """One sequence: boxes found (N, 4), frame size, figures (None where the labels hold the first
    frame alone), seconds of each frame, energy a frame, what was odd, confidence of each frame.
    """

    sequence: Sequence
    boxes: NDArray[np.float64]
    size: tuple[int, int]
    scores: Scores | None
    times: tuple[float, ...]
    energy: Energy | None
    notes: tuple[str, ...] = ()
    confidence: tuple[float, ...] = ()

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


def track_sequence(method: Method, sequence: Sequence, step: Step = lambda: None) -> Tracked:
    """Follow the first frame's box; ``step`` is called for each frame.

    ``ClipError`` names the sequence.
    """
    tracked: list[Box] = []
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
            tracked.append(box)
            times.append(time.perf_counter() - start)
            step()
            start = time.perf_counter()
    except (ClipError, cv2.error) as error:
        raise ClipError(f"{sequence.name}: {' '.join(str(error).split())}") from error
    boxes = np.array([box.as_tuple() for box in tracked])
    own = method if isinstance(method, NetworkMethod) else None
    tally = own.tally if own else Tally()
    confidence = tuple(own.confidence) if own else ()
    return Tracked(boxes, confidence, tuple(times), size, tally, tuple(notes))


def judge(
    sequence: Sequence,
    tracked: Tracked,
    price: Price | None = None,
    whole: Whole | None = None,
) -> SequenceResult:
    """Score boxes by the rule of the sequence's data set, and price the operations.

    ``ClipError`` names the sequence.
    """
    scores = score_boxes(sequence, tracked.boxes, tracked.size) if sequence.labelled else None
    said = (*sequence.notes, *tracked.notes)
    spent = energy(tracked.tally, price, whole)
    return SequenceResult(
        sequence, tracked.boxes, tracked.size, scores, tracked.times, spent, said,
        tracked.confidence,
    )  # fmt: skip


def score_boxes(sequence: Sequence, boxes: NDArray[np.float64], size: tuple[int, int]) -> Scores:
    """Figures of any tracker's boxes of all frames; ``ClipError`` names the sequence."""
    truth = sequence.boxes
    try:
        if len(boxes) != len(truth):
            raise ClipError(f"{len(boxes)} boxes for {len(truth)} frames")
        rule = rule_of(sequence.layout)
        return score(settled(boxes, truth), truth, sequence.visible, size, rule)
    except ClipError as error:
        raise ClipError(f"{sequence.name}: {error}") from error


def energy(tally: Tally, price: Price | None, whole: Whole | None = None) -> Energy | None:
    """mJ a tracked frame, None where no operations were counted."""
    if price is None or not tally.search or not tally.frames:
        return None
    search, template = (price(part) / tally.frames * MJ for part in (tally.search, tally.template))
    if whole is None:
        return Energy(search, template)
    low, high = whole(tally)
    return Energy(search, template, (low * MJ, high * MJ))
