"""The integer network on the real Lava runtime: exact, damaged, failing, hanging, interrupted."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from support.exports import export_folder, tiny_exported
from support.random_crops import random_crops
from support.random_graphs import random_graph, random_inputs, tiny_graph, tiny_model
from support.traces import assert_same_inference

from spiketrack.deploy.lava.network import LavaNetwork
from spiketrack.deploy.lava.processes import blocks, host
from spiketrack.deploy.lava.processes.blocks import PROCESSES, BlockModel
from spiketrack.deploy.process_graph.execution import STARTED
from spiketrack.deploy.process_graph.grouping import group, message_dtype
from spiketrack.deploy.process_graph.processes import Recording
from spiketrack.deploy.process_graph.results import Buffers
from spiketrack.errors import GraphError, LavaError
from spiketrack.export.nir.folder import ExportedNetwork
from spiketrack.inference import Inference, Simulator
from spiketrack.integer.graph import COUNT, Conv, Graph, KeyValue, Neuron, Node, Read
from spiketrack.integer.kernels import Program
from spiketrack.simulators.backends import Options
from spiketrack.simulators.inline import InlineSimulator
from spiketrack.simulators.integer import IntegerSimulator
from spiketrack.simulators.lava import LavaSimulator
from spiketrack.verification.verify import Verification, verify
from spiketrack.video.clip import BUNDLED_BOX, bundled_clip, open_clip

# networkx, which Lava's compiler imports, looks for pandas
pytestmark = [pytest.mark.lava, pytest.mark.filterwarnings("ignore::ImportWarning")]
PROGRAM = "from spiketrack.cli import main; main()"
VICTIM = "encoder.block3.1"


def networks(templates: int) -> dict[str, Graph]:
    return {branch: tiny_graph(templates, branch) for branch in ("template", "search")}


def descendants() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def named_memory(pids: set[int]) -> set[str]:
    """Shared memory with a name that these processes have mapped: what a kill could leave."""
    maps = "".join(Path(f"/proc/{pid}/maps").read_text() for pid in pids)
    return set(re.findall(r"/dev/shm/\S+$", maps, re.MULTILINE))


def assert_ended(pids: set[int]) -> None:
    """No process is left."""
    deadline = time.monotonic() + 10
    while alive(pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(pids)


def alive(pids: set[int]) -> list[int]:
    return [p for p in pids if psutil.pid_exists(p) and psutil.Process(p).status() != "zombie"]


# exactness


@dataclasses.dataclass
class Pair:
    """The same inferences on both backends, and the OS processes after each."""

    inferences: list[tuple[Inference, Inference]]
    pids: list[set[int]]


@pytest.fixture(scope="module", params=[1, 3])
def pair(request: pytest.FixtureRequest) -> Pair:
    """Template, two frames, new templates, two frames."""
    torch.set_num_threads(1)
    templates = request.param
    config = tiny_model(templates).config
    found = Pair([], [])
    with (
        IntegerSimulator(networks(templates), config, True, True) as integer,
        LavaSimulator(networks(templates), config, True, True) as lava,
    ):
        images = random_crops(templates + 5)
        for index, image in enumerate(images[:5]):
            if index in (0, 3):
                stack = images[index : index + templates]
                found.inferences.append(
                    (integer.encode_template(stack), lava.encode_template(stack))
                )
            found.inferences.append((integer.search(image), lava.search(image)))
            found.pids.append(descendants())
    return found


@pytest.mark.platform
def test_lava_equals_the_integer_backend(pair: Pair) -> None:
    for expected, found in pair.inferences:
        assert_same_inference(expected, found)


@pytest.mark.parametrize("templates", [1, 3])
def test_the_same_models_in_one_process_give_the_same(templates: int) -> None:
    config = tiny_model(templates).config
    integer = IntegerSimulator(networks(templates), config, True, True)
    inline = InlineSimulator(networks(templates), config, True, True)
    images = random_crops(templates + 2)
    for index in (0, 1):
        stack = images[index : index + templates]
        assert_same_inference(integer.encode_template(stack), inline.encode_template(stack))
        for image in images[-2:]:
            assert_same_inference(integer.search(image), inline.search(image))
    inline.close()


def test_a_buffer_is_used_again_once_nobody_holds_it() -> None:
    buffers = Buffers(8)
    first = buffers.take()[2:5]  # a view is enough to keep it
    tensor = torch.from_numpy(buffers.take()).view(2, 4)
    third = buffers.take()
    fourth = buffers.take()
    vectors = (first, tensor.flatten().numpy(), third, fourth)
    assert len({x.ctypes.data - 2 * (x is first) for x in vectors}) == 4
    place = third.ctypes.data
    del third, vectors
    assert buffers.take().ctypes.data == place


def test_every_population_spikes_and_templates_matter(pair: Pair) -> None:
    searches = [found for _, found in pair.inferences if found.maps is not None]
    assert len(searches) == 5
    sums = {name: counts.sum() for name, counts in searches[0].trace.counts.items()}
    assert min(sums.values()) > 0
    encodings = [found for _, found in pair.inferences if found.maps is None]
    assert len(encodings) == 2
    assert any(
        not np.array_equal(encodings[0].trace.counts[name], encodings[1].trace.counts[name])
        for name in encodings[0].trace.counts
    )


def test_new_templates_rebuild_nothing(pair: Pair) -> None:
    assert all(pids == pair.pids[0] for pids in pair.pids)
    assert len(pair.pids[0]) >= 40


@pytest.mark.parametrize("parts", [("each_step", "attention"), ("retrieval", "pooled")])
def test_any_graph_runs(parts: tuple[str, ...]) -> None:
    steps = 3 if "each_step" in parts else 1
    graph = random_graph(3, parts, steps)
    inputs = random_inputs(graph, 4)
    names = [node.name for node in graph.outputs]
    values = {name: torch.from_numpy(v.astype(np.float32)) for name, v in inputs.items()}
    expected = Program(graph).run(values, names)
    image = inputs.pop("image")
    network = LavaNetwork(graph, timeout=60)
    try:
        found = network.run(image, inputs or None).outputs
    finally:
        network.close()
    for name in names:
        assert np.array_equal(found[name], expected[name].numpy()), name


def test_the_first_search_needs_a_memory() -> None:
    network = LavaNetwork(random_graph(3, ("retrieval",)), timeout=60)
    with pytest.raises(GraphError, match="the first step needs a memory"):
        network.run(np.zeros(network.graph["image"].shape, np.int16))
    assert network.runtime is None


# structure


@pytest.mark.parametrize("templates", [1, 3])
def test_a_process_holds_one_block_at_most(templates: int) -> None:
    """The tiny network has every kind of block of the published ones."""
    assert len(group(tiny_graph(templates, "search")).parts) == 30
    for graph in networks(templates).values():
        grouping = group(graph)
        held = [name for part in grouping.parts for name in part.nodes]
        assert len(held) == len(set(held)) == len(graph) - len(graph.inputs) - len(graph.outputs)
        for part in grouping.parts:
            working = {block_of(n) for n in part.nodes if is_layer(graph[n])}
            assert len(working) == 1, f"{part.name} holds {working}"


def is_layer(node: Node) -> bool:
    return isinstance(node, (Conv, KeyValue, Read))


def block_of(name: str) -> str:
    """Block of the published network: its place down to the block, transformer block or branch."""
    words = name.split(".")
    if words[0] == "decoder":
        found = re.search(r"ctr|offset|size", name)
        return found.group() if found else "head"
    depth = {"block3": 3, "block4": 3, "mrm": 3}.get(words[1])
    depth = depth or (3 if words[1].startswith("ConvBlock") else 2)
    return ".".join(words[:depth])


@pytest.mark.parametrize("templates", [1, 3])
def test_counts_travel_as_small_integers(templates: int) -> None:
    for graph in networks(templates).values():
        for part in group(graph).parts:
            for name in (*part.receives, *part.sends):
                is_count = graph[name].traits.population or graph.signal(name) == COUNT
                assert (message_dtype(graph, name) == "int8") == is_count


@pytest.mark.parametrize(
    "process", [*PROCESSES.values(), host.ImageInput, host.MemoryWriter, host.Collector]
)
def test_every_process_says_what_realises_it_on_the_chip(process: type) -> None:
    where = process.__doc__ or ""
    module = host.__doc__ or ""
    if process is blocks.LayersBlock:  # holds whatever the test graphs hold
        assert "test graphs" in where
    else:
        assert re.search(r"Loihi 2", where) or "Loihi 2" in module
        assert re.search(r"stock|microcode|host|synapses", where + module)


# damage


def flip_weight(node: Conv) -> Node:
    """The largest weight of the first channel changes its sign."""
    weight = node.weight.copy()
    place = np.unravel_index(np.abs(weight[0, 0].astype(int)).argmax(), weight[0, 0].shape)
    first = weight[0, 0]
    first[place] *= -1
    return dataclasses.replace(node, weight=weight)


def raise_shift(node: Conv) -> Node:
    """The first channel's weights count twice."""
    shift = node.shift.copy()
    shift[0, 0] += 1
    return dataclasses.replace(node, shift=shift)


