"""netx chains: the arithmetic of Lava's stock LIF gives the integer network's counts."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.naive import evaluate
from support.random_graphs import random_inputs, tiny_graph

from spiketrack.errors import SpikeTrackError, UnsupportedError
from spiketrack.export.outlets.netx_layers import CURRENT_MAX, Layer, find_chains, layer
from spiketrack.export.outlets.netx_writer import write_netx
from spiketrack.inference import Counts
from spiketrack.integer.graph import Conv, Graph, Input, Neuron, Node
from spiketrack.integer.kernels import Program
from spiketrack.simulators.netx_run import run_netx, thermometer

HEAD = ("decoder.ctr4_spike", "decoder.offset4_spike", "decoder.size4_spike")
SHAPE = (1, 3, 1, 1)


def conv(name: str, source: str, weight: NDArray[np.int8], shift: int, bias: int) -> Conv:
    """1×1 convolution of one pixel."""
    out = len(weight)
    shifts, biases = np.full((1, out), shift, np.int32), np.full((1, out), bias, np.int32)
    return Conv(name, (source,), (1, out, 1, 1), weight[None, :, :, None, None], shifts, biases)


def spike(name: str, source: Node, unit: int) -> Neuron:
    levels = tuple((2 * j - 1) * unit // 2 for j in range(1, 5))
    return Neuron(name, (source.name,), source.shape, levels, unit // 4)  # type: ignore[arg-type]


def chain_graph(weight: NDArray[np.int8], shift: int = 2, bias: int = 3, unit: int = 4000) -> Graph:
    """image → spikes → two layers; the second has the given weights."""
    width = weight.shape[1]
    rng = np.random.default_rng(0)
    image = Input("image", (), SHAPE, "image", -500, 500)
    first = conv("c0", "image", rng.integers(-127, 128, (16, 3)).astype(np.int8), 0, 0)
    s0 = spike("s0", first, 20000)
    second = conv("c1", "s0", rng.integers(-127, 128, (width, 16)).astype(np.int8), 0, 50)
    s1 = spike("s1", second, 500)
    third = conv("c2", "s1", weight, shift, bias)
    nodes = (image, first, s0, second, s1, third, spike("s2", third, unit))
    return Graph("search", nodes, {node.name: 0 for node in nodes})


def simulate(part: Layer, counts: Counts) -> NDArray[np.int64]:
    """One layer in Lava's arithmetic: 24-bit current after a shift by 6, strictly greater."""
    inputs = thermometer(counts, part.lifts.shape[1])[:, :, 0, 0].astype(np.int64)
    weight = np.concatenate([part.weight[:, :, 0, 0], part.lifts], 1)
    current = (inputs @ weight.T) << 6
    current = (current + 2**23) % 2**24 - 2**23
    fires = current + (part.bias << 6) > (part.vth << 6)
    total: NDArray[np.int64] = fires.reshape(len(counts), -1, 4).sum(2)
    return total


@given(
    st.lists(st.integers(-127, 127), min_size=6, max_size=6),
    st.integers(0, 5),
    st.integers(-3000, 3000),
    st.integers(4, 9000),
    st.integers(0, 99),
)
def test_a_layer_equals_the_integer_neuron(
    row: list[int], shift: int, bias: int, unit: int, seed: int
) -> None:
    graph = chain_graph(np.array([row], np.int8), shift, bias, unit)
    counts = np.random.default_rng(seed).integers(0, 5, (40, 6, 1, 1)).astype(np.int8)
    drive = (counts[:, :, 0, 0].astype(int) @ np.array(row) << shift) + bias
    node = graph["s2"]
    assert isinstance(node, Neuron)
    expected = sum((drive >= level).astype(int) for level in node.thresholds)
    assert np.array_equal(simulate(layer(graph, "s2"), counts)[:, 0], expected)


def wide_weights() -> NDArray[np.int8]:
    """One channel that can leave 17 bits below, one above, one that cannot."""
    rows = np.zeros((3, 300), np.int8)
    rows[0, :262], rows[0, 262:] = -127, 90
    rows[1, :262], rows[1, 262:] = 127, -90
    rows[2] = np.arange(300) % 5
    return rows


def test_always_on_neurons_keep_the_current_in_its_window() -> None:
    graph = chain_graph(wide_weights(), unit=30000)
    part = layer(graph, "s2")
    assert part.lifts.shape == (12, 16)
    assert np.abs(part.lifts).max() == 127
    for filling in (0, 4):
        counts = np.full((3, 300, 1, 1), filling, np.int8)
        counts[1, :262], counts[2, 262:] = 4, 4
        inputs = {"s1": torch.from_numpy(counts.astype(np.float32))}
        expected = Program(graph, ["c2", "s2"]).run(inputs)["s2"][:, :, 0, 0]
        assert np.array_equal(simulate(part, counts), expected.numpy())


