"""The process graph is a value: complete, checked, executed and drawn without Lava."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from support.program import Program
from support.python import python
from support.random_graphs import tiny_graph, tiny_model

from spiketrack.config import TrackerConfig
from spiketrack.deploy.process_graph.document import branches, document
from spiketrack.deploy.process_graph.drawing import dot, svg
from spiketrack.deploy.process_graph.grouping import group
from spiketrack.deploy.process_graph.processes import (
    COLLECTOR,
    HOST_KINDS,
    Connection,
    End,
    ProcessGraph,
    Recording,
    process_graph,
)
from spiketrack.documents.process_graph import ProcessGraphDocument
from spiketrack.errors import GraphError
from spiketrack.integer.graph import Graph
from spiketrack.pipeline import export_checkpoint
from spiketrack.reference.checkpoint import save_checkpoint

BRANCHES = ("template", "search")
ALL = Recording(operations=True, counts=True)


def planned(graph: Graph, recording: Recording = ALL) -> ProcessGraph:
    return process_graph(graph, group(graph), recording)


@pytest.mark.parametrize("templates", [1, 3])
@pytest.mark.parametrize("branch", BRANCHES)
def test_every_message_of_the_graph_has_a_channel(branch: str, templates: int) -> None:
    graph = tiny_graph(templates, branch)
    found = planned(graph)
    home = {node: process.name for process in found.blocks for node in process.nodes}
    assert set(home) == {n.name for n in graph if n not in (*graph.inputs, *graph.outputs)}
    crossing = {
        (source, home[node.name])
        for node in graph
        if node.name in home
        for source in node.inputs
        if home.get(source) != home[node.name]
    }
    carried = {
        (found.by_name[receiver.process].ports[receiver.port].carries, receiver.process)
        for sender, receiver in found.connections
    }
    assert crossing <= carried
    outputs = found.by_name["outputs"]
    assert [p.carries for p in outputs.inputs] == [n.inputs[0] for n in graph.outputs]


@pytest.mark.parametrize("branch", BRANCHES)
def test_what_is_recorded_adds_ports_and_nothing_else(branch: str) -> None:
    graph = tiny_graph(1, branch)
    bare, full = planned(graph, Recording()), planned(graph)
    assert [p.name for p in full.processes if p.name != "operations"] == [
        p.name for p in bare.processes
    ]
    assert set(bare.connections) < set(full.connections)
    for process in bare.blocks:
        more = set(full.by_name[process.name].ports) - set(process.ports)
        assert more <= {"operations", "counts"}
        assert "operations" in more
    recorded = sum(np.prod(p.ports["counts"].shape) for p in full.blocks if "counts" in p.ports)
    assert recorded == sum(np.prod(node.shape) for node in graph.populations)


def test_the_host_is_around_the_blocks() -> None:
    found = planned(tiny_graph(1, "search"))
    host = [process for process in found.processes if process.kind in HOST_KINDS]
    assert [p.name for p in host] == ["image", "memory", "outputs", "operations"]
    assert all(not process.nodes for process in host)
    assert {p.kind for p in host[2:]} == {COLLECTOR}


def dropped(graph: ProcessGraph) -> ProcessGraph:
    return replace(graph, connections=graph.connections[1:])


def doubled(graph: ProcessGraph) -> ProcessGraph:
    (sender, receiver), *_ = graph.connections
    return replace(graph, connections=(*graph.connections, Connection(sender, receiver)))


def crossed(graph: ProcessGraph) -> ProcessGraph:
    """The last connection comes from the image."""
    last = graph.connections[-1]
    changed = last._replace(sender=End("image", "out"))
    return replace(graph, connections=(*graph.connections[:-1], changed))


def backwards(graph: ProcessGraph) -> ProcessGraph:
    return replace(graph, processes=graph.processes[::-1])


def twins(graph: ProcessGraph) -> ProcessGraph:
    return replace(graph, processes=(graph.processes[0], *graph.processes))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dropped, "receives from None, which does not come before it"),
        (doubled, "an input has two senders"),
        (crossed, r"takes int64 .* sends Port\(name='out'"),
        (backwards, "which does not come before it"),
        (twins, "two processes have the name image"),
    ],
)
def test_a_broken_graph_is_refused(change: object, message: str) -> None:
    graph = planned(tiny_graph(1, "template"))
    with pytest.raises(GraphError, match=rf"^template: .*{message}"):
        change(graph)  # type: ignore[operator]


def test_a_document_holds_the_graphs(tmp_path: Path) -> None:
    graphs = {branch: tiny_graph(3, branch) for branch in BRANCHES}
    written = document(graphs)
    written.write(tmp_path / "p.json")
    read = ProcessGraphDocument.read(tmp_path / "p.json")
    assert read == written
    assert branches(read) == {name: planned(g, Recording()) for name, g in graphs.items()}
    assert read.memories == tuple(n.name for n in graphs["search"].memories)
    assert read.memories == tuple(n.name for n in graphs["template"].outputs)


def test_pictures_show_every_process_and_channel() -> None:
    graphs = {branch: planned(tiny_graph(1, branch), Recording()) for branch in BRANCHES}
    count = sum(len(graph.processes) for graph in graphs.values())
    channels = sum(len(graph.connections) for graph in graphs.values())
    root = ElementTree.fromstring(svg(graphs))
    space = "{http://www.w3.org/2000/svg}"
    boxes = list(root.iter(f"{space}rect"))
    assert len(boxes) == count
    corners = {(box.attrib["x"], box.attrib["y"]) for box in boxes}
    assert len(corners) == count
    assert len(root.findall(f"{space}path")) == channels + 1  # one carries the memories
    lines = dot(graphs).splitlines()
    assert sum("->" in line for line in lines) == channels + 1
    assert sum(line.endswith('"];') and "->" not in line for line in lines) == count


@pytest.mark.slow
def test_info_writes_them_by_suffix(tmp_path: Path, program: Program) -> None:
    folder, checkpoint = tmp_path / "export", tmp_path / "tiny.safetensors"
    save_checkpoint(checkpoint, tiny_model(1), TrackerConfig())
    export_checkpoint(checkpoint, folder)
    for suffix in ("json", "svg", "dot"):
        program("info", folder, "--graph", tmp_path / f"g.{suffix}")
    assert len(branches(ProcessGraphDocument.read(tmp_path / "g.json"))) == 2
    assert (tmp_path / "g.svg").read_text().startswith("<svg")
    assert (tmp_path / "g.dot").read_text().startswith("digraph")
    said = program.refuses("info", folder, "--graph", tmp_path / "g.png")
    assert said.endswith("g.png: ends in none of .json, .svg, .dot")


WITHOUT_LAVA = """
import sys
class Absent:
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in ("lava", "onnx", "onnxruntime", "norse", "nirtorch"):
            raise ModuleNotFoundError(f"No module named {name!r}")
