"""Lava's own ``Conv`` process and CPU model on the convolutions of a network."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from spiketrack.benchmark.worker import run
from spiketrack.deploy.lava.lifetime import kill, start, wait_for_steps
from spiketrack.deploy.lava.loading import load_lava
from spiketrack.deploy.lava.names import Loihi2SimCfg, RunSteps
from spiketrack.integer.convolutions import convolution
from spiketrack.integer.graph import COUNT, Conv, Graph
from spiketrack.integer.kernels import as_signal
from spiketrack.limits import MAX_COUNT

STEPS = 3
PATIENCE = 120.0  # seconds for one step


@dataclass(frozen=True)
class StockRow:
    """One shape of convolution: times in milliseconds, and whether the stock model is right."""

    variant: str
    layer: str
    shape: str
    stock_ms: float | None
    ours_ms: float
    ratio: float | None
    verdict: str


def against_stock(folder: Path, name: str, tell: Callable[[str], None]) -> list[StockRow]:
    """Measure every shape of an exported network in a process of its own."""
    tell(f"{name}: Lava's own Conv model")
    return [StockRow(name, **row) for row in run("stock", folder, {})["rows"]]


def measure_stock(graph: Graph) -> list[dict[str, Any]]:
    """Rows of one graph, one for each distinct shape of a convolution that counts feed."""
    torch.set_num_threads(1)  # what Lava forks hangs where more were used
    shapes: dict[tuple[Any, ...], Conv] = {}
    for node in graph:
        if isinstance(node, Conv) and graph.signal(node.inputs[0]) == COUNT:
            plane = graph[node.inputs[0]].shape[1:]
            key = (plane, node.weight.shape[1:], node.stride, node.padding, node.groups)
            shapes.setdefault(key, node)
    return [_row(graph, node) for node in shapes.values()]


def _row(graph: Graph, node: Conv) -> dict[str, Any]:
    source = graph[node.inputs[0]]
    generator = np.random.default_rng(0)
    counts = generator.integers(0, MAX_COUNT + 1, source.shape[1:]).astype(np.int32)
    expected = functional.conv2d(
        torch.from_numpy(counts.astype(np.float64))[None],
        torch.from_numpy(node.weight[0].astype(np.float64)),
        None, node.stride, node.padding, 1, node.groups,
    )[0].numpy().astype(np.int64)  # fmt: skip
    seconds: float | None = None
    try:
        membranes, seconds = _lava(node, counts)
        wrong = int((membranes != expected).sum())
        verdict = "right" if not wrong else f"wrong: {wrong:,} of {expected.size:,} differ"
    except Exception as error:
        what = (str(error).splitlines() or [""])[0][:80]
        verdict = f"fails: {type(error).__name__} {what}".rstrip()
    ours = _ours(graph, node, counts)
    kernel = "×".join(str(n) for n in node.weight.shape[-2:])
    inputs, outputs = "×".join(map(str, source.shape[1:])), node.shape[1]
    return {
        "layer": node.name,
        "shape": f"{inputs} → {outputs}, {kernel}, stride {node.stride}, {node.groups} groups",
        "stock_ms": None if seconds is None else 1e3 * seconds,
        "ours_ms": 1e3 * ours,
        "ratio": None if seconds is None or verdict != "right" else seconds / ours,
        "verdict": verdict,
    }


def _lava(node: Conv, counts: NDArray[np.int32]) -> tuple[NDArray[Any], float]:
    """Membranes (C, H, W) and median seconds a step of the stock process, on Lava's runtime."""
    io = {end: load_lava(f"lava.proc.io.{end}").RingBuffer for end in ("source", "sink")}
    kernel = node.weight[0][:, :, ::-1, ::-1].transpose(0, 3, 2, 1)  # W, H and true convolution
    stock = load_lava("lava.proc.conv.process").Conv(
        weight=kernel.astype(np.int32),
        input_shape=counts.T.shape,
        padding=node.padding,
        stride=node.stride,
        groups=node.groups,
        num_message_bits=8,
    )
    source = io["source"](data=np.repeat(counts.T[..., None], STEPS, -1))
    sink = io["sink"](shape=stock.a_out.shape, buffer=STEPS)
    source.s_out.connect(stock.s_in)
    stock.a_out.connect(sink.a_in)
    runtime = start(stock, Loihi2SimCfg(select_tag="fixed_pt"), 2, {}, PATIENCE)
    times = []
    try:
        for _ in range(STEPS):
            begin = time.perf_counter()
            stock.run(condition=RunSteps(1, blocking=False))
            wait_for_steps(runtime, PATIENCE)
            stock.wait()
            times.append(time.perf_counter() - begin)
        membranes = _read(sink)
    finally:
        kill(runtime)
    return membranes, statistics.median(times[1:])


def _read(sink: Any) -> NDArray[Any]:
    """The last step's data; ``Var.get`` takes 15 µs an element, which is why it comes last."""
    data: NDArray[Any] = sink.data.get()[..., STEPS - 1]
    return data.T


def _ours(graph: Graph, node: Conv, counts: NDArray[np.int32]) -> float:
    """Median seconds of this project's kernel on the same counts."""
    run_kernel = convolution(node, graph)
    steps = graph[node.inputs[0]].shape[0]
    stack = torch.from_numpy(np.repeat(counts[None], steps, 0))
    x = as_signal(graph, node.inputs[0], stack)
    times = []
    for _ in range(11):
        begin = time.perf_counter()
        run_kernel([x])
        times.append(time.perf_counter() - begin)
    return statistics.median(times[1:]) / steps
