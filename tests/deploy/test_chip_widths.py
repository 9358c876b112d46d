"""The engine at the widths of S256: every count of both branches, on crops of 64 pixels.

The whole networks take minutes: ``spiketrack verify DIR --frames 1 --backends integer,chip`` on an
export of either.
"""

from __future__ import annotations

from functools import lru_cache

import pytest
from support.random_crops import random_crops
from support.random_graphs import built_model
from support.traces import assert_same_inference

from spiketrack.config import NetworkConfig
from spiketrack.deploy.chip.program import AUTO, FALL_THROUGH, GRADED, Choices
from spiketrack.export.passes.quantise import quantise
from spiketrack.export.passes.spiketrack import fold
from spiketrack.inference import BRANCHES
from spiketrack.integer.graph import Graph
from spiketrack.integer.rules.ranges import prove_headroom
from spiketrack.simulators.chip import ChipSimulator
from spiketrack.simulators.integer import IntegerSimulator

WIDTHS = (32, 64, 128, 192)  # of S256, whose head has 192 channels


@lru_cache(maxsize=2)
def network(templates: int) -> tuple[NetworkConfig, dict[str, Graph]]:
    model = built_model(NetworkConfig(WIDTHS, 4, templates, 192))
    graphs = {branch: quantise(fold(model, branch)) for branch in BRANCHES}
    for graph in graphs.values():
        prove_headroom(graph)
    return model.config, graphs


@pytest.mark.slow
@pytest.mark.parametrize("templates", [1, 3])
def test_s256_is_exact(templates: int) -> None:
    config, graphs = network(templates)
    record = (graphs, config, True, True)
    integer = IntegerSimulator(*record)
    chip = ChipSimulator(*record, Choices(FALL_THROUGH, GRADED, AUTO))
    crops = random_crops(templates + 1)
    encoded = [x.encode_template(crops[:templates]) for x in (chip, integer)]
    found = [x.search(crops[templates]) for x in (chip, integer)]
    for one, other in (encoded, found):
        assert_same_inference(one, other)
