"""Quantisation in properties: thresholds, weights, grids, proven ranges, gate."""

from __future__ import annotations

import dataclasses
import decimal
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from support.naive import convolve, evaluate
from support.random_graphs import Array, graphs, random_graph, random_inputs, tiny_graph, tiny_model
from torch.nn.functional import conv2d

from spiketrack.errors import GraphError
from spiketrack.export.passes.pixels import on_pixels
from spiketrack.export.passes.quantise import Statistics, quantise, round_aside
from spiketrack.export.passes.spiketrack import fold
from spiketrack.integer.graph import (
    COUNT,
    IMAGE,
    MEMORY,
    Conv,
    Gate,
    Graph,
    Input,
    Neuron,
    Node,
    Output,
    Pool,
    Read,
    Sum,
    Upsample,
)
from spiketrack.integer.neurons import thresholds
from spiketrack.integer.readout import quantise_image
from spiketrack.integer.real import RealConv, RealNeuron, RealSum
from spiketrack.integer.rules.ranges import prove_headroom, ranges
from spiketrack.limits import POTENTIAL_MAX, WEIGHT_MAX
from spiketrack.preprocessing import normalise

EXACT = decimal.Context(prec=120)
WHOLE = [(templates, branch) for templates in (1, 3) for branch in ("template", "search")]


# thresholds


def rounded(u: int, squared: int) -> int:
    """round_half_even(u / sqrt(squared)) with 120 digits."""
    ratio = EXACT.divide(Decimal(u), EXACT.sqrt(Decimal(squared)))
    return int(ratio.to_integral_value(decimal.ROUND_HALF_EVEN))


def counted(u: int, levels: tuple[int, int, int, int]) -> int:
    return sum(u >= level for level in levels)


@settings(max_examples=300, deadline=None)
@given(
    st.integers(1, 2**48)
    | st.integers(1, 2**24).map(lambda n: n * n)
    | st.builds(lambda f, d: 4**f * d, st.integers(0, 20), st.sampled_from([1, 2, 3, 8, 32, 45]))
)
def test_thresholds_are_rounding_half_to_even(squared: int) -> None:
    levels = thresholds(squared)
    for level in levels:
        for u in (level - 1, level, level + 1):
            assert counted(u, levels) == min(max(rounded(u, squared), 0), 4)


@given(st.integers(1, 400))
def test_thresholds_over_their_whole_range(squared: int) -> None:
    levels = thresholds(squared)
    for u in range(-3, 5 * int(squared**0.5) + 5):
        assert counted(u, levels) == min(max(rounded(u, squared), 0), 4)


@given(st.integers(1, 2**20))
def test_ties_go_to_the_even_count(half: int) -> None:
    levels = thresholds((2 * half) ** 2)
    for odd in (1, 3, 5, 7):
        exact = Fraction(odd * half, 2 * half)
        assert counted(odd * half, levels) == round(exact)  # Python rounds half to even


# weights, biases, constants, decays


@lru_cache(maxsize=8)
def folded(templates: int, branch: str) -> Graph:
    return fold(tiny_model(templates), branch)


def pairs(templates: int, branch: str) -> list[tuple[Node, Node]]:
    """Real and integer nodes of the same name."""
    whole = tiny_graph(templates, branch)
    return [(node, whole[node.name]) for node in on_pixels(folded(templates, branch))]


@pytest.mark.parametrize(("templates", "branch"), WHOLE)
def test_weights_are_near_and_use_their_bits(templates: int, branch: str) -> None:
    graph = tiny_graph(templates, branch)
    for real, found in pairs(templates, branch):
        if not (isinstance(real, RealConv) and isinstance(found, Conv)):
            continue
        assert found.shift.min() >= 0
        assert np.abs(found.weight.astype(int)).max() <= WEIGHT_MAX
        fraction, source = graph.fractions[found.name], graph.fractions[found.inputs[0]]
        step = np.exp2(found.shift - fraction + source)
        value = found.weight * step[:, :, None, None, None]
        error = np.abs(value - real.weight).reshape(*step.shape, -1)
        clipped = np.abs(found.weight.reshape(*step.shape, -1).astype(int)) == WEIGHT_MAX
        assert (
            error[~clipped] <= np.broadcast_to(step[..., None], error.shape)[~clipped] / 2
        ).all()
        # no worse in all than the scale at which nothing is clipped
        peak = np.abs(real.weight).reshape(*step.shape, -1).max(-1)
        coarse = np.maximum(
            np.exp2(np.ceil(np.log2(peak / WEIGHT_MAX))), 2.0 ** (source - fraction)
        )
        limit = coarse / 2 * np.sqrt(error.shape[-1])
        assert (np.sqrt((error**2).sum(-1)) <= limit * (1 + 1e-9)).all()
        assert np.abs(found.bias - real.bias * 2.0**fraction).max() <= 0.5


