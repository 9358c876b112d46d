"""The measurements, each in a fresh process: how torch was used before decides its speed after.

A task takes a folder that holds an export (``network``) and, after ``lava`` has run, the crops of
its closed loop (``crops.npz``); it returns plain values.
"""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor, nn

from spiketrack.benchmark.results import Document
from spiketrack.export.nir.folder import read_export
from spiketrack.inference import SEARCH, TEMPLATE, Crop, Inference, Simulator, SimulatorBase
from spiketrack.reference.checkpoint import Checkpoint, read_checkpoint
from spiketrack.reference.model import SpikeTrack
from spiketrack.simulators.backends import FLOAT, Options, open_simulator
from spiketrack.tracking.tracker import Tracker, follow
from spiketrack.video.boxes import Box
from spiketrack.video.clip import Clip, open_clip

BRANCHES = (SEARCH, TEMPLATE)
CROPS = "crops.npz"
NETWORK = "network"
ONNX, ONNX_FLOAT = "onnx", "onnx_float"  # the integer network and the float one in onnxruntime
TEMPLATES = 6  # encodings that are timed
ROUNDS, WARM_UP = 9, 4  # rounds of three networks: each is first, second and last alike often
SETTLED = 500  # frames after which allocators have seen every size they will see


class Stopwatch(SimulatorBase):
    """A backend whose inferences are timed and whose crops are kept."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator, self.config, self.name = simulator, simulator.config, simulator.name
        self.times: dict[str, list[float]] = defaultdict(list)
        self.crops: list[Crop] = []
        self.templates: Crop | None = None

    def encode_template(self, crops: Crop) -> Inference:
        """The backend's, timed."""
        self.templates = crops
        return self._time(TEMPLATE, lambda: self.simulator.encode_template(crops))

    def search(self, crop: Crop) -> Inference:
        """The backend's, timed."""
        self.crops.append(crop)
        return self._time(SEARCH, lambda: self.simulator.search(crop))

    def _time(self, branch: str, run: Callable[[], Inference]) -> Inference:
        begin = time.perf_counter()
        inference = run()
        self.times[branch].append(time.perf_counter() - begin)
        return inference


def memory_in_use() -> int:
    """Bytes of this process and all below it, shared pages divided (proportional set size)."""
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    total = 0
    for process in processes:
        try:
            total += process.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total


def lava(folder: Path, options: Document) -> Document:
    """Closed loop on Lava: start, frames, templates, memory, shares, the cost of recording."""
    network = read_export(folder / NETWORK)
    frames = int(options["frames"])
    how = Options(threads=int(options["threads"]), processes=options["processes"])
    clip = open_clip(Path(options["clip"]), frames)
    peak = _peak(network, clip, Box(*options["box"]), how)
    with ExitStack() as stack:
        begin = time.perf_counter()
        plain = _open(stack, "lava", network, how)
        watch = Stopwatch(plain)
        loop = follow(Tracker(watch, network.tracker), clip, Box(*options["box"]))
        next(loop)
        next(loop)
        measured: Document = {"start": time.perf_counter() - begin}
        before, begin = _seconds(plain), time.perf_counter()
        for _ in loop:
            pass
        wall = time.perf_counter() - begin
        count = len(watch.crops) - 1
        measured |= {"frames_per_second": count / wall} | _shares(
            before, _seconds(plain), watch.times[SEARCH][1:]
        )
        measured[SEARCH] = watch.times[SEARCH][1:]
        measured[TEMPLATE] = _templates(plain, watch)
        plain.search(watch.crops[0])
        memory = [peak, memory_in_use()]
        templates = np.asarray(watch.templates)
        np.savez(folder / CROPS, templates=templates, crops=np.stack(watch.crops))
        if options["soak"]:
            memory += _soak(plain, watch.crops, int(options["soak"]))
            measured["growth"] = memory[-1] / memory[-2] - 1
        measured["memory"] = max(memory)
    return measured | _recording(network, watch, how)


