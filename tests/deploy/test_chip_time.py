"""The network in the chip's own time: exact counts, times, operations, balanced paths."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.naive import evaluate
from support.naive_chip import NaiveChip
from support.one_layer import attention_graph
from support.random_graphs import graphs, random_graph, random_inputs, tiny_graph

from spiketrack.deploy.chip.balance import balance, early, late
from spiketrack.deploy.chip.execution.activity import COLUMNS
from spiketrack.deploy.chip.execution.engine import Chip, Run
from spiketrack.deploy.chip.layers import RELAY, Layer, build_layers
from spiketrack.deploy.chip.loads import readers_of
from spiketrack.deploy.chip.program import (
    AUTO,
    BINARY,
    FALL_THROUGH,
    GRADED,
    MODES,
    PIPELINED,
    SPIKES,
    ChipProgram,
    Choices,
    build_program,
    trade,
)
from spiketrack.deploy.chip.reach import identity
from spiketrack.deploy.chip.requirements import Synapses
from spiketrack.deploy.chip.schedule import schedule
from spiketrack.deploy.chip.tiles import neurons, tile
from spiketrack.deploy.chip.timeline import work_spans
from spiketrack.errors import GraphError, UnsupportedError
from spiketrack.export.passes.quantise import quantise
from spiketrack.export.passes.spiketrack import fold
from spiketrack.integer.counting import FIELDS, OperationCounter
from spiketrack.integer.graph import IMAGE, MEMORY, Graph
from spiketrack.integer.kernels import Program
from spiketrack.limits import MAX_DELAY
from spiketrack.reference.checkpoint import read_checkpoint

SLOW = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
choices = st.builds(
    Choices,
    st.sampled_from(MODES),
    st.sampled_from(SPIKES),
    st.sampled_from([1, 2, 8, AUTO]),
    st.sampled_from([1, 2]),
)

Inputs = list[dict[str, Any]]


def drawn(graph: Graph, frames: int, seed: int) -> Inputs:
    """Independent frames that read one memory."""
    found: Inputs = [random_inputs(graph, seed + n) for n in range(frames)]
    memory = {n.name: found[0][n.name] for n in graph.inputs if n.signal == MEMORY}
    return [frame | memory for frame in found]


def started(graph: Graph, program: ChipProgram, inputs: Inputs) -> tuple[Chip, list[torch.Tensor]]:
    chip = Chip(graph, program, [node.name for node in graph.populations])
    memories = [n.name for n in graph.inputs if n.signal == MEMORY]
    chip.write({name: torch.from_numpy(inputs[0][name]) for name in memories})
    (image,) = (n.name for n in graph.inputs if n.signal == IMAGE)
    return chip, [torch.from_numpy(frame[image]) for frame in inputs]


def run_chip(graph: Graph, program: ChipProgram, inputs: Inputs) -> Run:
    chip, images = started(graph, program, inputs)
    return chip.run(images)


def differing(graph: Graph, run: Run, inputs: Inputs) -> list[tuple[int, str]]:
    """(frame, population or output) whose integers are not those of the naive evaluator."""
    wrong = []
    for number, (frame, given_) in enumerate(zip(run.frames, inputs, strict=True)):
        expected = evaluate(graph, given_)
        for node in graph.populations:
            found = frame.values[node.name].numpy()
            if not np.array_equal(found.reshape(node.shape), expected[node.name]):
                wrong.append((number, node.name))
        for node in graph.outputs:
            if not np.array_equal(frame.outputs[node.name].numpy(), expected[node.name]):
                wrong.append((number, node.name))
    return wrong


# exact


@SLOW
@given(graphs(), choices, st.integers(1, 3), st.integers(0, 99))
@pytest.mark.slow
def test_every_count_is_that_of_the_integer_network(
    graph: Graph, chosen: Choices, frames: int, seed: int
) -> None:
    inputs = drawn(graph, frames, seed)
    program = build_program(graph, chosen)
    assert differing(graph, run_chip(graph, program, inputs), inputs) == []


@settings(SLOW, max_examples=10)
@given(graphs(3), choices, st.integers(1, 2), st.integers(0, 99))
def test_every_message_is_that_of_a_naive_chip(
    graph: Graph, chosen: Choices, frames: int, seed: int
) -> None:
    """Counts, time step by time step, against a simulator that skips nothing."""
    inputs = drawn(graph, frames, seed)
    program = build_program(graph, chosen)
    run = run_chip(graph, program, inputs)
    (image,) = (n.name for n in graph.inputs if n.signal == IMAGE)
    naive = NaiveChip(graph, program, inputs[0])
    naive.run([frame[image] for frame in inputs])
    for node in graph.populations:
        found = np.concatenate([frame.values[node.name] for frame in run.frames])
        assert np.array_equal(found, np.concatenate(naive.fired[node.name]))
    table = run.activity.table
    names = run.activity.names
    messages = COLUMNS.index("messages")
    sent = {(row[0], names[row[1]]): row[messages] for row in table if names[row[1]] != image}
    assert {key: n for key, n in sent.items() if n} == {k: n for k, n in naive.sent.items() if n}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("branch", ["search", "template"])
@pytest.mark.slow
def test_frames_in_flight_are_as_alone(branch: str, mode: str) -> None:
    graph = tiny_graph(3, branch)
    program = build_program(graph, Choices(mode))
    full = program.frames_in_flight if mode == "pipelined" else 3
    for frames in {1, 2, full}:
        inputs = drawn(graph, frames, frames)
        assert differing(graph, run_chip(graph, program, inputs), inputs) == []


def test_the_state_of_one_run_does_not_reach_the_next() -> None:
    graph = random_graph(4, ("retrieval", "attention", "gated"))
    inputs = drawn(graph, 2, 0)
    chip, images = started(graph, build_program(graph), inputs)
    runs = [chip.run([image]) for image in images]
    for number, run in enumerate(runs):
        assert differing(graph, run, inputs[number : number + 1]) == []


# times


@SLOW
@given(graphs(), choices, st.integers(0, 99))
@pytest.mark.slow
def test_layers_fire_when_the_program_says(graph: Graph, chosen: Choices, seed: int) -> None:
    program = build_program(graph, chosen)
    run = run_chip(graph, program, drawn(graph, 3, seed))
    for number, frame in enumerate(run.frames):
        start = number * program.period
        assert frame.steps == {n: tuple(start + s for s in t) for n, t in program.done.items()}
    assert run.activity.table[:, 0].max() >= 2 * program.period + program.latency


@SLOW
@given(graphs())
def test_balancing_changes_no_latency(graph: Graph) -> None:
    plain = schedule(build_layers(graph))
    program = build_program(graph)
    if len(program.layers) == len(plain.layers):
        assert (program.latency, program.interval) == (plain.latency, plain.interval)
    fall = build_program(graph, Choices(FALL_THROUGH))
    assert (fall.latency, fall.period) == (program.latency, program.latency)


@SLOW
@given(graphs(), choices)
def test_paths_are_balanced(graph: Graph, chosen: Choices) -> None:
    program = build_program(graph, chosen)
    layers = program.by_name
    for layer in program.layers:
        for link in layer.synapses:
            source = layers.get(link.source)
            assert late(source, link, layer) <= 0
            assert early(source, link, layer, program.period) <= link.delay <= MAX_DELAY
            assert source is None or source.sends.first >= source.first


def skipping(busy: int) -> list[Layer]:
    """Two slow layers in a row beside a connection past both."""
    axes = identity((8, 4, 4))

    def layer(name: str, busy: int, *sources: str) -> Layer:
        links = tuple(Synapses(source, axes, 0, 8, 1) for source in sources)
        return Layer(name, RELAY, (8, 4, 4), 1, links, busy=busy)

    slow = [layer("slow0", busy, "first"), layer("slow1", busy, "slow0")]
    return [layer("first", 1, "image"), *slow, layer("join", 1, "first", "slow1")]


@pytest.mark.parametrize(
    ("busy", "relays", "delays"),
    [
        (1, 0, [2, 0]),  # nothing waits for nothing: both steps are a delay
        (2, 0, [3, 0]),
        (3, 0, [4, 0]),  # four delays take less of a core than two relays
        (20, 1, [1, 0]),  # 21 steps too early: a relay holds 20 of them
    ],
)
def test_skips_wait_in_what_is_cheapest(busy: int, relays: int, delays: list[int]) -> None:
    times = schedule(skipping(busy))
    assert (times.latency, times.interval) == (2 * busy + 2, busy)
    layers = balance(times.layers, times.period)
    holds = [layer for layer in layers if "+hold" in layer.name]
    assert len(holds) == relays
    assert [link.delay for link in layers[-1].synapses] == delays
    assert layers[-1].state_bits == 24 * (1 + max(delays))
    assert (
        balance(schedule(skipping(busy), fall_through=True).layers, 2 * busy + 2)[-1]
        == (schedule(skipping(busy), fall_through=True).layers[-1])
    )


def test_steps_of_a_frame_do_not_fall_into_each_other() -> None:
    """The query relay speaks three times, three steps before the segments are ready to listen."""
    graph = tiny_graph(3, "search")
    program = build_program(graph)
    segment = program.by_name["encoder.mrm.0.retriever.seg_pw_spike"]
    assert {link.source.rsplit(".", 1)[1]: link.delay for link in segment.synapses} == {
        "seg_dw_spike": 0,
        "q_conv": 3,
    }
    assert segment.state_bits == 24 * (1 + 3)
    assert all(layer.nodes for layer in build_program(graph, Choices(FALL_THROUGH)).layers)


def test_what_is_sent_two_ways_is_sent_by_two_layers() -> None:
    """The stream goes on in one step and feeds three steps of a gated population."""
    graph = random_graph(9, ("gated",))
    copies = [layer for layer in build_program(graph).layers if "+copy" in layer.name]
    assert [layer.sends.times for layer in copies] == [3]


def test_what_cannot_wait_is_refused() -> None:
    """Four spikes do not fit between frames that are two time steps apart."""
    counting = [dataclasses.replace(layer, signal="count") for layer in skipping(1)]
    times = schedule(counting, binary=True)
    assert times.interval == 4
    message = r"^slow0: messages of first cannot be held for 2 time steps with 2 between frames"
    with pytest.raises(GraphError, match=message):
        balance(times.layers, 2)


# tiles


@pytest.mark.parametrize("tiles", [1, 2, 3, 4, 8, 16, 99])
def test_tiles_share_the_positions(tiles: int) -> None:
    """Each position goes to one copy; attention takes fewer steps, and the port adds them up."""
    graph = tiny_graph(1, "search")
    program = build_program(graph, Choices(tiles=tiles))
    name = "encoder.block3.0.attn.kv"
    copies = [layer for layer in program.layers if layer.nodes[:1] == (name,)]
    taken = np.zeros((4, 4), int)
    for layer in copies:
        _, rows, columns = layer.synapses[0].axes
        taken[
            rows.offset : rows.offset + rows.extent,
            columns.offset : columns.offset + columns.extent,
        ] += 1
        assert rows.extent * columns.extent == layer.busy == 16 // len(copies)
    assert (taken == 1).all()
    assert len(copies) == {1: 1, 2: 2, 3: 2, 4: 4, 8: 8, 16: 16, 99: 16}[tiles]
    reader = program.by_name["encoder.block3.0.attn.attn_spike"]
    assert sum(link.port for link in reader.synapses) == len(copies)
    plain = build_program(graph)
    blocks = sum(node.name.endswith(".attn.kv") for node in graph)
    saved = blocks * (16 - 16 // len(copies))
    assert program.latency == plain.latency - saved


@pytest.mark.parametrize("tiles", [2, 3, 4, 8])
def test_tiles_share_the_key_indices(tiles: int) -> None:
    """Each index of a head goes to one copy; the population adds their sums up a step later."""
    graph = attention_graph(tiles, channels=64)  # 8 key indices a head
    program, plain = (build_program(graph, Choices(key_tiles=n)) for n in (tiles, 1))
    (reader,) = (x for x in program.layers if x.rule == "counts" and x.product)
    copies = [program.by_name[x.source] for x in reader.synapses if x.part == "whole"]
    number = {2: 2, 3: 2, 4: 4, 8: 8}[tiles]
    assert len(copies) == number - 1
    taken = np.zeros(64, int)
    for layer in (reader, *copies):
        start, stop = layer.synapses[0].axes[0].reach(*np.array([[0, 32], [32, 64]]) * 4)
        for low, high in zip(start, stop, strict=True):
            assert high - low == 3 * 8 + 8 // number  # four heads, its own indices of each
        taken[[h * 8 + start[0] + i for h in range(8) for i in range(8 // number)]] += 1
        assert layer.parts == 8 // number
    assert (taken == 1).all()
    assert {copy.first for copy in copies} == {reader.first - 1}
    assert program.latency == plain.latency - 8 + 8 // number + 1
    assert program.neurons == plain.neurons + (number - 1) * reader.neurons
    inputs = drawn(graph, 3, tiles)
    assert differing(graph, run_chip(graph, program, inputs), inputs) == []


def test_the_host_reads_the_sum_of_tiles() -> None:
    graph = tiny_graph(3, "template")
    program = build_program(graph, Choices(tiles=4))
    (relay,) = (x for x in program.layers if x.name == "encoder.mrm.0.retriever.kv")
    assert (relay.host, relay.product, len(relay.synapses)) == (True, False, 4)
    inputs = drawn(graph, 1, 0)
    assert differing(graph, run_chip(graph, program, inputs), inputs) == []


def test_automatic_tiles_take_few_more_neurons() -> None:
    graph = tiny_graph(1, "search")
    found = trade(graph, Choices())
    chosen = build_program(graph, Choices(tiles=AUTO))
    assert [p.choices.tiles for p in found if p.choices.key_tiles == 1] == [1, 2, 4, 8, 16]
    assert chosen in found
    assert chosen.neurons <= 1.15 * found[0].neurons
    for program in found:
        plain = tile(build_layers(graph), program.choices.copies)
        assert neurons(build_layers(graph), program.choices.copies) == sum(x.neurons for x in plain)
    better = [p for p in found if p.latency < chosen.latency]
    assert all(program.neurons > 1.15 * found[0].neurons for program in better)


def test_automatic_tiles_bring_nano_to_300_steps() -> None:
    """The bundled network's search branch, whose layers its shapes alone decide."""
    graph = quantise(fold(read_checkpoint("nano").build(), "search"))
    plain, chosen = (build_program(graph, Choices(tiles=n)) for n in (1, AUTO))
    assert (plain.latency, plain.interval) == (778, 64)
    assert chosen.latency <= 300
    assert chosen.neurons <= 1.15 * plain.neurons


