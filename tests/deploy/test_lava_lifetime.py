"""Lava's processes end with their parent, need nothing named, and change nothing around them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from support.random_graphs import random_graph, random_inputs

from spiketrack.deploy.lava.network import LavaNetwork
from spiketrack.errors import LavaError
from spiketrack.machine import room

# networkx, which Lava's compiler imports, looks for pandas
pytestmark = [pytest.mark.lava, pytest.mark.filterwarnings("ignore::ImportWarning")]
HEAD = """
import sys, time
import numpy as np
sys.path.insert(0, "tests")
from support.random_graphs import random_graph, random_inputs
"""
RUN = """
from spiketrack.deploy.lava.network import LavaNetwork
graph = random_graph(3, ("plain",))
network = LavaNetwork(graph, threads=THREADS, timeout=60)
network.run(random_inputs(graph, 4)["image"])
"""
WAIT = """
print("running", flush=True)
time.sleep(600)
"""
ROOT = Path(__file__).resolve().parents[2]


def python(text: str, threads: int = 1) -> subprocess.Popen[str]:
    """A program of its own, in a group of its own."""
    return subprocess.Popen(
        [
            sys.executable,
            "-W",
            "error",
            "-W",
            "ignore::ImportWarning",
            "-c",
            HEAD + text.replace("THREADS", str(threads)),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finished(text: str, threads: int = 1) -> str:
    """What a program printed that ended well and said nothing else."""
    program = python(text, threads)
    out, err = program.communicate(timeout=100)
    assert (program.returncode, err) == (0, ""), err
    return out


def names_in_shared_memory() -> set[str]:
    return {path.name for path in Path("/dev/shm").iterdir()}


def group_members(number: int) -> list[int]:
    """Living processes of a process group."""
    found = []
    for process in psutil.process_iter(["pid", "status"]):
        try:
            mine = os.getpgid(process.pid) == number
        except ProcessLookupError:
            continue
        if mine and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process.pid)
    return found


@pytest.mark.parametrize("to_all", [False, True])
def test_nothing_outlives_a_parent_that_is_killed(to_all: bool) -> None:
    before = names_in_shared_memory()
    program = python(RUN + WAIT)
    assert program.stdout is not None
    assert program.stdout.readline() == "running\n", program.communicate()
    assert len(group_members(program.pid)) > 3
    assert names_in_shared_memory() <= before
    (os.killpg if to_all else os.kill)(program.pid, signal.SIGKILL)
    program.communicate(timeout=20)
    deadline = time.monotonic() + 10
    while group_members(program.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert group_members(program.pid) == []
    assert names_in_shared_memory() <= before


def test_a_program_that_forgets_to_close_ends() -> None:
    assert finished(RUN + "print('end')") == "end\n"


COMPUTED = """
import torch
torch.set_num_threads(2)
torch.nn.functional.conv2d(torch.ones(4, 16, 64, 64), torch.ones(16, 16, 3, 3))
"""
USE = """
import torch
def build(model, parameters, build=BlockModel.build):
    built = build(model, parameters)
    assert torch.get_num_threads() == 2
    torch.nn.functional.conv2d(torch.ones(4, 16, 64, 64), torch.ones(16, 16, 3, 3))
    return built
BlockModel.build = build
"""


def test_threads_in_processes_after_threads_in_the_parent() -> None:
    """A child whose first parallel operator waits for threads that it does not have hangs."""
    blocks = "from spiketrack.deploy.lava.processes.blocks import BlockModel\n"
    assert finished(COMPUTED + blocks + USE + RUN + "network.close(); print('end')", 2) == "end\n"


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_a_start_method_that_is_set_before_stays(method: str) -> None:
    text = f"import multiprocessing as m; m.set_start_method({method!r})\n{RUN}"
    assert finished(text + "network.close(); print(m.get_start_method())") == f"{method}\n"


def test_a_start_method_can_be_set_afterwards() -> None:
    text = f"{RUN}\nnetwork.close()\nimport multiprocessing as m\nm.set_start_method('spawn')\n"
    assert finished(text + "print(m.get_start_method())") == "spawn\n"


def test_a_long_folder_for_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("t" * 120)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    assert finished(RUN + "network.close(); print('end')") == "end\n"


# what a start takes


MEASURE = """
import os, threading
from pathlib import Path
import psutil
from spiketrack.deploy.lava import lifetime
from spiketrack.deploy.lava.network import LavaNetwork
found = []
require = lifetime.require
lifetime.require = lambda needs: (found.append(needs), require(needs))
def files(): return len(os.listdir("/proc/self/fd"))
def tasks(): return sum(p.num_threads() for p in [me, *me.children(recursive=True)])
def pages(): return Path("/proc/self/maps").read_text().count("/dev/shm/sem.")
me = psutil.Process()
graph = random_graph(3, ("plain",))
network = LavaNetwork(graph, timeout=60)
before = files(), tasks(), pages()
answers = lifetime._Answers.__iter__
def measured(self):  # all have been forked; their first words are still waited for
    time.sleep(2)
    found.append((files() - before[0], tasks() - before[1], pages() - before[2]))
    return answers(self)