def _open(stack: ExitStack, backend: str, network: Any, options: Options) -> Any:
    return stack.enter_context(open_simulator(backend, network, None, options))


def _peak(network: Any, clip: Clip, box: Box, how: Options) -> int:
    """Most memory in use at any time from before the start to the third frame, in a run of its own.

    A thread looks every fifth of a second, which would slow what is timed.
    """
    seen, done = [memory_in_use()], threading.Event()

    def look() -> None:
        while not done.wait(0.2):
            seen.append(memory_in_use())

    watcher = threading.Thread(target=look, name="memory")
    watcher.start()
    try:
        with open_simulator("lava", network, None, how) as simulator:
            for result in follow(Tracker(simulator, network.tracker), clip, box):
                if result.frame == 3:
                    break
    finally:
        done.set()
        watcher.join()
    return max(seen)


def _templates(simulator: Simulator, watch: Stopwatch) -> list[float]:
    if watch.templates is None:
        raise AssertionError("the loop encodes a template first")
    again = Stopwatch(simulator)
    for _ in range(TEMPLATES + 1):
        again.encode_template(watch.templates)
    return again.times[TEMPLATE][1:]


def _soak(simulator: Simulator, crops: Sequence[Crop], frames: int) -> list[int]:
    """Memory before and after so many further frames, once it has settled."""
    memory = []
    for count in (SETTLED, frames):
        for index in range(count):
            simulator.search(crops[index % len(crops)])
        memory.append(memory_in_use())
    return memory


def _recording(network: Any, watch: Stopwatch, how: Options) -> Document:
    """The same crops without recording, with operations counted, and with every count kept.

    Median seconds of every round, of three networks that are started and warmed alike. Rounds,
    not frames, take turns: networks that alternate would empty each other's caches. A machine
    that slows down or speeds up does so for all three within a round.
    """
    options = {
        "plain": how,
        "recorded": replace(how, operations=True),
        "recorded_fully": replace(how, operations=True, counts=True),
    }
    medians: Document = {name: [] for name in options}
    with ExitStack() as stack:
        opened = {name: _open(stack, "lava", network, option) for name, option in options.items()}
        for simulator in opened.values():
            simulator.encode_template(watch.templates)
            for crop in WARM_UP * watch.crops:
                simulator.search(crop)
        names = list(opened)
        for first in range(ROUNDS):
            for name in (names[(first + i) % len(names)] for i in range(len(names))):
                each = Stopwatch(opened[name])
                for crop in watch.crops:
                    each.search(crop)
                medians[name].append(statistics.median(each.times[SEARCH][1:]))
    return medians


def _seconds(simulator: Any) -> dict[str, tuple[float, float]]:
    seconds: dict[str, tuple[float, float]] = simulator.networks[SEARCH].seconds()
    return seconds


def _shares(
    before: Mapping[str, tuple[float, ...]],
    after: Mapping[str, tuple[float, ...]],
    times: Sequence[float],
) -> Document:
    """What the cores do during a frame: arithmetic, sending messages, and waiting for others."""
    total = sum(times) * len(os.sched_getaffinity(0))
    spent = {n: [a - b for a, b in zip(after[n], before[n], strict=True)] for n in after}
    busy, sending = (sum(row[i] for row in spent.values()) / total for i in (0, 1))
    slowest = sorted(((n, row[0] / len(times)) for n, row in spent.items()), key=lambda r: -r[1])
    shares = {"arithmetic": busy, "messages": sending, "waiting": 1 - busy - sending}
    return {"shares": shares, "processes": len(after), "slowest": slowest[:6]}


