"""How many processes share a branch is a choice that leaves the counts as they are."""

from __future__ import annotations

import pytest
from support.program import Program
from support.random_crops import random_crops
from support.random_graphs import tiny_graph, tiny_model
from support.traces import assert_same_inference

from spiketrack.deploy.process_graph.grouping import SEVERAL, group
from spiketrack.deploy.process_graph.processes import Recording, process_graph
from spiketrack.errors import UnsupportedError
from spiketrack.integer.counting import dense_mac
from spiketrack.simulators.inline import InlineSimulator
from spiketrack.simulators.integer import IntegerSimulator
from spiketrack.simulators.lava import LavaSimulator

BRANCHES = ("search", "template")


@pytest.mark.parametrize("branch", BRANCHES)
@pytest.mark.parametrize("processes", ["1", "2", "3", "7", "1000", "branch", "block"])
def test_every_node_lies_in_one_process(branch: str, processes: str) -> None:
    graph = tiny_graph(3, branch)
    blocks, grouping = group(graph), group(graph, processes)
    held = [name for part in grouping.parts for name in part.nodes]
    assert sorted(held) == sorted(name for part in blocks.parts for name in part.nodes)
    most = {"branch": 1, "block": len(blocks.parts)}.get(processes) or int(processes)
    assert 1 <= len(grouping.parts) <= min(most, len(blocks.parts))
    assert len({part.name for part in grouping.parts}) == len(grouping.parts)
    process_graph(graph, grouping, Recording())  # every message comes from an earlier process


def test_as_many_processes_as_blocks_are_the_blocks() -> None:
    graph = tiny_graph(1, "search")
    assert group(graph, "block") == group(graph)
    assert group(graph, "branch").parts[0].kind == SEVERAL


def test_blocks_are_shared_out_by_their_work() -> None:
    """No process of two holds more than half the work and the largest block."""
    graph = tiny_graph(1, "search")

    def work(nodes: tuple[str, ...]) -> int:
        return sum(1 + dense_mac(graph[name], graph) for name in nodes)

    blocks = [work(part.nodes) for part in group(graph).parts]
    parts = [work(part.nodes) for part in group(graph, "2").parts]
    assert sum(parts) == sum(blocks)
    assert max(parts) <= sum(blocks) / 2 + max(blocks)


@pytest.mark.parametrize("processes", ["0", "-1", "two", "1.5", ""])
def test_other_words_are_refused(processes: str) -> None:
    with pytest.raises(UnsupportedError, match="choose block, branch or a number from 1"):
        group(tiny_graph(1, "search"), processes)


def test_the_command_refuses_other_words_before_it_works(program: Program) -> None:
    line = program.refuses("bench", "--processes", "none")
    assert "--processes none: choose block, branch or a number from 1" in line


@pytest.mark.parametrize("processes", ["branch", "2", "5"])
@pytest.mark.parametrize("templates", [1, 3])
def test_inline_counts_the_same(templates: int, processes: str) -> None:
    _compare(InlineSimulator, templates, processes)


@pytest.mark.lava
@pytest.mark.parametrize(("templates", "processes"), [(1, "branch"), (3, "2")])
def test_lava_counts_the_same(templates: int, processes: str) -> None:
    _compare(LavaSimulator, templates, processes)


def _compare(
    kind: type[InlineSimulator] | type[LavaSimulator], templates: int, processes: str
) -> None:
    model = tiny_model(templates)
    network = {branch: tiny_graph(templates, branch) for branch in BRANCHES}
    integer = IntegerSimulator(network, model.config, True, True)
    images = random_crops(templates + 2)
    with kind(network, model.config, True, True, processes=processes) as other:
        for stack in (images[:templates], images[1 : 1 + templates]):
            assert_same_inference(other.encode_template(stack), integer.encode_template(stack))
            for image in images[-2:]:
                assert_same_inference(other.search(image), integer.search(image))
