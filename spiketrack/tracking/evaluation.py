"""Run a tracker over benchmark sequences and score it.

The JSON written by ``report`` has ``schema`` = "spiketrack.evaluation" and ``version`` = 1:

    method       name of what was evaluated; with the command line's settings beside it
    mean         success_auc, precision_20, normalised_precision, ao, sr50, sr75: means over the
                 sequences; success_curve, precision_curve, normalised_curve at ``thresholds``;
                 fps; energy_mj of a frame's search and template_mj, the template encodings
                 spread over the frames (null where the backend counts no operations)
    pooled       ao, sr50, sr75 over all frames together, as GOT-10k's toolkit reports them
    sequences    NAME → the same keys as ``mean``, and layout, frames (tracked), scored, seconds
    thresholds   success (IoU), precision (pixels), normalised
    baselines    NAME → mean, pooled, sequences of an OpenCV tracker on the same frames
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

SCHEMA = "spiketrack.evaluation"
VERSION = 1
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
    """One sequence: boxes found (N, 4), frame size, figures, seconds, energy a frame."""

    sequence: Sequence
    boxes: NDArray[np.float64]
    size: tuple[int, int]
    scores: Scores
    seconds: float
    energy: Energy | None

    @property
    def frames(self) -> int:
        """Frames after the first."""
        return len(self.boxes) - 1

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
    size = (0, 0)
    start = time.perf_counter()

    def frames() -> Iterator[Frame]:
        nonlocal size
        for frame in sequence.frames():
            size = (frame.shape[1], frame.shape[0])
            yield frame

    try:
        for box in method.follow(frames(), sequence.start):
            found.append(box)
            step()
        seconds = time.perf_counter() - start
        boxes = np.array([box.as_tuple() for box in found])
        scores = score(boxes, sequence.boxes, sequence.visible, size)
    except ClipError as error:
        raise ClipError(f"{sequence.name}: {error}") from error
    return SequenceResult(sequence, boxes, size, scores, seconds, energy(method, price))


def energy(method: Method, price: Price | None) -> Energy | None:
    """mJ a tracked frame of the last sequence, None where no operations were counted."""
    tally = method.tally if isinstance(method, NetworkMethod) else Tally()
    if price is None or not tally.search or not tally.frames:
        return None
    search, template = (price(part) / tally.frames * MJ for part in (tally.search, tally.template))
    return Energy(search, template)


def report(
    method: str,
    results: list[SequenceResult],
    settings: Mapping[str, Any] | None = None,
    baselines: Mapping[str, list[SequenceResult]] | None = None,
) -> dict[str, Any]:
    """The JSON document that this module's docstring describes."""
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "method": method,
        **(settings or {}),
        **_figures(results),
        "thresholds": {
            "success": IOU_THRESHOLDS.round(2).tolist(),
            "precision": PIXEL_THRESHOLDS.tolist(),
            "normalised": NORMALISED_THRESHOLDS.round(2).tolist(),
        },
        "baselines": {name: _figures(found) for name, found in (baselines or {}).items()},
        "opencv": cv2.__version__,
    }


def _figures(results: list[SequenceResult]) -> dict[str, Any]:
    mean = dataclasses.asdict(mean_scores([r.scores for r in results]))
    mean["fps"] = sum(r.frames for r in results) / sum(r.seconds for r in results)
    return {
        "mean": mean | _energies([r.energy for r in results]),
        "pooled": pooled(results),
        "sequences": {r.sequence.name: _one(r) for r in results},
    }


def _one(result: SequenceResult) -> dict[str, Any]:
    return {
        **dataclasses.asdict(result.scores),
        "layout": result.sequence.layout,
        "frames": result.frames,
        "scored": int(result.sequence.visible.sum()),
        "seconds": result.seconds,
        "fps": result.fps,
        **_energies([result.energy]),
    }


def _energies(found: list[Energy | None]) -> dict[str, float | None]:
    known = [one for one in found if one is not None]
    if len(known) < len(found):
        return {"energy_mj": None, "template_mj": None}
    search, template = np.mean([(one.search, one.template) for one in known], axis=0)
    return {"energy_mj": float(search), "template_mj": float(template)}


def pooled(results: list[SequenceResult]) -> dict[str, float]:
    """AO and SR over the visible later frames of all sequences together, as GOT-10k reports."""
    weights = [int(r.sequence.visible[1:].sum()) for r in results]
    names = ("ao", "sr50", "sr75")
    return {
        name: float(np.average([getattr(r.scores, name) for r in results], weights=weights))
        for name in names
    }
