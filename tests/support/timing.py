"""Documents of seconds with any counted work."""

from __future__ import annotations

from dataclasses import replace

from spiketrack.documents.timing import CountedWork, TimeDocument
from spiketrack.timing.frames import BranchTimes
from spiketrack.timing.rates import load_rates
from support.frame_work import frame_work
from support.runs import NETWORK


def time_document(**work: float) -> TimeDocument:
    """One branch, ``search``, of two steps on two chips, that did this."""
    table = load_rates("loihi2-scaled")
    times = BranchTimes("search", table, "recorded", frozenset())
    frame = frame_work(2, [100, 100], updates=[[10, 0], [0, 5]], chips=2, interval=1)
    times.add(replace(frame, host_in=3, host_out=1))
    branch = times.document()
    numbers = {**dict.fromkeys(CountedWork.model_fields, 0), **work}
    return TimeDocument(
        run="RUN",
        export="export",
        placement=None,
        board="test",
        cores=2,
        chips=2,
        neurons=200,
        rates=table,
        kinds=(),
        network_digest=NETWORK,
        run_digest="b" * 64,
        branches=(branch.model_copy(update={"work": CountedWork(**numbers)}),),
    )
