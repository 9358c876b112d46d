"""Placement on neuro-cores: partition, packing, routes, schedule, traffic, the command."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from support.brute_synapses import synapses_of
from support.exports import tiny_exported
from support.random_graphs import PARTS, random_graph, tiny_graph
from support.runs import NETWORK, write_run_folder

from spiketrack.commands import map as map_command
from spiketrack.deploy.chip.board import Board, CapacityError, load_board
from spiketrack.deploy.chip.document import document, events_of
from spiketrack.deploy.chip.fans import fan_in, fan_out_cores
from spiketrack.deploy.chip.layers import READOUT, RELAY, Layer, build_layers
from spiketrack.deploy.chip.loads import (
    RESOURCES,
    input_axons,
    limits,
    output_axons,
    readers_of,
    synapses,
)
from spiketrack.deploy.chip.mapping import map_network
from spiketrack.deploy.chip.placement import Branch, Placement
from spiketrack.deploy.chip.reach import Tiling, identity, window
from spiketrack.deploy.chip.requirements import POPULATION, PRODUCT, Synapses
from spiketrack.deploy.chip.schedule import schedule
from spiketrack.deploy.chip.work.deliveries import Deliveries, deliveries
from spiketrack.deploy.chip.work.needs import needs
from spiketrack.deploy.chip.work.traffic import traffic
from spiketrack.documents.placement import MapDocument
from spiketrack.errors import DocumentError, GraphError, SpikeTrackError, UnsupportedError
from spiketrack.integer.counting import Layers
from spiketrack.integer.graph import Graph, Neuron, Node
from spiketrack.runs.folder import RunFolder
from spiketrack.runs.operations import BranchCounts
from spiketrack.steps.place import require_same

SLOW = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))


def small_board(**values: Any) -> Board:
    return load_board("loihi2").changed(**{"neurons_per_core": 2000, **values})


def drawn_graph(seed: int, parts: tuple[str, ...], steps: int) -> Graph:
    try:
        return random_graph(seed, parts, steps)
    except AssertionError:  # no head-room on any grid
        reject()


def graphs(largest: int) -> st.SearchStrategy[Graph]:
    parts = st.lists(st.sampled_from(list(PARTS)), max_size=largest).map(tuple)
    return st.builds(drawn_graph, st.integers(0, 999), parts, st.sampled_from([1, 3]))


boards = st.builds(
    small_board,
    neurons_per_core=st.sampled_from([60, 300, 8192]),
    memory_kib_per_core=st.sampled_from([16, 24, 128]),
    input_axons_per_core=st.sampled_from([None, 3000]),
    cores_per_chip=st.sampled_from([5, 120]),
)


@pytest.fixture(scope="module")
def tiny() -> dict[str, Graph]:
    return {branch: tiny_graph(3, branch) for branch in ("search", "template")}


@pytest.fixture(scope="module")
def mixed() -> Graph:
    """A small graph with convolutions, attention, retrieved memory and a gate."""
    return random_graph(2, ("depthwise", "attention", "retrieval", "pooled", "read_out"))


@pytest.fixture(scope="module")
def placed(tiny: dict[str, Graph]) -> Placement:
    return map_network(tiny, small_board())


# what takes neurons


def test_populations_are_all_there_once(tiny: dict[str, Graph]) -> None:
    for graph in tiny.values():
        layers = build_layers(graph)
        names = [layer.name for layer in layers if layer.kind == POPULATION]
        assert sorted(names) == sorted(node.name for node in graph.populations)
        assert len({layer.name for layer in layers}) == len(layers)


def test_kinds_of_layers(tiny: dict[str, Graph]) -> None:
    by_name = {layer.name: layer for layer in build_layers(tiny["search"])}
    stream = by_name["encoder.ConvBlock1_1.0.Conv.add"]
    assert stream.kind == RELAY
    assert {link.source for link in stream.synapses} == {
        "encoder.downsample1_1.encode_conv.constants",
        "encoder.ConvBlock1_1.0.Conv.spike3",
    }
    assert by_name["encoder.block3.0.attn.kv"].kind == PRODUCT
    assert by_name["decoder.conv5_size"].kind == READOUT
    attention = by_name["encoder.block3.0.attn.attn_spike"]
    assert (attention.ports, attention.busy) == (2, 2)  # d = 16 / 8 keys, one a time step
    assert "encoder.block3.0.attn.embed" not in by_name
    assert "encoder.block3.0.attn.q_conv" not in by_name
    memory = by_name["encoder.mrm.2.retriever.attn_spike"].synapses[0]
    assert memory.weight_bits == 3 * 2 * 16  # templates, d, two 8-bit synapses an entry


def test_unknown_node_types_are_refused() -> None:
    class Odd(Node):
        pass

    with pytest.raises(GraphError, match="odd: no core requirement for node type Odd"):
        build_layers(Graph("g", (Odd("odd", (), (1, 1, 1, 1)),)))


def sample(layer: Layer, seed: int, most: int = 12) -> list[tuple[int, int, int]]:
    """A few neurons, corners among them."""
    rng = np.random.default_rng(seed)
    chosen = {(0, 0, 0), (layer.shape[0] - 1, layer.shape[1] - 1, layer.shape[2] - 1)}
    chosen |= {
        (int(rng.integers(a)), int(rng.integers(b)), int(rng.integers(c)))
        for a, b, c in [layer.shape] * most
    }
    return sorted(chosen)


@SLOW
@given(graphs(3), boards)
def test_every_neuron_is_placed_exactly_once(graph: Graph, board: Board) -> None:
    (branch,) = map_network({"g": graph}, board).branches
    for layer in branch.layers:
        times = np.zeros(layer.shape, np.int64)
        for (c0, c1), (y0, y1), (x0, x1) in branch.tilings[layer.name].bounds():
            times[c0:c1, y0:y1, x0:x1] += 1
        assert (times == 1).all()
        assert (branch.cores[layer.name] >= 0).all()


@SLOW
@given(graphs(3), boards)
def test_no_core_is_over_any_limit(graph: Graph, board: Board) -> None:
    placement = map_network({"g": graph}, board)
    (branch,) = placement.branches
    used: Counter[int] = Counter()
    memory: Counter[int] = Counter()
    for layer in branch.layers:
        link_bits = sum(link.weight_bits for link in layer.synapses)
        for core, block in zip(
            branch.cores[layer.name], branch.tilings[layer.name].bounds(), strict=True
        ):
            c, h, w = (block[:, 1] - block[:, 0]).tolist()
            used[int(core)] += c * h * w * layer.ports
            memory[int(core)] += c * h * w * layer.state_bits + c * (link_bits + layer.channel_bits)
    assert max(used.values()) <= board.neurons_per_core.value
    assert max(memory.values()) <= board.memory_bits
    assert (placement.used <= limits(board)).all()
    assert placement.used[:, 0].tolist() == [used[core] for core in range(placement.cores)]
    assert placement.cores >= placement.lower_bound_cores
    assert all(placement.used[:, 1] >= np.array([memory[c] for c in range(placement.cores)]))


@SLOW
@given(graphs(2), boards, st.integers(0, 99))
@pytest.mark.slow
def test_every_synapse_is_reachable(graph: Graph, board: Board, seed: int) -> None:
    (branch,) = map_network({"g": graph}, board).branches
    shapes = {layer.name: layer for layer in branch.layers}
    for layer in branch.layers:
        if not layer.nodes:
            continue  # a relay that only keeps time
        routes = routes_of(branch, layer)
        for neuron in sample(layer, seed, 4):
            block = block_of(branch.tilings[layer.name], neuron)
            for source, *element in synapses_of(graph, layer.name, neuron):
                if source in shapes:
                    origin = block_of(branch.tilings[source], tuple(element))
                    assert routes[source][origin, block]


def routes_of(branch: Branch, layer: Layer) -> Mapping[str, Any]:
    """Source → (source blocks, blocks): whether a message goes there, by relays if need be."""
    by_name = {other.name: other for other in branch.layers}
    found: dict[str, Any] = {}
    for link in layer.synapses:
        if link.source in branch.tilings:
            name, there = link.source, routes_along(branch, layer, link)
            while not by_name[name].nodes:
                (before,) = by_name[name].synapses
                there = routes_along(branch, by_name[name], before) @ there
                name = before.source
            found[name] = there | found.get(name, False)
    return found


def routes_along(branch: Branch, layer: Layer, link: Synapses) -> Any:
    source, reader = branch.tilings[link.source], branch.tilings[layer.name]
    found = between(link, source, reader)
    there = np.zeros((len(source), len(reader)), np.bool_)
    there[found.sender, found.receiver] = True
    return there


def between(link: Synapses, source: Tiling, reader: Tiling) -> Deliveries:
    """Messages from block to block, as if each had a core of its own."""
    return deliveries(source, np.arange(len(source)), [needs(link, reader)])


def block_of(tiling: Tiling, element: tuple[int, ...]) -> int:
    bounds = tiling.bounds()
    inside = (bounds[:, :, 0] <= element) & (np.array(element) < bounds[:, :, 1])
    return int(np.flatnonzero(inside.all(1))[0])


@SLOW
@given(graphs(2), st.integers(0, 99))
def test_fan_in_is_that_of_the_enumeration(graph: Graph, seed: int) -> None:
    for layer in build_layers(graph):
        single = Tiling(layer.shape, (1, 1, 1))
        each = [synapses(link, single).reshape(layer.shape) for link in layer.synapses]
        counted = np.sum(each, axis=0)
        for neuron in sample(layer, seed, 4):
            assert counted[neuron] == len(list(synapses_of(graph, layer.name, neuron)))
        assert fan_in(layer) == counted.max()


def test_axons_and_messages_are_those_of_the_enumeration() -> None:
    """A convolution's routes between two cut layers, neuron by neuron."""
    graph = random_graph(0, ("depthwise", "plain"))
    board = small_board(neurons_per_core=100)
    (branch,) = map_network({"g": graph}, board).branches
    readers = [layer for layer in branch.layers if layer.kind == POPULATION]
    for reader in readers:
        if len(reader.synapses) == 1:
            check_routes(graph, branch, reader, reader.synapses[0])