def repeat(folder: Path, options: Document) -> Document:
    """The kept crops again through the backend ``options`` names, on so many threads.

    ``most``: of a slow backend so many templates and crops alone.
    """
    torch.set_num_threads(int(options["threads"]))
    kept = np.load(folder / CROPS)
    backend, checkpoint = options["backend"], None
    if backend in (FLOAT, ONNX_FLOAT):
        checkpoint = read_checkpoint(options["checkpoint"], options["key"])
    with _repeating(backend, folder, checkpoint, int(options["threads"])) as simulator:
        watch = Stopwatch(simulator)
        for _ in range((options["most"] or TEMPLATES) + 1):
            watch.encode_template(kept["templates"])
        for crop in (kept["crops"][0], *kept["crops"][: options["most"]]):
            watch.search(crop)
        measured: Document = {name: values[1:] for name, values in watch.times.items()}
        measured["memory"] = memory_in_use()
        if options["soak"]:
            before, after = _soak(simulator, kept["crops"], int(options["soak"]))
            measured["growth"] = after / before - 1
        if options.get("layers"):
            measured["layers"] = _layer_times(simulator, kept["crops"])
    if backend == FLOAT:
        assert checkpoint is not None
        measured["convolutions"] = _bare_convolutions(checkpoint.build().eval(), kept)
    return measured


def _repeating(
    backend: str, folder: Path, checkpoint: Checkpoint | None, threads: int
) -> Simulator:
    if backend != ONNX_FLOAT:
        network = None if backend == FLOAT else read_export(folder / NETWORK)
        how = Options(threads=threads)
        return open_simulator(backend, network, checkpoint, how)
    from spiketrack.export.passes.spiketrack import fold
    from spiketrack.simulators.onnx_backend import OnnxFloatSimulator

    assert checkpoint is not None
    model = checkpoint.build()
    folded = {branch: fold(model, branch) for branch in BRANCHES}
    return OnnxFloatSimulator(folded, model.config, threads=threads)


def _layer_times(simulator: Any, crops: Sequence[Crop]) -> list[tuple[str, float]]:
    """Median seconds of every node of the search graph, in one process."""
    times: dict[str, list[float]] = defaultdict(list)
    last = [0.0]

    def observe(node: Any, inputs: Any, output: Any) -> None:
        now = time.perf_counter()
        times[node.name].append(now - last[0])
        last[0] = now

    from spiketrack.integer.readout import quantise_image

    graph, program = simulator.graphs[SEARCH], simulator.programs[SEARCH]
    with torch.no_grad():
        for crop in crops[:10]:
            image = torch.from_numpy(quantise_image(crop[None], graph).astype(np.float32))
            last[0] = time.perf_counter()
            program.run({"image": image} | simulator.memory, (), observe)
    medians = [(name, float(np.median(values))) for name, values in times.items()]
    return sorted(medians, key=lambda row: -row[1])[:10]


@torch.no_grad()
def _bare_convolutions(model: SpikeTrack, kept: Any) -> list[float]:
    """All convolutions of a search frame alone, on tensors of the shapes that they see."""
    calls: list[tuple[nn.Module, Tensor]] = []

    def keep(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        calls.append((module, inputs[0].clone(memory_format=torch.preserve_format)))

    memory = model.encode_template(torch.from_numpy(kept["templates"]))
    handles = [
        module.register_forward_pre_hook(keep)
        for module in model.modules()
        if isinstance(module, (nn.Conv1d, nn.Conv2d))
    ]
    model(torch.from_numpy(kept["crops"][0])[None], memory)
    for handle in handles:
        handle.remove()
    times = []
    for _ in range(11):
        begin = time.perf_counter()
        for module, x in calls:
            module(x)
        times.append(time.perf_counter() - begin)
    return times[1:]


def stock(folder: Path, options: Document) -> Document:
    """Lava's own Conv model on every shape of convolution of the search graph."""
    from spiketrack.benchmark.stock import measure_stock

    return {"rows": measure_stock(read_export(folder / NETWORK).graphs[SEARCH])}


TASKS: dict[str, Callable[[Path, Document], Document]] = {
    "lava": lava,
    "repeat": repeat,
    "stock": stock,
}
