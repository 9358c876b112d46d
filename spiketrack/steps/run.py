"""The whole road in one call: export, simulate, verify, map, time, energy, report, summary.

Each part is one of the other steps. A part that is in the folder already, of the same settings,
network and run, is kept; one that is of others is refused by name.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from spiketrack.deploy.chip.board import load_board
from spiketrack.deploy.chip.program import choices_of
from spiketrack.documents.digests import file_digest
from spiketrack.documents.energy import EnergyDocument
from spiketrack.documents.manifest import Manifest
from spiketrack.documents.network import TrackerPart
from spiketrack.documents.placement import MapDocument
from spiketrack.documents.settings import RunSettings
from spiketrack.documents.summary import SummaryDocument
from spiketrack.documents.timing import TimeDocument
from spiketrack.documents.verification import VerifyDocument
from spiketrack.energy.prices import load_prices
from spiketrack.energy.tables import to_csv
from spiketrack.errors import ConfigError, UnsupportedError
from spiketrack.export.nir.folder import read_manifest
from spiketrack.files import atomic_path
from spiketrack.readable import is_pipe
from spiketrack.reference.checkpoint import Checkpoint, read_checkpoint
from spiketrack.runs.folder import RunFolder
from spiketrack.simulators.backends import FLOAT, INTEGER, either, find, load
from spiketrack.steps.answers import summarise
from spiketrack.steps.export import export
from spiketrack.steps.footage import choose_clip, clip_source, settings_with
from spiketrack.steps.place import place
from spiketrack.steps.price import price, with_whole_frames
from spiketrack.steps.report import report
from spiketrack.steps.results import Results, claimed, require
from spiketrack.steps.simulate import Execution, simulate
from spiketrack.steps.timing import DEFAULT_RATES, time
from spiketrack.steps.verify import verify
from spiketrack.steps.watch import SILENT, Watch
from spiketrack.video.clip import BUNDLED_BOX, parse_box
from spiketrack.video.identity import clip_digest

PARTS = ("export", "simulate", "verify", "map", "time", "energy", "report")
BESIDE = "inline"  # what is compared with integer where that is the backend itself


def run(
    settings: RunSettings,
    out: Path,
    force: bool = False,
    command: str = "",
    watch: Watch = SILENT,
) -> SummaryDocument:
    """Do what ``settings`` ask for in ``out``, going on with what is there.

    ``command``: the line that the report says it was made with. A backend that differs from
    integer is a finding (``agreement.exact``), a clip that fails midway is in ``problems``;
    ``SpikeTrackError`` for a bad input and for a folder of other settings.
    """
    check(settings)
    read = read_checkpoint(settings.checkpoint, settings.key)
    whole = settings.model_copy(
        update={
            "checkpoint": settings.checkpoint if _bundled(settings) else str(read.path.absolute()),
            "checkpoint_sha256": read.sha256,
            "clip_digest": clip_digest(clip_source(_path(settings.video))),
        }
    )
    require(out, "checkpoint_sha256", settings.checkpoint_sha256 or read.sha256, read.sha256)
    require(out, "clip_digest", settings.clip_digest or whole.clip_digest, whole.clip_digest)
    results = Results(out)
    with claimed(results, whole, force) as said:
        if said:
            watch.note(said)
        return _Road(whole, results, read, force, command, watch).go()


def check(settings: RunSettings) -> None:
    """Refuse, before anything is done, what would fail only later."""
    row = find(settings.backend)
    if row.needs != "export" or not row.operations:
        usable = either(needs="export", operations=True)
        raise UnsupportedError(
            f"--backend {row.name}: counts no operations of the exported network, which energy "
            f"prices; choose {usable}"
        )
    load(row)
    for option, name in (("--prices", settings.prices), ("--board", settings.board)):
        if is_pipe(Path(name)):
            raise ConfigError(
                f"{option} {name}: a pipe, which settings.yaml could not name again; give a file"
            )
    load_prices(settings.prices)
    load_board(settings.board)
    for name in settings.verify.backends or ():
        load(find(name, "--backends"))
    choose_clip(_path(settings.video), _text(settings.box), settings.frames, lambda line: None)


def _bundled(settings: RunSettings) -> bool:
    return not Path(settings.checkpoint).is_file()


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _text(box: tuple[float, ...] | None) -> str | None:
    return None if box is None else ",".join(f"{value!r}" for value in box)


@dataclass(frozen=True, eq=False)
class _Road:
    """The parts in their order, each kept or made."""

    settings: RunSettings
    results: Results
    checkpoint: Checkpoint
    force: bool
    command: str
    watch: Watch

    @property
    def how(self) -> Execution:
        """How the run is made."""
        names = {field.name for field in dataclasses.fields(Execution)}
        asked = {key: value for key, value in self.settings if key in names}
        return Execution(**asked)

    @property
    def box(self) -> str | None:
        """As the steps take it."""
        return _text(self.settings.box)

    @property
    def video(self) -> Path | None:
        """The clip, None for the bundled one."""
        return _path(self.settings.video)

    def go(self) -> SummaryDocument:
        """All parts, then the answers."""
        manifest = self.exported()
        made, problems = self.simulated(manifest)
        verified = self.verified(manifest, made)
        placed = self.placed(manifest, made)
        self.timed(made)
        priced = self.priced(made)
        self.reported()
        parts = (manifest, made, verified, priced, placed)
        answers = summarise(self.settings, self.results, *parts, problems)
        answers.write(self.results.summary)
        return answers

    def say(self, number: int, what: str, kept: bool = False) -> None:
        """Which part it is, at once."""
        done = ": is there, kept" if kept else ""
        self.watch.note(f"[{number}/{len(PARTS)}] {what}{done}")

    def exported(self) -> Manifest:
        """The export folder of the checkpoint, calibrated on the clip."""
        folder, other = self.results.export, self.settings.calibration
        video, box = self.video, self.box
        if other is not None:
            video, box = Path(other.video), _text(other.box)
        kept = folder.is_dir() and not self.force
        self.say(1, f"export {self.settings.checkpoint}", kept)
        if not kept:
            return export(
                self.checkpoint, folder, video, box, self.force, (), self.watch
            ).network.manifest
        manifest = read_manifest(folder)
        about = manifest.calibration
        start = BUNDLED_BOX if box is None else parse_box(box)
        require(folder, "checkpoint", manifest.checkpoint.sha256, self.checkpoint.sha256)
        require(folder, "calibration", about and about.digest, clip_digest(clip_source(video)))
        require(folder, "box", about and list(about.box), list(start.as_tuple()))
        return manifest

    def simulated(self, manifest: Manifest) -> tuple[RunFolder, tuple[str, ...]]:
        """The run folder; why its clip ended early, if it did."""
        folder, asked = self.results.run, self.settings
        kept = folder.is_dir() and not self.force
        self.say(2, f"simulate on {asked.backend}", kept)
        if not kept:
            made = simulate(
                self.results.export, folder, self.video, self.box, asked.frames, self.how,
                None, self.force, (), self.watch,
            )  # fmt: skip
            return RunFolder.read(folder), (*made.warnings, *made.problems)
        run = RunFolder.read(folder)
        tracker = self.checkpoint.tracker
        tuned = settings_with(tracker, asked.update_every, asked.update_threshold)
        start = BUNDLED_BOX if self.box is None else parse_box(self.box)
        for what, is_, should in (
            ("network", run.about.network_digest, manifest.network_digest),
            ("clip", run.about.clip.digest, asked.clip_digest),
            ("box", list(run.about.box), list(start.as_tuple())),
            ("backend", run.about.backend, asked.backend),
            ("counts", run.about.counts, asked.counts),
            ("tracker", run.about.tracker, TrackerPart(**dataclasses.asdict(tuned))),
        ):
            require(folder, what, is_, should)
        return run, ()

    def verified(self, manifest: Manifest, made: RunFolder) -> VerifyDocument:
        """The comparison of backends, over at most as many frames as were tracked."""
        path, asked = self.results.verify, self.settings.verify
        kept = path.is_file()
        self.say(3, "verify, count by count", kept)
        if kept:
            document = VerifyDocument.read(path)
            require(path, "network", document.network_digest, manifest.network_digest)
            require(path, "clip", document.clip_digest, made.about.clip.digest)
            require(path, "box", list(document.box), list(made.about.box))
            return document
        running = BESIDE if made.about.backend == INTEGER else made.about.backend
        frames = min(asked.frames, made.about.frames)
        backends = asked.backends or (FLOAT, INTEGER, running)
        document = verify(
            self.results.export, backends, self.video, self.box, frames, self.how,
            self.checkpoint, self.watch,
        ).document  # fmt: skip
        document.write(path)
        return document

    def priced(self, made: RunFolder) -> EnergyDocument:
        """The energy document and its table."""
        path, kept = self.results.energy, self.results.energy.is_file()
        self.say(6, f"energy at {self.settings.prices}", kept)
        if kept:
            document = EnergyDocument.read(path)
            require(path, "run", document.run_digest, made.digest)
            require(path, "prices", document.prices, load_prices(self.settings.prices))
            return document
        table, where = load_prices(self.settings.prices), self.results
        document = price(where.run, table, placement=where.map)
        document = with_whole_frames(document, where.run, table, where.map, where.time)
        document.write(path)
        with atomic_path(self.results.csv) as temporary:
            temporary.write_text(to_csv(document), encoding="utf-8")
        return document

    def timed(self, made: RunFolder) -> None:
        """The seconds of a frame on the placement, from what the run counted."""
        path, kept = self.results.time, self.results.time.is_file()
        self.say(5, f"time on the chip at {DEFAULT_RATES}", kept)
        if kept:
            require(path, "run", TimeDocument.read(path).run_digest, made.digest)
        else:
            time(self.results.run, self.results.map).write(path)

    def placed(self, manifest: Manifest, made: RunFolder) -> MapDocument:
        """The placement, with the traffic of the run."""
        path, kept = self.results.map, self.results.map.is_file()
        self.say(4, f"place on {self.settings.board}", kept)
        if kept:
            document = MapDocument.read(path)
            require(path, "network", document.network_digest, manifest.network_digest)
            require(path, "run", document.run_digest, made.digest)
            require(path, "board", document.board, load_board(self.settings.board).name)
            return document
        choices = choices_of("pipelined", self.settings.spikes, self.settings.tiles)
        document = place(self.results.export, self.settings.board, choices, self.results.run)
        document.write(path)
        return document

    def reported(self) -> None:
        """The page; kept where nothing has changed since the last summary."""
        results = self.results
        kept = results.report.is_file() and self.unchanged()
        self.say(7, "report", kept)
        if not kept:
            with self.watch.stages("drawing the page"):
                report(
                    results.run, results.report, (), results.verify, results.map,
                    self.settings.prices, self.command, None, results.time,
                )  # fmt: skip

    def unchanged(self) -> bool:
        """Whether the last summary names every file as it is."""
        if not self.results.summary.is_file():
            return False
        files = self.results.answers().files
        names = (self.results.folder / name for name in files)
        return all(p.is_file() for p in names) and all(
            file_digest(self.results.folder / name) == digest for name, digest in files.items()
        )
