"""The float reference: golden results of the official implementation, and its parts by hand."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.golden import golden_run
from support.paths import GOLDEN
from support.random_graphs import tiny_model
from torch import Tensor

from spiketrack.config import NetworkConfig
from spiketrack.errors import SpikeTrackError
from spiketrack.reference.blocks import key_value, read_out
from spiketrack.reference.model import SpikeTrack
from spiketrack.reference.neuron import Neuron, Steps, spike

SLOW = pytest.mark.slow

# golden results


OFFICIAL = sorted(path.name.removesuffix(".float64.npz") for path in GOLDEN.glob("*.float64.npz"))


def test_golden_results_of_both_sizes_are_there(shared_data: Path) -> None:
    assert {"spiketrack_s256_t1", "spiketrack_s256_t3", "spiketrack_b256_t3"} <= set(OFFICIAL)


@pytest.mark.platform
@pytest.mark.parametrize(
    "variant", [pytest.param(v, marks=SLOW if "_b" in v else ()) for v in OFFICIAL]
)
@pytest.mark.slow
def test_float64_equals_the_official_implementation(
    variant: str, shared_data: Path, synthetic: Callable[..., Path]
) -> None:
    """Memories, maps and the counts of every call of every population, to the last bit."""
    with np.load(shared_data / "golden" / f"{variant}.npz") as file:
        crops = file["crops"]
    with np.load(shared_data / "golden" / f"{variant}.float64.npz") as file:
        official = dict(file)
    ours = golden_run(synthetic(variant), crops)
    assert set(ours) == set(official)
    assert not [key for key in official if not np.array_equal(official[key], ours[key])]


# the neuron


def by_hand(inputs: list[float], decay: list[float]) -> tuple[list[float], float]:
    """One neuron over its steps in plain Python; ``round`` is half to even.

    Also how near a later potential comes to a tie, where the last bit of a sigmoid decides.
    """
    u, s, spikes, margin = 0.0, 0.0, [], 1.0
    for t, x in enumerate(inputs):
        leak = 1 / (1 + math.exp(-decay[t - 1])) if t else 0.0
        u = (u - s) * leak + x
        s = round(min(max(u, 0.0), 4.0)) / 4
        spikes.append(s)
        margin = min(margin, abs(u % 1 - 0.5)) if t else margin
    return spikes, margin


VALUES = st.floats(-3, 7, width=32) | st.integers(-4, 12).map(lambda n: n / 2)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(VALUES, min_size=4, max_size=4), min_size=1, max_size=3),
    st.lists(st.floats(-3, 3), min_size=3, max_size=3),
)
def test_neuron_recurrence(rows: list[list[float]], decay: list[float]) -> None:
    neuron = Neuron().double().requires_grad_(False)
    neuron.decay.copy_(torch.tensor(decay))
    found = neuron(torch.tensor(rows, dtype=torch.float64), Steps(len(rows)))
    for column in range(4):
        expected, margin = by_hand([row[column] for row in rows], neuron.decay.tolist())
        if margin > 1e-9:
            assert found[:, column].tolist() == expected


def test_ties_are_rounded_to_even() -> None:
    x = torch.tensor([-0.5, 0.5, 1.5, 2.5, 3.5, 4.5, 100.0])
    assert (spike(x) * 4).tolist() == [0, 0, 2, 2, 4, 4, 4]


def test_single_items_behind_the_steps_have_no_state() -> None:
    neuron = Neuron().requires_grad_(False)
    x = torch.randn(3 * 2 + 4, 5) * 2
    together = neuron(x, Steps(3, 4))
    assert torch.equal(together[:6], neuron(x[:6], Steps(3)))
    assert torch.equal(together[6:], neuron(x[6:]))


def test_state_starts_afresh_at_each_call() -> None:
    neuron = Neuron().requires_grad_(False)
    x = torch.randn(3, 50) * 2
    assert torch.equal(neuron(x, Steps(3)), neuron(x, Steps(3)))


def test_gradient_is_straight_through_inside_0_to_4() -> None:
    x = torch.tensor([-1.0, -0.01, 0.01, 0.5, 2.0, 3.99, 4.01, 9.0], requires_grad=True)
    spike(x).sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert x.grad.tolist() == [0, 0, 0.25, 0.25, 0.25, 0.25, 0, 0]


def test_gradient_reaches_earlier_steps_and_decays() -> None:
    neuron = Neuron()
    x = torch.full((3, 6), 0.7, requires_grad=True)
    neuron(x, Steps(3)).sum().backward()
    assert x.grad is not None
    assert (x.grad > 0).all()
    assert neuron.decay.grad is not None
    assert neuron.decay.grad[:2].abs().min() > 0
    assert neuron.decay.grad[2] == 0


# attention


def test_attention_products_by_hand() -> None:
    torch.manual_seed(1)
    k, v = torch.rand(2, 16, 3, 3).double(), torch.rand(2, 64, 3, 3).double()
    q = torch.rand(2, 16, 3, 3).double()
    kv = key_value(k, v)
    x = read_out(q, kv)
    d, wide = 2, 8
    for n, h, i, j in [(0, 0, 0, 0), (1, 3, 1, 5), (1, 7, 0, 7)]:
        expected = (k[n, h * d + i] * v[n, h * wide + j]).sum()
        assert torch.isclose(kv[n, h, i, j], expected)
    for n, c, y, b in [(0, 0, 0, 0), (1, 29, 2, 1), (0, 63, 1, 2)]:
        h, j = divmod(c, wide)
        expected = sum(q[n, h * d + i, y, b] * kv[n, h, i, j] for i in range(d)) * 2 / d**0.5
        assert torch.isclose(x[n, c, y, b], torch.as_tensor(expected))


# the whole network


def _double(templates: int) -> SpikeTrack:
    return copy.deepcopy(tiny_model(templates)).double()


@pytest.mark.parametrize("templates", [1, 3])
def test_joint_batch_equals_separate_branches(templates: int) -> None:
    model = _double(templates)
    z = torch.randn(templates, 2, 3, 64, 64).double()
    x = torch.randn(2, 3, 64, 64).double()
    separate = model(x, model.encode_template(z))
    joint = model.joint(z, x)
    assert set(joint) == {"score_map", "size_map", "offset_map"}
    for name, value in joint.items():
        assert torch.allclose(value, separate[name], rtol=0, atol=1e-12), name


@pytest.mark.parametrize("templates", [1, 3])
def test_items_of_a_batch_do_not_touch_each_other(templates: int) -> None:
    model = _double(templates)
    z = torch.randn(templates, 3, 3, 64, 64).double()
    x = torch.randn(3, 3, 64, 64).double()
    memory = model.encode_template(z)
    maps = model(x, memory)
    for item in range(3):
        mine = model.encode_template(z[:, item])
        for index, shape in enumerate(model.config.memory_shapes):
            assert tuple(mine[index].shape) == (shape[0], 1, *shape[1:])
            assert torch.allclose(mine[index][:, 0], memory[index][:, item], rtol=0, atol=1e-12)
        alone = model(x[item : item + 1], mine)
        for name, value in alone.items():
            assert torch.allclose(value[0], maps[name][item], rtol=0, atol=1e-12), name


def test_templates_are_time_steps() -> None:
    """The first step's memory does not depend on later templates, the last on all of them."""
    model = _double(3)
    z = torch.randn(3, 3, 64, 64).double()
    changed = z.clone()
    changed[1] = torch.randn(3, 64, 64)
    before, after = model.encode_template(z), model.encode_template(changed)
    for a, b in zip(before, after, strict=True):
        assert torch.equal(a[0], b[0])
        assert not torch.equal(a[1], b[1])
    assert not all(torch.equal(a[2], b[2]) for a, b in zip(before, after, strict=True))