def test_sums_beyond_the_window_are_refused() -> None:
    both = np.full((1, 600), 127, np.int8)
    both[0, :300] = -127
    with pytest.raises(UnsupportedError, match=r"sums reach .* wraps beyond ±131,071"):
        layer(chain_graph(both), "s2")
    assert CURRENT_MAX == 131071


def test_what_netx_cannot_express_is_listed() -> None:
    found = find_chains(tiny_graph(3, "search"))
    inside = {part.population for chain in found.chains for part in chain}
    names = {node.name for node in tiny_graph(3, "search").populations}
    assert inside | set(found.left_out) == names
    assert not inside & set(found.left_out)
    reasons = " ".join(found.left_out.values())
    for text in ("several time steps", "fed by a Sum", "fed by a Read", "one layer alone"):
        assert text in reasons
    assert set(HEAD) <= inside


def test_too_many_groups_and_the_image_are_refused() -> None:
    graph = chain_graph(np.ones((1, 6), np.int8))
    with pytest.raises(UnsupportedError, match="fed by the image"):
        layer(graph, "s0")
    node = graph["c2"]
    assert isinstance(node, Conv)
    nodes = [dataclasses.replace(n, groups=128) if n is node else n for n in graph]
    with pytest.raises(UnsupportedError, match="128 groups: Lava's Conv holds at most 127"):
        layer(Graph("search", tuple(nodes), graph.fractions), "s2")


def test_thermometer() -> None:
    counts = np.arange(5, dtype=np.int8).reshape(1, 5, 1, 1)
    binary = thermometer(counts, 2)
    assert binary.shape == (1, 22, 1, 1)
    assert binary[0, :20, 0, 0].reshape(5, 4).tolist() == [
        [0, 0, 0, 0],
        [1, 0, 0, 0],
        [1, 1, 0, 0],
        [1, 1, 1, 0],
        [1, 1, 1, 1],
    ]
    assert binary[0, 20:].min() == 1


def test_files_describe_themselves(tmp_path: Path) -> None:
    graph = tiny_graph(1, "search")
    chain = next(c for c in find_chains(graph).chains if c[-1].population == HEAD[0])
    write_netx(graph, chain, tmp_path / "ctr.net")
    with h5py.File(tmp_path / "ctr.net") as file:
        assert file.attrs["source"] == "decoder.spike"
        assert [file[f"layer/{i}/type"][()] for i in range(5)] == [b"input"] + [b"conv"] * 4
        assert file["layer/1/weight"].shape == (64, 96, 3, 3)
        assert file["layer/4"].attrs["population"] == HEAD[0]
        assert np.abs(file["layer/1/weight"][()]).max() <= 127
    counts = np.zeros((1, 7, 4, 4), np.int8)
    with pytest.raises(SpikeTrackError, match=r"takes \(96, 4, 4\) binary channels"):
        run_netx(tmp_path / "ctr.net", counts)


# lava-dl and its dependencies are not ours to mend
@pytest.mark.limited
@pytest.mark.filterwarnings("ignore")
def test_lava_runs_a_head_branch_exactly(tmp_path: Path) -> None:
    graph = tiny_graph(1, "search")
    inputs = random_inputs(graph, 0)
    values = Program(graph).run(
        {name: torch.from_numpy(v.astype(np.float32)) for name, v in inputs.items()}
    )
    chain = next(c for c in find_chains(graph).chains if c[-1].population == HEAD[0])
    write_netx(graph, chain, tmp_path / "ctr.net")
    counts = values["decoder.spike"].numpy().astype(np.int8)
    found = run_netx(tmp_path / "ctr.net", np.concatenate([counts, counts[:, ::-1]]))
    assert np.array_equal(found[:1], values[HEAD[0]].numpy())


@pytest.mark.limited
@pytest.mark.filterwarnings("ignore")
def test_lava_runs_a_lifted_chain_exactly(tmp_path: Path) -> None:
    graph = chain_graph(wide_weights(), unit=30000)
    (chain,) = find_chains(graph).chains
    write_netx(graph, chain, tmp_path / "lifted.net")
    expected = [evaluate(graph, random_inputs(graph, seed)) for seed in range(3)]
    counts = np.concatenate([values["s0"] for values in expected]).astype(np.int8)
    found = run_netx(tmp_path / "lifted.net", counts)
    assert np.array_equal(found, np.concatenate([values["s2"] for values in expected]))