def test_work_spans_are_those_of_the_execution() -> None:
    """Of every layer that receives, fires or sends; holding costs no step of work."""
    graph = tiny_graph(3, "search")
    program = build_program(graph, Choices(FALL_THROUGH))
    table = run_chip(graph, program, drawn(graph, 1, 0)).activity.table
    for number, layer in enumerate(program.layers):
        spans = [range(first, last + 1) for first, last in work_spans(layer)]
        worked = {step for span in spans for step in span}
        acted = set(table[table[:, 1] == number, 0].tolist())
        assert worked <= acted, layer.name
        assert max(worked) == max(acted)
    kv = program.by_name["encoder.block3.0.attn.kv"]
    assert work_spans(kv) == ((kv.first - 15, kv.first + 1),)  # 16 positions; two rows


# operations


def test_operations_are_those_of_energy() -> None:
    """Graded: AC graded; binary: AC spike, but for products of two signals, which stay graded."""
    graph = tiny_graph(3, "search")
    inputs = drawn(graph, 1, 5)
    values = {name: torch.from_numpy(value) for name, value in inputs[0].items()}
    rows = OperationCounter(graph).take(Program(graph).run(values))
    names = [node.name for node in OperationCounter(graph).nodes]
    columns = {f: dict(zip(names, rows[:, FIELDS.index(f)], strict=True)) for f in FIELDS}
    for spikes, column in ((GRADED, "ac_graded"), (BINARY, "ac_spike")):
        program = build_program(graph, Choices(PIPELINED, spikes))
        run = run_chip(graph, program, inputs)
        found = run.activity.by_layer("operations")
        for layer in program.layers:
            kept = column if not layer.product else "ac_graded"
            assert found[layer.name] == sum(columns[kept].get(node, 0) for node in layer.nodes)
        assert (
            sum(run.activity.by_layer("multiplications").values())
            == rows[:, FIELDS.index("mac")].sum()
        )


