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
from random_graphs import tiny_model
from torch import nn
from training_data import tiny_collection, tiny_config, write_config, write_root
from typer.testing import CliRunner

from spiketrack.blocks import Downsample
from spiketrack.checkpoint import read_checkpoint, save_checkpoint
from spiketrack.commands.train import train as train_command
from spiketrack.config import TrackerConfig
from spiketrack.export.folding import SEARCH, TEMPLATE, RealConv, RealSum, fold
from spiketrack.export.graph import Conv, Sum
from spiketrack.export.pixels import on_pixels
from spiketrack.export.quantise import quantise
from spiketrack.model import SpikeTrack
from spiketrack.neuron import ONE_STEP, Neuron
from spiketrack.preprocessing import normalise
from spiketrack.simulators.float_reference import FloatSimulator
from spiketrack.simulators.integer import IntegerSimulator
from spiketrack.training import grid
from spiketrack.training.grid import Steps
from spiketrack.training.initial import branch_ends, scale_gates
from spiketrack.training.loop import build, train
from spiketrack.training.replica import soften_gates
from spiketrack.training.rounding import CONVOLUTIONS, Joint, round_weight, rounded_pass
from spiketrack.training.snapping import differences, on_grid


def on_the_grid(templates: int) -> SpikeTrack:
    """``tiny_model`` on the grid, with streams as small as training leaves them."""
    model = copy.deepcopy(tiny_model(templates))
    downs = [m.encode_bn for m in model.modules() if isinstance(m, Downsample)]
    for norm, scale in [(n, 0.05) for n in branch_ends(model)] + [(n, 0.5) for n in downs]:
        norm.weight.mul_(scale)
        norm.bias.mul_(scale)
    return on_grid(model)


@pytest.mark.parametrize("templates", [1, 3])
@pytest.mark.parametrize("branch", [SEARCH, TEMPLATE])
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


@pytest.mark.parametrize("templates", [1, 3])
def test_on_the_grid_float_and_integer_counts_are_equal(templates: int) -> None:
    """Every count of both branches, on noise and on black, without and with calibration."""
    model = on_the_grid(templates)
    rng = np.random.default_rng(5)
    pixels = rng.integers(0, 256, (4, templates, 64, 64, 3), np.uint8)
    pixels[1, :, 20:] = 0
    crops = np.stack([[normalise(image) for image in stack] for stack in pixels])
    real = FloatSimulator(model, record=True)
    graphs = {branch: quantise(fold(model, branch)) for branch in (TEMPLATE, SEARCH)}
    whole = IntegerSimulator(graphs, model.config, counts=True)
    compared = 0
    for z, x in zip(crops, crops[::-1, 0], strict=True):
        for call, argument in (("encode_template", z), ("search", x)):
            one, other = (getattr(s, call)(argument).trace.counts for s in (real, whole))
            assert one.keys() == other.keys()
            for name, counts in one.items():
                assert np.array_equal(counts.reshape(other[name].shape), other[name]), name
                compared += counts.size
    assert compared > 1_900_000


def test_the_grid_is_a_fixed_point_and_near() -> None:
    model = tiny_model(1)
    snapped = on_grid(model)
    again = on_grid(snapped)
    for name, value in snapped.state_dict().items():
        if name.endswith((".weight", "_pos_embed")) and ".1.weight" not in name:
            torch.testing.assert_close(again.state_dict()[name], value, rtol=1e-5, atol=1e-7)
    crop = torch.from_numpy(normalise(np.full((64, 64, 3), 90, np.uint8)))[None]
    first = [m.encoder.downsample1_1(crop, ONE_STEP) for m in (model, snapped)]
    torch.testing.assert_close(first[1], first[0], rtol=0, atol=0.02)


def test_checkpoints_on_the_grid_lose_nothing_in_fp16(tmp_path: Path) -> None:
    model, path = on_the_grid(1), tmp_path / "grid.safetensors"
    save_checkpoint(path, model, TrackerConfig(), half=True, exact=True)
    stored = safetensors.torch.load_file(path)
    for name, value in model.state_dict().items():
        assert torch.equal(stored[name].to(value.dtype), value), name
    halves = sum(v.numel() for v in stored.values() if v.dtype == torch.float16)
    assert halves > 0.8 * sum(v.numel() for v in stored.values())