lifetime._Answers.__iter__ = measured
network.run(random_inputs(graph, 4)["image"])
network.close()
needs, (opened, started, shared) = found
assert opened <= needs.descriptors <= opened + 12, (opened, needs)
assert started <= needs.tasks <= started + 12, (started, needs)
assert 4096 * shared == needs.shared, (shared, needs)
assert needs.processes == 6
"""


def test_what_a_start_takes_is_known_before() -> None:
    assert finished(MEASURE) == ""


SHORT = """
import resource
from spiketrack.deploy.lava.network import LavaNetwork
from spiketrack.errors import LavaError
before = set(Path("/dev/shm").iterdir())
LIMIT
try:
    graph = random_graph(3, ("plain",))
    LavaNetwork(graph).run(random_inputs(graph, 4)["image"])
except LavaError as error:
    print(error)
"""


def short_of(text: str) -> str:
    return finished("from pathlib import Path\n" + SHORT.replace("LIMIT", text))


def test_open_files_that_are_short_are_told() -> None:
    said = short_of("resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))")
    assert re.fullmatch(
        r"Lava needs 44 open files for 6 processes and \d\d are left: ulimit -n 8192, .*\n", said
    )


def test_a_soft_limit_is_raised() -> None:
    text = "resource.setrlimit(resource.RLIMIT_NOFILE, (40, 400))"
    assert short_of(text + "\nimport atexit\natexit.register(lambda: print('end'))") == "end\n"


def test_processes_that_are_short_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "tasks", lambda wanted: 12)
    with pytest.raises(LavaError, match=r"needs \d+ processes and threads and 12 are left: ulimit"):
        LavaNetwork(random_graph(3, ("plain",))).start()


@pytest.mark.parametrize(
    ("part", "there", "message"),
    [
        ("shared_memory", 8192, r"0\.2 MB of /dev/shm and 0\.0 MB .*--shm-size"),
        ("closed", "/dev/shm is shut: mount it", "shared memory; /dev/shm is shut: mount it"),
    ],
)
def test_shared_memory_that_is_short_or_shut_is_told(
    part: str, there: object, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, part, lambda: there)
    with pytest.raises(LavaError, match=message):
        LavaNetwork(random_graph(3, ("plain",))).start()


# processes that are lost between two steps


@pytest.fixture
def running() -> Iterator[LavaNetwork]:
    torch.set_num_threads(1)
    network = LavaNetwork(random_graph(3, ("plain",)), timeout=60)
    step(network)
    yield network
    network.close(force=True)


def step(network: LavaNetwork) -> None:
    network.run(random_inputs(network.graph, 4)["image"])


def victim(network: LavaNetwork, index: int) -> int:
    pid = network.runtime._messaging_infrastructure.actors[index].pid
    assert isinstance(pid, int)
    return pid


def waits_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition()


def stands(network: LavaNetwork, pid: int) -> bool:
    """Whether a look has found the process stopped, all its threads."""
    network.look()
    assert network.health is not None
    return pid in network.health.standing


@pytest.mark.parametrize("end", [step, LavaNetwork.close])
@pytest.mark.parametrize(("index", "name"), [(0, None), (-1, "runtime service")])
def test_a_process_that_is_killed_between_steps_is_named(
    index: int, name: str | None, end: Callable[[LavaNetwork], None], running: LavaNetwork
) -> None:
    pids = [actor.pid for actor in running.runtime._messaging_infrastructure.actors]
    name = name or running.runtime.names[index]
    os.kill(victim(running, index), signal.SIGKILL)
    waits_until(running.runtime._messaging_infrastructure.ended)
    with pytest.raises(LavaError, match=rf"^Lava process {name}( \(began.*\))?: ended .* -9 \("):
        end(running)
    assert not [pid for pid in pids if psutil.pid_exists(pid)]


def test_a_process_that_stands_still_is_named(running: LavaNetwork) -> None:
    """At the end at once; between steps after the time that a step may take."""
    os.kill(pid := victim(running, 1), signal.SIGSTOP)
    waits_until(lambda: stands(running, pid))
    assert running.health is not None
    running.health.timeout = -1.0
    with pytest.raises(
        LavaError, match=r"^Lava process \S+( \(began.*\))?: stands still \(SIGSTOP\)$"
    ):
        running.look()
    with pytest.raises(
        LavaError, match=r"^Lava process \S+( \(began.*\))?: stands still \(SIGSTOP\)$"
    ):
        running.close()
    assert not psutil.pid_exists(pid)


def test_a_process_that_goes_on_is_no_fault(running: LavaNetwork) -> None:
    os.kill(pid := victim(running, 1), signal.SIGSTOP)
    waits_until(lambda: stands(running, pid))
    os.kill(pid, signal.SIGCONT)
    waits_until(lambda: not stands(running, pid))
    assert running.health is not None
    running.health.timeout = -1.0
    running.look()
    running.health.timeout = 60.0
    step(running)
    running.close()


def fail_and_close(network: LavaNetwork) -> None:
    try:
        raise KeyError("first")
    finally:
        network.close()


def test_another_error_is_not_replaced_at_the_end(running: LavaNetwork) -> None:
    os.kill(victim(running, 0), signal.SIGKILL)
    with pytest.raises(KeyError, match="first"):
        fail_and_close(running)


def test_channels_are_given_back_at_the_end(running: LavaNetwork) -> None:
    """Also where an array of the caller still looks at them."""
    blocks = list(running.runtime._messaging_infrastructure.smm.blocks)
    views = [np.frombuffer(block.memory, np.uint8) for block in blocks]
    assert any(view.any() for view in views)
    running.close()
    assert not any(view.any() for view in views)