def test_maps_have_published_shapes_and_ranges() -> None:
    config = NetworkConfig((16, 16, 16, 24), 4, 3, 16, blocks3=2, blocks4=1)
    model = tiny_model(3)
    assert model.config == config
    memory = model.encode_template(torch.randn(3, 3, 64, 64))
    maps = model(torch.randn(1, 3, 64, 64), memory)
    shapes = {name: tuple(value.shape) for name, value in maps.items()}
    assert shapes == {
        "score_map": (1, 1, 4, 4),
        "size_map": (1, 2, 4, 4),
        "offset_map": (1, 2, 4, 4),
    }
    for name in ("score_map", "size_map"):
        assert maps[name].min() >= 1e-4
        assert maps[name].max() <= 1 - 1e-4


def test_gradients_reach_every_parameter_that_is_used() -> None:
    model = SpikeTrack(NetworkConfig((16, 16, 16, 24), 4, 3, 16, blocks3=2, blocks4=1)).train()
    model.load_state_dict(tiny_model(3).state_dict())
    maps = model.joint(torch.randn(3, 2, 3, 64, 64), torch.randn(2, 3, 64, 64))
    total: Tensor = sum(value.square().mean() for value in maps.values())  # type: ignore[assignment]
    total.backward()  # type: ignore[no-untyped-call]
    idle = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    unused = (".t_pos_embeds.3", ".decay")
    assert {name for name in idle if not name.endswith(unused)} <= _before_batch_norm(idle)


def _before_batch_norm(names: set[str]) -> set[str]:
    """Biases that batch normalisation takes away again."""
    return {name for name in names if name.endswith(("conv.bias", ".0.bias"))}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.encode_template(torch.zeros(2, 3, 64, 64)), "templates: .* needed"),
        (lambda m: m.encode_template(torch.zeros(3)), "templates: .* needed"),
        (lambda m: m.encode_template(torch.zeros(3, 3, 64, 64).byte()), "torch.uint8 of shape"),
        (lambda m: m(torch.zeros(1, 3, 32, 32), []), "search crop: .* needed"),
        (lambda m: m(torch.zeros(1, 3, 64, 64), []), "memory: 0 tensors given, 6 needed"),
        (lambda m: m(torch.zeros(1, 3, 64, 64), [torch.zeros(3)] * 6), "memory 0: .* needed"),
    ],
)
def test_wrong_shapes_are_named(call: Callable[[SpikeTrack], object], message: str) -> None:
    with pytest.raises(SpikeTrackError, match=message):
        call(tiny_model(3))
