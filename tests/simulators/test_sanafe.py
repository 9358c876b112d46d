"""SANA-FE against the chip's engine and the integer kernels, on small networks."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from support.exports import tiny_exported

from spiketrack.documents.chip.sanafe import SanafeDocument
from spiketrack.errors import MissingDependency, SpikeTrackError, UnsupportedError
from spiketrack.export import Builder, Weights, quantise
from spiketrack.export.nir.folder import ExportedNetwork
from spiketrack.integer.graph import Conv, Graph, Neuron, Node
from spiketrack.integer.kernels import Program as Evaluator
from spiketrack.simulators.sanafe.engine import sanafe, silent
from spiketrack.simulators.sanafe.parts import Counts, conv_edges, run_part
from spiketrack.verification.sanafe import RETRIEVER, Compared, compare, document
from spiketrack.video.boxes import Box
from spiketrack.video.footage import Frame


def frames(number: int = 2) -> list[Frame]:
    noise = np.random.default_rng(0)
    return [noise.integers(0, 256, (96, 128, 3), np.uint8) for _ in range(number)]


def pair_graph() -> Graph:
    """Two convolutions into one population, one of them strided and padded, then a grouped one."""

    def drawn(*shape: int) -> Weights:
        return Weights(values.normal(size=shape))

    values = np.random.default_rng(1)
    b = Builder("pair")
    one = b.neuron("one", b.conv("stem", b.image("image", side=8), drawn(4, 3, 3, 3), padding=1))
    two = b.neuron("two", b.conv("c2", one, drawn(6, 4, 3, 3), padding=1, stride=2))
    left = b.conv("left", two, Weights(values.normal(size=(6, 6, 1, 1)), values.normal(size=6)))
    right = b.conv("right", one, drawn(6, 4, 2, 2), stride=2)
    three = b.neuron("three", b.sum("both", [left, right]))
    four = b.neuron("four", b.conv("depth", three, drawn(6, 1, 3, 3), padding=1, groups=6))
    b.output("out", b.conv("last", four, drawn(1, 6, 1, 1)))
    return quantise(b.build())


def counts_of(graph: Graph) -> dict[str, Counts]:
    image = np.random.default_rng(2).integers(0, 256, (1, 3, 8, 8)).astype(np.float32)
    names = [node.name for node in graph.populations]
    found = Evaluator(graph).run({"image": torch.from_numpy(image)}, names)
    return {name: found[name].numpy().astype(np.int8) for name in names}


def test_edges_are_every_synapse() -> None:
    """Against a loop over outputs, kernels and channels."""
    graph = pair_graph()
    for node in graph:
        if isinstance(node, Conv) and node.name != "stem":
            edges = conv_edges(node, graph)
            found = sorted(
                zip(
                    *(getattr(edges, f.name).tolist() for f in dataclasses.fields(edges)),
                    strict=True,
                )
            )
            assert found == sorted(looped(node, graph))


def looped(node: Conv, graph: Graph) -> list[tuple[int, int, int]]:
    _, channels, height, width = graph[node.inputs[0]].shape
    _, out, rows, columns = node.shape
    group_in, group_out = channels // node.groups, out // node.groups
    found = []
    for o, y, x in np.ndindex(out, rows, columns):
        for i, a, b in np.ndindex(*node.weight.shape[2:]):
            weight = int(node.weight[0, o, i, a, b]) << int(node.shift[0, o])
            at = y * node.stride + a - node.padding, x * node.stride + b - node.padding
            if weight and 0 <= at[0] < height and 0 <= at[1] < width:
                channel = o // group_out * group_in + i
                source = (channel * height + at[0]) * width + at[1]
                found.append((source, (o * rows + y) * columns + x, weight))
    return found


def test_what_cannot_be_held_is_told() -> None:
    graph = pair_graph()
    with pytest.raises(
        UnsupportedError, match=r"stem: reads a Input \(image\), values of many bits"
    ):
        run_part("p", graph, ["one"], {})
    network = tiny_exported(1).graphs["search"]
    with pytest.raises(UnsupportedError, match=r"multiplies two signals of one frame"):
        run_part("p", network, ["encoder.block3.0.attn.attn_spike"], {})
    with pytest.raises(UnsupportedError, match=r"SANA-FE has no neuron that computes a Conv"):
        run_part("p", graph, ["stem"], {})


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sanafe", None)
    with pytest.raises(
        MissingDependency, match=r"sanafe: cannot be imported .*(sanafe\]|PYTHON=3\.10)"
    ):
        sanafe()


@pytest.mark.limited
def test_populations_fire_spike_for_spike(capfd: pytest.CaptureFixture[str]) -> None:
    """Three populations in a row inside SANA-FE; a changed threshold and weight are seen."""
    graph = pair_graph()
    counts = counts_of(graph)
    capfd.readouterr()
    found = run_part("pair", graph, ["two", "three", "four"], counts)
    assert (found.different, found.spikes) == (0, 4 * 3 * 6 * 16)
    assert any(counts["three"].reshape(-1) > 0)
    for name, change in (("three", thresholds), ("left", weights)):
        wrong = replaced(graph, name, change)
        assert run_part("wrong", wrong, ["two", "three"], counts).different > 0
    assert capfd.readouterr() == ("", "")


def thresholds(node: Neuron) -> Neuron:
    _, second, third, fourth = node.thresholds
    return dataclasses.replace(node, thresholds=(-(2**24), second, third, fourth))


def weights(node: Conv) -> Conv:
    return dataclasses.replace(node, weight=-node.weight)


def replaced(graph: Graph, name: str, change: Callable[..., Node]) -> Graph:
    nodes = tuple(change(n) if n.name == name else n for n in graph)
    return Graph(graph.name, nodes, graph.fractions)


@pytest.fixture(scope="module")
def compared() -> Compared:
    network: ExportedNetwork = tiny_exported(1)
    parts = {"pair": tuple(f"{RETRIEVER}.{n}_spike" for n in ("seg_dw", "seg_pw"))}
    return compare(network, frames(), Box(40, 30, 24, 20), lambda _: None, parts)


@pytest.mark.limited
def test_a_whole_branch_is_counted_alike(compared: Compared) -> None:
    assert compared.agrees
    assert {q.name for q in compared.quantities if q.theirs > 0} == {
        "operations of synapses",
        "spikes",
        "messages",
        "hops",
        "energy, J",
        "operations of the busiest core, s",
    }
    (part,) = compared.parts
    assert part.result is not None
    assert part.result.different == 0


@pytest.mark.limited
def test_the_document_holds_all_findings(compared: Compared) -> None:
    """Read again it is the same, and each field of the findings has its key."""
    written = document(compared, "0" * 64)
    assert SanafeDocument.parse(written.text().encode(), "text") == written
    assert dataclasses.asdict(compared).items() <= written.model_dump().items()


@pytest.mark.limited
def test_time_is_explained_term_by_term(compared: Compared) -> None:
    """Each kind of event adds time; the barrier exactly one a step."""
    first, *_, last = compared.terms
    assert last.seconds == pytest.approx(first.seconds + sum(t.added for t in compared.terms[1:]))
    assert last.added == pytest.approx(compared.steps * 1.8e-6)
    assert all(term.added > -1e-12 for term in compared.terms[2:])


def fails() -> None:
    with silent():
        print("a word of a parser")
        sanafe().load_arch("nowhere.yaml")


@pytest.mark.limited
def test_what_sanafe_prints_is_told_where_it_fails(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SpikeTrackError, match=r"^SANA-FE: "):
        fails()
    assert capfd.readouterr() == ("", "")
