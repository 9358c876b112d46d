"""The chip's programs against the rules of the integer network, in plain Python integers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.random_graphs import tiny_graph

from spiketrack.deploy.chip.execution.products import UNITS as RULES
from spiketrack.deploy.chip.microcode.layers import layer_instructions
from spiketrack.deploy.chip.microcode.machine import HIGH, LOW, Listing, Words
from spiketrack.deploy.chip.microcode.programs import (
    COUNT_LEAKY,
    COUNT_ONCE,
    LISTINGS,
    PORT,
    PRODUCT,
    RELAY,
    ROUND,
    SECOND,
    VOTE,
    WEIGH,
    fire,
    instructions,
)
from spiketrack.deploy.chip.microcode.proof import Levels, distinct_thresholds, prove
from spiketrack.deploy.chip.program import Choices, build_program
from spiketrack.errors import GraphError, UnsupportedError
from spiketrack.integer.neurons import thresholds

UNITS = st.integers(3, 20).map(lambda bits: 4**bits)
MEMBRANES = st.lists(st.integers(LOW // 4, HIGH // 4), min_size=1, max_size=20)


def words(values: list[int]) -> Words:
    return np.array(values, np.int64)


def levels_of(levels: Levels) -> dict[str, int | Words]:
    return {f"theta{j}": level for j, level in enumerate(levels, start=1)}


@settings(deadline=None)
@given(UNITS, MEMBRANES, st.integers(-1000, 1000))
def test_counts_reach_thresholds(unit: int, values: list[int], bias: int) -> None:
    levels = thresholds(unit)
    membranes = [*values, *(level - bias for level in levels), *(n - bias - 1 for n in levels)]
    sent, neurons = fire(COUNT_ONCE, {PORT: words(membranes)}, levels_of(levels) | {"bias": bias})
    expected = [sum(u + bias >= level for level in levels) for u in membranes]
    assert np.where(sent.spiked, sent.payload, 0).tolist() == expected
    assert sent.spiked.tolist() == [k > 0 for k in expected]
    assert not neurons.state["u"].any()
    assert not neurons.state[PORT].any()


@settings(deadline=None)
@given(
    UNITS,
    st.lists(
        st.lists(st.integers(-(2**21), 2**21), min_size=4, max_size=4), min_size=2, max_size=3
    ),
    st.lists(st.integers(0, 4095), min_size=3, max_size=3),
)
def test_leak_and_soft_reset(unit: int, steps: list[list[int]], decay: list[int]) -> None:
    levels = thresholds(unit)
    reset = round(unit**0.5 / 4)
    state = {"u": words([0] * 4)}
    potentials = [0] * 4
    for t, arrived in enumerate(steps):
        leak = decay[t] if t < len(steps) - 1 else 0
        parameters = levels_of(levels) | {"reset": reset, "decay": leak}
        sent, neurons = fire(COUNT_LEAKY, {PORT: words(arrived)}, parameters, state)
        potentials = [u + x for u, x in zip(potentials, arrived, strict=True)]
        counts = [sum(u >= level for level in levels) for u in potentials]
        assert np.where(sent.spiked, sent.payload, 0).tolist() == counts
        potentials = [(u - k * reset) * leak >> 12 for u, k in zip(potentials, counts, strict=True)]
        state = {"u": neurons.state["u"]}
        assert state["u"].tolist() == potentials
        assert neurons.wide <= 36


def test_the_state_is_0_after_the_last_step() -> None:
    parameters = levels_of((5, 14, 25, 34)) | {"reset": 2, "decay": 0}
    _, neurons = fire(COUNT_LEAKY, {PORT: words([-7, 0, 7, 99])}, parameters)
    assert not neurons.state["u"].any()


@given(MEMBRANES, st.integers(-99, 99))
def test_relays_send_their_sum(values: list[int], bias: int) -> None:
    sent, _ = fire(RELAY, {PORT: words(values)}, {"bias": bias})
    assert np.where(sent.spiked, sent.payload, 0).tolist() == [u + bias for u in values]


@given(MEMBRANES, st.integers(1, 12))
def test_rounding_is_half_up(values: list[int], shift: int) -> None:
    half = 1 << shift >> 1
    sent, _ = fire(ROUND, {PORT: words(values)}, {"half": half, "shift": shift})
    rounded = np.where(sent.spiked, sent.payload, 0).tolist()
    assert rounded == [(u + half) // 2**shift for u in values]


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30),
    st.integers(0, 6),
)
def test_products_add_up(pairs: list[tuple[int, int]], shift: int) -> None:
    state = {"u": words([0])}
    for index, (a, b) in enumerate(pairs):
        state["phase"] = words([index - len(pairs)])
        sent, neurons = fire(
            PRODUCT, {PORT: words([a]), SECOND: words([b])}, {"shift": shift}, state
        )
        state = {"u": neurons.state["u"]}
        assert sent.spiked[0] == (index == len(pairs) - 1 and any(x * y for x, y in pairs))
    total = sum((x * y) << shift for x, y in pairs)
    assert int(sent.payload[0]) == total


@settings(deadline=None)
@given(
    st.lists(st.integers(-(2**20), 2**20), min_size=3, max_size=3),
    st.integers(0, 12),
    st.integers(2, 400),
)
def test_weights_of_the_gate(logits: list[int], shift: int, length: int) -> None:
    table = words([max(2**15 - 80 * i, 0) for i in range(length)])
    half = 1 << shift >> 1
    parameters: dict[str, int | Words] = {"half": half, "shift": shift, "last": length - 1}
    parameters["table"] = table
    for turn, logit in enumerate(logits):
        state = {f"l{t}": words([value]) for t, value in enumerate(logits)} | {
            "turn": words([turn])
        }
        sent, _ = fire(WEIGH, {}, parameters, state)
        index = min((max(logits) - logit + half) >> shift, length - 1)
        assert int(sent.payload[0]) == int(table[index])


@given(
    st.lists(st.tuples(st.integers(0, 2**15), st.integers(0, 4)), min_size=1, max_size=3),
)
def test_votes(pairs: list[tuple[int, int]]) -> None:
    state = {"u": words([0])}
    for index, (weight, count) in enumerate(pairs):
        state["phase"] = words([index - len(pairs)])
        sent, neurons = fire(VOTE, {PORT: words([count]), SECOND: words([weight])}, {}, state)
        state = {"u": neurons.state["u"]}
    assert bool(sent.spiked[0]) == (sum(e * (c - 2) for e, c in pairs) > 0)


@pytest.mark.parametrize("listing", LISTINGS[:5], ids=lambda listing: listing.name)
def test_a_neuron_whose_turn_it_is_not_keeps_what_arrived(listing: Listing) -> None:
    arrived = {PORT: words([3]), SECOND: words([2])}
    parameters = levels_of((5, 14, 25, 34)) | dict.fromkeys(("reset", "decay", "half", "shift"), 0)
    sent, neurons = fire(listing, arrived, parameters, {"phase": words([-5])})
    assert not sent.spiked.any()
    assert int(neurons.state["u"][0]) == (6 if listing is PRODUCT else 3)
    assert int(neurons.executed[0]) == instructions(listing).idle


def test_what_leaves_24_bits_is_an_error() -> None:
    with pytest.raises(GraphError, match=r"relay: RMW u, x: 8,388,608 leaves 24 bits"):
        fire(RELAY, {PORT: words([HIGH])}, {}, {"u": words([1])})


def test_lines_that_are_none_are_named() -> None:
    with pytest.raises(GraphError, match="wrong: MOV a: opcodes and operands are RMW"):
        Listing.parse("wrong", "", (), "MOV a")
    with pytest.raises(GraphError, match="wrong: HALT: opcodes"):
        Listing.parse("wrong", "", (), "HALT")
    backwards = Listing.parse("loop", "", ("u",), "top: EQ u, u\nJMP_C top")
    with pytest.raises(GraphError, match="loop: no label top further on"):
        fire(backwards, {PORT: words([1])}, {})
    unknown = Listing.parse("early", "", ("u",), "MOV u, z")
    with pytest.raises(GraphError, match="early: z is read before it is written"):
        fire(unknown, {PORT: words([1])}, {})


def test_instructions_are_counted_from_the_listing() -> None:
    assert instructions(COUNT_ONCE).idle == 5
    _, neurons = fire(COUNT_ONCE, {PORT: words([0, 99])}, levels_of((5, 14, 25, 34)))
    counted = instructions(COUNT_ONCE)
    assert neurons.executed.tolist() == [counted.silent, counted.sending]


@pytest.mark.slow
def test_every_membrane_and_a_wrong_program() -> None:
    """All 2^24; a comparison changed from >= to > is found at its four membranes."""
    levels = thresholds(4**10)
    assert dataclasses.astuple(prove(levels)) == (levels, 1, 2**24, 0)
    text = "\n".join(map(str, COUNT_ONCE.instructions)) + "\nend:"
    strict = text.replace("#theta2", "#theta2x")
    wrong = Listing.parse("wrong", "", COUNT_ONCE.variables, strict.replace("#theta2x", "#theta3"))
    assert prove(levels, listing=wrong).differing == levels[2] - levels[1]


def test_distinct_sets_of_thresholds() -> None:
    graphs = [tiny_graph(3, branch) for branch in ("template", "search")]
    found = distinct_thresholds(graphs)
    nodes = [n for g in graphs for n in g.populations if hasattr(n, "thresholds")]
    assert set(found) == {node.thresholds for node in nodes}
    assert sum(found.values()) == len(nodes)


def test_every_layer_has_listings_and_instructions() -> None:
    """A whole network; what multiplies and counts does both when it fires."""
    program = build_program(tiny_graph(3, "search"))
    found = {row.layer: row for row in layer_instructions(program.layers)}
    assert set(found) == set(program.by_name)
    for layer in program.layers:
        row = found[layer.name].counted
        assert 0 < row.idle <= row.silent <= row.sending, layer.name
    by_rule = {(layer.rule, layer.product): found[layer.name] for layer in program.layers}
    assert set(by_rule) == set(RULES)
    product, count = instructions(PRODUCT), instructions(COUNT_ONCE)
    both = by_rule["counts", True]
    assert both.listings == ("product", "count")
    assert both.counted.idle == product.idle
    assert both.counted.sending == product.idle + count.sending - count.idle
    tiled = build_program(tiny_graph(1, "search"), Choices(key_tiles=2)).layers
    rows = zip(layer_instructions(tiled), tiled, strict=True)
    sums = [row for row, layer in rows if layer.parts < layer.busy]
    assert sums
    for found_ in sums:  # takes its copy's sums where it fires
        assert found_.counted.idle == product.idle
        assert found_.counted.sending == count.sending
    leaky = found["encoder.mrm.0.retriever.seg_dw_spike"]
    assert leaky.listings == ("count, with leak",)
    with pytest.raises(
        UnsupportedError, match=r"^strange: no listing of the rule dreams; there ar"
    ):
        layer_instructions([dataclasses.replace(program.layers[0], name="strange", rule="dreams")])