def test_binary_spikes_add_up_to_counts() -> None:
    graph = tiny_graph(1, "template")
    inputs = drawn(graph, 1, 5)
    runs = {s: run_chip(graph, build_program(graph, Choices(PIPELINED, s)), inputs) for s in SPIKES}
    graded, binary = (runs[s].activity.by_layer("messages") for s in (GRADED, BINARY))
    program = build_program(graph, Choices(PIPELINED, BINARY))
    for layer in program.layers:
        if layer.sends.binary:
            counts = runs[BINARY].frames[0].values[layer.name].numpy()
            assert binary[layer.name] == counts.sum()
            assert graded[layer.name] == np.count_nonzero(counts)
    bits = {s: runs[s].activity.by_layer("bits") for s in SPIKES}
    name = "encoder.ConvBlock1_1.0.Conv.spike1"
    assert bits[GRADED][name] == 3 * graded[name]
    assert bits[BINARY][name] == binary[name]


# choices


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mode": "fast"}, "--mode fast: choose one of fall-through, pipelined"),
        ({"spikes": "ternary"}, "--spikes ternary: choose one of graded, binary"),
        ({"tiles": -1}, "--tiles -1: give a number of copies of kv, such as 16, also of q·kv, su"),
        ({"tiles": 4, "key_tiles": 0}, "--tiles 4x0: give a number of copies of kv"),
    ],
)
def test_unknown_choices_are_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        Choices(**values)


