"""The public builder: what it writes, and errors that name the node."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from support.python import python
from torch import nn

from spiketrack.errors import GraphError
from spiketrack.integer.builder import Builder, Norm, Weights
from spiketrack.integer.graph import Conv, Input, Node
from spiketrack.integer.nodes.traits import COUNT
from spiketrack.integer.real import RealConv, Reals

ROOT = Path(__file__).resolve().parents[2]


def kernels(out: int, width: int, size: int = 1) -> Weights:
    return Weights(np.random.default_rng(out).normal(size=(out, width, size, size)))


def norm_of(vector: Reals, variance: Reals) -> Norm:
    return Norm(vector, vector, vector, variance)


@pytest.fixture
def b() -> Builder:
    """An image of 16 × 16, a stem of 8 channels and its counts."""
    b = Builder("net")
    b.neuron("spike", b.conv("stem", b.image("image", 16), kernels(8, 3, 3), padding=1))
    return b


@pytest.mark.slow
def test_normalisation_is_folded_as_torch_applies_it() -> None:
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(3, 6, 3, 2, 1).double(), nn.BatchNorm2d(6).double().eval()
    for values in (*norm.parameters(), *norm.buffers()):
        if values.ndim:
            nn.init.uniform_(values, 0.5, 2.0)
    x = torch.randn(1, 3, 8, 8, dtype=torch.float64)
    weight, bias = (conv.state_dict()[key].numpy() for key in ("weight", "bias"))
    state = norm.state_dict()
    keys = ("weight", "bias", "running_mean", "running_var")
    gain, shift, mean, variance = (state[key].numpy() for key in keys)
    b = Builder("net")
    weights = Weights(weight, bias, Norm(gain, shift, mean, variance, norm.eps))
    b.output("y", b.conv("conv", b.image("image", 8), weights, stride=2, padding=1))
    node = b.build()["conv"]
    assert isinstance(node, RealConv)
    found = nn.functional.conv2d(
        x, torch.from_numpy(node.weight[0]), torch.from_numpy(node.bias[0]), stride=2, padding=1
    )
    assert node.shape == tuple(found.shape)
    torch.testing.assert_close(found, norm(conv(x)), rtol=1e-12, atol=1e-12)


def test_shapes_follow(b: Builder) -> None:
    x = b.pool("pool", b.conv("down", "spike", kernels(16, 8, 3), stride=2, padding=1), 2)
    counts = b.neuron("counts", x, decay=[0.5, 0.25])
    assert b.shape(x) == (1, 16, 4, 4)
    assert b.shape(counts) == (3, 16, 4, 4)
    y = b.conv("steps", counts, kernels(64, 16), kernels(64, 16), kernels(64, 16))
    memory = b.key_value("kv", counts, b.neuron("v", y, decay=[0, 1]))
    assert b.shape(memory) == (3, 8, 2, 8)
    assert b.shape(b.read("read", counts, memory)) == (3, 64, 4, 4)
    logits = b.conv("logits", b.positions("turned", counts), kernels(1, 16))
    assert b.shape(b.gate("gate", counts, logits)) == (1, 16, 4, 4)
    assert b.shape(b.upsample("up", "steps", 4)) == (3, 64, 16, 16)
    b.output("y", "up")
    assert [node.name for node in b.build().outputs] == ["y"]


Wrong = Callable[[Builder], object]
WRONG: dict[str, tuple[Wrong, str]] = {
    "channels": (
        lambda b: b.conv("bad", "spike", kernels(4, 3)),
        "bad: weights of 3 channels in 1 groups for 8 channels",
    ),
    "groups": (
        lambda b: b.conv("bad", "spike", kernels(6, 2), groups=4),
        "bad: 6 channels in 4 groups",
    ),
    "weight axes": (
        lambda b: b.conv("bad", "spike", Weights(np.zeros((4, 8)))),
        r"bad: weights of shape \(4, 8\), needed are \(C_out, C_in / groups, k, k\)",
    ),
    "bias": (
        lambda b: b.conv("bad", "spike", Weights(np.zeros((4, 8, 1, 1)), np.zeros(5))),
        r"bad: bias of shape \(5,\), not \(4,\)",
    ),
    "norm": (
        lambda b: b.conv(
            "bad",
            "spike",
            Weights(np.zeros((4, 8, 1, 1)), None, norm_of(np.zeros(4), np.zeros(3))),
        ),
        r"bad: variance of shape \(3,\), not \(4,\)",
    ),
    "no weights": (lambda b: b.conv("bad", "spike"), "bad: no weights"),
    "sets": (
        lambda b: b.conv("bad", "spike", kernels(4, 8), kernels(4, 8)),
        "bad: 2 sets of weights for 1 steps",
    ),
    "unequal sets": (
        lambda b: b.conv("bad", "spike", kernels(4, 8), kernels(5, 8)),
        "bad: sets of weights of different shapes",
    ),
    "stride": (lambda b: b.conv("bad", "spike", kernels(4, 8), stride=0), "bad: stride 0"),
    "kernel": (
        lambda b: b.conv("bad", "spike", kernels(4, 8, 17)),
        r"bad: shape \(1, 4, 0, 0\)",
    ),
    "not a number": (
        lambda b: b.conv("bad", "spike", Weights(np.full((4, 8, 1, 1), np.nan))),
        "bad: weights or biases that are not finite",
    ),
    "membrane": (lambda b: b.conv("bad", "stem", kernels(4, 8)), "bad: reads no spikes"),
    "counts of counts": (
        lambda b: b.neuron("bad", "spike"),
        r"bad: reads \('count',\), needs \('membrane',\)",
    ),
    "decay": (lambda b: b.neuron("bad", "stem", [1.5]), r"bad: a decay lies outside 0\.\.1"),
    "steps": (
        lambda b: b.neuron("bad", b.conv("c", b.neuron("n", "stem", [0, 0]), kernels(4, 8)), [0]),
        r"bad: shape \(2, 4, 16, 16\) from \(3, 4, 16, 16\)",
    ),
    "too many steps": (lambda b: b.neuron("bad", "stem", [0] * 3), "bad: .*steps are 1 to 3"),
    "sum of counts": (lambda b: b.sum("bad", ["spike"]), "bad: adds spike, which is no membrane"),
    "sum of sizes": (
        lambda b: b.sum("bad", ["stem", b.conv("c", "spike", kernels(4, 8))]),
        r"bad: adds c of shape \(1, 4, 16, 16\) to \(1, 8, 16, 16\)",
    ),
    "sum of nothing": (lambda b: b.sum("bad", []), "bad: adds nothing"),
    "twice": (lambda b: b.sum("bad", ["stem", "stem"]), "bad: adds one input twice"),
    "constant": (
        lambda b: b.sum("bad", ["stem"], np.zeros((1, 8, 4, 4))),
        r"bad: constant of shape \(1, 8, 4, 4\)",
    ),
    "pool": (lambda b: b.pool("bad", "stem", 3), "bad: kernel 3; its grid makes up for powers"),
    "pool of nothing": (lambda b: b.pool("bad", "stem", 0), "bad: kernel 0"),
    "pool and rest": (lambda b: b.pool("bad", "stem", 32), r"bad: shape \(1, 8, 0, 0\)"),
    "factor": (lambda b: b.upsample("bad", "stem", 3), "bad: factor 3; supported are 2 and 4"),
    "heads": (
        lambda b: b.key_value("bad", b.neuron("n", b.conv("c", "spike", kernels(4, 8))), "spike"),
        "bad: 4 channels in 8 heads; a multiple of 8",
    ),
    "values": (
        lambda b: b.key_value("bad", "spike", "spike"),
        r"bad: shape \(1, 8, 1, 4\) from \(1, 8, 16, 16\) and \(1, 8, 16, 16\)",
    ),
    "read": (
        lambda b: b.read("bad", "spike", b.memory("m", (1, 8, 2, 8), 16)),
        "bad: shape from",
    ),
    "no memory": (lambda b: b.read("bad", "spike", "stem"), "bad: reads .*needs"),
    "logits": (lambda b: b.gate("bad", "spike", "stem"), "bad: logits of shape"),
    "unknown": (lambda b: b.output("bad", "nowhere"), "bad: reads nowhere, which does not come"),
    "same name": (lambda b: b.neuron("spike", "stem"), "spike: two nodes have this name"),
    "signal": (
        lambda b: b.add(Input("bad", (), (1, 8, 4, 4), COUNT)),
        "bad: signal count; from outside come image and memory",
    ),
    "an integer node": (
        lambda b: b.add(
            Conv(
                "bad",
                ("spike",),
                (1, 8, 16, 16),
                np.zeros((1, 8, 8, 1, 1), np.int8),
                np.zeros((1, 8), np.int32),
                np.zeros((1, 8), np.int32),
            )
        ),
        "bad: Conv is none of Input, ",
    ),
    "no type of ours": (
        lambda b: b.add(type("Odd", (Node,), {})("bad", (), (1, 1, 1, 1))),
        "bad: Odd is none of Input, ",
    ),
    "no end": (lambda b: b.build(), "net: no output; end with output"),
}


@pytest.mark.parametrize("case", WRONG)
def test_errors_name_the_node(b: Builder, case: str) -> None:
    wrong, message = WRONG[case]
    before = dict(b.nodes)
    with pytest.raises(GraphError, match=f"^{message}"):
        wrong(b)
    assert "bad" not in b.nodes
    assert all(b.nodes[name] is node for name, node in before.items())


def test_it_loads_no_model_and_no_part_of_torch_that_makes_models() -> None:
    code = (
        "import sys, spiketrack.integer.builder; print([n for n in sys.modules if n.startswith("
        "('spiketrack.reference', 'spiketrack.export', 'torch', 'lava', 'numba'))])"
    )
    assert python(code, folder=ROOT).stdout.strip() == "[]"