def check_routes(graph: Graph, branch: Branch, reader: Layer, link: Synapses) -> None:
    if link.source not in branch.tilings:
        return
    here, there = branch.tilings[link.source], branch.tilings[reader.name]
    origin = block_table(here)
    neurons, entries = set(), set()
    channels, rows, columns = (range(n) for n in reader.shape)
    for neuron in product(channels, rows, columns):
        target = block_of(there, neuron)
        for _, c, y, x in synapses_of(graph, reader.name, neuron):
            neurons.add((c, y, x, target))
            entries.add((int(origin[c, y, x]), y, x, target))
    boxes = between(link, here, there).boxes
    assert (boxes[:, 1::2] - boxes[:, ::2]).prod(1).sum() == len(neurons)
    assert output_axons(link, here, there).sum() == len(entries)
    assert input_axons(link, there, here).sum() == len(entries)


def block_table(tiling: Tiling) -> Any:
    table = np.zeros(tiling.shape, np.int64)
    for number, ((c0, c1), (y0, y1), (x0, x1)) in enumerate(tiling.bounds()):
        table[c0:c1, y0:y1, x0:x1] = number
    return table


def test_fan_out_is_the_largest_number_of_blocks_reached() -> None:
    link = Synapses("a", (window(4, 0, 3, 1, 1), *identity((4, 6, 6))[1:]), 8, 8, 1)
    source = Layer("a", POPULATION, (4, 6, 6), 1, ())
    reader = Layer("b", POPULATION, (4, 6, 6), 1, (link,))
    tilings = {"a": Tiling((4, 6, 6), (4, 6, 6)), "b": Tiling((4, 6, 6), (1, 3, 6))}
    assert fan_out_cores(source, tilings, readers_of([source, reader])) == 3