sys.meta_path.insert(0, Absent())
from importlib import metadata
known = metadata.version
def version(name):
    if name in ("lava-nc", "onnx", "onnxruntime", "norse", "nirtorch"):
        raise metadata.PackageNotFoundError(name)
    return known(name)
metadata.version = version
import json
import spiketrack.cli as cli
for words in json.loads(sys.argv[1]):
    try:
        cli.main(words)
    except SystemExit as ended:
        print("\\0", ended.code, file=sys.stderr)
"""


@pytest.mark.platform
@pytest.mark.slow
def test_export_and_run_need_no_lava(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "nano.safetensors", tiny_model(1), TrackerConfig())
    inputs = ["simulate", "nano", "--frames", "2", "--backend"]
    lines = [
        ["export", "nano.safetensors"],
        *([*inputs, backend, "--out", backend] for backend in ("integer", "inline")),
        ["energy", "inline"],
        ["map", "nano"],
        ["info", "nano"],
        *([*inputs, backend, "--out", "none"] for backend in ("lava", "onnx")),
    ]
    done = python(WITHOUT_LAVA, json.dumps(lines), folder=tmp_path)
    codes = re.findall(r"^\0 (.*)$", done.stderr, re.MULTILINE)
    assert codes == ["0"] * 6 + ["2"] * 2, done.stderr
    *_, lava, onnx, _ = re.split(r"^\0 .*\n", done.stderr, flags=re.MULTILINE)
    for said, remedy in (
        (lava, "--no-deps --ignore-requires-python"),
        (onnx, "[onnx]"),
    ):
        assert remedy in said
        assert said.count("\n") == 1, said
