"""A results folder, what ``spiketrack run`` leaves: settings, export, run, findings, report.

``settings.yaml`` comes first and says what the folder is of; a folder whose settings are other
ones is never gone on with.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spiketrack.documents.settings import RunSettings
from spiketrack.documents.summary import SummaryDocument
from spiketrack.errors import SpikeTrackError, printable
from spiketrack.export.nir.folder import MANIFEST
from spiketrack.leftovers import clear, leftovers
from spiketrack.machine.locks import LOCK, alone

SETTINGS = "settings.yaml"
OTHERWISE = "choose another --out, or --force to do everything anew"


@dataclass(frozen=True)
class Results:
    """The names in a results folder."""

    folder: Path

    @property
    def settings(self) -> Path:
        """What was asked for."""
        return self.folder / SETTINGS

    @property
    def export(self) -> Path:
        """The exported network, a folder."""
        return self.folder / "export"

    @property
    def run(self) -> Path:
        """Boxes, counts and operations, a folder."""
        return self.folder / "run"

    @property
    def verify(self) -> Path:
        """The comparison of backends."""
        return self.folder / "verify.json"

    @property
    def energy(self) -> Path:
        """The energy document."""
        return self.folder / "energy.json"

    @property
    def csv(self) -> Path:
        """Its layers as a table."""
        return self.folder / "energy.csv"

    @property
    def map(self) -> Path:
        """The placement."""
        return self.folder / "map.json"

    @property
    def time(self) -> Path:
        """The seconds that a frame takes on the chip."""
        return self.folder / "time.json"

    @property
    def report(self) -> Path:
        """The page."""
        return self.folder / "report.html"

    @property
    def summary(self) -> Path:
        """The answers, written last."""
        return self.folder / "summary.json"

    @property
    def findings(self) -> tuple[Path, ...]:
        """The files that are made from export and run."""
        return (
            self.verify, self.map, self.time, self.energy, self.csv, self.report, self.summary,
        )  # fmt: skip

    def asked(self) -> RunSettings:
        """The settings that the folder is of."""
        return RunSettings.load(self.settings)

    def answers(self) -> SummaryDocument:
        """The answers of a run that came to its end."""
        return SummaryDocument.read(self.summary)


def is_results(path: Path) -> bool:
    """Whether a path is a results folder."""
    return (path / SETTINGS).is_file() and not (path / MANIFEST).exists()


@contextmanager
def claimed(results: Results, settings: RunSettings, force: bool) -> Iterator[str]:
    """Make the folder one of these settings and hold it; yield what is to be said of that.

    ``SpikeTrackError`` where it is of others, or another program works there. ``force`` removes
    the findings of an earlier run; ``export`` and ``run`` are replaced later.
    """
    folder = results.folder
    if folder.exists() and not folder.is_dir():
        raise SpikeTrackError(f"{folder}: is a file, not a folder; choose another --out")
    if not folder.absolute().parent.is_dir():
        raise SpikeTrackError(f"{folder}: its folder does not exist")
    folder.mkdir(exist_ok=True)
    if not is_results(folder) and any(path.name != LOCK for path in folder.iterdir()):
        raise SpikeTrackError(
            f"{folder}: exists and was not made by spiketrack run; choose another --out"
        )
    with alone(folder) as said:
        if is_results(folder) and not force:
            _require_same(results, settings)
        for path in results.findings if force else ():
            path.unlink(missing_ok=True)
        for left in leftovers(folder):  # of a call that was killed: nobody else works here
            clear(left)
        settings.write(results.settings)
        yield said


def _require_same(results: Results, settings: RunSettings) -> None:
    unlike = results.asked().difference(settings)
    if unlike is not None:
        key, before, now = unlike
        raise SpikeTrackError(
            f"{results.folder}: was made with {key} {_shown(before)}, now it is {_shown(now)}; "
            f"{OTHERWISE}"
        )


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(f"{part:g}" if isinstance(part, float) else str(part) for part in value)
    return "unset" if value is None else printable(str(value), 100)


def require(path: Path, what: str, actual: Any, expected: Any) -> None:
    """``SpikeTrackError`` where a part of the folder is not of what it should be."""
    if actual != expected:
        raise SpikeTrackError(
            f"{path}: its {what} is {_shown(actual)}, not {_shown(expected)}; {OTHERWISE}"
        )
