"""Options that make a network robust to its start: off by default, seeded where they are on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support.training_data import tiny_collection, tiny_config

from spiketrack.training.folders import Collection
from spiketrack.training.loop import build
from spiketrack.training.pairs import Sampler
from spiketrack.training.replica import Replica
from spiketrack.training.robust import agreement
from spiketrack.training.rounding import running_variances
from spiketrack.training.schema import TrainingConfig
from spiketrack.training.views import start_drift


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    return tiny_collection(Path(tmp_path_factory.mktemp("root")), tiny_config())


def gradients(config: TrainingConfig, collection: Collection) -> tuple[float, torch.Tensor]:
    """Loss and gradient of one share of a step."""
    model = build(config)
    replica = Replica(model, Sampler(config, collection), config, 0, running_variances(model))
    loss = replica.work(0)[0]
    gradient = model.get_parameter("encoder.block3.0.conv.pwconv1.0.weight").grad
    assert gradient is not None
    return loss, gradient


def test_starts_that_are_off() -> None:
    rng = np.random.default_rng(1)
    drifts = [start_drift(rng, 2.0) for _ in range(200)]
    assert max(abs(d.x) for d in drifts) <= 0.05
    scales = {d.scale for d in drifts} - {1.0}
    assert 60 < len(scales) < 140
    assert min(scales) >= 0.8
    assert max(scales) <= 1.2


def test_templates_change_but_not_those_of_validation(collection: Collection) -> None:
    plain = Sampler(tiny_config(), collection)
    off = Sampler(tiny_config(robust={"template_starts": 1.0}), collection)
    assert any((plain.draw(i).templates != off.draw(i).templates).any() for i in range(3))
    assert (plain.validation(0).templates == off.validation(0).templates).all()


@pytest.fixture(scope="module")
def plain(collection: Collection) -> tuple[float, torch.Tensor]:
    return gradients(tiny_config(), collection)


def test_agreement_changes_the_gradient(
    collection: Collection, plain: tuple[float, torch.Tensor]
) -> None:
    loss, gradient = gradients(tiny_config(robust={"agreement": 1.0}), collection)
    assert loss > plain[0]
    assert not torch.equal(gradient, plain[1])


def test_noise_on_membranes_is_seeded(
    collection: Collection, plain: tuple[float, torch.Tensor]
) -> None:
    noisy = tiny_config(robust={"membrane_noise": 0.3})
    loss, first = gradients(noisy, collection)
    again, second = gradients(noisy, collection)
    assert (loss == again, loss == plain[0]) == (True, False)
    assert torch.equal(first, second)


def test_maps_that_move_with_the_crop_agree() -> None:
    """Boxes a pixel farther right cost nothing, boxes that stay a pixel in one of four numbers."""
    score, size = torch.full((2, 1, 2, 2), 0.5), torch.full((2, 2, 2, 2), 0.25)
    maps = {"score_map": score, "size_map": size, "offset_map": torch.zeros(2, 2, 2, 2)}
    offset = torch.zeros(2, 2, 2, 2)
    offset[:, 0] = 2 / 32
    x = torch.zeros(2, 3, 32, 32)
    assert float(agreement(maps, lambda _: {**maps, "offset_map": offset}, x)) == pytest.approx(0)
    assert float(agreement(maps, lambda _: maps, x)) == pytest.approx(1 / 128)
