"""The integer network with every part that stock NIR expresses run by norse."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import nir
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import Self

from spiketrack.config import NetworkConfig
from spiketrack.errors import GraphError
from spiketrack.export.outlets.standard_nir_nodes import Memories, Part, PartWriter, unit_fraction
from spiketrack.export.outlets.standard_nir_parts import Glue, partition
from spiketrack.inference import SEARCH, TEMPLATE, Counts, Crop, Inference, SimulatorBase, Trace
from spiketrack.integer.count_range import in_range
from spiketrack.integer.graph import Graph
from spiketrack.integer.kernels import KERNELS, as_signal
from spiketrack.integer.readout import quantise_image, to_maps
from spiketrack.machine.precision import whole_float32
from spiketrack.simulators.integer import Network
from spiketrack.simulators.norse_modules import NorsePart, norse

if TYPE_CHECKING:
    from spiketrack.export.nir.folder import ExportedNetwork
    from spiketrack.simulators.backends import Options


class NorseBranch:
    """One branch: its stock NIR parts in norse, joined by our kernels.

    The parts are read from the files in ``folder``, without one taken as they would be written.
    """

    def __init__(self, graph: Graph, memories: Memories, folder: Path | None = None) -> None:
        self.graph = graph
        self.plan = partition(graph, memories)
        self.parts = {
            part.name: NorsePart(
                nir.read(folder / f"{part.name}.nir", type_check=False)
                if folder
                else PartWriter(graph, part, memories).run()
            )
            for part in self.plan.parts
        }
        self.kernels = {
            g.node: KERNELS[graph[g.node]](graph[g.node], graph) for g in self.plan.glue
        }

    @torch.no_grad()
    @whole_float32()
    def run(self, inputs: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Integer inputs by name → integers of the outputs and counts of the populations."""
        values = dict(inputs)
        counts: dict[str, Tensor] = {}
        for step in self.plan.steps:
            if isinstance(step, Glue):
                self._operate(step.node, values)
            else:
                counts |= self._part(step, values)
        populations = {node.name for node in self.graph.populations}
        counts |= {n: values[n] for n in populations & set(values)}
        return {n.name: values[n.name] for n in self.graph.outputs}, counts

    def _operate(self, name: str, values: dict[str, Tensor]) -> None:
        inputs = [as_signal(self.graph, x, values[x]) for x in self.graph[name].inputs]
        values[name] = self.kernels[name](inputs)

    def _part(self, part: Part, values: dict[str, Tensor]) -> dict[str, Tensor]:
        given = {name: values[name] * self._unit(name) for name in part.inputs}
        outputs, counts = self.parts[part.name].run(given)
        values |= {name: real / self._unit(name) for name, real in outputs.items()}
        return counts

    def _unit(self, name: str) -> float:
        return float(2.0 ** -unit_fraction(self.graph, name))


class NorseSimulator(SimulatorBase):
    """Both branches; the search parts are built anew from the memory of each template.

    ``counts`` records every population. More than one time step leaves what has state to our own
    kernels: the template branch then has no parts.
    """

    name = "norse"

    def __init__(self, network: Network, config: NetworkConfig, counts: bool = False) -> None:
        norse("norse.torch")
        self.config = config
        self.graphs = network
        self.record = counts
        self.template = NorseBranch(network[TEMPLATE], {})
        self.memory: dict[str, Tensor] = {}
        self.searching: NorseBranch | None = None

    @classmethod
    def open(cls, network: ExportedNetwork, options: Options) -> Self:
        """As the table of backends opens it."""
        return cls(network.graphs, network.config, options.counts)

    def encode_template(self, crops: Crop) -> Inference:
        """Write the memory of T templates (T, 3, S, S) and bake it into the search parts."""
        self.memory, trace = self._run(self.template, crops, {})
        baked: dict[str, NDArray[Any]] = {
            name: value.numpy().astype(np.int32) for name, value in self.memory.items()
        }
        self.searching = NorseBranch(self.graphs[SEARCH], baked)
        return Inference(None, trace)

    def search(self, crop: Crop) -> Inference:
        """Run the search branch on one crop (3, S, S)."""
        if self.searching is None:
            raise GraphError("search: no template was encoded; call encode_template first")
        outputs, trace = self._run(self.searching, crop[None], self.memory)
        maps = to_maps({n: v.numpy() for n, v in outputs.items()}, self.graphs[SEARCH].fractions)
        return Inference(maps, trace)

    def close(self) -> None:
        """Free the parts; may be called twice."""
        self.searching = None

    def _run(
        self, branch: NorseBranch, crops: Crop, memory: dict[str, Tensor]
    ) -> tuple[dict[str, Tensor], Trace]:
        image = quantise_image(crops, branch.graph).astype(np.float32)
        outputs, counts = branch.run({"image": torch.from_numpy(image)} | memory)
        return outputs, Trace(
            {n: _counts(in_range(n, v)) for n, v in counts.items()} if self.record else {}
        )


def _counts(values: Tensor) -> Counts:
    counts: Counts = values.to(torch.int8).numpy()
    return counts
