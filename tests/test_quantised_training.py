"""Training with the integer network's rounding in the loop."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from random_graphs import tiny_model
from test_training import BOXES, WEIGHTS, perfect_maps
from torch import Tensor, nn
from training_data import tiny_collection, tiny_config, write_config, write_root
from typer.testing import CliRunner

from spiketrack.checkpoint import read_checkpoint
from spiketrack.commands.train import train as train_command
from spiketrack.export.folding import SEARCH, TEMPLATE, RealConv, fold
from spiketrack.export.graph import Conv
from spiketrack.export.quantise import quantise
from spiketrack.model import SpikeTrack
from spiketrack.training.loop import build, train
from spiketrack.training.losses import disagreement
from spiketrack.training.rounding import Joint, round_image, round_weight, rounded_pass
from spiketrack.training.rounding import rounded_weights as all_weights


def rounded_model(model: SpikeTrack) -> SpikeTrack:
    """A copy with the rounded weights instead of the real ones."""
    model = copy.deepcopy(model)
    with torch.no_grad():
        for name, weight in list(all_weights(Joint(model))):
            model.get_parameter(name).copy_(weight)
    return model


@pytest.mark.parametrize("branch", [SEARCH, TEMPLATE])
def test_rounded_weights_are_those_of_the_export(branch: str) -> None:
    """Folded and quantised, the real weights give what the rounded ones give folded alone."""
    exported = quantise(fold(tiny_model(3), branch))
    rounded = fold(rounded_model(tiny_model(3)), branch)
    compared = 0
    for node in rounded:
        if not isinstance(node, RealConv):
            continue
        integer = exported[node.name]
        assert isinstance(integer, Conv)
        exponent = integer.shift + exported.fractions[node.inputs[0]]
        scale = np.exp2(exponent - float(exported.fractions[node.name]))[:, :, None, None, None]
        real = integer.weight * scale
        assert real.shape == node.weight.shape
        finer = integer.shift > 0  # other channels may be held back by the membrane's grid
        np.testing.assert_allclose(node.weight[finer], real[finer], rtol=2e-6, atol=1e-9)
        compared += int(finer.sum())
    assert compared > 1000


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
    assert round_image(torch.tensor([0.5, 1 / 300])).tolist() == [0.5, 1 / 256]


def test_disagreement_is_none_between_equal_maps_and_grows_with_the_size() -> None:
    maps = perfect_maps(BOXES, 8)
    assert float(disagreement(maps, maps, BOXES, WEIGHTS)) == pytest.approx(0, abs=1e-5)
    larger = [{**maps, "size_map": maps["size_map"] * factor} for factor in (1.1, 1.3)]
    apart = [float(disagreement(maps, other, BOXES, WEIGHTS)) for other in larger]
    assert 0.2 < apart[0] < apart[1]
    other = {**maps, "score_map": maps["score_map"].flip(-1)}
    assert float(disagreement(maps, other, BOXES, WEIGHTS)) == pytest.approx(2, abs=1e-2)


def steps(config_changes: dict[str, object], root: Path, out: Path) -> list[dict[str, Tensor]]:
    config = tiny_config(**config_changes)
    list(train(config, tiny_collection(root, config), out))
    return [json.loads(row) for row in (out / "log.jsonl").read_text().splitlines()]


def test_quantised_run_logs_disagreement_and_agreement(tmp_path: Path) -> None:
    rows = steps({"quantised": True}, tmp_path / "data", tmp_path / "on")
    agreed = [row["disagreement"] for row in rows if row["event"] == "step"]
    assert len(agreed) == 6
    assert min(agreed) > 0
    assert all(0 <= row["agreement"] <= 1 for row in rows if row["event"] == "validation")
    plain = steps({}, tmp_path / "data", tmp_path / "off")
    assert {row["disagreement"] for row in plain if row["event"] == "step"} == {0}


def test_command_takes_quantised(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(train_command)
    config = write_config(tmp_path / "tiny.yaml")
    root, out = str(write_root(tmp_path / "data")), str(tmp_path / "run")
    result = CliRunner().invoke(app, [str(config), "--out", out, "--data", root, "--quantised"])
    assert result.exit_code == 0, result.output
    metadata = read_checkpoint(tmp_path / "run" / "weights.safetensors").metadata
    assert json.loads(metadata["configuration"])["quantised"] is True
