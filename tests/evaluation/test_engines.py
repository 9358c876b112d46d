"""Sequences in this process, in others and on a Dask cluster: the same to the last bit."""

from __future__ import annotations

import functools
import gc
import hashlib
import io
import logging
import multiprocessing
import os
import pickle
import signal
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.jobs import SIZES, small_job, write_sequences

from spiketrack.errors import ClipError, ConfigError, UnsupportedError
from spiketrack.evaluation import work
from spiketrack.evaluation.cluster import Cluster
from spiketrack.evaluation.driver import DIED, Done, Driver, Task
from spiketrack.evaluation.engines import Engine, Here, Workers
from spiketrack.evaluation.work import Job
from spiketrack.files import atomic_folder
from spiketrack.machine import room
from spiketrack.ownership import EVALUATION
from spiketrack.tracking.evaluation import Tracked, judge
from spiketrack.tracking.ledger import Ledger, unfinished
from spiketrack.tracking.sequences import Sequence
from spiketrack.video.boxes import write_otb

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # of Dask and tornado, which are not ours
]


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    return small_job(tmp_path_factory.mktemp("job"))


@pytest.fixture
def footage(tmp_path: Path) -> list[Sequence]:
    return write_sequences(tmp_path / "otb", 5)


@pytest.fixture(scope="module")
def dask() -> Iterator[Any]:
    """A real cluster of two processes on this machine."""
    from distributed import LocalCluster

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cluster = LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        )
        with cluster:
            yield cluster


def ledger_of(footage: list[Sequence], out: Path) -> Ledger:
    """For all sequences, going on with what ``out`` holds."""
    ledger = Ledger(["small"], [s.name for s in footage], {"backend": "integer"})
    earlier = unfinished(out)
    if earlier is not None:
        ledger.go_on(earlier, out, footage)
    ledger.into(out, None if earlier else functools.partial(atomic_folder, kind=EVALUATION))
    return ledger


def evaluate(engine: Engine, footage: list[Sequence], out: Path, most: int = 99) -> Ledger:
    """Follow what is missing, ``most`` sequences at the most."""
    ledger = ledger_of(footage, out)
    missing = ledger.missing("small")
    tasks = [Task("small", s) for s in footage if s.name in missing][:most]
    with engine:
        for done in Driver(engine).run(tasks):
            if done.tracked is None:
                ledger.fail("small", done.task.sequence.name, done.reason)
            else:
                price = lambda counts: float(sum(c.sum() for c in counts.values()))  # noqa: E731
                ledger.add("small", judge(done.task.sequence, done.tracked, price))
    ledger.write()
    return ledger


def results(out: Path) -> dict[str, str]:
    """Digests of all that does not depend on time."""
    files = (p for p in sorted(out.rglob("*.*")) if p.parts[len(out.parts)] != "times")
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.name != "evaluation.json"
    }


