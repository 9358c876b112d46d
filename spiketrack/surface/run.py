"""A run folder, opened: boxes, counts, operations, firing rates, energy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spiketrack.documents.prices import PriceTable
from spiketrack.documents.run import RunDocument
from spiketrack.energy.prices import DEFAULT, load_prices
from spiketrack.errors import SpikeTrackError
from spiketrack.inference import BRANCHES, SEARCH
from spiketrack.notebook.markup import table_html
from spiketrack.notebook.sheet import Sheet
from spiketrack.report.activity import Activity
from spiketrack.runs.folder import Counts, RunFolder, open_counts
from spiketrack.runs.operations import BranchCounts
from spiketrack.simulators.backends import require_operations
from spiketrack.steps.left import run_of
from spiketrack.steps.price import price, with_whole_frames
from spiketrack.surface.energy import RunEnergy
from spiketrack.surface.layered import Layered
from spiketrack.surface.operations import Operations
from spiketrack.surface.rates import Rates

BOX = {
    "frame": "number from 0; frame 0 is given",
    "x": "left, pixels from 0",
    "y": "top, pixels from 0",
    "w": "width, pixels",
    "h": "height, pixels",
    "score": "confidence 0..1",
}


@dataclass(frozen=True, eq=False, repr=False)
class Run(Layered):
    """A folder that ``simulate`` wrote. Files are checked against their digests as they are read.

    ``by_layer``, ``by_stage`` and ``to_frame()`` are the counted operations of a frame;
    ``rates()`` and ``energy(prices)`` have the same three.
    """

    folder: RunFolder

    @property
    def path(self) -> Path:
        """The folder."""
        return self.folder.path

    @property
    def about(self) -> RunDocument:
        """``run.json``: backend, clip, box, tracker, times, versions, digests."""
        return self.folder.about

    @property
    def boxes(self) -> Sheet:
        """The first box and one a tracked frame, with scores."""
        rows = [
            dict(zip("xywh", row.box.as_tuple(), strict=True))
            | {"frame": row.frame, "score": row.score}
            for row in self.folder.boxes()
        ]
        return Sheet.of(f"boxes of {self.path}", rows, BOX)

    def counts(self, branch: str = SEARCH) -> Counts:
        """Every count of every population, read when asked for; a context to close.

        ``SpikeTrackError`` where the run kept none (``simulate(counts="full")`` does).
        """
        return open_counts(self.path, branch)

    def operations(self, branch: str = SEARCH) -> Operations:
        """Counted operations of one branch."""
        return Operations(str(self.path), branch, self._counted(branch))

    def rates(self, branch: str = SEARCH) -> Rates:
        """How much the populations of one branch fire."""
        return Rates(str(self.path), branch, Activity.of(self._counted(branch)))

    def energy(
        self,
        prices: str | Path | PriceTable = DEFAULT,
        *,
        execution: str | None = None,
        amortise: int | None = None,
        placement: str | Path | None = None,
        whole: bool = False,
    ) -> RunEnergy:
        """What a frame costs at a packaged table, a file of one's own, or a table made here.

        ``execution``: spike, graded or dense instead of the table's own; ``amortise``: frames
        between two encodings; ``placement``: file of ``map --json``, whose messages are priced
        too; ``whole``: the network is placed and its seconds are modelled, so that relays, rest,
        messages, host and static power are priced as well (as ``spiketrack energy`` does).
        ``ConfigError`` for a table that is none.
        """
        table = prices if isinstance(prices, PriceTable) else load_prices(str(prices))
        placed = None if placement is None else Path(placement)
        priced = price(self.path, table, execution, amortise, placed)
        if whole:
            priced = with_whole_frames(priced, self.path, table, placed)
        return RunEnergy(priced)

    @property
    def by_layer(self) -> Sheet:
        """Operations of a frame, a row a layer."""
        return self.operations().by_layer

    @property
    def by_stage(self) -> Sheet:
        """Operations of a frame, a row a stage."""
        return self.operations().by_stage

    def _counted(self, branch: str) -> BranchCounts:
        require_operations(self.path, self.about.backend)
        counted = self.folder.counts().get(branch)
        if branch not in BRANCHES or counted is None or not len(counted.operations):
            known = " and ".join(BRANCHES)
            raise SpikeTrackError(
                f"{self.path}: no operations of branch {branch!r}; runs have {known}"
            )
        return counted

    def __repr__(self) -> str:
        about = self.about
        return (
            f"Run({self.path}: {about.network.variant} on {about.backend}, "
            f"{about.frames} frames of {about.clip.name})"
        )

    def _repr_html_(self) -> str:
        about = self.about
        seconds = about.seconds
        rows: list[tuple[str, Any]] = [
            ("network", about.network.variant),
            ("backend", about.backend),
            ("clip", about.clip.name),
            ("first box", ", ".join(f"{value:g}" for value in about.box)),
            ("frames", about.frames),
            ("templates renewed", len(about.updates)),
            ("seconds a frame here, median", seconds.median if seconds.frames else None),
            ("counts", about.counts),
            ("network digest", about.network_digest[:12]),
        ]
        return table_html(f"run {self.path}", ("key", "value"), rows)


def open_run(run: str | Path) -> Run:
    """Open the folder of a run, or one that ``spiketrack run`` left; errors say what is missing."""
    return Run(RunFolder.read(run_of(Path(run))))
