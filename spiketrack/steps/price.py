"""The energy of a run as its document."""

from __future__ import annotations

from pathlib import Path

from spiketrack.documents.energy import EnergyDocument
from spiketrack.documents.prices import PriceTable
from spiketrack.documents.timing import TimeDocument
from spiketrack.energy.document import document
from spiketrack.energy.network import read_network_cost
from spiketrack.energy.prices import packaged_tables
from spiketrack.energy.whole import require_this_run, whole_frames
from spiketrack.errors import SpikeTrackError
from spiketrack.runs.folder import RunFolder
from spiketrack.simulators.backends import require_operations
from spiketrack.steps.timing import time as model


def price(
    run: Path,
    table: PriceTable,
    execution: str | None = None,
    amortise: int | None = None,
    placement: Path | None = None,
) -> EnergyDocument:
    """Exact counts of a run times the prices of ``table``.

    A table of the user's own stands first among the packaged ones; ``placement``: a file of
    ``map --json``, whose messages are priced too. Joules are modelled, counts are counted.
    """
    read = RunFolder.read(run)
    require_operations(run, read.about.backend)
    tables = packaged_tables()
    if table not in tables:
        tables = [table, *tables]
    priced = document(read.counts(), table, tables, execution, amortise, of=read.reference)
    if placement is None:
        return priced
    cost = read_network_cost(placement, table, priced)
    return priced.model_copy(update={"network_on_chip": cost})


def with_whole_frames(
    priced: EnergyDocument,
    run: Path,
    table: PriceTable,
    placement: Path | None = None,
    time: Path | None = None,
) -> EnergyDocument:
    """The same document with whole frames; ``whole_missing`` says why there are none.

    ``time``: a file of ``time --json``; without it seconds are modelled here.
    ``SpikeTrackError`` for seconds of another run.
    """
    about = RunFolder.read(run).about
    if time is not None:
        seconds = TimeDocument.read(time)
        require_this_run(time, seconds, priced)
    else:
        try:
            seconds = model(run, placement)
        except SpikeTrackError as error:  # the operations are priced all the same
            return priced.model_copy(update={"whole_missing": str(error)})
    whole = whole_frames(seconds, table, about.clip.fps)
    return priced.model_copy(update={"whole": whole})