def test_what_a_first_inference_builds_is_in_no_frame_s_time(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker's first inferences are of noise: loops are compiled, kernels packed by then."""
    asked: list[str] = []

    class Recorded:
        config = SIZES

        def encode_template(self, crops: Any) -> None:
            asked.append(f"encode {crops.shape}")

        def search(self, crop: Any) -> None:
            asked.append(f"search {crop.shape}")

    monkeypatch.setattr(work, "open_simulator", lambda *arguments: Recorded())
    job.simulator()
    assert asked == ["encode (3, 3, 64, 64)", "search (3, 64, 64)"]


def test_processes_are_not_begun_without_shared_memory(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "closed", lambda: "/dev/shm is shut: mount it")
    with pytest.raises(UnsupportedError, match=r"/dev/shm is shut: mount it, or --workers 1"):
        Workers(job, 2)


def test_the_same_wherever_it_runs(
    tmp_path: Path, job: Job, footage: list[Sequence], dask: Any
) -> None:
    """One and four workers and Dask: boxes, confidences, figures, energies, digests.

    Two workers stand below, where one of them is killed.
    """
    evaluate(Here(job), footage, tmp_path / "here")
    expected = results(tmp_path / "here")
    assert len(expected) == 3 * len(footage)
    assert EVALUATION.obstacle(tmp_path / "here") == ""
    engines: dict[str, Engine] = {"four": Workers(job, 4)}
    engines["dask"] = Cluster(job, dask.scheduler_address)
    for name, engine in engines.items():
        evaluate(engine, footage[::-1] if name == "four" else footage, tmp_path / name)
        assert results(tmp_path / name) == expected, name
    assert not [p for p in multiprocessing.active_children() if p.name.startswith("SpawnProcess")]


class Deadly(Workers):
    """Kills one of its processes, once, when a sequence of that name was handed out."""

    def __init__(self, job: Job, count: int, name: str, always: bool = False) -> None:
        super().__init__(job, count)
        self.name, self.always = name, always
        self.killed = 0

    def submit(self, method: str, sequence: Sequence) -> Future[Tracked]:
        future = super().submit(method, sequence)
        if sequence.name == self.name and (self.always or not self.killed):
            self.killed += 1
            ours = [p for p in multiprocessing.active_children() if p not in self.before]
            os.kill(ours[0].pid or 0, signal.SIGKILL)
        return future


def test_a_killed_process_loses_nothing(tmp_path: Path, job: Job, footage: list[Sequence]) -> None:
    evaluate(Here(job), footage, tmp_path / "here")
    engine = Deadly(job, 2, "s0003")
    ledger = evaluate(engine, footage, tmp_path / "killed")
    assert (engine.killed, ledger.failed) == (1, {})
    assert results(tmp_path / "killed") == results(tmp_path / "here")


class Broken(Here):
    """Ends like a pool whose process dies of one sequence, whenever it is given it."""

    room = 3

    def __init__(self, job: Job, name: str) -> None:
        super().__init__(job)
        self.name = name
        self.pending: list[Future[Tracked]] = []
        self.mended = 0

    def submit(self, method: str, sequence: Sequence) -> Future[Tracked]:
        from concurrent.futures import BrokenExecutor

        future: Future[Tracked] = Future()
        self.pending.append(future)
        if sequence.name == self.name:
            for one in self.pending:
                if not one.done():
                    one.set_exception(BrokenExecutor("a process died"))
            return future
        if len(self.pending) > 1 and not self.mended:
            return future  # still under way when the process dies
        return super().submit(method, sequence)

    def mend(self) -> None:
        self.mended += 1
        self.pending = []


def test_the_sequence_that_kills_is_named(tmp_path: Path, job: Job) -> None:
    footage = write_sequences(tmp_path / "otb", 4)
    engine = Broken(job, "s0002")
    done = list(Driver(engine).run([Task("small", s) for s in footage]))
    failed = {d.task.sequence.name: d.reason for d in done if d.tracked is None}
    assert failed == {"s0002": f"s0002: {DIED}"}
    assert sorted(d.task.sequence.name for d in done) == ["s0000", "s0001", "s0002", "s0003"]


def test_gone_on_with_byte_for_byte(
    tmp_path: Path, job: Job, footage: list[Sequence], dask: Any
) -> None:
    """Two sequences here, the rest on Dask; half-written files are done again."""
    evaluate(Here(job), footage, tmp_path / "whole")
    out = tmp_path / "parts"
    evaluate(Here(job), footage, out, most=2)
    assert len(results(out)) == 6
    (out / "boxes" / "small" / "s0001.txt").write_text("1,1,1,1\n")  # not what it was
    (out / "sequences" / "small" / "s0000.json").unlink()  # killed before it was written
    ledger = ledger_of(footage, out)
    assert ledger.missing("small") == {s.name for s in footage}
    evaluate(Cluster(job, dask.scheduler_address), footage, out)
    assert results(out) == results(tmp_path / "whole")
    assert unfinished(out) is None


def test_a_full_disk_keeps_what_was_won(
    tmp_path: Path, job: Job, footage: list[Sequence], monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from spiketrack.tracking import ledger as ledgers

    evaluate(Here(job), footage, tmp_path / "whole")

    def full(path: Path, boxes: Any) -> None:
        if path.name == "s0002.txt":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write_otb(path, boxes)

    monkeypatch.setattr(ledgers, "write_otb", full)
    with pytest.raises(OSError, match="No space left"):
        evaluate(Here(job), footage, tmp_path / "out")
    assert {name.split("/")[-1] for name in results(tmp_path / "out")} == {
        "s0000.txt",
        "s0001.txt",
        "s0000.json",
        "s0001.json",
    }
    monkeypatch.undo()
    evaluate(Here(job), footage, tmp_path / "out")
    assert results(tmp_path / "out") == results(tmp_path / "whole")


def test_one_bad_frame_fails_its_sequence_alone(
    tmp_path: Path, job: Job, footage: list[Sequence], dask: Any
) -> None:
    footage[1].images[3].write_bytes(b"")
    ledger = evaluate(Cluster(job, dask.scheduler_address), footage, tmp_path / "out")
    assert list(ledger.failed) == ["s0001"]
    assert "s0001: " in ledger.failed["s0001"]
    assert "0004.png: unreadable frame" in ledger.failed["s0001"]
    assert len(ledger.document().sequences) == 4


def test_dask_loses_a_worker(tmp_path: Path, job: Job, footage: list[Sequence], dask: Any) -> None:
    """kill -9 in the middle: Dask follows its sequences elsewhere."""
    evaluate(Here(job), footage, tmp_path / "here")

    class Killing(Cluster):
        count = 0

        def submit(self, method: str, sequence: Sequence) -> Future[Tracked]:
            future = super().submit(method, sequence)
            self.count += 1
            if self.count == 3:
                worker = next(iter(dask.workers.values()))
                os.kill(worker.pid, signal.SIGKILL)
            return future

    ledger = evaluate(Killing(job, dask.scheduler_address), footage, tmp_path / "out")
    assert ledger.failed == {}
    assert results(tmp_path / "out") == results(tmp_path / "here")


def test_a_scheduler_that_goes_away(tmp_path: Path, job: Job, footage: list[Sequence]) -> None:
    """What was finished stays; the message says how to go on, and that works."""
    from distributed import LocalCluster

    evaluate(Here(job), footage, tmp_path / "whole")
    out = tmp_path / "out"
    evaluate(Here(job), footage, out, most=1)
    cluster = LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    )
    engine = Cluster(job, cluster.scheduler_address)
    lines = io.StringIO()
    logging.getLogger("distributed.client").addHandler(handler := logging.StreamHandler(lines))
    cluster.close()
    begin = time.monotonic()
    while engine.client.status == "running" and time.monotonic() < begin + 20:
        time.sleep(0.05)
    with pytest.raises(ConfigError, match="the scheduler is gone; what was finished is kept"):
        evaluate(engine, footage, out)
    logging.getLogger("distributed.client").removeHandler(handler)
    assert lines.getvalue() == ""  # no traceback of Dask's beside the message
    assert len(results(out)) == 3
    evaluate(Here(job), footage, out)
    assert results(out) == results(tmp_path / "whole")


def test_a_job_is_left_from_another_thread(job: Job, footage: list[Sequence]) -> None:
    """Dask follows in one thread and hears of the end in another; what is open is closed."""
    work.install(pickle.dumps(job))
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work.track, job.key, "small", footage[0]).result()
        (desk,) = work._DESKS[job.key].values()
        assert list(desk.methods) == ["small"]
        work.forget(job.key)
        assert (desk.methods, work._DESKS, work._JOBS) == ({}, {}, {})
        with pytest.raises(work.Lost, match="a sequence without its network"):
            pool.submit(work.track, job.key, "small", footage[0]).result()


