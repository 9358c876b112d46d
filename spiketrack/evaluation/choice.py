"""Which engine an evaluation runs on."""

from __future__ import annotations

from collections.abc import Sequence

from spiketrack.evaluation.advice import advise
from spiketrack.evaluation.cluster import Cluster
from spiketrack.evaluation.engines import Engine, Here, Workers
from spiketrack.evaluation.work import Job
from spiketrack.terminal.console import note
from spiketrack.tracking.sequences import Sequence as Footage


def choose(
    job: Job,
    left: Sequence[Footage],
    workers: int | None,
    scheduler: str | None,
    device: str = "cpu",
) -> Engine:
    """A scheduler's cluster, so many processes, or as many as bring something for what is left.

    Says which, unless it is this process. A network on a graphics card runs once.
    """
    engine: Engine
    why = ""
    if scheduler is not None:
        engine = Cluster(job, scheduler)
    else:
        if workers is None and device != "cpu":
            workers = 1
        elif workers is None:
            workers, why = advise(job, sum(len(s.images) - 1 for s in left), len(left))
        if workers == 1:
            return Here(job)
        engine = Workers(job.shared(workers), workers)
    note(f"sequences run in {engine.what}{f'; {why}' if why else ''}")
    return engine
