"""Values in one line, and as tables in a notebook."""

from __future__ import annotations

import numpy as np
from support.random_graphs import tiny_graph
from support.runs import run_document

from spiketrack.documents.run import RunDocument
from spiketrack.inference import Maps, Trace
from spiketrack.tracking.tracker import TrackResult
from spiketrack.video.boxes import Box


def test_a_document() -> None:
    about = run_document(frames=7)
    line = repr(about)
    assert line.startswith("RunDocument(export='export', frames=7, backend='integer'")
    assert "\n" not in line
    assert len(line) < 200
    assert "<td style='text-align: left'>frames</td>" in about._repr_html_()
    assert RunDocument.parse(about.text().encode(), "again") == about


def test_a_graph_and_its_nodes() -> None:
    graph = tiny_graph(1, "search")
    assert repr(graph) == (
        f"Graph(search branch: {len(graph)} nodes, {len(graph.populations)} populations)"
    )
    shown = graph._repr_html_()
    assert all(node.name in shown for node in graph)
    for node in graph:
        assert repr(node).startswith(f"{type(node).__name__}({node.name}: ")
        assert "\n" not in repr(node)
        assert "array" not in repr(node)


def test_an_inference() -> None:
    maps = Maps(*(np.full((n, 4, 4), 0.5, np.float32) for n in (1, 2, 2)))
    maps = Maps(maps.score[0], maps.size, maps.offset)
    assert repr(maps) == "Maps(4×4 cells, highest score 0.500)"
    trace = Trace({"a": np.zeros((1, 2, 3, 4), np.int8)})
    assert repr(trace) == "Trace(counts of 1 populations, operations of 0 layers)"
    result = TrackResult(3, Box(1, 2.25, 3, 4), 0.5, np.zeros((3, 8, 8), np.float32))
    assert repr(result) == "TrackResult(frame 3: box 1.0, 2.2, 3.0, 4.0, score 0.500)"