@pytest.mark.parametrize(("templates", "branch"), WHOLE)
def test_constants_decays_and_resets_are_near(templates: int, branch: str) -> None:
    graph = tiny_graph(templates, branch)
    for real, found in pairs(templates, branch):
        if isinstance(real, RealSum) and real.constant is not None:
            assert isinstance(found, Sum)
            assert found.constant is not None
            scaled = real.constant * 2.0 ** graph.fractions[found.name]
            most = 1.0 if found.name.endswith(".constants") else 0.5  # kept off the weights' steps
            assert np.abs(found.constant - scaled).max() <= most
        if isinstance(real, RealNeuron):
            assert isinstance(found, Neuron)
            assert len(found.decay) == found.shape[0] - 1
            for leak, value in zip(found.decay, real.decay, strict=True):
                assert 0 <= leak <= 4095
                assert abs(leak / 4096 - value) <= 1 / 4096
            unit = 2.0 ** graph.fractions[found.inputs[0]]
            source = graph[found.inputs[0]]
            if isinstance(source, Read):
                unit *= (source.shape[1] // 32) ** 0.5 / 2
            assert abs(found.reset - unit / 4) <= 0.5
            assert (
                np.abs(np.array(found.thresholds) - unit * np.array([0.5, 1.5, 2.5, 3.5])).max()
                <= 1
            )


def test_a_mean_error_is_taken_back_in_the_bias() -> None:
    rng = np.random.default_rng(0)
    source = Input("image", (), (1, 3, 3, 3), IMAGE)
    first = rng.normal(size=(1, 12, 3, 1, 1))
    layer = RealConv("layer", ("image",), (1, 12, 3, 3), first, np.zeros((1, 12)))
    spike = RealNeuron("spike", ("layer",), (1, 12, 3, 3))
    weight = rng.normal(size=(1, 8, 6, 1, 1))
    conv = RealConv("conv", ("spike",), (1, 8, 3, 3), weight, rng.normal(size=(1, 8)), groups=2)
    graph = Graph("g", (source, layer, spike, conv, Output("out", ("conv",), conv.shape)))
    mean = rng.uniform(0, 1, (1, 12))
    crops = rng.normal(size=(1, 3, 3, 3)).astype(np.float32)
    found = quantise(graph, Statistics({"spike": mean}, crops))
    node = found["conv"]
    assert isinstance(node, Conv)
    fraction = found.fractions["conv"]
    value = node.weight * np.exp2(node.shift - fraction + 2)[:, :, None, None, None]
    for out in range(8):
        cut = mean[0, 6 * (out // 4) : 6 * (out // 4) + 6]
        real = (weight[0, out, :, 0, 0] * cut).sum() + conv.bias[0, out]
        ours = (value[0, out, :, 0, 0] * cut).sum() + node.bias[0, out] * 2.0**-fraction
        assert abs(real - ours) <= 0.51 * 2.0**-fraction


# grids


def assert_one_grid(graph: Graph) -> None:
    """Fractions fit each node; what is added lies on one grid."""
    at = graph.fractions
    assert set(at) == set(graph.by_name)
    for node in graph:
        inputs = [at[name] for name in node.inputs]
        if graph.signal(node.name) == COUNT and not isinstance(node, Output):
            assert at[node.name] == 2
        elif graph.signal(node.name) == MEMORY:
            assert at[node.name] == 4
        elif isinstance(node, Pool):
            assert at[node.name] == inputs[0] + 2 * int(np.log2(node.kernel))
        elif isinstance(node, Upsample):
            assert node.shift >= 0
            assert at[node.name] == inputs[0] + 2 * int(np.log2(2 * node.factor)) - node.shift
        elif isinstance(node, Read):
            assert at[node.name] == 2 + 4 + node.shift
        elif isinstance(node, (Sum, Output)):
            assert set(inputs) == {at[node.name]}


@pytest.mark.parametrize(("templates", "branch"), WHOLE)
def test_whole_networks_have_one_grid_a_stream(templates: int, branch: str) -> None:
    assert_one_grid(tiny_graph(templates, branch))


@settings(max_examples=25, deadline=None)
@given(graphs())
def test_random_graphs_have_one_grid_a_stream(graph: Graph) -> None:
    assert_one_grid(graph)


# static ranges


def extremes(node: Node, sources: list[Array]) -> tuple[int, int]:
    """Least and greatest sum that any subset of a node's terms has on these inputs."""
    if isinstance(node, Conv):
        return _conv_extremes(node, sources[0])
    if isinstance(node, Sum):
        terms = [np.broadcast_to(x, node.shape) for x in sources]
        if node.constant is not None:
            terms.append(np.broadcast_to(node.constant.astype(np.int64), node.shape))
        return _subset(np.stack(terms), 0)
    if isinstance(node, Neuron):
        return _neuron_extremes(node, sources[0])
    if isinstance(node, Upsample):
        reach = (2 * node.factor) ** 2 * np.abs(sources[0]).max() + (1 << node.shift >> 1)
        return 0, int(reach)
    return 0, 0


def _subset(terms: Array, axis: int) -> tuple[int, int]:
    low, high = np.minimum(terms, 0).sum(axis).min(), np.maximum(terms, 0).sum(axis).max()
    return int(low), int(high)


def _conv_extremes(node: Conv, x: Array) -> tuple[int, int]:
    low = high = 0
    options = (node.stride, node.padding, node.groups)
    for t, image in enumerate(x):
        s = t % len(node.weight)
        weight = (
            node.weight[s].astype(np.int64) << node.shift[s].astype(np.int64)[:, None, None, None]
        )
        w = np.maximum(weight, 0), np.minimum(weight, 0)
        v = np.maximum(image, 0), np.minimum(image, 0)
        bias = node.bias[s].astype(np.int64)[:, None, None]
        up = convolve(v[0], w[0], *options) + convolve(v[1], w[1], *options)
        down = convolve(v[0], w[1], *options) + convolve(v[1], w[0], *options)
        high = max(high, int((up + np.maximum(bias, 0)).max()))
        low = min(low, int((down + np.minimum(bias, 0)).min()))
    return low, high


def _neuron_extremes(node: Neuron, x: Array) -> tuple[int, int]:
    """Every value that the state takes, between its operations too."""
    seen = []
    u = np.zeros(node.shape[1:], np.int64)
    for t in range(node.shape[0]):
        if t:
            count = sum((u >= level).astype(np.int64) for level in node.thresholds)
            u = u - count * node.reset
            seen.append(u)
            u = (u * node.decay[t - 1]) >> 12
            seen.append(u)
        u = u + x[t % len(x)]
        seen.append(u)
    return int(min(v.min() for v in seen)), int(max(v.max() for v in seen))


def assert_bounded(graph: Graph, inputs: dict[str, Array]) -> None:
    reach, values = ranges(graph), evaluate(graph, inputs)
    for node in graph:
        found, value = reach[node.name], values[node.name]
        if graph.signal(node.name) != MEMORY:
            per_channel = value.swapaxes(0, 1).reshape(value.shape[1], -1)
            assert (per_channel.min(1) >= found.low).all(), node.name
            assert (per_channel.max(1) <= found.high).all(), node.name
        low, high = extremes(node, [values[name] for name in node.inputs])
        peak = max(int(np.abs(value).max()), -low, high)
        assert peak <= found.peak, f"{node.name}: {peak} > {found.peak}"


@settings(max_examples=40, deadline=None)
@given(graphs(), st.integers(0, 999), st.booleans())
def test_ranges_bound_every_partial_sum(graph: Graph, seed: int, extreme: bool) -> None:
    assert_bounded(graph, random_inputs(graph, seed, extreme))


@pytest.mark.parametrize(("templates", "branch"), WHOLE)
@pytest.mark.slow
def test_ranges_bound_whole_networks(templates: int, branch: str) -> None:
    graph = tiny_graph(templates, branch)
    assert_bounded(graph, random_inputs(graph, 1))
    assert_bounded(graph, random_inputs(graph, 2, extreme=True))


def single(node: Node, *sources: Input) -> Graph:
    return Graph("single", (*sources, node, Output("out", (node.name,), node.shape)))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 4]), st.integers(1, 3), st.booleans())
