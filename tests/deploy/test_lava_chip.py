"""The chip's layers as Lava processes: exact, step by step, and ended whatever happens."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from support.random_crops import random_crops
from support.random_graphs import random_graph, random_inputs, tiny_graph, tiny_model
from support.traces import assert_same_inference

from spiketrack.deploy.chip.board import load_board
from spiketrack.deploy.chip.execution.engine import Chip
from spiketrack.deploy.chip.execution.products import UNITS
from spiketrack.deploy.chip.execution.units import CountingUnit
from spiketrack.deploy.chip.mapping import place
from spiketrack.deploy.chip.program import (
    BINARY,
    FALL_THROUGH,
    GRADED,
    PIPELINED,
    ChipProgram,
    Choices,
    build_program,
)
from spiketrack.deploy.chip.sites import Sites
from spiketrack.deploy.lava.lifetime import crew_names, crew_sizes
from spiketrack.deploy.lava_chip.network import LavaChip, run_steps
from spiketrack.deploy.lava_chip.processes.layers import PROCESSES
from spiketrack.errors import GraphError, LavaError, UnsupportedError
from spiketrack.inference import BRANCHES
from spiketrack.integer.graph import Graph
from spiketrack.simulators.integer import IntegerSimulator
from spiketrack.simulators.lava_chip import LavaChipSimulator

# networkx, which Lava's compiler imports, looks for pandas
pytestmark = [pytest.mark.lava, pytest.mark.filterwarnings("ignore::ImportWarning")]


def drawn(graph: Graph, frames: int, seed: int) -> tuple[list[Any], dict[str, Any]]:
    """Images, and memories of the first."""
    inputs = [random_inputs(graph, seed + number) for number in range(frames)]
    memory = {node.name: torch.from_numpy(inputs[0][node.name]) for node in graph.memories}
    return [torch.from_numpy(found["image"]) for found in inputs], memory


def sites_of(graph: Graph, program: ChipProgram) -> Sites:
    board = load_board("loihi2").changed(neurons_per_core=500, cores_per_chip=14, tiles_across=3)
    (branch,) = place({graph.name: program}, board).branches
    return Sites.of(branch, board)


CASES = [  # every rule; skips that wait in a synapse; one and several processes
    (("plain", "pooled", "attention"), Choices(PIPELINED, GRADED, 4, 2), 3, 2),
    (("retrieval", "constant"), Choices(PIPELINED, BINARY), 2, 1),
    (("gated", "down"), Choices(FALL_THROUGH, BINARY), 1, 99),
]


@pytest.mark.parametrize(("parts", "chosen", "frames", "crews"), CASES)
def test_every_step_is_that_of_the_engine(
    parts: tuple[str, ...], chosen: Choices, frames: int, crews: int
) -> None:
    """Counts, outputs, times, and what layers, cores and links did; with new weights in between."""
    graph = random_graph(9, parts)
    program = build_program(graph, chosen)
    watched = [node.name for node in graph.populations]
    sites = sites_of(graph, program)
    engine = Chip(graph, program, watched, sites)
    lava = LavaChip(graph, program, watched, sites, frames, crews)
    try:
        for run in range(2):
            images, memory = drawn(graph, frames, 10 * run)
            expected, found = (started(chip, memory).run(images) for chip in (engine, lava))
            assert found.activity.names == expected.activity.names
            assert np.array_equal(found.activity.table, expected.activity.table)
            assert found.placed is not None
            assert expected.placed is not None
            assert np.array_equal(found.placed.cores, expected.placed.cores)
            assert np.array_equal(found.placed.links, expected.placed.links)
            for one, other in zip(found.frames, expected.frames, strict=True):
                assert one.steps == other.steps
                for name in watched:
                    assert torch.equal(one.values[name], other.values[name]), name
                for node in graph.outputs:
                    assert torch.equal(one.outputs[node.name], other.outputs[node.name])
        links = [described.links for described in (lava.described, engine.described)]
        assert links[0] is not None
        assert links[1] is not None
        assert np.array_equal(links[0], links[1])
    finally:
        lava.close()


def started(chip: Chip | LavaChip, memory: dict[str, Any]) -> Chip | LavaChip:
    chip.write(memory)
    return chip


@pytest.mark.slow
def test_the_backend_is_the_integer_network() -> None:
    network = {branch: tiny_graph(1, branch) for branch in BRANCHES}
    record = (network, tiny_model(1).config, True, True)
    integer = IntegerSimulator(*record)
    template, crop = random_crops(2)
    with LavaChipSimulator(*record, Choices(FALL_THROUGH, tiles=16)) as lava:
        assert {type(chip) for chip in lava.chips.values()} == {LavaChip}
        for one, other in (
            (lava.encode_template(template[None]), integer.encode_template(template[None])),
            (lava.search(crop), integer.search(crop)),
        ):
            assert_same_inference(one, other)
            assert one.trace.activity is not None


def test_a_run_lasts_until_the_last_message_has_arrived() -> None:
    graph = random_graph(9, ("plain", "attention"))
    for mode in (FALL_THROUGH, PIPELINED):
        program = build_program(graph, Choices(mode))
        images, _ = drawn(graph, 3, 0)
        last = Chip(graph, program).run(images).activity.table[:, 0].max()
        assert last < run_steps(program, 3) <= last + 3


# crews


def test_crews_are_as_equal_as_can_be() -> None:
    assert crew_sizes(7, 3) == (3, 2, 2)
    assert crew_sizes(2, 5) == (1, 1)
    names = crew_names(list("abcdefg"), (3, 2, 1, 1))
    assert names == ["of a to c", "of d to e", "f", "g"]
    assert crew_names(["a", "b"], ()) == ["a", "b"]


def test_every_rule_has_a_process_that_says_what_it_stands_for() -> None:
    assert set(PROCESSES) == set(UNITS)
    for process in PROCESSES.values():
        assert "On Loihi 2: " in str(process.__doc__)


# what goes wrong


@pytest.fixture
def running() -> Iterator[LavaChip]:
    """A network of two crews after its first run."""
    graph = random_graph(9, ("plain",))
    chip = LavaChip(graph, build_program(graph, Choices(FALL_THROUGH)), crews=2, timeout=60.0)
    try:
        chip.run(drawn(graph, 1, 0)[0])
        yield chip
    finally:
        chip.close(force=True)


def pids(chip: LavaChip) -> list[int]:
    return [actor.pid for actor in chip.runtime._messaging_infrastructure.actors]


def once_more(chip: LavaChip) -> None:
    chip.run(drawn(chip.graph, 1, 1)[0])


def test_all_processes_end_with_the_network(running: LavaChip) -> None:
    found = pids(running)
    assert len(found) == 3  # two crews and the runtime service
    once_more(running)
    running.close()
    running.close()
    assert not [pid for pid in found if psutil.pid_exists(pid)]


@pytest.mark.parametrize("end", [once_more, LavaChip.close])
def test_a_crew_that_is_killed_is_named(running: LavaChip, end: Any) -> None:
    found = pids(running)
    os.kill(found[0], signal.SIGKILL)
    deadline = time.monotonic() + 10
    while not running.runtime._messaging_infrastructure.ended() and time.monotonic() < deadline:
        time.sleep(0.02)
    with pytest.raises(LavaError, match=r"^Lava process of pixels to \S+ \(in step \d+\): ended w"):
        end(running)
    assert not [pid for pid in found if psutil.pid_exists(pid)]


def broken(monkeypatch: pytest.MonkeyPatch, act: Any, **settings: Any) -> LavaChip:
    """A network whose last population does something else than counting in its third run."""
    graph = random_graph(9, ("plain",))
    name = graph.populations[-1].name
    right = CountingUnit.fire
    runs = []

    def fire(unit: CountingUnit, t: int) -> torch.Tensor:
        if unit.layer.name == name:
            runs.append(t)
            if len(runs) == 2:
                act()
        return right(unit, t)

    monkeypatch.setattr(CountingUnit, "fire", fire)
    chip = LavaChip(graph, build_program(graph, Choices(FALL_THROUGH)), crews=2, **settings)
    chip.run(drawn(graph, 1, 0)[0])
    return chip


def test_a_layer_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ValueError("no neurons left")

    chip = broken(monkeypatch, fail)
    found = pids(chip)
    with pytest.raises(LavaError, match=r"^Lava process part\d+\.spike: no neurons left$"):
        once_more(chip)
    assert not [pid for pid in found if psutil.pid_exists(pid)]


def test_a_layer_that_hangs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    chip = broken(monkeypatch, lambda: time.sleep(600), timeout=0.5)
    found = pids(chip)
    message = r"^Lava process part\d+\.spike \(step \d+\): no answer within 0\.5 s; the run was en"
    with pytest.raises(LavaError, match=message):
        once_more(chip)
    assert not [pid for pid in found if psutil.pid_exists(pid)]


def test_an_interrupt_ends_all_processes(
    running: LavaChip, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = pids(running)

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "_wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        once_more(running)
    assert not [pid for pid in found if psutil.pid_exists(pid)]


def test_what_cannot_run_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = random_graph(9, ("plain", "retrieval"))
    program = build_program(graph, Choices(FALL_THROUGH))
    chip = LavaChip(graph, program, frames=2)
    images, memory = drawn(graph, 2, 0)
    with pytest.raises(GraphError, match=r"^part\d+\.memory: its memory was never written; encode"):
        chip.run(images)
    chip.write(memory)
    with pytest.raises(GraphError, match=r"^image: shapes \[.*\], needed 2 of \(1, 3, "):
        chip.run(images[:1])
    assert chip.runtime is None
    monkeypatch.delitem(PROCESSES, ("counts", False))
    with pytest.raises(UnsupportedError, match=r"no Lava process runs the rule counts; there are"):
        LavaChip(graph, program)
