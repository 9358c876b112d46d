"""What other tools count on this network, beside the exact numbers.

    python benchmarks/counters.py [CHECKPOINT] [--json FILE]

One search frame of the float network on the bundled clip. NeuroBench and syops watch its
modules; the exact counts come from the same spikes, forced through the integer graph. Needs the
``test`` extra.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from neurobench.metrics.workload import SynapticOperations
from neurobench.models import TorchModel
from rich.console import Console
from rich.table import Table
from syops import get_model_complexity_info
from torch import Tensor, nn

from spiketrack.commands.inputs import choose_clip
from spiketrack.energy.joules import Energy, published
from spiketrack.energy.prices import load_prices
from spiketrack.export.passes.quantise import quantise
from spiketrack.export.passes.spiketrack import fold
from spiketrack.inference import SEARCH
from spiketrack.integer.counting import FIELDS, OperationCounter, layers, prepare
from spiketrack.integer.graph import COUNT, MEMORY, Conv, Graph, Input
from spiketrack.integer.kernels import Program
from spiketrack.limits import MAX_COUNT
from spiketrack.reference.checkpoint import read_checkpoint
from spiketrack.reference.model import SpikeTrack
from spiketrack.runs.operations import BranchCounts
from spiketrack.simulators.float_reference import recording
from spiketrack.terminal.amounts import amount, joules
from spiketrack.video.crop import take_crop

E_AC, E_MAC = 0.9, 4.6  # horowitz45
WIDTH = 120
Row = dict[str, Any]


class SearchBranch(nn.Module):
    """The search branch with a fixed memory: one input, as the tools expect."""

    def __init__(self, model: SpikeTrack, memory: tuple[Tensor, ...]) -> None:
        super().__init__()
        self.model = model
        self.memory = memory

    def forward(self, x: Tensor) -> Tensor:
        """x (1, 3, S, S) → score map."""
        score: Tensor = self.model(x, self.memory)["score_map"]
        return score


def load(name: str) -> tuple[SpikeTrack, Tensor, tuple[Tensor, ...]]:
    """Model, search crop (1, 3, S, S) of the clip's second frame, memory of the first."""
    read = read_checkpoint(name)
    model = read.build()
    clip, box = choose_clip(None, None, 1)
    first, second = clip
    size = model.config.resolution
    factors = read.tracker.template_factor, read.tracker.search_factor
    template, search = (
        torch.from_numpy(take_crop(frame, box, factor, size))
        for frame, factor in zip((first, second), factors, strict=True)
    )
    memory = model.encode_template(template.expand(model.config.templates, -1, -1, -1))
    return model, search[None], memory


def exact(model: SpikeTrack, x: Tensor, memory: tuple[Tensor, ...]) -> BranchCounts:
    """Operations of the float network's own spikes."""
    graph = quantise(fold(model, SEARCH))
    with recording(model) as spikes:
        model(x, memory)
    forced = {n.name: _counts(spikes, n.name).reshape(n.shape) for n in graph.populations}
    counter = OperationCounter(graph)
    found = Program(graph).run(_inputs(graph, memory), counter.names, forced=forced)
    return BranchCounts(layers(graph), counter.take(found)[None])


def _counts(spikes: dict[str, Tensor], name: str) -> Tensor:
    return spikes[name] * MAX_COUNT


def _inputs(graph: Graph, memory: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """Image operations do not depend on the pixels; the memory is in counts squared."""
    found = {node.name: torch.ones(node.shape) for node in graph.inputs}
    kept = [node for node in graph.inputs if node.signal == MEMORY]
    for node, kv in zip(kept, memory, strict=True):
        found[node.name] = kv.reshape(node.shape) * MAX_COUNT**2
    return found


def neurobench(module: nn.Module, x: Tensor) -> tuple[float, float]:
    """ACs and MACs as NeuroBench counts them."""
    model, metric = TorchModel(module), SynapticOperations()
    model.register_hooks()
    found = metric(model, model(x), (x[:1], x))
    model.cleanup_hooks()
    return float(found["Effective_ACs"]), float(found["Effective_MACs"])


def syops(module: nn.Module, x: Tensor) -> tuple[float, float]:
    """ACs and MACs as syops counts them, for the whole batch."""
    found, _ = get_model_complexity_info(
        module, tuple(x.shape[1:]), [(x, None)], print_per_layer_stat=False, as_strings=False
    )
    return float(found[1]) * len(x), float(found[2]) * len(x)


def whole_network(model: SpikeTrack, x: Tensor, memory: tuple[Tensor, ...]) -> list[Row]:
    """A row for each way of counting: label, AC, MAC, energy at horowitz45, what it misses."""
    branch = exact(model, x, memory)
    table = load_prices("horowitz45")
    rows: list[Row] = []
    for execution in ("spike", "graded"):
        ac, mac, *_ = Energy.of(branch, table, execution).operations[0].sum(0)
        rows.append(row(f"exact, {execution}", ac, mac, "nothing"))
    formula = published(branch, table)
    note = "padding as synapses; no sums, pooling, up-sampling, gate"
    rows.append(row("published formula", formula.rest_pj / E_AC, formula.first_pj / E_MAC, note))
    wrapped = SearchBranch(model, memory)
    note = "counts as MACs; convolutions alone"
    rows.append(row("NeuroBench 2.3.0", *neurobench(wrapped, x), note))
    note = "counts as dense MACs; batch norm and bias added"
    rows.append(row("syops 0.0.5", *syops(wrapped, x), note))
    for found in rows:
        found["ratio"] = found["energy_pj"] / rows[0]["energy_pj"]
    return rows


def row(label: str, ac: float, mac: float, note: str) -> Row:
    """One line of the first table."""
    energy = ac * E_AC + mac * E_MAC
    return {"counter": label, "ac": ac, "mac": mac, "energy_pj": energy, "note": note}


def binary_layers(wrapped: SearchBranch, x: Tensor) -> list[Row]:
    """Convolutions by shape, their inputs cut to 0 and 1: there the tools could be right."""
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0] * 4)
    for module, given in convolutions(wrapped, x):
        spikes = (given > 0).float()
        found = ours(module, spikes), sum(neurobench(nn.Sequential(module), spikes))
        numbers = (1, *found, sum(syops(module, spikes)))
        name = shape_name(module)
        sums[name] = [a + b for a, b in zip(sums[name], numbers, strict=True)]
    return [
        {"shape": name, "layers": int(n), "exact": mine, "neurobench": bench / mine - 1,
         "syops": rate / mine - 1}
        for name, (n, mine, bench, rate) in sorted(sums.items())
    ]  # fmt: skip