# what must be noticed


def changed(program: ChipProgram, name: str, **values: Any) -> ChipProgram:
    layers = [
        dataclasses.replace(layer, **values) if layer.name == name else layer
        for layer in program.layers
    ]
    return dataclasses.replace(program, layers=tuple(layers))


def damaged(program: ChipProgram, layer: Layer) -> dict[str, ChipProgram]:
    """The same program with one mistake in one layer."""
    links = list(layer.synapses)
    links[-1] = dataclasses.replace(links[-1], delay=links[-1].delay + 1)
    sends = dataclasses.replace(layer.sends, first=layer.sends.first + 1)
    return {
        "delay": changed(program, layer.name, synapses=tuple(links)),
        "reset": changed(program, layer.name, resets=False),
        "phase": changed(program, layer.name, first=layer.first - 1),
        "sending": changed(program, layer.name, sends=sends),
    }


def tight(program: ChipProgram, layer: Layer) -> bool:
    """Whether its last messages come in the very step in which it and its readers need them."""
    readers = readers_of(program.layers).get(layer.name, [])
    ends = [(program.by_name.get(link.source), link, layer) for link in layer.synapses]
    ends += [(layer, link, reader) for reader, link in readers]
    return all(late(*end) == 0 for end in ends)


@pytest.mark.parametrize("mistake", ["delay", "reset", "phase", "sending"])
def test_mistakes_show(mistake: str) -> None:
    """In a pipeline of two frames, wherever there is no time to spare."""
    graph = random_graph(2, ("depthwise", "attention", "plain"))
    program = build_program(graph)
    inputs = drawn(graph, 2, 1)
    chosen = [x for x in program.layers if x.rule == "counts" and tight(program, x)]
    assert len(chosen) > 5
    for layer in chosen:
        wrong = damaged(program, layer)[mistake]
        assert differing(graph, run_chip(graph, wrong, inputs), inputs), layer.name
