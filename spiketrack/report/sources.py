"""What a report is made from: run folders, a verification, a placement, an export's manifest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from spiketrack.documents.energy import EnergyDocument
from spiketrack.documents.manifest import Manifest
from spiketrack.documents.placement import MapDocument
from spiketrack.documents.run import RunDocument
from spiketrack.documents.timing import TimeDocument
from spiketrack.documents.verification import VerifyDocument
from spiketrack.energy.document import document
from spiketrack.energy.network import network_cost
from spiketrack.energy.prices import DEFAULT, load_prices, packaged_tables
from spiketrack.energy.whole import require_this_run, whole_frames
from spiketrack.errors import DocumentError
from spiketrack.report.document import Overlay
from spiketrack.report.names import file_name
from spiketrack.report.overlays import overlays
from spiketrack.report.truth import Truth, ground_truth
from spiketrack.runs.folder import RunFolder, read_run_json
from spiketrack.runs.operations import RunCounts
from spiketrack.simulators.backends import backends, require_operations
from spiketrack.video.boxes import BoxRow


@dataclass(frozen=True, eq=False)
class Run:
    """A run folder: ``run.json``, boxes, operation counts, energy document, export manifest.

    ``manifest`` is None where the export folder is gone. The runs of some backends hold no
    operations: then ``counts`` are empty and ``energy`` is None.
    """

    path: Path
    label: str
    about: RunDocument
    boxes: tuple[BoxRow, ...]
    counts: RunCounts
    energy: EnergyDocument | None
    manifest: Manifest | None

    @property
    def clip(self) -> tuple[str, tuple[float, ...]]:
        """What it tracked: the clip, by its bytes where they are known, and the first box."""
        clip = self.about.clip
        return clip.digest or clip.path, self.about.box

    @property
    def priced(self) -> EnergyDocument:
        """The energy document of a run that counted operations."""
        if self.energy is None:
            raise DocumentError(f"{self.path}: a {self.about.backend} run counts no operations")
        return self.energy


@dataclass(frozen=True, eq=False)
class Sources:
    """All inputs of a report; ``verify``, ``placement`` and ``time`` are None if not given.

    ``command``: the command line that made the report.
    """

    run: Run
    against: tuple[Run, ...]
    verify: VerifyDocument | None
    placement: MapDocument | None
    command: str
    time: TimeDocument | None = None

    @cached_property
    def truth(self) -> Truth | None:
        """The labels of the first run's object, where they lie beside its clip."""
        return ground_truth(Path(self.run.about.clip.path), self.run.boxes)

    @cached_property
    def overlays(self) -> tuple[Overlay, ...]:
        """Boxes over the clip of the first run: of runs, verified backends, and the truth."""
        known = () if self.truth is None else (self.truth.overlay,)
        return (*overlays(self.runs, self.verify), *known)

    @property
    def runs(self) -> tuple[Run, ...]:
        """The run and those beside it."""
        return (self.run, *self.against)

    @property
    def priced(self) -> tuple[Run, ...]:
        """Those that counted operations; the first always did."""
        return tuple(run for run in self.runs if run.energy is not None)


def read_sources(
    run: Path,
    against: tuple[Path, ...] = (),
    verify: Path | None = None,
    placement: Path | None = None,
    prices: str = DEFAULT,
    command: str = "",
    time: Path | None = None,
) -> Sources:
    """Read everything; ``SpikeTrackError`` names the file and what is wrong with it."""
    given = None if verify is None else VerifyDocument.read(verify)
    placed = None if placement is None else MapDocument.read(placement)
    labels = _labels((run, *against))
    require_operations(run, read_run_json(run).backend)
    first = load_run(run, labels[0], prices)
    if verify is not None and given is not None:
        _require_same(verify, given.network_digest, first)
    if placement is not None and placed is not None:
        first = _placed(first, placement, placed, prices)
    seconds = None if time is None else TimeDocument.read(time)
    if time is not None and seconds is not None:
        first = _timed(first, time, seconds)
    others = [
        load_run(path, label, prices) for path, label in zip(against, labels[1:], strict=True)
    ]
    return Sources(first, tuple(others), given, placed, command, seconds)


def _labels(paths: tuple[Path, ...]) -> list[str]:
    """Folder names, numbered where two folders share one."""
    names = [path.absolute().name for path in paths]
    if len(set(names)) == len(names):
        return names
    return [f"{index}: {file_name(str(path))}" for index, path in enumerate(paths, 1)]


def _require_same(path: Path, digest: str, run: Run) -> None:
    """A verification must be of the network that ran."""
    if digest != run.about.network_digest:
        raise DocumentError(
            f"{path}: verifies network {digest[:12]}, {run.path} ran "
            f"{run.about.network_digest[:12]}; verify {run.about.export}"
        )


def load_run(path: Path, label: str, prices: str = DEFAULT) -> Run:
    """One run folder, with its energy document if it counted operations."""
    folder = RunFolder.read(path)
    counts = folder.counts() if counts_operations(folder.about.backend) else {}
    energy = _energy(folder, counts, prices) if counts else None
    manifest = _manifest(folder.about)
    return Run(path, label, folder.about, folder.boxes(), counts, energy, manifest)


def counts_operations(backend: str) -> bool:
    """Whether runs of a backend hold operation counts; one of no row here may count."""
    row = backends().get(backend)
    return row is None or row.operations


def _energy(folder: RunFolder, counts: RunCounts, prices: str) -> EnergyDocument:
    table = load_prices(prices)
    packaged = packaged_tables()
    tables = packaged if table in packaged else [table, *packaged]
    return document(counts, table, tables, of=folder.reference)


def _placed(run: Run, path: Path, placement: MapDocument, prices: str) -> Run:
    """The run with its messages priced."""
    cost = network_cost(path, placement, load_prices(prices), run.priced)
    return replace(run, energy=run.priced.model_copy(update={"network_on_chip": cost}))


def _timed(run: Run, path: Path, time: TimeDocument) -> Run:
    """The run with its whole frames priced."""
    require_this_run(path, time, run.priced)
    whole = whole_frames(time, run.priced.prices, run.about.clip.fps)
    return replace(run, energy=run.priced.model_copy(update={"whole": whole}))


def _manifest(about: RunDocument) -> Manifest | None:
    """Manifest of the export that made the run, if it is still the same network."""
    path = Path(about.export) / "manifest.json"
    if not path.is_file():
        return None
    try:
        manifest = Manifest.read(path)
    except DocumentError:
        return None
    return manifest if manifest.network_digest == about.network_digest else None