def lower_threshold(node: Neuron) -> Node:
    """The first threshold is lower by an eighth."""
    first, *rest = node.thresholds
    levels: Any = (first * 7 // 8, *rest)
    return dataclasses.replace(node, thresholds=levels)


def damaged(graph: Graph, name: str, change: Callable[[Any], Node]) -> Graph:
    nodes = tuple(change(node) if node.name == name else node for node in graph)
    return Graph(graph.name, nodes, graph.fractions)


def damage_process(simulator: LavaSimulator, branch: str, name: str, change: Any) -> None:
    """Give one process of one network, the one that holds node ``name``, another number."""
    network = simulator.networks[branch]
    assert isinstance(network, LavaNetwork)
    part = next(part for part in network.grouping.parts if name in part.nodes)
    graph = damaged(network.graph, name, change)
    network.blocks[part.name].proc_params.overwrite("graph", graph)


@pytest.fixture(scope="module")
def exported() -> ExportedNetwork:
    return tiny_exported(1)


def verified(exported: ExportedNetwork, branch: str, name: str, change: Any) -> Verification:
    def opener(backend: str) -> Simulator:
        if backend == "integer":
            return IntegerSimulator(exported.graphs, exported.config, False, True)
        simulator = LavaSimulator(exported.graphs, exported.config, False, True)
        damage_process(simulator, branch, name, change)
        return simulator

    clip, backends = open_clip(bundled_clip(), 1), ("integer", "lava")
    settings = exported.tracker
    return verify(exported, None, clip, BUNDLED_BOX, backends, settings, Options(), opener=opener)


def conv_and_population(graph: Graph) -> tuple[str, str]:
    """A convolution of the victim's block and the population that it feeds."""
    for node in graph:
        if isinstance(node, Conv) and node.name.startswith(f"{VICTIM}.attn"):
            (reader,) = graph.consumers[node.name]
            if isinstance(reader, Neuron):
                return node.name, reader.name
    raise AssertionError(VICTIM)


@pytest.mark.parametrize("change", [flip_weight, raise_shift, lower_threshold])
def test_one_changed_number_in_one_process_is_found(
    change: Callable[[Any], Node], exported: ExportedNetwork
) -> None:
    branch = "template" if change is raise_shift else "search"
    conv, population = conv_and_population(exported.graphs[branch])
    name = population if change is lower_threshold else conv
    found = verified(exported, branch, name, change)
    assert not found.exact
    first = found.agreements["lava"].first
    assert first is not None
    assert (first.branch, first.population) == (branch, population)
    assert found.agreements["lava"].mismatches > 0


# failures


class Trouble:
    """What the victim's process does in its second step."""

    def __init__(self, kind: str) -> None:
        self.kind, self.send = kind, BlockModel.send

    def __call__(self, model: BlockModel, *message: Any) -> None:
        if model.part.name == VICTIM and model.execution.progress[STARTED] == 2:
            if self.kind == "hang":
                time.sleep(600)
            if self.kind == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            raise ValueError("the weights are gone")
        self.send(model, *message)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("raise", f"^Lava process {VICTIM}: the weights are gone$"),
        ("die", rf"^Lava process {VICTIM} \(began step 2\): ended with exit code -9"),
        ("hang", rf"^Lava process {VICTIM} \(began step 2\): no answer within 2 s"),
    ],
)
def test_trouble_is_reported_by_name_and_ends_everything(
    kind: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble = Trouble(kind)
    monkeypatch.setattr(BlockModel, "send", lambda model, *message: trouble(model, *message))
    network = LavaNetwork(tiny_graph(1, "template"), recording=Recording(), timeout=60)
    image = np.zeros(network.graph["image"].shape, np.int16)
    before = descendants()  # another test's tracker of resources may live on
    network.run(image)
    pids = descendants() - before
    assert named_memory(pids) == set()
    network.timeout = 2
    begin = time.monotonic()
    with pytest.raises(LavaError, match=message):
        network.run(image)
    assert time.monotonic() - begin < 30
    assert_ended(pids)
    network.close()


@pytest.mark.parametrize("kind", ["raise", "die", "hang"])
def test_a_process_that_does_not_start_is_named(
    kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def build(model: BlockModel, parameters: Any) -> None:
        if kind == "raise":
            raise ValueError("no such weights")
        if kind == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(600)

    monkeypatch.setattr(BlockModel, "build", build)
    patience = 3.0 if kind == "hang" else 60.0
    monkeypatch.setattr("spiketrack.deploy.lava.network.START_TIMEOUT", patience)
    graph = random_graph(3, ("plain",))
    names = "|".join(re.escape(part.name) for part in group(graph).parts)
    network = LavaNetwork(graph)
    before = descendants()
    reason = {
        "raise": "no such weights",
        "die": "at its start ended with exit code -9",
        "hang": "no start",
    }
    with pytest.raises(LavaError, match=rf"^Lava process ({names}): {reason[kind]}"):
        network.start()
    assert not alive(descendants() - before)
    assert capsys.readouterr().out == ""


def test_a_stop_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spiketrack.deploy.lava.network.STOP_TIMEOUT", 0.5)
    before = descendants()
    graph = random_graph(3, ("plain",))
    network = LavaNetwork(graph)
    network.run(random_inputs(graph, 4)["image"])
    monkeypatch.setattr(network.image, "stop", lambda: time.sleep(600))
    network.close()
    assert not alive(descendants() - before)


# the files alone; signals


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_folder(tmp_path_factory.mktemp("home"))


FROM_FILES = """
import sys
opened = []
sys.addaudithook(lambda event, a: opened.append(str(a[0])) if event == "open" else None)
import numpy as np
from pathlib import Path
from spiketrack.deploy.lava.network import LavaNetwork
from spiketrack.export.nir.reader import read_nir

graph = read_nir(Path("template.nir"))
network = LavaNetwork(graph)
rng = np.random.default_rng(0)
found = network.run(rng.integers(-400, 400, graph["image"].shape))
network.close()
np.savez("memory.npz", **found.outputs)
assert "spiketrack.reference.checkpoint" not in sys.modules
assert "spiketrack.export.passes.spiketrack" not in sys.modules
ends = (".safetensors", ".pth", ".tar", ".json")
ours = (sys.prefix, sys.argv[1])
others = [name for name in opened if name.endswith(ends) and not name.startswith(ours)]
assert not others, others
"""


def test_the_lava_graph_needs_the_nir_file_alone(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "template.nir").write_bytes((folder / "template.nir").read_bytes())
    cache = tmp_path / "cache"  # empty: which operators are exact here is remembered in it
    command = [sys.executable, "-c", FROM_FILES, str(cache)]
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, timeout=120)
    from spiketrack.export.nir.reader import read_nir

    graph = read_nir(folder / "template.nir")
    image = np.random.default_rng(0).integers(-400, 400, graph["image"].shape)
    values = {"image": torch.from_numpy(image.astype(np.float32))}
    expected = Program(graph).run(values, [node.name for node in graph.outputs])
    with np.load(tmp_path / "memory.npz") as found:
        assert set(found) == set(expected)
        for name, memory in expected.items():
            assert np.array_equal(found[name], memory.numpy()), name


@pytest.mark.parametrize(
    ("number", "code", "line"),
    [
        (signal.SIGINT, 130, "spiketrack: error: interrupted\n"),
        (signal.SIGTERM, 143, "spiketrack: error: terminated\n"),
    ],
)
def test_signals_end_every_process(
    number: signal.Signals, code: int, line: str, folder: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", PROGRAM, "simulate", str(folder), "--backend", "lava"]
    program = subprocess.Popen(
        [*command, "--out", "run"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    pids = wait_for_processes(program, 50)
    # as a terminal does: to the whole group
    if number == signal.SIGINT:
        os.killpg(program.pid, number)
    else:
        program.send_signal(number)
    out, err = program.communicate(timeout=60)
    assert (program.returncode, out, err) == (code, "", line)
    assert_ended(pids)
    assert list(tmp_path.iterdir()) == []


def wait_for_processes(program: subprocess.Popen[str], number: int) -> set[int]:
    """Children once both networks have started and some frames have passed."""
    deadline = time.monotonic() + 120
    process = psutil.Process(program.pid)
    while len(children := process.children(recursive=True)) < number:
        assert program.poll() is None, program.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(1)
    return {child.pid for child in process.children(recursive=True)} | {c.pid for c in children}
