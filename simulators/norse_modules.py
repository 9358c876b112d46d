"""Stock NIR nodes as norse modules, and one part executed with them.

norse's importer maps ungrouped ``Conv2d`` and ``SumPool2d``. It has no ``Threshold`` and no
``Scale`` and gives grouped convolutions the wrong number of channels: for those our node map
takes norse's step function and torch. nirtorch's executor runs one input and one output only, so
the edges are walked here.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from graphlib import TopologicalSorter
from typing import Any

import nir
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from spiketrack.integer.registry import NO_NODES, Registry
from spiketrack.optional import load

Module = Callable[[Tensor], Tensor]
MODULES: Registry[Callable[[Any], Module]] = Registry("norse module", NO_NODES)


def norse(module: str) -> Any:
    """A module of norse, which compiles its functions with a tool that torch calls deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        return load(module, "norse")


@MODULES.register(nir.Threshold)
def _threshold(node: nir.Threshold) -> Module:
    """norse's step function: 1 where strictly greater than 0."""
    heaviside = norse("norse.torch.functional.heaviside").heaviside
    threshold = torch.from_numpy(node.threshold)
    return lambda x: heaviside(x - threshold)


@MODULES.register(nir.Scale)
def _scale(node: nir.Scale) -> Module:
    scale = torch.from_numpy(node.scale)
    return lambda x: x * scale


@MODULES.register(nir.Conv2d)
def _conv(node: nir.Conv2d) -> Module:
    groups = int(node.groups)
    if groups == 1:
        return imported(node)
    weight, bias = torch.from_numpy(node.weight), torch.from_numpy(node.bias)
    stride, padding = _pair(node.stride), _pair(node.padding)
    return lambda x: functional.conv2d(x, weight, bias, stride, padding, 1, groups)


def _pair(values: Any) -> list[int]:
    return [int(n) for n in values]


@MODULES.register(nir.SumPool2d)
def imported(node: nir.NIRNode) -> Module:
    """What ``norse.torch.from_nir`` makes of a graph that holds this node alone."""
    anything = np.ones(3, int)
    ends = {"input": nir.Input({"input": anything}), "output": nir.Output({"output": anything})}
    edges = [("input", "node"), ("node", "output")]
    alone = nir.NIRGraph({**ends, "node": node}, edges, type_check=False)
    with warnings.catch_warnings():
        # nirtorch 2 marks the loader that norse 1.1 calls as deprecated
        warnings.simplefilter("ignore", DeprecationWarning)
        executor = norse("norse.torch").from_nir(alone)
    return lambda x: executor(x)[0]


class NorsePart:
    """A part as stock ``nir`` gives it: inputs by name → outputs and populations by name."""

    def __init__(self, loaded: nir.NIRGraph) -> None:
        self.nodes = loaded.nodes
        self.sources: dict[str, list[str]] = {name: [] for name in self.nodes}
        for source, target in loaded.edges:
            self.sources[target].append(source)
        self.modules = {n: _module(node) for n, node in self.nodes.items()}
        self.order = tuple(TopologicalSorter(self.sources).static_order())

    def run(self, inputs: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Real inputs by tensor → real outputs by tensor, counts by population."""
        values = dict(inputs)
        outputs: dict[str, Tensor] = {}
        counts: dict[str, Tensor] = {}
        for name in self.order:
            node = self.nodes[name]
            if isinstance(node, nir.Input):
                continue
            values[name] = self.modules[name](_total([values[s] for s in self.sources[name]]))
            if isinstance(node, nir.Output):
                outputs[node.metadata["tensor"]] = values[name]
            if isinstance(node, nir.Threshold):
                population = name.rpartition(".")[0]
                counts[population] = counts.get(population, 0) + values[name]
        return outputs, counts


def _module(node: nir.NIRNode) -> Module:
    if isinstance(node, (nir.Input, nir.Output)):
        return lambda x: x
    return MODULES[node](node)


def _total(terms: list[Tensor]) -> Tensor:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
