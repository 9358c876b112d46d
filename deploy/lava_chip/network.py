"""A chip program as Lava processes, and its runs: ``run(RunSteps(…))`` a frame."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spiketrack.deploy.chip.execution.activity import Activity, Work, table
from spiketrack.deploy.chip.execution.engine import Described, Frame, Run
from spiketrack.deploy.chip.execution.ledger import Ground, Ledger, Placed
from spiketrack.deploy.chip.execution.messages import PIXEL_PAYLOAD, payload_bits
from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.program import ChipProgram
from spiketrack.deploy.chip.sites import Sites
from spiketrack.deploy.lava.health import Health
from spiketrack.deploy.lava.lifetime import arrives, end, start, stops
from spiketrack.deploy.lava.names import Loihi2SimCfg, RunSteps
from spiketrack.deploy.lava.network import (
    CHANNEL_SLOTS,
    LOOK_EVERY,
    START_TIMEOUT,
    STEP_TIMEOUT,
    STOP_TIMEOUT,
)
from spiketrack.deploy.lava.processes.planned import PlannedProcess, model_for
from spiketrack.deploy.lava_chip.plan import PIXELS, WEIGHTS, chip_graph, message_shape
from spiketrack.deploy.lava_chip.processes.host import (
    PixelInput,
    PixelInputModel,
    WeightWriter,
    WeightWriterModel,
)
from spiketrack.deploy.lava_chip.processes.layers import PROCESSES, LayerModel
from spiketrack.deploy.lava_chip.windows import (
    FINISHED,
    STARTED,
    View,
    Window,
    open_windows,
    value_dtype,
)
from spiketrack.deploy.process_graph.processes import Process
from spiketrack.errors import GraphError, LavaError, UnsupportedError
from spiketrack.integer.graph import IMAGE, Graph


class LavaChip:
    """One branch on Lava, a process a layer; the state of its neurons stays from run to run.

    As ``Chip``: ``run(images)`` takes ``frames`` of integers (T, 3, S, S), one every ``period``
    steps, and gives the same ``Run``; ``write(memory)`` rewrites the weights that are a memory
    before the next one. The processes share ``crews`` processes of the operating system. A process
    that fails, or a step that takes longer than ``timeout`` seconds, is a ``LavaError`` after
    everything has been ended. ``close()`` may be called at any time.
    """

    def __init__(
        self,
        graph: Graph,
        program: ChipProgram,
        watched: Collection[str] = (),
        sites: Sites | None = None,
        frames: int = 1,
        crews: int = 1,
        threads: int = 1,
        timeout: float = STEP_TIMEOUT,
    ) -> None:
        self.graph, self.program, self.frames = graph, program, frames
        self.crews, self.threads, self.timeout = crews, threads, timeout
        self.image = next(node for node in graph.inputs if node.signal == IMAGE)
        self.layers = program.layers
        self.names = (*(layer.name for layer in self.layers), self.image.name)
        self.watched = tuple(name for name in self.names[:-1] if name in set(watched))
        self.hosts = {node.name: self._host(node.inputs[0]) for node in graph.outputs}
        self.steps = run_steps(program, frames)
        self.ledger = None if sites is None else Ledger(self._ground(sites))
        self.plan = chip_graph(graph, program, frames)
        self.pending: Mapping[str, Tensor] | None = None
        self.runs = 0
        self.runtime: Any = None
        self.health: Health | None = None
        self.models: dict[PlannedProcess, type[Any]] = {}
        self._build()

    @property
    def described(self) -> Described:
        """What the tables of a run speak of."""
        return Described(self.names, None if self.ledger is None else self.ledger.ground.ends)

    def _host(self, name: str) -> str:
        if name not in self.names:
            raise GraphError(f"{name}: the host reads it, but it has no neurons")
        return name

    def _ground(self, sites: Sites) -> Ground:
        _, channels, height, width = self.image.shape
        return Ground(self.layers, (self.image.name, (channels, height, width)), sites)

    # building

    def _build(self) -> None:
        views = [self._view(number, layer) for number, layer in enumerate(self.layers)]
        image = (self.frames, 1, (), None, *self._sizes(len(self.layers)))
        views += [View(self.steps, *image), View(self.steps, self.frames, 1, (), None)]
        self.memory, self.windows = open_windows(views)
        self.processes = {plan.name: self._process(plan) for plan in self.plan.processes}
        for sender, receiver in self.plan.connections:
            source = getattr(self.processes[sender.process], sender.port)
            source.connect(getattr(self.processes[receiver.process], receiver.port))

    def _view(self, number: int, layer: Layer) -> View:
        seen = layer.name in {*self.watched, *self.hosts.values()}
        dtype = value_dtype(layer.signal) if seen else None
        return View(self.steps, self.frames, layer.steps, layer.shape, dtype, *self._sizes(number))

    def _sizes(self, number: int) -> tuple[int, int]:
        """Blocks and boxes of a layer's footprint, or of the image's."""
        if self.ledger is None:
            return 0, 0
        footprint = self.ledger.ground.footprints[number]
        return len(footprint.cores), len(footprint.boxes)

    def _process(self, plan: Process) -> PlannedProcess:
        common: dict[str, Any] = {
            "plan": plan,
            "parent": os.getpid(),
            "threads": self.threads,
            "steps": self.steps,
        }
        if plan.kind == PIXELS:
            process: PlannedProcess = PixelInput(
                **common,
                window=self.windows[-2],
                footprint=self._footprint(len(self.layers)),
                injects=self._injects(),
            )
            model: type[Any] = PixelInputModel
        elif plan.kind == WEIGHTS:
            process, model = WeightWriter(**common, window=self.windows[-1]), WeightWriterModel
        else:
            process, model = self._layer(plan, common), LayerModel
        self.models[process] = model_for(process, model)
        return process

    def _layer(self, plan: Process, common: Mapping[str, Any]) -> PlannedProcess:
        number = self.names.index(plan.name)
        layer = self.layers[number]
        kind = PROCESSES.get((layer.rule, layer.product))
        if kind is None:
            known = ", ".join(sorted({rule for rule, _ in PROCESSES}))
            raise UnsupportedError(
                f"{layer.name}: no Lava process runs the rule {layer.rule}; there are {known}"
            )
        shapes = {other.name: message_shape(other) for other in self.layers}
        shapes[self.image.name] = (1, *self.image.shape[1:])
        return kind(
            **common,
            layer=layer,
            graph=self.graph,
            shapes=tuple(shapes[link.source] for link in layer.synapses),
            window=self.windows[number],
            footprint=self._footprint(number),
            frames=self.frames,
            period=self.program.period,
        )

    def _footprint(self, number: int) -> Any:
        return None if self.ledger is None else self.ledger.ground.footprints[number]

    def _injects(self) -> dict[int, tuple[int, int]]:
        """Time step → frame and network step of the image that the host sends then."""
        stride = max((layer.stride for layer in self.layers), default=1)
        return {
            frame * self.program.period + t * stride: (frame, t)
            for frame in range(self.frames)
            for t in range(self.image.shape[0])
        }

    # running

    def start(self) -> None:
        """Compile and fork; ``LavaError`` names a process that does not start."""
        config = Loihi2SimCfg(exception_proc_model_map=self.models)
        names = {process: name for name, process in self.processes.items()}
        self.runtime = start(
            self.processes[PIXELS], config, CHANNEL_SLOTS, names, START_TIMEOUT,
            self.threads, self.crews,
        )  # fmt: skip
        self.health = Health(self.runtime, self.runtime.names, self._place, self.timeout)

    def write(self, memory: Mapping[str, Tensor]) -> None:
        """Weights for the connections that read a memory, from the next run on."""
        self.pending = dict(memory)

    def run(self, images: Sequence[Tensor]) -> Run:
        """Frames enter one after the other; returns when nothing is left to do."""
        if len(images) != self.frames or any(x.shape != self.image.shape for x in images):
            shapes = [tuple(image.shape) for image in images]
            raise GraphError(
                f"{self.image.name}: shapes {shapes}, needed {self.frames} of {self.image.shape}"
            )
        if self.graph.memories and self.pending is None and self.runs == 0:
            raise GraphError(
                f"{self.graph.memories[0].name}: its memory was never written; encode templates"
            )
        if self.runtime is None:
            self.start()
        try:
            self._run(images)
            return self._seen()
        except BaseException:
            self.close(force=True)
            raise

    def _run(self, images: Sequence[Tensor]) -> None:
        self.look()
        self.runs += 1
        for window in self.windows:
            window.begin()
        self._feed(images)
        first = self.processes[PIXELS]
        first.run(condition=RunSteps(num_steps=self.steps, blocking=False))
        self._wait()
        self.runtime.wait()

    def _feed(self, images: Sequence[Tensor]) -> None:
        if WEIGHTS in self.processes:
            memory, self.pending = self.pending, None
            sizes = [int(np.prod(node.shape)) for node in self.graph.memories]
            values = np.zeros(1 + sum(sizes), np.int32)
            if memory is not None:
                values[0] = 1
                parts = [memory[node.name].flatten() for node in self.graph.memories]
                values[1:] = torch.cat(parts).numpy()
            self.processes[WEIGHTS].host.external_pipe_csp_send_port.send(values)
        pixels = torch.stack(list(images)).to(torch.int16).numpy()
        self.processes[PIXELS].host.external_pipe_csp_send_port.send(pixels)

    def _wait(self) -> None:
        """Until all time steps are done, looking for failed processes and steps without end."""
        (port,) = self.runtime.service_to_runtime
        done, since = -1, time.monotonic()
        while not arrives(port, LOOK_EVERY):
            self.look()
            now = min(int(window.progress[FINISHED]) for window in self._beating())
            if now != done:
                done, since = now, time.monotonic()
            elif time.monotonic() - since > self.timeout:
                raise LavaError(
                    f"Lava process {self._late()}: no answer within {self.timeout:g} s; "
                    "the run was ended (a larger --timeout waits longer)"
                )
        self.look()

    def _beating(self) -> list[Window]:
        """Windows of processes that exist."""
        return self.windows if WEIGHTS in self.processes else self.windows[:-1]

    def look(self) -> None:
        """``LavaError`` where a process has ended or stands still."""
        if self.health is not None:
            self.health.look()

    def _late(self) -> str:
        """The first layer that began this step and did not finish it, else one that waits."""
        rows = [window.progress for window in self.windows[: len(self.names)]]
        fewest = min(int(row[FINISHED]) for row in rows)
        began = [n for n, row in enumerate(rows) if row[STARTED] > row[FINISHED] == fewest]
        late = began or [n for n, row in enumerate(rows) if row[FINISHED] == fewest]
        return f"{self.names[late[0]]} (step {fewest + 1})"

    def _place(self, name: str) -> str:
        """Where a crew is: the step that its last layer has not finished."""
        done = min(int(window.progress[FINISHED]) for window in self._beating())
        return f" (in step {done + 1})"

    # what is seen

    def _seen(self) -> Run:
        frames = tuple(self._frame(number) for number in range(self.frames))
        rows = table([row for rows in self._rows().values() for row in rows])
        return Run(frames, Activity(self.names, rows), self._placed())

    def _rows(self) -> dict[int, list[tuple[int, int, Work]]]:
        """Step → (step, layer, work) of all that acted, in the order of the layers."""
        rows: dict[int, list[tuple[int, int, Work]]] = {}
        for number, window in enumerate(self.windows[: len(self.names)]):
            for step in np.flatnonzero(window.rows[:, 0]).tolist():
                work = Work(*window.rows[step, 1:].tolist())
                rows.setdefault(step, []).append((step, number, work))
        return dict(sorted(rows.items()))

    def _placed(self) -> Placed | None:
        if self.ledger is None:
            return None
        for step, rows in self._rows().items():
            for _, number, work in rows:
                self._enter(self.ledger, step, number, work)
            self.ledger.close(step)
        return self.ledger.take()

    def _enter(self, ledger: Ledger, step: int, number: int, work: Work) -> None:
        window = self.windows[number]
        assert window.landed is not None
        assert window.copies is not None
        operations, multiplications, messages = window.landed[step]
        image = number == len(self.layers)
        if not image:
            ledger.acted(number, self.names[number], work, (operations, multiplications))
        bits = PIXEL_PAYLOAD if image else payload_bits(self.layers[number])
        ledger.sent(number, messages, window.copies[step], bits)

    def _frame(self, number: int) -> Frame:
        windows = dict(zip(self.names, self.windows, strict=False))
        outputs = {
            output: _values(windows[name], number).reshape(self.graph[name].shape)
            for output, name in self.hosts.items()
        }
        values = {name: _values(windows[name], number) for name in self.watched}
        steps = {name: tuple(windows[name].fired[number].tolist()) for name in self.names[:-1]}
        return Frame(outputs, values, steps)

    # ending

    def close(self, force: bool = False) -> None:
        """End all processes and free their memory; ``force`` does not wait for them.

        ``LavaError`` where one did not live until now, unless another error is on its way.
        """
        runtime, self.runtime = self.runtime, None
        health, self.health = self.health, None
        if runtime is not None:
            end(runtime, lambda: not force and health is not None and self._stopped(health))

    def _stopped(self, health: Health) -> bool:
        health.look_at_the_end()
        return self.runs > 0 and stops(self.processes[PIXELS], STOP_TIMEOUT)


def run_steps(program: ChipProgram, frames: int) -> int:
    """Time steps of a run: until the last layer has fired and the last message is integrated."""
    last = [program.latency]
    for layer in program.layers:
        sends = layer.sends
        sent = sends.first + layer.stride * (sends.times - 1) + sends.parts - 1
        last += [sent, layer.last]
        for link in layer.synapses:
            source = program.by_name.get(link.source)
            if source is not None:
                end = source.sends.first + source.stride * (source.sends.times - 1)
                last.append(end + source.sends.parts + link.delay)
    return (frames - 1) * program.period + max(last) + 1


def _values(window: Window, frame: int) -> Tensor:
    assert window.values is not None
    return torch.from_numpy(np.copy(window.values[frame]))