def test_the_bound_of_a_convolution_is_reached(
    seed: int, groups: int, kernel: int, signed: bool
) -> None:
    """The input that follows the weights' signs gives exactly the bound: it is not loose."""
    rng = np.random.default_rng(seed)
    low, high = (-542, 676) if signed else (0, 4)
    weight = rng.integers(-127, 128, (1, 8, 8 // groups, kernel, kernel)).astype(np.int8)
    shift = rng.integers(0, 4, (1, 8)).astype(np.int32)
    bias = rng.integers(-5000, 5000, (1, 8)).astype(np.int32)
    source = Input("image", (), (1, 8, kernel, kernel), IMAGE, low, high)
    node = Conv("conv", ("image",), (1, 8, 1, 1), weight, shift, bias, groups=groups)
    graph = single(node, source)
    found = ranges(graph)["conv"]
    tops, bottoms = [], []
    for out in range(8):
        mine = slice(out // (8 // groups) * (8 // groups), None)
        x = np.zeros(source.shape, np.int64)
        part = x[0, mine][: 8 // groups]
        part[...] = np.where(weight[0, out] > 0, high, low)
        tops.append(int(evaluate(graph, {"image": x})["conv"][0, out, 0, 0]))
        part[...] = np.where(weight[0, out] > 0, low, high)
        bottoms.append(int(evaluate(graph, {"image": x})["conv"][0, out, 0, 0]))
        assert_bounded(graph, {"image": x})
    assert tops == found.high.tolist()
    assert bottoms == found.low.tolist()


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 2**18),
    st.lists(st.integers(0, 4095), min_size=2, max_size=2),
    st.integers(-(2**20), 0),
    st.integers(0, 2**20),
    st.integers(0, 2**32 - 1),
)
def test_ranges_bound_the_state_of_a_neuron(
    unit: int, decay: list[int], low: int, high: int, seed: int
) -> None:
    source = Input("image", (), (3, 8, 4, 4), IMAGE, low, high)
    levels = thresholds(unit * unit)
    node = Neuron("spike", ("image",), source.shape, levels, round(unit / 4), tuple(decay))
    graph = single(node, source)
    for extreme in (False, True):
        inputs = random_inputs(graph, seed, extreme)
        inputs["image"][:, 0], inputs["image"][:, 1] = low, high
        found = ranges(graph)["spike"]
        bottom, top = _neuron_extremes(node, inputs["image"])
        assert max(-bottom, top) <= found.peak


@pytest.mark.parametrize(("templates", "branch"), WHOLE)
def test_whole_networks_have_headroom_and_no_int32_overflow(templates: int, branch: str) -> None:
    graph = tiny_graph(templates, branch)
    reach = prove_headroom(graph)
    assert set(reach) == set(graph.by_name)
    assert all(found.peak <= POTENTIAL_MAX for found in reach.values())
    assert min(found.headroom_bits for found in reach.values()) >= 0
    assert min(found.headroom_bits for found in reach.values()) < 2, "bits are wasted"


def test_no_headroom_is_an_error_that_names_node_value_limit_and_remedy() -> None:
    weight = np.full((1, 1, 64, 3, 3), 127, np.int8)
    source = Input("image", (), (1, 64, 3, 3), IMAGE, 0, 4)
    for bias, good in ((0, True), (POTENTIAL_MAX - 4 * 127 * 576 * 16, True), (2**22, False)):
        node = Conv(
            "stage.conv",
            ("image",),
            (1, 1, 1, 1),
            weight,
            np.full((1, 1), 4, np.int32),
            np.full((1, 1), bias, np.int32),
        )
        if good:
            prove_headroom(single(node, source))
        else:
            text = r"^stage\.conv: a partial sum can reach 8,876,032, limit 8,388,607 \(24 bits\); "
            with pytest.raises(GraphError, match=text):
                prove_headroom(single(node, source))


def test_headroom_counts_partial_sums_that_cancel_in_the_end() -> None:
    weight = np.array([127, -127] * 300, np.int8).reshape(1, 1, 600, 1, 1)
    source = Input("image", (), (1, 600, 1, 1), IMAGE, 0, 4)
    node = Conv(
        "conv",
        ("image",),
        (1, 1, 1, 1),
        weight,
        np.full((1, 1), 6, np.int32),
        np.zeros((1, 1), np.int32),
    )
    x = np.full(source.shape, 4)
    graph = single(node, source)
    assert evaluate(graph, {"image": x})["conv"].item() == 0
    with pytest.raises(GraphError, match="conv: a partial sum can reach 9,753,600"):
        prove_headroom(graph)


def test_pooled_and_unpooled_streams_cannot_be_added() -> None:
    source = Input("image", (), (1, 3, 4, 4), IMAGE)
    weight = np.ones((1, 8, 3, 1, 1))
    nodes = (
        source,
        RealConv("a", ("image",), (1, 8, 4, 4), weight, np.zeros((1, 8))),
        Pool("pool", ("a",), (1, 8, 2, 2), 2),
        RealSum("sum", ("pool", "a"), (1, 8, 2, 2)),
    )
    with pytest.raises(GraphError, match="pooled and unpooled membranes are added"):
        quantise(Graph("g", nodes))


# the gate


def gates() -> list[tuple[Gate, int]]:
    graph = tiny_graph(3, "search")
    return [(n, graph.fractions[n.inputs[1]]) for n in graph if isinstance(n, Gate)]


def gate_count(node: Gate, counts: list[int], logits: list[int]) -> int:
    """One channel and position through the gate."""
    steps = len(counts)
    sources = (
        Input("image", (), (steps, 1, 1, 1), IMAGE, 0, 4),
        Input("logits", (), (steps, 1, 1, 1), IMAGE),
    )
    one = dataclasses.replace(node, name="gate", inputs=("image", "logits"), shape=(1, 1, 1, 1))
    shape = (steps, 1, 1, 1)
    values = {"image": np.reshape(counts, shape), "logits": np.reshape(logits, shape)}
    return int(evaluate(single(one, *sources), values)["gate"].item())


def softmax_sum(counts: list[int], logits: list[int], fraction: int) -> Decimal:
    """Σ softmax(l) c / 4 with many digits."""
    scale = Decimal(2) ** -fraction
    powers = [EXACT.exp(EXACT.multiply(Decimal(value), scale)) for value in logits]
    weighted = sum(p * c for p, c in zip(powers, counts, strict=True))
    return EXACT.divide(Decimal(weighted), 4 * sum(powers))


COUNTS = st.lists(st.integers(0, 4), min_size=3, max_size=3)


@settings(max_examples=300, deadline=None)
@given(COUNTS, st.lists(st.floats(-14, 14), min_size=3, max_size=3), st.integers(0, 5))
def test_gate_is_the_rounded_softmax_sum(counts: list[int], reals: list[float], at: int) -> None:
    node, fraction = gates()[at]
    logits = [round(value * 2**fraction) for value in reals]
    exact = softmax_sum(counts, logits, fraction)
    if abs(exact - Decimal("0.5")) > Decimal("0.002"):  # the table's steps are 1/256
        assert gate_count(node, counts, logits) == round(exact)


@given(COUNTS, st.integers(-(2**20), 2**20), st.integers(0, 5))
def test_gate_of_equal_logits_is_exact(counts: list[int], logit: int, at: int) -> None:
    node, _ = gates()[at]
    assert gate_count(node, counts, [logit] * 3) == round(Fraction(sum(counts), 12))


@given(COUNTS, st.permutations([0, -12, -30]), st.integers(0, 5))
def test_gate_of_distant_logits_takes_the_largest(
    counts: list[int], order: list[int], at: int
) -> None:
    node, fraction = gates()[at]
    logits = [value * 2**fraction for value in order]
    winner = counts[order.index(0)]
    if winner != 2:
        assert gate_count(node, counts, logits) == round(Fraction(winner, 4))


@given(st.lists(st.integers(-(2**20), 2**20), min_size=3, max_size=3), st.integers(0, 5))
def test_gate_of_counts_of_two_is_a_tie_whatever_the_weights(logits: list[int], at: int) -> None:
    assert gate_count(gates()[at][0], [2, 2, 2], logits) == 0


# inputs


def test_the_network_receives_every_pixel_as_it_is() -> None:
    graph = tiny_graph(1, "search")
    node = graph["image"]
    assert isinstance(node, Input)
    assert (node.low, node.high, graph.fractions["image"]) == (0, 255, 0)
    pixels = np.resize(np.arange(256, dtype=np.uint8), (64, 64, 3))
    sent = quantise_image(normalise(pixels)[None], graph)
    assert np.array_equal(sent[0], pixels.transpose(2, 0, 1))


def test_what_is_no_normalised_image_is_refused() -> None:
    graph = tiny_graph(1, "search")
    crops = np.zeros((1, 3, 64, 64), np.float32)
    crops[..., 1] = 4.3
    with pytest.raises(GraphError, match=r"image: pixels reach 104\.\.375, proven are 0\.\.255"):
        quantise_image(crops, graph)
    with pytest.raises(GraphError, match="needed are"):
        quantise_image(np.zeros((1, 3, 8, 8), np.float32), graph)


def test_image_layer_on_pixels_is_the_one_on_normalised_crops() -> None:
    """Also along the border, where padding stands for the mean pixel and not for black."""
    real = folded(1, "search")
    graph = on_pixels(real)
    layer, on = (
        real["encoder.downsample1_1.encode_conv"],
        graph["encoder.downsample1_1.encode_conv"],
    )
    constant = graph["encoder.downsample1_1.encode_conv.constants"]
    assert isinstance(layer, RealConv)
    assert isinstance(on, RealConv)
    assert isinstance(constant, RealSum)
    assert constant.constant is not None
    pixels = np.random.default_rng(3).integers(0, 256, (64, 64, 3))
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    crop = torch.from_numpy((pixels / 255 - mean) / std).permute(2, 0, 1)[None]
    weight, bias = (torch.from_numpy(v[0]) for v in (layer.weight, layer.bias))
    want = conv2d(crop, weight, bias, layer.stride, layer.padding)
    raw = torch.from_numpy(pixels).double().permute(2, 0, 1)[None]
    found = conv2d(raw, torch.from_numpy(on.weight[0]), None, on.stride, on.padding)
    np.testing.assert_allclose(found.numpy() + constant.constant, want, atol=1e-9)
    readers = {n.name for n in graph.consumers["encoder.downsample1_1.encode_conv.constants"]}
    assert readers == {"encoder.ConvBlock1_1.0.Conv.spike1", "encoder.ConvBlock1_1.0.Conv.add"}


def test_only_convolutions_can_read_the_image() -> None:
    source = Input("image", (), (1, 3, 4, 4), IMAGE)
    graph = Graph("g", (source, RealNeuron("spike", ("image",), (1, 3, 4, 4))))
    with pytest.raises(GraphError, match="spike: only convolutions can read the image"):
        quantise(graph)


@given(
    arrays(np.float64, (1, 2, 3, 3), elements=st.integers(-64000, 64000).map(lambda n: n / 64)),
    st.lists(st.integers(0, 6), min_size=2, max_size=2),
)
def test_constants_keep_their_side_of_multiples_of_the_weights(
    constant: NDArray[np.float64], powers: list[int]
) -> None:
    step = np.exp2(powers)
    whole = round_aside(constant, step)
    assert np.abs(whole - constant).max() <= 1
    wide = np.broadcast_to(step[:, None, None], constant.shape)
    cells = np.where(constant % wide == 0, constant, np.floor(constant / wide) * wide)
    between = (cells < whole) & (whole < cells + wide)
    inside = np.where(constant == cells, whole == constant, between)
    assert inside[wide > 1].all()


def test_memory_bound_is_the_largest_sum_of_products() -> None:
    template, search = tiny_graph(3, "template"), tiny_graph(3, "search")
    reach = ranges(template)
    for node in search.inputs:
        if node.signal == MEMORY:
            assert node.high == reach[node.name].high.max() == 16 * 4 * 4


def test_random_graph_is_named_in_errors() -> None:
    with pytest.raises(GraphError, match="no node named nowhere"):
        random_graph(0, ("plain",))["nowhere"]


# the image layer


def image_layer(bias: NDArray[np.float64]) -> Graph:
    """Weights that are whole numbers of powers of two on pixels, so that steps are large."""
    std = np.array([0.229, 0.224, 0.225])
    rng = np.random.default_rng(8)
    whole = rng.choice([-64, -32, 32, 64], (1, 4, 3, 2, 2)) / 2**14
    weight = whole * (255 * std)[:, None, None]
    source = Input("image", (), (1, 3, 4, 4), IMAGE, 0, 255)
    conv = RealConv("conv", ("image",), (1, 4, 2, 2), weight, bias[None], 2, 0, 1)
    spike = RealNeuron("spike", ("conv",), conv.shape)
    return Graph("g", (source, conv, spike, Output("out", ("spike",), conv.shape)))


def constants(graph: Graph) -> tuple[NDArray[np.float64], NDArray[np.int64], list[int]]:
    """Real constants on the grid, the integers made of them, the weights' common steps."""
    found = quantise(graph)
    real, whole, conv = on_pixels(graph)["conv.constants"], found["conv.constants"], found["conv"]
    assert isinstance(real, RealSum)
    assert isinstance(whole, Sum)
    assert isinstance(conv, Conv)
    assert real.constant is not None
    assert whole.constant is not None
    steps = []
    for channel in range(conv.weight.shape[1]):
        values = [int(w) << int(conv.shift[0, channel]) for w in conv.weight[0, channel].flat]
        steps.append(next(2**n for n in range(24, -1, -1) if not any(v % 2**n for v in values)))
    scaled = real.constant[0, :, 0, 0] * 2.0 ** found.fractions["conv.constants"]
    return scaled, whole.constant[0, :, 0, 0].astype(np.int64), steps


def test_the_image_layer_keeps_its_constants_off_the_weights_steps() -> None:
    fraction = quantise(image_layer(np.zeros(4))).fractions["conv.constants"]
    start, _, steps = constants(image_layer(np.zeros(4)))
    assert min(steps) > 1
    beside = np.array([0.3, -0.3, 0.2, -0.4])
    aim = np.round(start / steps) * steps + beside
    real, whole, again = constants(image_layer((aim - start) * 2.0**-fraction))
    assert again == steps
    assert real == pytest.approx(aim, abs=1e-6)
    assert (whole - (aim - beside)).tolist() == [1, -1, 1, -1]


def test_image_weights_are_rounded_for_real_images() -> None:
    """On smooth images the outputs are nearer than with weights rounded one by one."""
    rng = np.random.default_rng(5)
    weight, source = rng.normal(size=(1, 8, 3, 7, 7)), Input("image", (), (1, 3, 16, 16), IMAGE)
    conv = RealConv("conv", ("image",), (1, 8, 4, 4), weight, np.zeros((1, 8)), 4, 3)
    graph = Graph("g", (source, conv, Output("out", ("conv",), conv.shape)))
    rough = rng.uniform(-1.8, 2.2, (24, 3, 4, 4))
    crops = rough.repeat(4, 2).repeat(4, 3).astype(np.float32)
    images, held_out = crops[:16], torch.from_numpy(crops[16:]).double()
    errors = {}
    for name, statistics in (("alone", None), ("together", Statistics({}, images))):
        found = quantise(graph, statistics)
        node, constant = found["conv"], found["conv.constants"]
        assert isinstance(node, Conv)
        assert isinstance(constant, Sum)
        assert np.abs(node.weight.astype(int)).max() <= WEIGHT_MAX
        scale = np.exp2(node.shift - found.fractions["conv"])[:, :, None, None, None]
        ours = torch.from_numpy((node.weight * scale)[0]) * 255
        std = torch.tensor([0.229, 0.224, 0.225], dtype=torch.float64)[:, None, None]
        off = ours * std - torch.from_numpy(weight[0])
        miss = conv2d(held_out, off, None, 4, 3)
        errors[name] = float((miss - miss.mean((0, 2, 3), keepdim=True)).square().mean())
    assert errors["together"] < 0.5 * errors["alone"]


def test_leaks_are_rounded_to_the_nearest() -> None:
    """0.3 · 4096 = 1228.8, 0.7 · 4096 = 2867.2; 1 is the largest leak below one."""
    source = Input("image", (), (4, 3, 4, 4), IMAGE)
    conv = RealConv("conv", ("image",), (4, 1, 4, 4), np.ones((1, 1, 3, 1, 1)), np.zeros((1, 1)))
    spike = RealNeuron("spike", ("conv",), conv.shape, (0.3, 0.7, 1.0))
    found = quantise(Graph("g", (source, conv, spike, Output("out", ("spike",), conv.shape))))
    node = found["spike"]
    assert isinstance(node, Neuron)
    assert node.decay == (1229, 2867, 4095)
