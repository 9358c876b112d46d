"""What brings a job to each of Dask's workers; the one module that imports Dask at its top."""

from __future__ import annotations

from distributed import Worker, WorkerPlugin

from spiketrack.evaluation import work


class Network(WorkerPlugin):
    """A pickled job, installed in every worker, those that come later too."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.key = ""

    def setup(self, worker: Worker) -> None:
        """Take the job; the network is opened by the first sequence."""
        self.key = work.install(self.content)

    def teardown(self, worker: Worker) -> None:
        """Close what is open."""
        work.forget(self.key)
