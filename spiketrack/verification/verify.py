"""The proof: the same crops through every backend, compared count by count.

Crops follow the integer backend's boxes. An integer backend (Lava, ONNX, norse) must agree with
it to the last bit; the loss of the float network is measured, teacher-forced and free-running.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spiketrack.config import TrackerConfig
from spiketrack.documents.yardstick import AmplificationPart
from spiketrack.errors import SpikeTrackError
from spiketrack.export.nir.folder import ExportedNetwork
from spiketrack.inference import SEARCH, TEMPLATE, Crop, Inference, Maps, Simulator
from spiketrack.reference.checkpoint import Checkpoint
from spiketrack.simulators.backends import FLOAT, INTEGER, Options, find, open_simulator
from spiketrack.tracking.tracker import Tracker, TrackResult, clip_box, decode, to_frame
from spiketrack.verification import YARDSTICK_FRAMES
from spiketrack.verification.amplification import amplification
from spiketrack.verification.comparison import Agreement
from spiketrack.verification.precision import Precision
from spiketrack.verification.teacher import Loss, TeacherForcing
from spiketrack.video.boxes import Box, iou
from spiketrack.video.footage import Frame

REFERENCE = INTEGER
Opener = Callable[[str], Simulator]


@dataclass(frozen=True)
class FrameBoxes:
    """Boxes of one frame: each backend's own, on its own road for float, and the scores."""

    frame: int
    boxes: Mapping[str, Box]
    scores: Mapping[str, float]
    updated: bool


@dataclass
class Verification:
    """Everything that was found; ``exact`` is the verdict on the exact backends.

    ``same_crops``: IoU of the float and the integer box, frame by frame, both from the crop round
    the integer backend's last box. ``precision``: what float itself is worth on the first of them.
    ``amplification``: what the least push of the first searches changes, where it is asked for.
    """

    backends: tuple[str, ...]
    agreements: dict[str, Agreement] = field(default_factory=dict)
    losses: Mapping[tuple[str, str], Loss] = field(default_factory=dict)
    frames: list[FrameBoxes] = field(default_factory=list)
    same_crops: list[float] = field(default_factory=list)
    precision: Precision | None = None
    amplification: AmplificationPart | None = None

    @property
    def exact(self) -> bool | None:
        """All exact backends agree in every count and map; None where none was compared."""
        verdicts = [agreement.exact for agreement in self.agreements.values() if agreement.required]
        return all(verdicts) if verdicts else None


def verify(
    network: ExportedNetwork,
    checkpoint: Checkpoint | None,
    clip: Iterable[Frame],
    box: Box,
    backends: tuple[str, ...],
    settings: TrackerConfig,
    options: Options,
    step: Callable[[], None] = lambda: None,
    opener: Opener | None = None,
    yardstick: int = YARDSTICK_FRAMES,
    pushes: int = 0,
) -> Verification:
    """Run ``clip`` from ``box`` through ``backends`` (the integer backend always among them).

    ``opener`` replaces how a backend is opened (tests damage one this way). ``yardstick``: frames
    on which float runs in float64 too; ``pushes``: searches whose amplification is measured.
    Raises ``SpikeTrackError`` when float is asked for without a checkpoint.
    """
    for name in backends:
        if find(name, "--backends").needs == "checkpoint" and checkpoint is None:
            raise SpikeTrackError(
                f"--backends {name}: needs --checkpoint, the file that was exported"
            )
    record = dataclasses.replace(options, operations=False, counts=True)

    def open_backend(name: str) -> Simulator:
        return open_simulator(name, network, checkpoint, record)

    with ExitStack() as stack:
        run = _Run(network, checkpoint, backends, settings, stack, opener or open_backend)
        if run.forcing is not None and checkpoint is not None:
            run.verification.precision = Precision(checkpoint.build(), yardstick)
            run.pushes = pushes
        for index, frame in enumerate(clip):
            run.frame(frame, box if index == 0 else None)
            step()
        if run.pushed and checkpoint is not None:
            model = checkpoint.build().eval()
            run.verification.amplification = amplification(model, run.pushed)
        return run.result()


