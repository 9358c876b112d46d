"""What a worker process does: it is given a job once, then follows one sequence after the other.

The job comes with the process (the initializer of a pool, a plugin of Dask's workers), so weights
travel and are read once a worker, and a task is the name of a method and a sequence.
"""

from __future__ import annotations

import dataclasses
import pickle
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from spiketrack.config import TrackerConfig
from spiketrack.errors import ClipError, SpikeTrackError
from spiketrack.inference import Crop, Simulator
from spiketrack.machine.limits import cores
from spiketrack.preprocessing import normalise
from spiketrack.simulators.backends import Options, find, open_simulator
from spiketrack.tracking.baselines import Baseline
from spiketrack.tracking.evaluation import Method, NetworkMethod, Tracked, track_sequence
from spiketrack.tracking.sequences import Sequence
from spiketrack.version import VERSION

if TYPE_CHECKING:
    from spiketrack.export.nir.folder import ExportedNetwork
    from spiketrack.reference.checkpoint import Checkpoint


NO_CHILDREN = (
    "; Dask's workers may start processes where DASK_DISTRIBUTED__WORKER__DAEMON=False was set for "
    "the program dask worker"
)


@dataclass(frozen=True, eq=False)
class Job:
    """A network on a backend, named ``method``, and OpenCV's trackers by their own names.

    ``threads``: of torch in each process that works on it.
    """

    method: str
    backend: str
    network: ExportedNetwork | None
    checkpoint: Checkpoint | None
    settings: TrackerConfig
    options: Options
    baselines: tuple[str, ...] = ()
    threads: int = 1
    version: str = VERSION
    key: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def exact(self) -> bool:
        """Whether the backend gives the same bits on any number of threads."""
        return find(self.backend).exact

    def shared(self, workers: int) -> Job:
        """With the threads that each of so many processes of this machine may take.

        Backends that are not exact keep one: their sums may depend on the number.
        """
        threads = max(1, int(cores()[0]) // workers) if self.exact else 1
        return dataclasses.replace(self, threads=threads)

    def open(self, method: str) -> Method:
        """One of the methods, ready to follow."""
        if method != self.method:
            return Baseline(method)
        return NetworkMethod(self.simulator(), self.settings)

    def simulator(self) -> Simulator:
        """The backend, after one inference of noise: what that builds is in no frame's time."""
        simulator = open_simulator(self.backend, self.network, self.checkpoint, self.options)
        try:
            crop = noise(simulator.config.resolution)
            simulator.encode_template(np.stack([crop] * simulator.config.templates))
            simulator.search(crop)
        except BaseException:
            simulator.close()
            raise
        return simulator


def noise(side: int) -> Crop:
    """A crop (3, side, side) of random pixels, the same every time."""
    return normalise(np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8))


class Desk:
    """The methods that are open in one thread; a network keeps the memory of its templates."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.methods: dict[str, Method] = {}
        self.busy = threading.Lock()
        self.left = False

    def method(self, name: str) -> Method:
        """Opened where it is not yet."""
        if name not in self.methods:
            self.methods[name] = self.job.open(name)
        return self.methods[name]

    def close(self) -> None:
        """Close what is open."""
        for method in self.methods.values():
            if isinstance(method, NetworkMethod):
                method.simulator.close()
        self.methods = {}

    def follow(self, method: str, sequence: Sequence) -> Tracked:
        """Follow a sequence, up to the frame in which another thread leaves the desk."""
        with self.busy:
            try:
                return guarded(self, method, sequence, self._stay)
            finally:
                if self.left:
                    self.close()

    def _stay(self) -> None:
        if self.left:
            raise Lost("whoever asked for it went away")

    def leave(self) -> None:
        """Close now, or after the frame that is under way in another thread."""
        self.left = True
        if self.busy.acquire(blocking=False):
            try:
                self.close()
            finally:
                self.busy.release()


class Lost(SpikeTrackError):
    """A worker that cannot work at all: nothing that it is given would come to an end."""


_JOBS: dict[str, Job] = {}
_DESKS: dict[str, dict[int, Desk]] = {}  # by job and thread


def install(content: bytes) -> str:
    """Take a pickled job; its key."""
    job: Job = pickle.loads(content)
    _JOBS[job.key] = job
    return job.key


def forget(key: str) -> None:
    """Drop a job and leave its desks, in whatever threads they are: Dask asks from its own."""
    _JOBS.pop(key, None)
    for desk in _DESKS.pop(key, {}).values():
        desk.leave()


def track(key: str, method: str, sequence: Sequence) -> Tracked:
    """The task: follow one sequence with one method of an installed job.

    ``ClipError`` names a sequence that cannot be followed, ``Lost`` says that the worker is unfit.
    """
    return _desk(key).follow(method, sequence)


def guarded(
    desk: Desk, method: str, sequence: Sequence, step: Callable[[], None] = lambda: None
) -> Tracked:
    """Follow a sequence; whatever goes wrong in it alone is a ``ClipError`` that names it."""
    try:
        opened = desk.method(method)
    except Exception as error:  # a backend may fail in any way
        why = _one_line(error) + (NO_CHILDREN if "daemonic" in str(error) else "")
        raise Lost(f"{method}: cannot be opened: {why}") from error
    try:
        return track_sequence(opened, sequence, step)
    except ClipError:
        raise
    except Exception as error:  # one sequence must not end the others
        raise ClipError(f"{sequence.name}: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or "no reason given"
    return text if isinstance(error, SpikeTrackError) else f"{type(error).__name__}: {text}"


def _desk(key: str) -> Desk:
    job = _JOBS.get(key)
    if job is None:
        raise Lost("a worker was given a sequence without its network")
    if job.version != VERSION:
        raise Lost(f"a worker runs spiketrack {VERSION}, this program is {job.version}")
    desks = _DESKS.setdefault(key, {})
    thread = threading.get_ident()
    if thread not in desks:
        set_threads(job.threads)
        desks[thread] = Desk(job)
    return desks[thread]


def set_threads(count: int) -> None:
    """Of torch and OpenCV in this process."""
    import cv2
    import torch

    torch.set_num_threads(count)
    opencv: Any = cv2
    opencv.setNumThreads(count)
