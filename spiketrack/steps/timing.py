"""Seconds of a frame on the chip as their document."""

from __future__ import annotations

from pathlib import Path

from spiketrack.documents.timing import TimeDocument
from spiketrack.simulators.backends import require_operations
from spiketrack.timing.document import open_source, placed, time_document
from spiketrack.timing.rates import load_rates

DEFAULT_RATES = "loihi2-scaled"
FRAMES = 4  # inferences of a run that are taken


def time(
    source: Path,
    placement: Path | None = None,
    rates: str = DEFAULT_RATES,
    board: str = "hala-point",
    frames: int = FRAMES,
) -> TimeDocument:
    """Of a run, or of an export folder whose every neuron sends; without ``placement`` placed here.

    Work is counted, rates are published or scaled: seconds are modelled, a range.
    """
    table = load_rates(rates)
    run, export = open_source(source)
    if run is not None:
        require_operations(source, run.about.backend)
    return time_document(placed(export, run, placement, board), run, table, placement, frames)