def test_a_sequence_under_way_ends_with_its_job(job: Job, footage: list[Sequence]) -> None:
    desk = work.Desk(job)
    with desk.busy:  # another thread is in the middle of a frame
        desk.leave()
    with pytest.raises(ClipError, match="s0000: whoever asked for it went away"):
        desk.follow("small", footage[0])
    assert desk.methods == {}


def test_a_worker_that_may_have_no_children(job: Job, footage: list[Sequence]) -> None:
    """Lava in a worker of Dask's nanny: the message says which setting allows it."""

    class Daemonic(work.Desk):
        def method(self, name: str) -> Any:
            raise AssertionError("daemonic processes are not allowed to have children")

    with pytest.raises(work.Lost, match=r"to have children; .*DASK_DISTRIBUTED__WORKER__DAEMON=Fa"):
        Daemonic(job).follow("small", footage[0])


def test_no_scheduler(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    from spiketrack.evaluation import cluster

    monkeypatch.setattr(cluster, "PATIENCE", 0.5)
    with pytest.raises(
        ConfigError, match=r"--scheduler tcp://127\.0\.0\.1:9: no scheduler answers"
    ):
        Cluster(job, "tcp://127.0.0.1:9")


def test_a_client_that_failed_is_not_waited_for_at_the_end(job: Job) -> None:
    from distributed import Client

    def clients() -> set[int]:
        return {id(one) for one in gc.get_objects() if type(one) is Client}

    known = clients()  # of earlier tests
    with pytest.raises(ConfigError, match="--scheduler nonsense: no scheduler answers"):
        Cluster(job, "nonsense")
    assert clients() <= known


@pytest.mark.parametrize("text", ["no JSON", "[]", '{"address": null}', "{}"])
def test_a_file_that_no_scheduler_wrote(tmp_path: Path, job: Job, text: str) -> None:
    (tmp_path / "file.json").write_text(text)
    for given in (str(tmp_path / "file.json"), ""):
        with pytest.raises(ConfigError, match=r"neither an address, .* nor the file of dask"):
            Cluster(job, given)


def test_done_says_which(job: Job, footage: list[Sequence]) -> None:
    (done,) = Driver(Here(job)).run([Task("small", footage[0])])
    assert isinstance(done, Done)
    assert done.tracked is not None
    assert done.tracked.boxes.shape == (6, 4)
    assert len(done.tracked.confidence) == len(done.tracked.times) == 6
    assert done.tracked.tally.frames == 5
