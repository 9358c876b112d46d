"""Sequences on a Dask cluster that is there already: its scheduler, its workers, its dashboard."""

from __future__ import annotations

import gc
import json
import logging
import pickle
from concurrent.futures import BrokenExecutor, Future
from pathlib import Path
from typing import Any

from typing_extensions import Self

from spiketrack.errors import ConfigError
from spiketrack.evaluation import work
from spiketrack.evaluation.work import Job
from spiketrack.optional import load
from spiketrack.tracking.evaluation import Tracked
from spiketrack.tracking.sequences import Sequence

EXTRA = "dask"
PATIENCE = 20.0  # seconds until a scheduler must have answered


class Cluster:
    """The workers of a scheduler, given by its address or by the file that it wrote.

    Each worker, later ones too, gets the job through a plugin. Dask itself runs the sequences of a
    worker that died elsewhere. ``ConfigError`` where no scheduler answers, ``MissingDependency``
    without the extra ``dask``.
    """

    room = 1024  # so that an adaptive cluster sees what is waiting

    def __init__(self, job: Job, scheduler: str) -> None:
        distributed = load("distributed", EXTRA)
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # ``mend`` says it
        self.key = job.key
        self.scheduler = scheduler
        self.client = _connect(distributed, scheduler)
        self.plugin = f"spiketrack-{job.key}"
        from spiketrack.evaluation.plugin import Network

        self.client.register_plugin(Network(pickle.dumps(job)), name=self.plugin)
        self.executor = self.client.get_executor(pure=False)

    @property
    def what(self) -> str:
        """Workers and dashboard."""
        count = len(self.client.scheduler_info(n_workers=-1)["workers"])
        return f"{count} Dask workers, dashboard {self.client.dashboard_link}"

    def submit(self, method: str, sequence: Sequence) -> Future[Tracked]:
        """Hand it to the scheduler."""
        if self.client.status != "running":
            raise BrokenExecutor(f"{self.scheduler}: the scheduler is gone")
        future: Future[Tracked] = self.executor.submit(work.track, self.key, method, sequence)
        return future

    def mend(self) -> None:
        """Nothing: a scheduler that is gone is for its owner to start again."""
        raise ConfigError(
            f"--scheduler {self.scheduler}: the scheduler is gone; what was finished is kept, the "
            "same command goes on with it when there is one again"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.client.status == "running":
            self.executor.shutdown(wait=False)
            self.client.unregister_worker_plugin(self.plugin)
        self.client.close(timeout=PATIENCE)


def _connect(distributed: Any, scheduler: str) -> Any:
    address = _address(scheduler)
    try:
        return distributed.Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, TypeError, RuntimeError, ImportError) as error:
        reason = " ".join(str(error).split())
    gc.collect()  # what failed is closed now: at the end of the program it would wait for long
    raise ConfigError(f"--scheduler {scheduler}: no scheduler answers ({reason})")


def _address(scheduler: str) -> str:
    """An address as it is given, or out of the file that a scheduler wrote."""
    path = Path(scheduler)
    address: Any = scheduler
    if path.is_file():
        try:
            address = json.loads(path.read_bytes())["address"]
        except (OSError, ValueError, KeyError, TypeError):
            address = None
    if not (isinstance(address, str) and address):
        raise ConfigError(
            f"--scheduler {scheduler}: neither an address, tcp://HOST:8786, nor the file of "
            "dask scheduler --scheduler-file"
        )
    return address