def convolutions(wrapped: SearchBranch, x: Tensor) -> list[tuple[nn.Module, Tensor]]:
    """Every call of a convolution of the search branch but the image's, with its input."""
    calls: list[tuple[nn.Module, Tensor]] = []
    kinds = (nn.Conv1d, nn.Conv2d)
    modules = [module for module in wrapped.modules() if isinstance(module, kinds)]
    hooks = [
        m.register_forward_pre_hook(lambda m, given: calls.append((m, given[0]))) for m in modules
    ]
    wrapped(x)
    for hook in hooks:
        hook.remove()
    return calls[1:]


def ours(module: nn.Module, x: Tensor) -> int:
    """Accumulations that these spikes cause, by the project's counter."""
    x = x if x.dim() == 4 else x[..., None]
    weight = torch.ones(module.weight.shape + (1,) * (4 - module.weight.dim()))
    square = weight.dim() == 4 and weight.shape[-1] == weight.shape[-2]
    stride, padding = (module.stride[0], module.padding[0]) if square else (1, 0)
    size = [(n + 2 * padding - weight.shape[-1]) // stride + 1 for n in x.shape[2:]]
    shape = (len(x), len(weight), size[0], size[1])
    none = np.zeros((1, len(weight)), np.int32)
    integers = weight.numpy().astype(np.int8)[None]
    node = Conv("y", ("x",), shape, integers, none, none, stride, padding, module.groups)
    given = Input("x", (), tuple(x.shape), COUNT)
    found = prepare(node, Graph("one", (given, node)))([x], x)
    return int(found[FIELDS.index("ac_spike")])


def shape_name(module: nn.Module) -> str:
    """1×1, 3×3 stride 2, 7×7 depthwise, …"""
    side, stride = module.kernel_size[0], module.stride[0]
    depthwise = " depthwise" if module.groups > 1 else ""
    return f"{side}×{side}{depthwise}" + (f" stride {stride}" if stride > 1 else "")


def show(found: dict[str, list[Row]]) -> None:
    """Two tables."""
    table = Table(title="one search frame, counts 0..4", title_justify="left")
    for heading in ("counter", "AC", "MAC", "at horowitz45", "of the exact", "what it misses"):
        table.add_column(heading)
    for line in found["network"]:
        energy = joules(line["energy_pj"]), f"{line['ratio']:.1%}"
        table.add_row(
            line["counter"], amount(line["ac"]), amount(line["mac"]), *energy, line["note"]
        )
    console = Console(width=WIDTH)
    console.print(table)
    table = Table(title="convolutions alone, inputs cut to 0 and 1", title_justify="left")
    for heading in ("shape", "calls", "exact AC", "NeuroBench", "syops"):
        table.add_column(heading, justify="right")
    for line in found["binary"]:
        errors = (f"{line[tool]:+.2%}" for tool in ("neurobench", "syops"))
        table.add_row(line["shape"], str(line["layers"]), amount(line["exact"]), *errors)
    console.print(table)


@torch.no_grad()
def main(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint or bundled name.")] = "nano",
    out: Annotated[Path | None, typer.Option("--json", help="Write the numbers.")] = None,
) -> None:
    """Compare counters on one frame."""
    torch.set_num_threads(1)
    model, x, memory = load(checkpoint)
    found = {
        "network": whole_network(model, x, memory),
        "binary": binary_layers(SearchBranch(model, memory), x),
    }
    show(found)
    if out is not None:
        out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
