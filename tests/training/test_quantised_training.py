"""Training with the integer network's rounding in the loop, and the grid it ends on."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
import typer
from numpy.typing import NDArray
from support.grid import on_the_grid
from support.random_graphs import tiny_model
from support.training_data import tiny_collection, tiny_config, write_config, write_root
from torch import nn
from typer.testing import CliRunner

from spiketrack.commands.train import train as train_command
from spiketrack.config import TrackerConfig
from spiketrack.export.passes.pixels import on_pixels
from spiketrack.export.passes.quantise import quantise
from spiketrack.export.passes.spiketrack import fold
from spiketrack.inference import SEARCH, TEMPLATE, Crop
from spiketrack.integer.graph import Conv, Sum
from spiketrack.integer.real import RealConv, RealSum
from spiketrack.pipeline import calibration, compile_network
from spiketrack.preprocessing import normalise
from spiketrack.reference.checkpoint import read_checkpoint, save_checkpoint
from spiketrack.reference.model import SpikeTrack
from spiketrack.reference.neuron import ONE_STEP, Neuron
from spiketrack.training import grid
from spiketrack.training.grid import Grid
from spiketrack.training.initial import adopt, leave_grid
from spiketrack.training.loop import build, train
from spiketrack.training.replica import soften_gates
from spiketrack.training.rounding import (
    CONVOLUTIONS,
    GATE_SCALE,
    Joint,
    round_weight,
    rounded_pass,
)
from spiketrack.training.snapping import on_grid
from spiketrack.verification.equality import differences


@pytest.mark.parametrize("templates", [1, 3])
@pytest.mark.parametrize("branch", [SEARCH, TEMPLATE])
@pytest.mark.slow
def test_the_export_takes_weights_on_the_grid_as_they_are(templates: int, branch: str) -> None:
    real = on_pixels(fold(on_the_grid(templates), branch))
    whole = quantise(fold(on_the_grid(templates), branch))
    compared = 0
    for node in real:
        found = whole[node.name]
        step = 2.0 ** -whole.fractions[node.name]
        if isinstance(node, RealConv):
            assert isinstance(found, Conv)
            scale = np.exp2(found.shift + float(whole.fractions[node.inputs[0]])) * step
            weight = found.weight * scale[:, :, None, None, None]
            np.testing.assert_allclose(node.weight, weight, rtol=3e-7, atol=1e-12)
            np.testing.assert_allclose(node.bias, found.bias * step, rtol=0, atol=2e-6)
            compared += found.weight.size
        if isinstance(node, RealSum) and node.constant is not None and "embed" in node.name:
            assert isinstance(found, Sum)
            assert found.constant is not None
            assert np.array_equal(found.constant * step, node.constant)
    assert compared > 10_000


def stacks(templates: int) -> list[tuple[Crop, Crop]]:
    """Templates and a search crop: noise, partly black, and noise again."""
    pixels = np.random.default_rng(5).integers(0, 256, (4, templates, 64, 64, 3), np.uint8)
    pixels[1, :, 20:] = 0
    crops = np.stack([[normalise(image) for image in stack] for stack in pixels])
    return list(zip(crops, crops[::-1, 0], strict=True))


@pytest.mark.parametrize("templates", [1, 2, 3])
@pytest.mark.slow
def test_on_the_grid_float_and_integer_counts_are_equal(templates: int) -> None:
    found = differences(on_the_grid(templates), stacks(templates))
    assert found["differ"] == 0
    assert found["compared"] > 1_200_000


@pytest.mark.parametrize("templates", [1, 3])
@pytest.mark.slow
def test_calibration_changes_nothing_on_the_grid(templates: int, tmp_path: Path) -> None:
    path = tmp_path / "grid.safetensors"
    save_checkpoint(path, on_the_grid(templates), TrackerConfig(), half=True, exact=True)
    checkpoint = read_checkpoint(path)
    without, calibrated = (
        compile_network(checkpoint, data).graphs for data in (None, calibration(checkpoint))
    )
    for branch, graph in without.items():
        for node in graph:
            if isinstance(node, Conv):
                other = calibrated[branch][node.name]
                assert isinstance(other, Conv)
                assert np.array_equal(node.weight, other.weight), node.name
                assert np.array_equal(node.bias, other.bias), node.name


def test_no_constant_of_the_image_layer_is_near_a_threshold() -> None:
    """Multiples of the weights' step, of which thresholds are some, are a sixteenth away."""
    graph = on_pixels(fold(on_the_grid(1), SEARCH))
    node = graph["encoder.downsample1_1.encode_conv.constants"]
    assert isinstance(node, RealSum)
    assert node.constant is not None
    part = node.constant * 2.0**14 % 1
    assert np.minimum(part, 1 - part).min() > 1 / 40


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.slow
def test_the_grid_is_near_the_network_also_where_it_trains_on(train: bool) -> None:
    """One layer of each sign of γ, and of none, with its statistics and with the batch's."""
    model = copy.deepcopy(tiny_model(1))
    norm = model.encoder.downsample1_1.encode_bn
    norm.weight[0], norm.weight[1] = -0.7, 0.0
    crops = torch.from_numpy(np.stack([normalise(x) for x in photos(4)]))
    if not train:
        model.train().encoder.downsample1_1(crops, ONE_STEP)
    snapped = on_grid(model)
    first = [m.train(train).encoder.downsample1_1(crops, ONE_STEP) for m in (model, snapped)]
    torch.testing.assert_close(first[1], first[0], rtol=0, atol=0.1)  # steps of 147 int8 weights


