"""Layers on loops compiled for this processor, against sums that numpy makes.

Where the processor lacks the instructions, the same layers run on torch's operators.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.python import python
from support.random_graphs import random_graph, random_inputs

from spiketrack.integer import attention
from spiketrack.integer.compiled import dots
from spiketrack.integer.compiled.forms import MOST_TAPS, takes
from spiketrack.integer.exact_choice import chosen
from spiketrack.integer.exact_ops import COMPILED, PIXELS, SMALL, Layer, ties_to_even
from spiketrack.integer.exact_proof import Form, convolved
from spiketrack.integer.graph import KeyValue, Read
from spiketrack.integer.kernels import Program

FAMILIES = {"counts": SMALL, "pixels": PIXELS}


@st.composite
def forms(draw: st.DrawFn) -> Form:
    kernel = draw(st.sampled_from([1, 1, 2, 3, 5, 7]))
    groups = draw(st.sampled_from([1, 1, 2, 8])) if kernel == 1 else 1
    if draw(st.booleans()):  # a kernel a channel
        groups = inputs = outputs = draw(st.integers(1, 70))
    else:
        inputs, outputs = (groups * draw(st.integers(1, 40)) for _ in range(2))
    edge, stride = draw(st.integers(kernel, 19)), draw(st.integers(1, 3))
    padding = draw(st.integers(0, kernel // 2 + 1))
    return Form(kernel, stride, padding, inputs, outputs, groups, draw(st.integers(1, 2)), edge)


@settings(max_examples=80, deadline=None)
@given(forms(), st.sampled_from(sorted(FAMILIES)), st.booleans(), st.integers(0, 2**32 - 1))
def test_layers_give_numpy_s_integers(form: Form, kind: str, counted: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels = kind == "pixels"
    size = (form.steps, form.inputs, form.edge, form.edge)
    x = rng.integers(0, 256 if pixels else 5, size)
    weight = rng.integers(
        -127, 128, (form.outputs, form.inputs // form.groups, form.kernel, form.kernel)
    )
    if not takes(torch.from_numpy(weight), form.groups):
        return
    if pixels and form.inputs == form.groups:
        return  # an image layer is dense
    shift = rng.integers(0, 2, form.outputs)
    bias = rng.integers(-(2**20), 2**20, form.outputs)
    expected = (convolved(x, weight, form) << shift[:, None, None]) + bias[:, None, None]
    unit = 2**17 if counted else None
    if unit:
        expected = (expected[..., None] >= np.array(ties_to_even(unit))).sum(-1)
    weights = torch.from_numpy(weight).to(torch.float32 if pixels else torch.int8)
    numbers = torch.from_numpy(2.0**shift).float(), torch.from_numpy(bias).float()
    place = form.stride, form.padding, form.groups
    layer = Layer(weights, *numbers, size, *place, unit, pixels)
    given_ = torch.from_numpy(x).to(torch.float32 if pixels else torch.uint8)
    run = chosen(FAMILIES[kind]).pack(layer)
    for _ in range(2):  # what a call leaves in its buffers does not reach the next
        found = run(given_.contiguous(memory_format=torch.channels_last))
        assert np.array_equal(found.double().numpy(), expected)


def test_sums_of_a_depthwise_kernel_stay_in_16_bits() -> None:
    assert MOST_TAPS * 4 * 127 < 2**15
    wide = torch.zeros(8, 1, 9, 9)
    assert not takes(wide, 8)


def test_what_a_processor_lacks_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (chosen(SMALL).name == COMPILED) == dots.supported()
    monkeypatch.setattr(dots, "features", lambda: {"avx2", "avx512f"})
    assert dots.supported()
    with pytest.raises(NotImplementedError, match="lacks AVX-512 VNNI"):
        PIXELS.variants[0].pack(next(iter(_layers())))
    monkeypatch.setattr(dots, "features", lambda: {"sse4.1"})
    assert not dots.supported()
    with pytest.raises(NotImplementedError, match="lacks AVX2"):
        SMALL.variants[0].pack(next(iter(_layers())))


LESSER = """
import importlib, sys
from llvmlite import binding
real = binding.get_host_cpu_features()
lacks = tuple(sys.argv.pop().split(","))
some = type(real)({name: has and not name.startswith(lacks) for name, has in real.items()})
binding.get_host_cpu_features = lambda: some
from spiketrack.integer.compiled import dots
assert (dots.LANES, dots.supported()) == (8, "avx2" not in lacks)
importlib.import_module("spiketrack.integer.compiled.chain")
import pytest
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[1:]]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("lacks", ["avx512,avxvnni", "avx512,avxvnni,avx2"])
def test_lesser_processors(lacks: str, tmp_path: Path) -> None:
    """All forms again where LLVM may not use what this processor has."""
    tests = (test_layers_give_numpy_s_integers, test_products_of_attention)
    named = [f"{__file__}::{test.__name__}" for test in tests]
    python(LESSER, *named, lacks, environment={"XDG_CACHE_HOME": str(tmp_path)})


