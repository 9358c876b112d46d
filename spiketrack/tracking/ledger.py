"""What an evaluation has won so far: written sequence by sequence, gone on with by a later call.

A folder holds, for each finished sequence, ``boxes/METHOD/NAME.txt`` (OTB text),
``times/METHOD/NAME.txt`` (seconds a frame), ``confidence/METHOD/NAME.txt`` where the method has
any, and last, when the others are there, ``sequences/METHOD/NAME.json``: figures, energy, and the
digests of network, settings, labels and boxes. ``evaluation.json`` sums them up; it is written anew
as they come, less often where they are many. All but the times is the same whoever computed it.
For GOT-10k's test part there are also ``got10k/METHOD/NAME/NAME_001.txt`` and ``NAME_time.txt``.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spiketrack.documents.tracking import (
    EvaluationDocument,
    FiguresPart,
    SequenceDocument,
    SequencePart,
)
from spiketrack.errors import ClipError, DocumentError, SpikeTrackError
from spiketrack.files import atomic_path
from spiketrack.tracking.evaluation import SequenceResult
from spiketrack.tracking.figures import Outcomes, document, figures, fits, outcome, seconds_of
from spiketrack.tracking.sequences import Sequence
from spiketrack.video.boxes import Box, read_text, write_got10k, write_otb

NAME = "evaluation.json"
SETTINGS = (
    "method", "backend", "network", "tracker", "frames_limit", "starts", "prices", "prices_sha256",
    "placement", "footage", "network_digest", "checkpoint_sha256",
)  # fmt: skip
WORDS = ("method", "backend", "frames_limit", "starts", "prices", "footage")
EACH = 50  # outcomes up to which the document is written after every one
SHARE = 0.05  # of the time that writing it may take when there are more


@dataclass
class Progress:
    """One method's outcomes and failures, by sequence."""

    outcomes: Outcomes = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def part(self, planned: Iterable[str], starts: str = "ope") -> FiguresPart:
        """As the document holds it, in the order planned."""
        names = list(planned)
        return figures(
            {name: self.outcomes[name] for name in names if name in self.outcomes},
            {name: self.failed[name] for name in names if name in self.failed},
            starts,
        )