# whole networks


def test_a_whole_network_stays_close_to_its_bound(tiny: dict[str, Graph]) -> None:
    placement = map_network(tiny, small_board())
    assert placement.cores <= 1.25 * placement.lower_bound_cores
    assert placement.fits
    assert placement.obstacle is None


def test_layers_share_cores(placed: Placement) -> None:
    blocks = sum(len(table) for branch in placed.branches for table in branch.loads.values())
    assert placed.cores < blocks
    assert any(len(held) > 1 for held in document(placed, NETWORK).core_map.layers)


@SLOW
@given(graphs(3), graphs(2), boards)
def test_the_order_of_branches_changes_nothing(one: Graph, two: Graph, board: Board) -> None:
    forth = map_network({"a": one, "b": two}, board)
    back = map_network({"b": two, "a": one}, board)
    assert [branch.name for branch in back.branches] == ["b", "a"]
    assert np.array_equal(forth.used, back.used)
    for mine, other in zip(forth.branches, reversed(back.branches), strict=True):
        assert mine.traffic == other.traffic
        for layer in mine.layers:
            assert np.array_equal(mine.cores[layer.name], other.cores[layer.name])


def test_neighbours_lie_near_each_other(tiny: dict[str, Graph]) -> None:
    """Fewer messages between chips than with cores in random order."""
    placement = map_network(tiny, small_board(cores_per_chip=40))
    branch = placement.branches[0]
    order = np.random.default_rng(0).permutation(placement.cores)
    shuffled = {name: order[cores] for name, cores in branch.cores.items()}
    readers = readers_of(branch.layers)
    mixed = traffic(branch.layers, branch.tilings, readers, shuffled, placement.board, None)
    own = sum(t.between_chips for t in branch.traffic.values())
    assert own < 0.8 * sum(t.between_chips for t in mixed.values())


