"""Float against integer with teacher forcing: what each population loses on its own.

Every population of the integer network gets the float run's counts as its inputs; its own counts
are compared with the float run's. Errors do not accumulate, so the loss is located.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spiketrack.inference import SEARCH, TEMPLATE, Counts, Crop, Maps
from spiketrack.integer.graph import MEMORY_FRACTION, Gate, Graph, Neuron, Node
from spiketrack.integer.kernels import Program
from spiketrack.integer.readout import quantise_image
from spiketrack.integer.registry import Registry
from spiketrack.limits import MAX_COUNT
from spiketrack.machine.precision import whole_float32
from spiketrack.reference.model import SpikeTrack
from spiketrack.reference.neuron import Neuron as Population
from spiketrack.simulators.float_reference import as_counts, recording, to_maps
from spiketrack.verification.comparison import unlike

INPUT_LOSSES: Registry[Callable[..., None]] = Registry(
    "loss of a population's input", applies=lambda traits: traits.population
)


@dataclass
class Loss:
    """Sums over frames for one population; see the properties."""

    counts: int = 0
    mismatches: int = 0
    float_sum: float = 0.0
    integer_sum: float = 0.0
    signal: float = 0.0
    noise: float = 0.0
    ties: int = 0

    @property
    def mismatch_rate(self) -> float:
        """Share of counts that differ."""
        return self.mismatches / self.counts

    @property
    def mean_difference(self) -> float | None:
        """(mean integer count - mean float count) / mean float count; None if silent."""
        return (self.integer_sum - self.float_sum) / self.float_sum if self.float_sum else None

    @property
    def sqnr_db(self) -> float | None:
        """10 log10(Σ u² / Σ (u - û)²) of the membrane input; None for gates or no noise."""
        if not self.noise or not self.signal:
            return None
        return 10 * math.log10(self.signal / self.noise)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "counts": self.counts,
            "mismatches": self.mismatches,
            "mismatch_rate": self.mismatch_rate,
            "mean_count_float": self.float_sum / self.counts,
            "mean_difference": self.mean_difference,
            "sqnr_db": self.sqnr_db,
            "ties": self.ties,
        }


class TeacherForcing:
    """Accumulates losses by (branch, population) over any number of inferences.

    ``counts``: of the float network in the last inference, by population.
    """

    def __init__(self, model: SpikeTrack, graphs: Mapping[str, Graph]) -> None:
        self.model = model
        self.graphs = graphs
        self.programs = {name: Program(graph) for name, graph in graphs.items()}
        self.losses: dict[tuple[str, str], Loss] = {}
        self.memory: tuple[Tensor, ...] = ()
        self.counts: Mapping[str, Counts] = {}

    @torch.no_grad()
    @whole_float32()
    def encode_template(self, crops: Crop) -> None:
        """Template branch on crops (T, 3, S, S)."""
        with recording(self.model) as spikes, membranes(self.model) as inputs:
            self.memory = self.model.encode_template(torch.from_numpy(crops))
        self._compare(TEMPLATE, crops, spikes, inputs, {})

    @torch.no_grad()
    @whole_float32()
    def search(self, crop: Crop) -> Maps:
        """Search branch on one crop (3, S, S) with the float memory; the float maps."""
        with recording(self.model) as spikes, membranes(self.model) as inputs:
            outputs = self.model(torch.from_numpy(crop)[None], self.memory)
        memory = {
            f"memory.{index}": value[:, 0] * 2**MEMORY_FRACTION
            for index, value in enumerate(self.memory)
        }
        self._compare(SEARCH, crop[None], spikes, inputs, memory)
        return to_maps(outputs)

    def _compare(
        self,
        branch: str,
        crops: Crop,
        spikes: Mapping[str, Tensor],
        inputs: Mapping[str, Tensor],
        memory: Mapping[str, Tensor],
    ) -> None:
        self.counts = as_counts(spikes)
        graph = self.graphs[branch]
        forced = {
            node.name: (spikes[node.name] * MAX_COUNT).reshape(node.shape)
            for node in graph.populations
        }

        def observe(node: Node, sources: Sequence[Tensor], output: Tensor) -> None:
            if node.name in forced:
                loss = self.losses.setdefault((branch, node.name), Loss())
                add_counts(loss, forced[node.name], output)
                INPUT_LOSSES[node](node, loss, graph, sources, inputs)

        image = torch.from_numpy(quantise_image(crops, graph).astype(np.float32))
        self.programs[branch].run({"image": image, **memory}, (), observe, forced)


def add_counts(loss: Loss, exact: Tensor, integer: Tensor) -> None:
    """Compare one inference's counts."""
    loss.counts += exact.numel()
    loss.mismatches += int(np.count_nonzero(unlike(exact.numpy(), integer.numpy())))
    loss.float_sum += float(exact.sum(dtype=torch.float64))
    loss.integer_sum += float(integer.sum(dtype=torch.float64))


@INPUT_LOSSES.register(Neuron)
def add_membrane(
    node: Neuron,
    loss: Loss,
    graph: Graph,
    sources: Sequence[Tensor],
    inputs: Mapping[str, Tensor],
) -> None:
    """Compare the membrane input, real units, and count integers on a tie of the rounding."""
    source, integer, real = graph[node.inputs[0]], sources[0], inputs[node.name]
    scale = 1 / math.sqrt(source.unit_squared(graph.fractions[source.name]))
    real = real.reshape(-1, *source.shape[1:])[: len(integer)].double()
    loss.signal += float((real**2).sum())
    loss.noise += float(((integer.double() * scale - real) ** 2).sum())
    for j, level in enumerate(node.thresholds, start=1):
        tie = (j - 0.5) / scale
        if tie == round(tie):
            # half to even: below an odd count the threshold lies one above the tie
            loss.ties += int((integer == level - j % 2).sum())


@INPUT_LOSSES.register(Gate)
def add_gate_ties(
    node: Gate,
    loss: Loss,
    graph: Graph,
    sources: Sequence[Tensor],
    inputs: Mapping[str, Tensor],
) -> None:
    """Gate inputs whose counts are 2 in every step: the weighted sum is exactly one half."""
    loss.ties += int((sources[0] == MAX_COUNT / 2).all(0).sum())


class membranes:  # noqa: N801  (used like a function, as ``recording`` is)
    """Collect every population's membrane input while the context lasts, named as outputs are."""

    def __init__(self, model: SpikeTrack) -> None:
        self.model = model
        self.inputs: dict[str, Tensor] = {}
        self.handles: list[Any] = []

    def __enter__(self) -> dict[str, Tensor]:
        for name, module in self.model.named_modules():
            if isinstance(module, Population):
                self.handles.append(module.register_forward_pre_hook(self._hook(name)))
        return self.inputs

    def _hook(self, name: str) -> Any:
        def before(module: Any, inputs: tuple[Tensor, ...]) -> None:
            key = name if name not in self.inputs else f"{name}:2"
            self.inputs[key] = inputs[0]

        return before

    def __exit__(self, *error: object) -> None:
        for handle in self.handles:
            handle.remove()