def photos(count: int) -> NDArray[np.uint8]:
    """Smooth pictures (count, 64, 64, 3)."""
    rough = np.random.default_rng(1).integers(0, 256, (count, 16, 16, 3), np.uint8)
    return rough.repeat(4, 1).repeat(4, 2)


def test_a_network_on_the_grid_can_be_trained_on_in_float() -> None:
    model = build(tiny_config(network={"templates": 3}))
    adopt(model, dict(on_grid(model).state_dict()))
    assert max(float(p.detach().abs().max()) for p in model.parameters()) > 1000
    leave_grid(model)
    size = model.config.resolution
    maps = model.train().joint(torch.rand(3, 2, 3, size, size), torch.rand(2, 3, size, size))
    sum(value.sum() for value in maps.values()).backward()  # type: ignore[union-attr]
    gradients = [p.grad.norm() for p in model.parameters() if p.grad is not None]
    assert float(torch.stack(gradients).norm()) < 1e4
    decays = [p for n, p in model.named_parameters() if n.endswith("decay")]
    assert min(float(decay.detach().min()) for decay in decays) > -2


def test_a_gate_of_zeros_stays_finite() -> None:
    model = copy.deepcopy(tiny_model(3))
    for name, parameter in model.named_parameters():
        if name.endswith("gate.mlp.2.weight"):
            parameter.zero_()
    assert all(torch.isfinite(v).all() for v in on_grid(model).state_dict().values())


def test_the_grid_is_a_fixed_point() -> None:
    snapped = on_grid(tiny_model(1))
    again = on_grid(snapped).state_dict()
    for name, value in snapped.state_dict().items():
        if name.endswith((".weight", "_pos_embed")) and ".1.weight" not in name:
            torch.testing.assert_close(again[name], value, rtol=1e-5, atol=1e-7)


def test_checkpoints_on_the_grid_lose_nothing_in_fp16(tmp_path: Path) -> None:
    model, path = on_the_grid(1), tmp_path / "grid.safetensors"
    save_checkpoint(path, model, TrackerConfig(), half=True, exact=True)
    stored = safetensors.torch.load_file(path)
    for name, value in model.state_dict().items():
        assert torch.equal(stored[name].to(value.dtype), value), name
    halves = sum(v.numel() for v in stored.values() if v.dtype == torch.float16)
    assert halves > 0.8 * sum(v.numel() for v in stored.values())


@pytest.mark.parametrize("steps", [Grid(0, -3), Grid(0, -3, odd=True)])
def test_biases_are_rounded_to_the_nearest_step(steps: Grid) -> None:
    values = torch.linspace(-2, 2, 333)
    found = grid.round_to(values, steps) * 8
    assert torch.equal(found, found.round())
    assert not steps.odd or (found % 2 == 1).all()
    assert float((found / 8 - values).abs().max()) <= (0.125 if steps.odd else 0.0625)


def test_names_of_the_grid_are_names_of_the_network() -> None:
    """Every pattern of the tables has a module, and the gate, the stem and pools have their own."""
    model = SpikeTrack(tiny_config(network={"templates": 3}).network.build())
    convolutions = [n for n, m in model.named_modules() if isinstance(m, CONVOLUTIONS)]
    used = {grid.layer_grid(name) for name in convolutions}
    assert used == {found for _, found in grid.LAYERS}
    populations = [n for n, m in model.named_modules() if isinstance(m, Neuron)]
    still = [n for n in populations if grid.leak(n) == grid.NO_LEAK]
    assert len(still) == 3 + 6 + 6 + sum(n.endswith("attn.attn_spike") for n in populations)


def test_gradients_reach_the_real_weights() -> None:
    joint = Joint(build(tiny_config()).train())
    size = joint.model.config.resolution
    z, x = torch.rand(1, 2, 3, size, size), torch.rand(2, 3, size, size)
    maps = rounded_pass(joint, z, x)
    sum(value.sum() for value in maps.values()).backward()  # type: ignore[union-attr]
    touched = [m for m in joint.model.modules() if isinstance(m, nn.Conv2d)]
    assert all(m.weight.grad is not None for m in touched)
    assert float(joint.model.decoder.get_parameter("conv5_ctr.weight").grad.abs().sum()) > 0  # type: ignore[union-attr]