def test_what_does_not_fit_says_why_and_what_would_help(tiny: dict[str, Graph]) -> None:
    placement = map_network(tiny, small_board(name="toy", chips=2, cores_per_chip=40))
    assert not placement.fits
    factor = math.ceil(placement.cores / 80)
    text = placement.obstacle or ""
    assert f"exceed the 80 on 2 of board toy by {placement.cores - 80:,} cores" in text
    assert "neurons fill first" in text
    assert "the first layer beyond the board is search encoder." in text
    budget = placement.neurons * 80 / placement.cores / 1e6
    assert f"{placement.chips} chips; a smaller variant, of at most about {budget:.1f} mil" in text
    assert f"time-multiplexing by a factor of {factor}" in text
    assert "one branch at a time" not in text
    most = max(len(branch.used_cores) for branch in placement.branches)
    roomy = small_board(chips=1, cores_per_chip=most + 50)
    assert "one branch at a time, loaded in turn (1 chip);" in str(
        map_network(tiny, roomy).obstacle
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"input_axons_per_core": 5}, r"^\S+: even a block of .* of input axons, \d+ more than"),
        ({"fan_in": 20}, r"fan-in of [\d,]+ synapses a neuron exceeds the 20 of board toy by"),
        ({"fan_out_cores": 1}, r"fan-out of \d+ cores a neuron exceeds the 1 of board toy by"),
        (
            {"neurons_per_core": 1},
            r"a neuron that takes the place of 2 exceeds the 1 neurons of a core",
        ),
        ({"weight_bits": 4}, r"weights of 8 bits exceed the 4 of board toy; choose a board with 8"),
        ({"state_bits": 16}, r"potentials of 24 bits exceed the 16 of board toy"),
        ({"payload_bits": 16}, r"payloads of 24 bits exceed the 16 of board toy"),
    ],
)
def test_a_layer_that_no_core_holds_is_named(
    mixed: Graph, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(CapacityError, match=message):
        map_network({"search": mixed}, small_board(name="toy", **values))


def test_a_layer_without_memory_is_named(tiny: dict[str, Graph]) -> None:
    message = (
        r"^encoder\S+: even a block of 1×1×1 neurons needs [\d,]+ bits of memory, [\d,]+ more than "
        r"the 8,192 of a core of board toy; use a narrower variant, a board with more memory a core"
    )
    with pytest.raises(CapacityError, match=message):
        map_network({"search": tiny["search"]}, small_board(name="toy", memory_kib_per_core=1))


def test_endless_placements_are_refused(mixed: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spiketrack.deploy.chip.mapping.MOST_CORES", 3)
    with pytest.raises(CapacityError, match=r"at least .* cores of board .*, more than the 3 "):
        map_network({"g": mixed}, small_board())


def test_a_second_port_takes_what_the_board_says(mixed: Graph) -> None:
    one, three = (
        map_network({"g": mixed}, small_board(accumulators_per_product=value)) for value in (1, 3)
    )
    products = sum(layer.neurons for layer in one.layers if layer.ports == 2)
    assert products > 0
    assert three.used[:, 0].sum() - one.used[:, 0].sum() == 2 * products


def test_unrolled_synapses_take_more_cores(mixed: Graph) -> None:
    shared = map_network({"g": mixed}, small_board(memory_kib_per_core=8))
    unrolled = map_network({"g": mixed}, small_board(memory_kib_per_core=8, shared_kernels=False))
    assert unrolled.lower_bound_cores > shared.lower_bound_cores
    assert unrolled.cores >= unrolled.lower_bound_cores
    assert (unrolled.used <= limits(unrolled.board)).all()
    assert unrolled.lower_bound_cores == shared.unrolled_lower_bound_cores


# time


def chain(*steps_and_busy: tuple[int, int]) -> list[Layer]:
    layers, source = [], "image"
    for number, (steps, busy) in enumerate(steps_and_busy):
        link = Synapses(source, identity((1, 1, 1)), 0, 8, steps)
        layers.append(Layer(f"l{number}", POPULATION, (1, 1, 1), steps, (link,), busy=busy))
        source = f"l{number}"
    return layers


def test_latency_of_chains() -> None:
    times = schedule(chain((1, 1), (1, 1), (1, 1)))
    assert (times.latency, times.interval, times.frames_in_flight) == (3, 1, 3)
    assert times.chain == ("l0", "l1", "l2")
    times = schedule(chain((3, 1), (3, 5), (3, 1)))  # steps pipeline through the slow layer
    assert times.done == {"l0": (1, 6, 11), "l1": (6, 11, 16), "l2": (7, 12, 17)}
    assert (times.latency, times.interval, times.slowest) == (17, 15, "l1")
    assert times.frames_in_flight == 2


def test_a_waiting_layer_starts_with_its_sources_last_step() -> None:
    first, second = chain((3, 1), (1, 1))
    waits = Layer("l1", POPULATION, (1, 1, 1), 1, second.synapses, waits=True)
    assert schedule([first, waits]).done["l1"] == (4,)


def test_the_longest_chain_is_the_longest_path(tiny: dict[str, Graph]) -> None:
    """Of the search branch with T = 1 by recursion over the layers."""
    layers = {layer.name: layer for layer in build_layers(tiny_graph(1, "search"))}
    longest: dict[str, int] = {}
    for layer in layers.values():
        before = [longest[s.source] for s in layer.synapses if s.source in layers]
        longest[layer.name] = max(before, default=0) + layer.busy
    times = schedule(list(layers.values()))
    assert times.latency == max(longest.values())
    assert sum(layers[name].busy for name in times.chain) == times.latency
    assert times.interval == 16  # positions of a key-value product


# traffic


def test_traffic_follows_the_events(tiny: dict[str, Graph]) -> None:
    graph = tiny["search"]
    board = small_board()
    events = {node.name: 0.0 for node in graph.populations}
    name = "encoder.ConvBlock1_1.0.Conv.spike3"
    node = graph[name]
    assert isinstance(node, Neuron)
    events[name] = 0.5 * math.prod(node.shape)
    quiet = map_network({"search": graph}, board, {"search": events}).branches[0]
    loud = map_network({"search": graph}, board).branches[0]
    assert quiet.counted
    assert not loud.counted
    for part in ("within_core", "between_cores", "between_chips", "hops_east_west"):
        half = getattr(loud.traffic[name], part) / 2
        assert getattr(quiet.traffic[name], part) == pytest.approx(half)
    silent = quiet.traffic["encoder.ConvBlock1_1.0.Conv.spike2"]
    assert silent.within_core + silent.between_cores + silent.between_chips == 0
    stream = "encoder.ConvBlock1_1.0.Conv.add"  # relays send whatever happens
    assert quiet.traffic[stream] == loud.traffic[stream]


def test_messages_are_split_by_where_they_go(mixed: Graph) -> None:
    """One chip: nothing between chips; one core a chip: nothing within a chip."""
    graphs_ = {"search": mixed}
    together = map_network(graphs_, small_board(cores_per_chip=10_000)).branches[0].traffic
    apart = map_network(graphs_, small_board(cores_per_chip=1)).branches[0].traffic
    assert sum(t.between_chips for t in together.values()) == 0
    assert sum(t.between_cores for t in apart.values()) == 0
    total = sum(t.within_core + t.between_cores for t in together.values())
    assert sum(t.within_core + t.between_chips for t in apart.values()) == pytest.approx(total)


def test_the_host_sends_the_image_and_reads_the_maps(tiny: dict[str, Graph]) -> None:
    search, template = (
        map_network({name: tiny[name]}, load_board()).branches[0] for name in ("search", "template")
    )
    assert search.traffic["decoder.conv5_size"].with_host == 2 * 4 * 4
    assert search.traffic["encoder.downsample1_1.encode_conv.constants"].with_host >= 3 * 64 * 64
    assert template.traffic["encoder.mrm.0.retriever.kv"].with_host == 3 * 8 * 2 * 8


# the document and the command


def test_the_document_is_plain_and_complete(placed: Placement) -> None:
    written = document(placed, NETWORK)
    assert MapDocument.parse(written.text().encode(), "text") == written
    found = json.loads(written.text())
    assert (found["schema"], found["version"]) == ("spiketrack.map", 1)
    assert found["cores"] == placed.cores
    assert found["fits"] is True
    assert found["lower_bound_cores"] <= found["cores"]
    layers = [row for branch in found["branches"] for row in branch["layers"]]
    assert sum(row["neurons"] for row in layers) == found["neurons"]
    for branch, rows in zip(placed.branches, found["branches"], strict=True):
        for row in rows["layers"]:
            assert row["core_of_block"] == branch.cores[row["name"]].tolist()
            assert Tiling(tuple(row["shape"]), tuple(row["block"])) == branch.tilings[row["name"]]
    cores = found["core_map"]
    lists = {key: value for key, value in cores.items() if key not in ("resources", "layer_names")}
    assert {len(value) for value in lists.values()} == {placed.cores}
    assert cores["resources"] == list(RESOURCES)
    held = Counter(number for numbers in cores["layers"] for number in numbers)
    assert [held[number] for number in range(len(layers))] == [row["cores"] for row in layers]
    assert sum(chip["cores"] for chip in found["chip_table"]) == placed.cores


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"blocks": 7}, "7 blocks do not make up its map"),
        ({"core_of_block": [0]}, r"1 cores of \d+ blocks"),
        ({"core_of_block": [10**6]}, r"a block lies on core 1000000 of \d+"),
    ],
)
def test_blocks_and_their_cores_belong_together(
    placed: Placement, changes: dict[str, Any], message: str
) -> None:
    found = json.loads(document(placed, NETWORK).text())
    row = next(r for r in found["branches"][0]["layers"] if r["blocks"] not in (1, 7))
    number = row["blocks"]
    row.update(changes)
    if changes.get("core_of_block") == [10**6]:
        row["core_of_block"] *= number
    with pytest.raises(DocumentError, match=message):
        MapDocument.parse(json.dumps(found).encode(), "text")