def test_numba_told_to_compile_for_another_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "CPU_NAME", "generic")
    assert not dots.supported()


def _layers() -> Any:
    yield Layer(torch.zeros(4, 4, 1, 1), torch.ones(4), torch.zeros(4), (1, 4, 2, 2))


@pytest.mark.parametrize("channels", [8, 32, 96])
@pytest.mark.parametrize("edge", [1, 3, 8])
@pytest.mark.parametrize("steps", [1, 3])
def test_products_of_attention(channels: int, edge: int, steps: int) -> None:
    """Both ways of each product give what einsum gives in int64."""
    rng = np.random.default_rng(channels + edge + steps)
    heads, d = 8, channels // 8
    counts = rng.integers(0, 5, (steps, edge * edge, 2, heads, d))
    values = rng.integers(0, 5, (steps, edge * edge, heads, 4 * d))
    k, q = (_map(counts[:, :, i], edge) for i in range(2))
    memory = np.einsum("tphi,tphj->thij", counts[:, :, 0], values)
    shape = (steps, channels, edge, edge)
    graph: Any = _Signals({"k": shape, "v": (steps, 4 * channels, edge, edge), "kv": memory.shape})
    write = KeyValue("kv", ("k", "v"), memory.shape, positions=edge * edge)
    found = attention.memory_write(write, graph)([k, _map(values, edge)])
    assert np.array_equal(found.double().numpy(), memory)
    node = Read("x", ("k", "kv"), (steps, 4 * channels, edge, edge), shift=1)
    expected = 2 * np.einsum("tphi,thij->tphj", counts[:, :, 1], memory)
    read = attention.memory_read(node, graph)([q, found])
    assert np.array_equal(read.double().numpy(), _map(expected, edge).double().numpy())


def _map(rows: Any, edge: int) -> torch.Tensor:
    """(steps, positions, heads, n) → counts or sums (steps, C, H, W), channels last."""
    flat = torch.from_numpy(rows.reshape(len(rows), edge, edge, -1))
    small = flat.to(torch.uint8) if rows.max() <= 4 else flat.float()
    return small.permute(0, 3, 1, 2)


class _Node:
    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape


class _Signals(dict[str, _Node]):
    """As much of a graph as the products ask for."""

    def __init__(self, shapes: dict[str, tuple[int, ...]]) -> None:
        super().__init__({name: _Node(shape) for name, shape in shapes.items()})

    def signal(self, name: str) -> str:
        return "memory" if name == "kv" else "count"


def test_a_program_without_the_instructions_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = random_graph(3, ("attention", "depthwise", "retrieval"), 1)
    inputs = {n: torch.from_numpy(v).float() for n, v in random_inputs(graph, 0).items()}
    compiled = Program(graph, fused=True).run(inputs, {n.name for n in graph.populations})
    monkeypatch.setattr("spiketrack.integer.exact_choice.takes", lambda weight, groups: False)
    monkeypatch.setattr("spiketrack.integer.attention.compiles", lambda: False)
    plain = Program(graph, fused=True).run(inputs, {n.name for n in graph.populations})
    for name, counts in plain.items():
        assert torch.equal(compiled[name], counts), name