class _Run:
    """The reference tracker, the backends that repeat its inferences, the free float tracker."""

    def __init__(
        self,
        network: ExportedNetwork,
        checkpoint: Checkpoint | None,
        backends: tuple[str, ...],
        settings: TrackerConfig,
        stack: ExitStack,
        opener: Opener,
    ) -> None:
        self.settings = settings
        self.tracker = Tracker(stack.enter_context(opener(REFERENCE)), settings)
        followers = [name for name in backends if name not in (FLOAT, REFERENCE)]
        self.followers = {name: stack.enter_context(opener(name)) for name in followers}
        agreements = {name: Agreement(name, find(name).exact) for name in followers}
        self.verification = Verification(backends, agreements)
        self.templates: Crop | None = None
        self.pushes = 0
        self.pushed: list[tuple[Crop, Crop]] = []
        self.free: Tracker | None = None
        self.forcing: TeacherForcing | None = None
        if FLOAT in backends and checkpoint is not None:
            self.free = Tracker(stack.enter_context(opener(FLOAT)), settings)
            self.forcing = TeacherForcing(checkpoint.build(), network.graphs)

    def frame(self, frame: Frame, box: Box | None) -> None:
        """One frame through everything; ``box`` is given for the first."""
        last = self.tracker.box
        result = self.tracker.start(frame, box) if box else self.tracker.step(frame)
        boxes, scores = {REFERENCE: result.box}, {REFERENCE: result.score}
        for name, simulator in self.followers.items():
            self._follow(name, simulator, frame, last, result, boxes, scores)
        if self.forcing is not None and self.free is not None:
            self._float(self.forcing, frame, last, result)
            free = self.free.start(frame, box) if box else self.free.step(frame)
            boxes[FLOAT], scores[FLOAT] = free.box, free.score
        self.verification.frames.append(FrameBoxes(result.frame, boxes, scores, result.updated))

    def _float(
        self, forcing: TeacherForcing, frame: Frame, last: Box | None, result: TrackResult
    ) -> None:
        """The integer backend's crops through float32, and first ones through float64."""
        precision, number = self.verification.precision, result.frame
        if result.crop is not None and result.inference is not None and last is not None:
            if self.templates is not None and len(self.pushed) < self.pushes:
                self.pushed.append((self.templates, result.crop))
            same = self._box(forcing.search(result.crop), last, frame)[0]
            self.verification.same_crops.append(iou(same, result.box))
            if precision is not None and precision.wants(number):
                integer = result.inference.trace
                maps = precision.search(number, result.crop, forcing.counts, integer)
                precision.boxes(same, self._box(maps, last, frame)[0], result.box)
        if result.templates is not None and result.encoding is not None:
            self.templates = result.templates
            forcing.encode_template(result.templates)
            if precision is not None:
                integer = result.encoding.trace
                precision.encode(number, result.templates, forcing.counts, integer)

    def _follow(
        self,
        name: str,
        simulator: Simulator,
        frame: Frame,
        last: Box | None,
        result: TrackResult,
        boxes: dict[str, Box],
        scores: dict[str, float],
    ) -> None:
        agreement = self.verification.agreements[name]
        if result.crop is not None and result.inference is not None and last is not None:
            inference = simulator.search(result.crop)
            agreement.add(SEARCH, result.frame, result.inference.trace, inference.trace)
            agreement.maps_differ += not _same_maps(result.inference, inference)
            agreement.frames += 1
            if inference.maps is None:
                raise SpikeTrackError("a search without maps")
            boxes[name], scores[name] = self._box(inference.maps, last, frame)
        else:
            boxes[name], scores[name] = result.box, result.score
        if result.templates is not None and result.encoding is not None:
            encoding = simulator.encode_template(result.templates)
            agreement.add(TEMPLATE, result.frame, result.encoding.trace, encoding.trace)

    def _box(self, maps: Maps, last: Box, frame: Frame) -> tuple[Box, float]:
        prediction = decode(maps, self.settings.window)
        moved = to_frame(prediction, last, self.settings.search_factor)
        clipped = clip_box(moved, frame.shape[1], frame.shape[0], self.settings.margin)
        return clipped, prediction.score

    def result(self) -> Verification:
        """What was found in all frames."""
        if self.forcing is not None:
            self.verification.losses = self.forcing.losses
        return self.verification


def _same_maps(expected: Inference, actual: Inference) -> bool:
    if expected.maps is None or actual.maps is None:
        return False
    pairs: list[tuple[Any, Any]] = [
        (getattr(expected.maps, key), getattr(actual.maps, key))
        for key in ("score", "size", "offset")
    ]
    return all(np.array_equal(a, b) for a, b in pairs)