def run_counts(graph: Graph, events: int) -> BranchCounts:
    from spiketrack.integer.counting import counted, dense_mac, kind

    nodes = counted(graph)
    table = np.zeros((2, len(nodes), 8), np.int64)
    table[0, :, 0] = 2 * events
    names = tuple(node.name for node in nodes)
    kinds = tuple(kind(node, graph) for node in nodes)
    dense = tuple(dense_mac(node, graph) for node in nodes)
    return BranchCounts(Layers(names, kinds, dense, (0,) * len(nodes)), table)


def test_events_are_means_over_inferences(tiny: dict[str, Graph]) -> None:
    found = events_of({"search": run_counts(tiny["search"], 7)})
    assert set(found["search"].values()) == {7.0}


def test_a_run_of_another_network_is_refused(tiny: dict[str, Graph]) -> None:
    require_same(Path("RUN"), tiny["search"], run_counts(tiny["search"], 1))
    other = tiny_graph(1, "search")
    with pytest.raises(SpikeTrackError, match=r"^RUN: encoder.mrm.0.* made with another network$"):
        require_same(Path("RUN"), tiny["search"], run_counts(other, 1))


@pytest.mark.slow
def test_a_run_of_the_same_shapes_is_told_by_its_digest(
    tiny: dict[str, Graph], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = tiny_exported(3)
    monkeypatch.setattr("spiketrack.export.nir.folder.read_export", lambda folder: exported)
    counts = {branch: run_counts(graph, 7) for branch, graph in tiny.items()}
    digest = exported.manifest.network_digest
    own = write_run_folder(tmp_path / "own", counts, 2, network_digest=digest)
    other = write_run_folder(tmp_path / "other", counts, 2)
    map_command.map(tmp_path, own, json=tmp_path / "map.json")
    found = MapDocument.read(tmp_path / "map.json")
    assert (found.network_digest, found.run_digest) == (digest, RunFolder.read(own).digest)
    message = rf"other: the run was made with another network \({NETWORK[:12]}\) than the export"
    with pytest.raises(SpikeTrackError, match=message):
        map_command.map(tmp_path, other)


@pytest.mark.slow
def test_the_command_prints_and_writes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    exported = tiny_exported(3)
    monkeypatch.setattr("spiketrack.export.nir.folder.read_export", lambda folder: exported)
    json_path, timeline = tmp_path / "map.json", tmp_path / "time.html"
    map_command.map(
        tmp_path, board="3 chips", tiles="auto", layers=True, json=json_path, timeline=timeline
    )
    text = capsys.readouterr().out
    found = json.loads((tmp_path / "map.json").read_text())
    assert f"{found['cores']:,} cores on {found['chips']:,} chip" in text
    assert "frames in flight" in text
    assert "without --run every neuron sends" in text
    assert found["fits"]
    assert text.endswith("fits 3 chips\n")
    assert "search branch: copies of products, steps and neurons" in text
    assert [branch["tiles"] for branch in found["branches"]] == [16, 16]
    page = (tmp_path / "time.html").read_text()
    assert page.count("encoder.block3.0.attn.kv") >= 2  # in both branches
    with pytest.raises(UnsupportedError, match="--tiles many: give a number of copies of kv"):
        map_command.map(tmp_path, tiles="many")