class Ledger:
    """Collects outcomes of ``methods``, the first being the network, for ``planned`` sequences.

    ``copies``: further files that hold the document.
    """

    def __init__(
        self,
        methods: Iterable[str],
        planned: Iterable[str],
        settings: Mapping[str, Any],
        copies: Iterable[Path] = (),
    ) -> None:
        self.methods = {name: Progress() for name in methods}
        self.method = next(iter(self.methods))
        self.planned = list(planned)
        self.settings = dict(settings)
        self.copies = list(copies)
        self.notes: list[str] = []
        self.rival: EvaluationDocument | None = None
        self.out: Path | None = None
        self.anew: Callable[[Path], AbstractContextManager[Path]] | None = None
        self.due = 0.0  # when the document may be written next

    def document(self) -> EvaluationDocument:
        """All that is known by now."""
        starts = self.settings.get("starts", "ope")
        methods = {name: one.part(self.planned, starts) for name, one in self.methods.items()}
        said = (
            n for part in methods.values() for one in part.sequences.values() for n in one.notes
        )
        notes = dict.fromkeys((*self.notes, *said))
        return document(self.method, methods, self.planned, self.settings, notes, self.rival)

    @property
    def settings_sha256(self) -> str:
        """SHA-256 of what the figures depend on."""
        values = {name: self.settings.get(name) for name in SETTINGS}
        text = json.dumps({**values, "method": self.method}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def go_on(self, earlier: EvaluationDocument, out: Path, footage: Iterable[Sequence]) -> None:
        """Take over what an earlier call left in ``out``; ``SpikeTrackError`` if it was another.

        A sequence whose files do not belong together, or whose labels have changed, is done again.
        """
        now = self.document()
        for name in (*SETTINGS, "thresholds"):
            if getattr(earlier, name) != getattr(now, name):
                another = f"{name}{_values(earlier, now, name)}"
                raise SpikeTrackError(
                    f"holds an unfinished evaluation with another {another}; choose another --out "
                    "or give --force"
                )
        if lost := [name for name in earlier.baselines if name not in self.methods]:
            raise SpikeTrackError(
                f"holds an unfinished evaluation with the baseline {', '.join(lost)}; give "
                f"--baseline {','.join(lost)}, choose another --out or give --force"
            )
        for sequence in footage:
            for method, progress in self.methods.items():
                kept = self._kept(out, method, sequence)
                if kept is not None:
                    progress.outcomes[sequence.name] = kept

    def _kept(self, out: Path, method: str, sequence: Sequence) -> SequencePart | None:
        """An earlier outcome, None where there is none that is whole."""
        try:
            kept = SequenceDocument.read(out / "sequences" / method / f"{sequence.name}.json")
            boxes = (out / "boxes" / method / f"{sequence.name}.txt").read_bytes()
            times = read_text(out / "times" / method / f"{sequence.name}.txt").split()
            seconds = seconds_of(times)
        except (DocumentError, ClipError, OSError, ValueError):
            return None
        whole = (
            kept.method == method
            and kept.settings_sha256 == self.settings_sha256
            and kept.sequence_sha256 == sequence.digest
            and kept.boxes_sha256 == hashlib.sha256(boxes).hexdigest()
            and kept.outcome_sha256 == kept.outcome.digest
            and len(times) == kept.outcome.frames + 1
            and fits(kept.outcome)
        )
        return SequencePart.timed(kept.outcome, seconds) if whole else None

    def missing(self, method: str) -> set[str]:
        """Names of sequences that have neither an outcome nor a reason yet."""
        progress = self.methods[method]
        return set(self.planned) - set(progress.outcomes) - set(progress.failed)

    @property
    def failed(self) -> dict[str, str]:
        """All reasons, each once."""
        return {n: why for progress in self.methods.values() for n, why in progress.failed.items()}

    def into(self, out: Path, anew: Callable[[Path], AbstractContextManager[Path]] | None) -> None:
        """Write into a folder from the first outcome on; ``anew`` makes it, None goes on."""
        self.out, self.anew = out, anew

    def add(self, method: str, result: SequenceResult) -> None:
        """Keep an outcome: its files first, then the document that sums them up."""
        if self.anew is not None:
            self.write()
        part = outcome(result)
        if self.out is not None:
            self._write_result(self.out, method, result)
        seconds = sum(float(f"{one:.6f}") for one in result.times)  # as the file of times says
        self.methods[method].outcomes[result.sequence.name] = SequencePart.timed(part, seconds)
        few = sum(len(progress.outcomes) for progress in self.methods.values()) <= EACH
        if few or time.monotonic() >= self.due or not self.missing(method):
            self.write()

    def fail(self, method: str, name: str, reason: str) -> None:
        """Keep a reason."""
        self.methods[method].failed[name] = reason

    def write(self) -> None:
        """Bring the files up to date."""
        begin = time.monotonic()
        now = self.document()
        for copy in self.copies:
            now.write(copy)
        if self.out is not None and self.anew is not None:
            with self.anew(self.out) as folder:
                now.write(folder / NAME)
            self.anew = None
        elif self.out is not None:
            now.write(self.out / NAME)
        end = time.monotonic()
        self.due = end + (end - begin) / SHARE

    def _write_result(self, folder: Path, method: str, result: SequenceResult) -> None:
        """The files of one sequence, the one that says that all are there last."""
        name, part = result.sequence.name, outcome(result)
        boxes = write_result(folder, method, result)
        SequenceDocument(
            method=method,
            name=name,
            outcome=part,
            settings_sha256=self.settings_sha256,
            sequence_sha256=result.sequence.digest,
            boxes_sha256=hashlib.sha256(boxes.read_bytes()).hexdigest(),
            outcome_sha256=part.digest,
            network_digest=self.settings.get("network_digest"),
            checkpoint_sha256=self.settings.get("checkpoint_sha256"),
        ).write(_made(folder / "sequences" / method / f"{name}.json"))


def _values(earlier: EvaluationDocument, now: EvaluationDocument, name: str) -> str:
    """What a setting was and is, where it is a word or a number."""
    if name not in WORDS:
        return ""
    was, given = (getattr(one, name) for one in (earlier, now))
    return f" ({'none' if was is None else was}, now {'none' if given is None else given})"


def unfinished(
    out: Path, page: str | None = None, archive: str | None = None
) -> EvaluationDocument | None:
    """The document of a folder whose evaluation did not reach every sequence, else None.

    Without its last files there is work left: ``page``, of one that scored something, ``archive``.
    """
    try:
        earlier = EvaluationDocument.read(out / NAME)
    except DocumentError:
        return None
    scored = earlier.mean is not None and earlier.mean.success_auc is not None
    last = [page if scored else None, archive]
    lacking = any(name is not None and not (out / name).exists() for name in last)
    return earlier if lacking or not earlier.complete else None


def write_result(folder: Path, method: str, result: SequenceResult) -> Path:
    """Boxes, times and confidences of one sequence; the file of boxes."""
    name = result.sequence.name
    boxes = [Box(*row) for row in result.boxes.tolist()]
    path = _made(folder / "boxes" / method / f"{name}.txt")
    write_otb(path, boxes)
    _write_numbers(folder / "times" / method / f"{name}.txt", result.times)
    if result.confidence:
        _write_numbers(folder / "confidence" / method / f"{name}.txt", result.confidence)
    if result.sequence.layout == "GOT-10k" and not result.sequence.labelled:
        home = folder / "got10k" / method / name
        write_got10k(_made(home / f"{name}_001.txt"), boxes)
        _write_numbers(home / f"{name}_time.txt", result.times)
    return path


def _write_numbers(path: Path, numbers: Iterable[float]) -> None:
    with atomic_path(_made(path)) as temporary:
        temporary.write_text("".join(f"{number:.6f}\n" for number in numbers), encoding="utf-8")


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