@pytest.mark.parametrize("steps", [Steps(0, -3), Steps(0, -3, odd=True)])
def test_biases_are_rounded_to_the_nearest_step(steps: Steps) -> None:
    values = torch.linspace(-2, 2, 333)
    found = grid.round_to(values, steps) * 8
    assert torch.equal(found, found.round())
    assert not steps.odd or (found % 2 == 1).all()
    assert float((found / 8 - values).abs().max()) <= (0.125 if steps.odd else 0.0625)


def test_names_of_the_grid_are_names_of_the_network() -> None:
    """Every pattern of the tables has a module, and the gate, the stem and pools have their own."""
    model = SpikeTrack(tiny_config(network={"templates": 3}).network.build())
    convolutions = [n for n, m in model.named_modules() if isinstance(m, CONVOLUTIONS)]
    used = {grid.convolution_steps(name) for name in convolutions}
    assert used == {steps for _, steps in grid.CONVOLUTIONS}
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


def test_a_quantised_run_leaves_weights_on_the_grid(tmp_path: Path) -> None:
    config = tiny_config(quantised=True)
    list(train(config, tiny_collection(tmp_path / "data", config), tmp_path / "run"))
    for name in ("weights.safetensors", "weights.pth.tar"):
        model = read_checkpoint(tmp_path / "run" / name).build()
        weight = model.encoder.get_parameter("downsample3.encode_conv.weight") * 2.0**9
        assert torch.equal(weight, weight.round()), name


def test_a_quantised_run_counts_what_differs_at_the_end(tmp_path: Path) -> None:
    said: list[str] = []
    config = tiny_config(quantised=True)
    folder = tmp_path / "run"
    list(train(config, tiny_collection(tmp_path / "data", config), folder, tell=said.append))
    last = json.loads((folder / "log.jsonl").read_text().splitlines()[-1])
    assert (last["event"], last["differ"]) == ("grid", 0)
    assert last["compared"] > 10_000
    assert said[-1].endswith(f"0 of {last['compared']:,} counts differ")


def test_differences_are_counted_off_the_grid() -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (64, 64, 3), "u1")
    crops = torch.from_numpy(normalise(pixels))
    found = differences(tiny_model(1), [(crops[None], crops)])
    assert 100 < found["differ"] < found["compared"]


def test_a_gate_takes_one_step_and_still_learns() -> None:
    model = copy.deepcopy(on_grid(tiny_model(3)))
    scale_gates(model)
    model.requires_grad_().train()
    soften_gates(model)
    shares: list[torch.Tensor] = []
    retriever = model.encoder.get_submodule("mrm.2.retriever")
    retriever.get_submodule("share").register_forward_hook(lambda m, i, o: shares.append(o))
    size = model.config.resolution
    maps = rounded_pass(Joint(model), torch.rand(3, 2, 3, size, size), torch.rand(2, 3, size, size))
    sum(value.sum() for value in maps.values()).backward()  # type: ignore[union-attr]
    allowed = torch.tensor([0, 1 / 3, 1 / 2, 1])
    apart = (shares[0].detach()[..., None] - allowed).abs().amin(-1)
    assert float(apart.max()) < 1e-6
    for name in ("gate.mlp.0.weight", "gate.mlp.2.weight"):
        gradient = retriever.get_parameter(name).grad
        assert gradient is not None
        assert 0 < float(gradient.abs().max()) < 1000, name


def test_command_takes_quantised(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(train_command)
    config = write_config(tmp_path / "tiny.yaml")
    root, out = str(write_root(tmp_path / "data")), str(tmp_path / "run")
    result = CliRunner().invoke(app, [str(config), "--out", out, "--data", root, "--quantised"])
    assert result.exit_code == 0, result.output
    metadata = read_checkpoint(tmp_path / "run" / "weights.safetensors").metadata
    assert json.loads(metadata["configuration"])["quantised"] is True
