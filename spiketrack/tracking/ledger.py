"""What an evaluation has won so far: written sequence by sequence, gone on with by a later call.

A folder holds ``evaluation.json``, ``boxes/METHOD/NAME.txt`` (OTB text), ``times/METHOD/NAME.txt``
(seconds a frame) and, for GOT-10k's test part, ``got10k/METHOD/NAME/NAME_001.txt`` and
``NAME_time.txt``, the layout that its server takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spiketrack.documents.tracking import EvaluationDocument, FiguresPart
from spiketrack.errors import DocumentError, SpikeTrackError
from spiketrack.files import atomic_path
from spiketrack.tracking.evaluation import SequenceResult
from spiketrack.tracking.figures import Outcomes, document, figures, outcome
from spiketrack.video.boxes import Box, write_got10k, write_otb

NAME = "evaluation.json"
SETTINGS = (
    "method", "backend", "network", "tracker", "frames_limit", "prices", "footage",
    "network_digest", "checkpoint_sha256",
)  # fmt: skip


@dataclass
class Progress:
    """One method's outcomes and failures, by sequence."""

    outcomes: Outcomes = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def part(self, planned: Iterable[str]) -> FiguresPart:
        """As the document holds it, in the order planned."""
        names = list(planned)
        return figures(
            {name: self.outcomes[name] for name in names if name in self.outcomes},
            {name: self.failed[name] for name in names if name in self.failed},
        )


class Ledger:
    """Collects outcomes of ``methods``, the first being the network, for ``planned`` sequences.

    ``copies``: further files that hold the document after every outcome.
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
        self.out: Path | None = None
        self.anew: Callable[[Path], AbstractContextManager[Path]] | None = None

    def document(self) -> EvaluationDocument:
        """All that is known by now."""
        methods = {name: progress.part(self.planned) for name, progress in self.methods.items()}
        return document(self.method, methods, self.planned, self.settings, self.notes)

    def go_on(self, earlier: EvaluationDocument) -> None:
        """Take over what an earlier call has won; ``SpikeTrackError`` where it was another."""
        now = self.document()
        for name in (*SETTINGS, "thresholds"):
            if getattr(earlier, name) != getattr(now, name):
                raise SpikeTrackError(
                    f"holds an unfinished evaluation with another {name}; choose another --out or "
                    "give --force"
                )
        for name, part in earlier.methods.items():
            if name in self.methods:
                kept = {n: one for n, one in part.sequences.items() if n in self.planned}
                self.methods[name].outcomes = kept

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
        """Keep an outcome: its files first, then the document that names them."""
        if self.anew is not None:
            self.write()
        if self.out is not None:
            write_result(self.out, method, result)
        self.methods[method].outcomes[result.sequence.name] = outcome(result)
        self.notes += [note for note in result.notes if note not in self.notes]
        self.write()

    def fail(self, method: str, name: str, reason: str) -> None:
        """Keep a reason."""
        self.methods[method].failed[name] = reason

    def write(self) -> None:
        """Bring the files up to date."""
        now = self.document()
        for copy in self.copies:
            now.write(copy)
        if self.out is None:
            return
        if self.anew is not None:
            with self.anew(self.out) as folder:
                now.write(folder / NAME)
            self.anew = None
        else:
            now.write(self.out / NAME)


def unfinished(out: Path) -> EvaluationDocument | None:
    """The document of a folder whose evaluation did not reach every sequence, else None."""
    try:
        earlier = EvaluationDocument.read(out / NAME)
    except DocumentError:
        return None
    return None if earlier.complete else earlier


def write_result(folder: Path, method: str, result: SequenceResult) -> None:
    """The boxes and times of one sequence."""
    name = result.sequence.name
    boxes = [Box(*row) for row in result.boxes.tolist()]
    write_otb(_made(folder / "boxes" / method / f"{name}.txt"), boxes)
    _write_times(folder / "times" / method / f"{name}.txt", result.times)
    if result.sequence.layout == "GOT-10k" and not result.sequence.labelled:
        home = folder / "got10k" / method / name
        write_got10k(_made(home / f"{name}_001.txt"), boxes)
        _write_times(home / f"{name}_time.txt", result.times)


def _write_times(path: Path, times: Iterable[float]) -> None:
    with atomic_path(_made(path)) as temporary:
        temporary.write_text("".join(f"{seconds:.6f}\n" for seconds in times), encoding="utf-8")


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