def test_rounding_on_worked_examples() -> None:
    weight = torch.tensor([[127.0, -64.4, 0.6], [0.9, 0.0, -1.0], [0.0, 0.0, 0.0]])
    rounded = round_weight(weight)
    assert rounded[0].tolist() == [127.0, -64.0, 1.0]
    assert rounded[1].tolist() == [58 / 64, 0.0, -1.0]
    assert rounded[2].tolist() == [0.0, 0.0, 0.0]
    gain = torch.tensor([2.0, 0.0, 1.0])  # a channel without gain cannot be folded back
    assert round_weight(weight, gain)[0].tolist() == [127.0, -64.0, 1.0]
    assert torch.equal(round_weight(weight, gain)[1], weight[1])
    coarse = round_weight(weight, least=1)
    assert coarse[0].tolist() == [128.0, -64.0, 0.0]
    assert coarse[1].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.slow
def test_a_quantised_run_leaves_weights_on_the_grid(tmp_path: Path) -> None:
    config = tiny_config(quantised=True)
    list(train(config, tiny_collection(tmp_path / "data", config), tmp_path / "run"))
    for name in ("weights.safetensors", "weights.pth.tar"):
        model = read_checkpoint(tmp_path / "run" / name).build()
        weight = model.encoder.get_parameter("downsample3.encode_conv.weight") * 2.0**9
        assert torch.equal(weight, weight.round()), name


@pytest.mark.parametrize(("templates", "workers"), [(1, 1), (3, 2)])
@pytest.mark.slow
def test_a_quantised_run_counts_what_differs_at_the_end(
    tmp_path: Path, templates: int, workers: int
) -> None:
    said: list[str] = []
    sections = {"network": {"templates": templates}, "optimiser": {"workers": workers}}
    config = tiny_config(quantised=True, **sections)
    folder = tmp_path / "run"
    list(train(config, tiny_collection(tmp_path / "data", config), folder, tell=said.append))
    last = json.loads((folder / "log.jsonl").read_text().splitlines()[-1])
    assert (last["event"], last["differ"]) == ("grid", 0)
    assert last["compared"] > 10_000
    assert said[-1].endswith(f"0 of {last['compared']:,} counts differ")


def test_differences_are_counted_off_the_grid() -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (64, 64, 3), "u1")
    crops = normalise(pixels)
    found = differences(tiny_model(1), [(crops[None], crops)])
    assert 100 < found["differ"] < found["compared"]


@pytest.mark.slow
def test_a_gate_takes_one_step_and_still_learns() -> None:
    model = copy.deepcopy(on_grid(tiny_model(3)))
    leave_grid(model)
    model.requires_grad_().train()
    soften_gates(model)
    shares: list[torch.Tensor] = []
    retriever = model.encoder.get_submodule("mrm.2.retriever")
    retriever.get_submodule("softmax").register_forward_hook(lambda m, i, o: shares.append(o))
    size = model.config.resolution
    maps = rounded_pass(Joint(model), torch.rand(3, 2, 3, size, size), torch.rand(2, 3, size, size))
    sum(value.sum() for value in maps.values()).backward()  # type: ignore[union-attr]
    allowed = torch.tensor([0, 1 / 3, 1 / 2, 1])
    apart = (shares[0].detach()[..., None] - allowed).abs().amin(-1)
    assert float(apart.max()) < 1e-6
    for name in ("gate.mlp.0.weight", "gate.mlp.2.weight"):
        gradient = retriever.get_parameter(name).grad
        assert gradient is not None
        assert bool(gradient.isfinite().all()), name
        assert float(gradient.abs().max()) > 0, name


def test_a_gate_s_gradient_is_that_of_smaller_logits() -> None:
    model = tiny_model(3)
    soften_gates(model)
    softmax = model.encoder.get_submodule("mrm.2.retriever.softmax")
    logits = (4e3 * torch.randn(5, 3)).requires_grad_()
    weights = torch.randn(5, 3)
    shares = softmax(logits)
    (found,) = torch.autograd.grad((weights * shares).sum(), logits)
    (expected,) = torch.autograd.grad((weights * (logits / GATE_SCALE).softmax(-1)).sum(), logits)
    torch.testing.assert_close(shares, logits.softmax(-1))
    torch.testing.assert_close(found, expected)
    assert float(found.abs().max()) > 0


@pytest.mark.slow
def test_command_takes_quantised(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(train_command)
    config = write_config(tmp_path / "tiny.yaml")
    root, out = str(write_root(tmp_path / "data")), str(tmp_path / "run")
    result = CliRunner().invoke(app, [str(config), "--out", out, "--data", root, "--quantised"])
    assert result.exit_code == 0, result.output
    metadata = read_checkpoint(tmp_path / "run" / "weights.safetensors").metadata
    assert json.loads(metadata["configuration"])["quantised"] is True
