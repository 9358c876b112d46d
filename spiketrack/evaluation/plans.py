"""One data set of an evaluation: its sequences and starts, where its results go, what is left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spiketrack.documents.tracking import EvaluationDocument
from spiketrack.errors import ClipError, ConfigError, SpikeTrackError
from spiketrack.evaluation.driver import Task
from spiketrack.evaluation.remarks import Remarks
from spiketrack.evaluation.submissions import SERVERS
from spiketrack.terminal.console import note as say
from spiketrack.tracking.ledger import Ledger
from spiketrack.tracking.sequences import Refused, Sequence, Survey, survey
from spiketrack.tracking.starts import expand, parse_starts
from spiketrack.video.footage import absolute


def check_submission(server: str | None, out: Path | None, frames: int | None, starts: str) -> None:
    """``ConfigError`` for an unknown server, nowhere to write to, or runs that no server takes."""
    if server is None:
        return
    if server not in SERVERS:
        raise ConfigError(f"--submit {server}: choose {' or '.join(SERVERS)}")
    if out is None:
        raise ConfigError(f"--submit {server}: give --out, the folder that the archive goes to")
    for option, given in (("--frames", frames is not None), ("--starts", starts != "ope")):
        if given:
            raise ConfigError(
                f"--submit {server}: servers take whole sequences from their own start; leave out "
                f"{option}"
            )


def _choose(surveyed: Survey, names: list[str], dataset: Path) -> None:
    """Leave what the list names; ``ConfigError`` for a name that is not in the folder."""
    there = {one.name for one in surveyed.sequences} | {one.name for one in surveyed.refused}
    if absent := [name for name in names if name not in there]:
        raise ConfigError(
            f"--only: {len(absent)} of {len(names)} sequences are not in {dataset}, "
            f"{absent[0]} first"
        )
    chosen = set(names)
    surveyed.sequences = [one for one in surveyed.sequences if one.name in chosen]
    surveyed.refused = [one for one in surveyed.refused if one.name in chosen]


@dataclass
class Plan:
    """A data set's ``footage`` (runs of sequences), what is refused, and what an earlier call left.

    ``rival``: another evaluation, with which the network is compared in pairs. ``begin`` makes the
    ledger, which knows what is there already.
    """

    dataset: Path
    out: Path | None
    footage: list[Sequence]
    surveyed: Survey
    earlier: EvaluationDocument | None
    remarks: Remarks = field(default_factory=Remarks)
    rival: EvaluationDocument | None = None

    @classmethod
    def of(
        cls,
        dataset: Path,
        out: Path | None,
        frames: int | None,
        starts: str,
        earlier: EvaluationDocument | None,
        only: Iterable[str] = (),
    ) -> Plan:
        """Look through a folder, perhaps for the sequences of a list ``only``.

        A sequence that has no such starts is refused by name.
        """
        starts = ",".join(parse_starts(starts))
        surveyed = survey(dataset)
        if names := list(only):
            _choose(surveyed, names, dataset)
        footage: list[Sequence] = []
        for sequence in surveyed.sequences:
            try:
                footage += [run.cut(frames) for run in expand(sequence, starts)]
            except ClipError as error:
                surveyed.refused.append(Refused(sequence.name, str(error)))
        return cls(dataset, out, footage, surveyed, earlier)

    @property
    def name(self) -> str:
        """Of the folder."""
        return absolute(self.dataset).name

    def begin(
        self, methods: tuple[str, ...], settings: Mapping[str, Any], copies: Iterable[Path]
    ) -> None:
        """Open the ledger, take over what is there, name what cannot be read."""
        planned = [s.name for s in self.footage] + [r.name for r in self.surveyed.refused]
        about = {**settings, "footage": str(absolute(self.dataset))}
        self.ledger = Ledger(methods, planned, about, copies)
        self.ledger.rival = self.rival
        if self.earlier is not None and self.out is not None:
            self._go_on(self.out, self.earlier)
        for refused in self.surveyed.refused:
            for name in methods:
                self.ledger.fail(name, refused.name, refused.reason)
        self.ledger.notes += self.surveyed.notes
        self.remarks.say(self.surveyed.notes)

    def _go_on(self, out: Path, earlier: EvaluationDocument) -> None:
        try:
            self.ledger.go_on(earlier, out, self.footage)
        except SpikeTrackError as error:
            raise SpikeTrackError(f"{out}: {error}") from error
        say(f"{out}: going on; {self.kept()} of {len(self.ledger.planned)} sequences are there")

    def kept(self) -> int:
        """How many sequences any method has followed."""
        return len({name for one in self.ledger.methods.values() for name in one.outcomes})

    def left(self) -> list[Sequence]:
        """What the network has not followed yet."""
        missing = self.ledger.missing(self.ledger.method)
        return [sequence for sequence in self.footage if sequence.name in missing]

    def tasks(self) -> list[Task]:
        """What is missing, method by method."""
        return [
            Task(method, sequence)
            for method in self.ledger.methods
            for missing in (self.ledger.missing(method),)
            for sequence in self.footage
            if sequence.name in missing
        ]
