"""Result folders of any tracker, as people publish them.

    OTB, pytracking   FOLDER/NAME.txt, perhaps FOLDER/NAME_time.txt
    GOT-10k           FOLDER/NAME/NAME_001.txt (002 … are further runs), NAME_time.txt
    ours              FOLDER/boxes/METHOD/NAME.txt, FOLDER/times/METHOD/NAME.txt

NAME may be any of those that ``tracking.names`` knows. Rows of four numbers, separated by commas,
tabs or spaces, count pixels as the labels do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from glob import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spiketrack.documents.tracking import EvaluationDocument, FiguresPart, SequencePart
from spiketrack.errors import ClipError, ConfigError, DocumentError
from spiketrack.tracking.evaluation import Energy, SequenceResult, score_boxes
from spiketrack.tracking.figures import outcome, seconds_of
from spiketrack.tracking.ledger import NAME, Progress
from spiketrack.tracking.metrics import mean_scores
from spiketrack.tracking.names import published
from spiketrack.tracking.sequences import Sequence
from spiketrack.video.boxes import read_rectangles, read_text
from spiketrack.video.footage import absolute, read_image

ABSENT = "no result"


class Absent(ClipError):
    """A tracker lacks a sequence."""


@dataclass(frozen=True)
class Files:
    """The results of one sequence: a file of boxes for each run, and one of times or None."""

    boxes: tuple[Path, ...]
    times: Path | None


@dataclass(frozen=True)
class Tracker:
    """A tracker's results: its ``name``, its folder, where times lie, and what we counted of it."""

    name: str
    folder: Path
    times: Path
    counted: FiguresPart | None = None

    def files(self, sequence: Sequence) -> Files | None:
        """Of one sequence under any of its published names, None where there is nothing."""
        for name in published(sequence.name, sequence.layout):
            plain = self.folder / f"{name}.txt"
            if plain.is_file():
                spent = [self.times / f"{name}.txt"] if self.times != self.folder else []
                return Files((plain,), _first([*spent, self.folder / f"{name}_time.txt"]))
            home = self.folder / name
            if runs := sorted(home.glob(f"{escape(name)}_[0-9][0-9][0-9].txt")):
                return Files(tuple(runs), _first([home / f"{name}_time.txt"]))
        return None

    def energy(self, name: str) -> Energy | None:
        """What our own evaluation counted."""
        part = self.counted and self.counted.sequences.get(name)
        if not part or part.energy_mj is None:
            return None
        return Energy(part.energy_mj, part.template_mj or 0.0, part.whole_mj)


def _first(paths: list[Path]) -> Path | None:
    return next((path for path in paths if path.is_file()), None)


def named(text: str) -> tuple[str, Path]:
    """A result folder and the name that its tracker is given, which may be empty."""
    name, sign, path = text.partition("=")
    return (name, Path(path)) if sign and not Path(text).is_dir() else ("", Path(text))


def find_trackers(given: Iterable[str]) -> list[Tracker]:
    """Trackers in result folders; ``NAME=FOLDER`` names one, or goes before those of several.

    ``ConfigError`` for a folder that is not there or two trackers of one name.
    """
    trackers: list[Tracker] = []
    for text in given:
        name, folder = named(text)
        if not folder.is_dir():
            raise ConfigError(f"{folder}: no such folder of results")
        trackers += _ours(folder, name) or [Tracker(name or absolute(folder).name, folder, folder)]
    names = [tracker.name for tracker in trackers]
    if twin := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError(f"two trackers are named {twin}; give NAME=FOLDER")
    return trackers


def _ours(folder: Path, name: str) -> list[Tracker]:
    """The methods of a folder that ``evaluate`` wrote."""
    homes = sorted(p for p in (folder / "boxes").glob("*") if p.is_dir())
    try:
        document = EvaluationDocument.read(folder / NAME)
    except DocumentError:
        document = None
    shown = {home: home.name for home in homes}
    if name:
        shown = {home: name if len(homes) == 1 else f"{name} {home.name}" for home in homes}
    return [
        Tracker(
            shown[home], home, folder / "times" / home.name,
            document.methods.get(home.name) if document else None,
        )
        for home in homes
    ]  # fmt: skip


def score_tracker(
    tracker: Tracker, footage: Iterable[Sequence], sizes: dict[str, tuple[int, int]]
) -> Progress:
    """Score every labelled sequence; one without a result, or that does not fit, is named."""
    progress = Progress()
    absent = 0
    for sequence in footage:
        try:
            progress.outcomes[sequence.name] = _scored(tracker, sequence, sizes)
        except ClipError as error:
            absent += isinstance(error, Absent)
            progress.failed[sequence.name] = str(error)
    if absent > 1 and absent == len(progress.failed) and not progress.outcomes:
        first = next(iter(progress.failed))
        why = f"{tracker.folder}: holds a result of none of {absent} sequences; expected such as "
        why += f"{first}.txt, {first}/{first}_001.txt or what evaluate --out wrote"
        progress.failed = dict.fromkeys(progress.failed, why)
    return progress


def _scored(
    tracker: Tracker, sequence: Sequence, sizes: dict[str, tuple[int, int]]
) -> SequencePart:
    files = tracker.files(sequence)
    if files is None:
        raise Absent(f"{sequence.name}: {_missing(tracker, sequence)}")
    if sequence.name not in sizes:
        height, width = read_image(sequence.images[0]).shape[:2]
        sizes[sequence.name] = (width, height)
    notes: list[str] = []
    runs = [_boxes(path, sequence, notes) for path in files.boxes]
    scores = [score_boxes(sequence, run, sizes[sequence.name]) for run in runs]
    seconds = _seconds(files.times)
    spent = tracker.energy(sequence.name)
    result = SequenceResult(
        sequence, runs[0], sizes[sequence.name], mean_scores(scores), (seconds,), spent,
        (*sequence.notes, *notes),
    )  # fmt: skip
    return SequencePart.timed(outcome(result), seconds)


def _missing(tracker: Tracker, sequence: Sequence) -> str:
    """Why there is no result, as far as the folder tells."""
    if any(tracker.folder.glob(f"{escape(sequence.name)}@*.txt")):
        return f"{tracker.folder} holds runs from other starts, which evaluate itself scores"
    return f"{ABSENT} in {tracker.folder}"


def _boxes(path: Path, sequence: Sequence, notes: list[str]) -> NDArray[np.float64]:
    """As many as there are labels: more are left out, as toolkits do (LaSOT's monkey-17)."""
    frames = len(sequence.boxes)
    boxes = np.array([box.as_tuple() for box in read_rectangles(path)], np.float64)
    if len(boxes) < frames:
        raise ClipError(
            f"{sequence.name}: {path}: {len(boxes)} boxes for {frames} frames; give one for every "
            "frame, the first too"
        )
    if len(boxes) > frames:
        notes.append(f"{path}: {len(boxes)} boxes for {frames} frames: the last are left out")
    return boxes[:frames]


def _seconds(path: Path | None) -> float:
    """Of all frames, 0 where nobody wrote them; of several runs the first column."""
    if path is None:
        return 0.0
    rows = [line.replace(",", " ").split() for line in read_text(path).splitlines()]
    try:
        return seconds_of(row[0] for row in rows if row)
    except ValueError as error:
        raise ClipError(
            f"{path}: holds no seconds a frame ({error}); write a number a line, or remove it"
        ) from None
