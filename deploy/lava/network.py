"""An integer graph as a network of Lava processes, and its runs on Lava's CPU simulator."""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiketrack.deploy.lava.health import Health
from spiketrack.deploy.lava.lifetime import end, pauses, start, stops
from spiketrack.deploy.lava.names import Loihi2SimCfg, OutPort, RunContinuous
from spiketrack.deploy.lava.processes.blocks import PROCESSES, BlockModel
from spiketrack.deploy.lava.processes.host import (
    Collector,
    CollectorModel,
    ImageInput,
    ImageInputModel,
    MemoryWriter,
    MemoryWriterModel,
)
from spiketrack.deploy.lava.processes.planned import PlannedProcess, model_for
from spiketrack.deploy.lava.processes.ports import Receiver, receiver
from spiketrack.deploy.process_graph.execution import BUSY, COLUMNS, FINISHED, SENDING, STARTED
from spiketrack.deploy.process_graph.grouping import Grouping, group
from spiketrack.deploy.process_graph.processes import (
    COLLECTOR,
    COUNTS,
    IMAGE_INPUT,
    IMAGES,
    KEPT,
    MEMORIES,
    MEMORY_WRITER,
    OPERATIONS,
    OUTPUTS,
    REWRITTEN,
    Process,
    Recording,
    process_graph,
)
from spiketrack.deploy.process_graph.results import Assembly, Buffers, StepResult
from spiketrack.errors import GraphError, LavaError
from spiketrack.integer.chains import compile_loops
from spiketrack.integer.graph import Graph

CHANNEL_SLOTS = 1  # a step consumes every message, so one slot a channel is enough
START_TIMEOUT = 120.0
STOP_TIMEOUT = 20.0
STEP_TIMEOUT = 120.0
LOOK_EVERY = 0.25
AT_ONCE = 8  # parts whose counts are taken together

# kind of process → Lava process and model; every other kind is a block
HOST: Mapping[str, tuple[type[PlannedProcess], type[Any]]] = {
    IMAGE_INPUT: (ImageInput, ImageInputModel),
    MEMORY_WRITER: (MemoryWriter, MemoryWriterModel),
    COLLECTOR: (Collector, CollectorModel),
}


class LavaNetwork:
    """Processes of one graph on the real Lava runtime; one time step is one frame.

    ``run(image, memory)``: image int (steps, 3, S, S), memory None or new weights by input name.
    A process that fails or does not answer within ``timeout`` seconds raises ``LavaError`` with
    its name, after everything has been ended. ``close()`` may be called at any time.
    """

    def __init__(
        self,
        graph: Graph,
        grouping: Grouping | None = None,
        recording: Recording = Recording(),  # noqa: B008  (frozen)
        threads: int = 1,
        timeout: float = STEP_TIMEOUT,
    ) -> None:
        self.graph = graph
        self.grouping = grouping or group(graph)
        self.plan = process_graph(graph, self.grouping, recording)
        self.assembly = Assembly(graph, self.grouping.parts)
        self.recording = recording
        self.threads = threads
        self.timeout = timeout
        self.runtime: Any = None
        self.health: Health | None = None
        self.receivers: dict[OutPort, Receiver] = {}
        self.models: dict[PlannedProcess, type[Any]] = {}
        # anonymous shared memory: the children inherit it, nothing to unlink
        self.memory = mmap.mmap(-1, 8 * COLUMNS * max(len(self.grouping.parts), 1))
        table = np.frombuffer(self.memory, np.float64)
        self.progress = table.reshape(len(self.grouping.parts), COLUMNS)
        self.steps = 0
        self._build()

    # building

    def _build(self) -> None:
        self.processes = {plan.name: self._process(plan) for plan in self.plan.processes}
        for sender, receiver_ in self.plan.connections:
            source = getattr(self.processes[sender.process], sender.port)
            source.connect(getattr(self.processes[receiver_.process], receiver_.port))
        self.blocks = {plan.name: self.processes[plan.name] for plan in self.plan.blocks}
        self.image = self.processes[IMAGES]
        self.writer = self.processes.get(MEMORIES)
        self.outputs = self.processes[OUTPUTS]
        self.operations = self.processes.get(OPERATIONS)
        self.counts = [b.counts for b in self.blocks.values() if hasattr(b, COUNTS)]
        self.buffers = Buffers(sum(port.size for port in self.counts))

    def _process(self, plan: Process) -> PlannedProcess:
        if plan.kind in HOST:
            kind, model = HOST[plan.kind]
            process = kind(plan=plan, parent=os.getpid())
        else:
            process, model = self._block(plan), BlockModel
        self.models[process] = model_for(process, model)
        return process

    def _block(self, plan: Process) -> PlannedProcess:
        names = [part.name for part in self.grouping.parts]
        index = names.index(plan.name)
        return PROCESSES[plan.kind](
            plan=plan,
            parent=os.getpid(),
            part=self.grouping.parts[index],
            graph=self.graph,
            recording=self.recording,
            progress=self.progress,
            index=index,
            threads=self.threads,
        )

    # running

    def start(self) -> None:
        """Compile and fork; ``LavaError`` names a process that does not start."""
        compile_loops()
        config = Loihi2SimCfg(exception_proc_model_map=self.models)
        names = {block: name for name, block in self.blocks.items()}
        self.runtime = start(self.image, config, CHANNEL_SLOTS, names, START_TIMEOUT, self.threads)
        self.health = Health(self.runtime, self.runtime.names, self._place, self.timeout)
        self.receivers = {port: receiver(port.external_pipe_csp_recv_port) for port in self._ends()}
        # Each time step waits for its frame, so the next one is announced to all processes
        # between two frames, not within the next.
        self.image.run(condition=RunContinuous())

    def _ends(self) -> list[OutPort]:
        """Where the host receives: outputs, operations, and counts in the order of the parts."""
        collectors = [c for c in (self.outputs, self.operations) if c is not None]
        return [collector.host for collector in collectors] + self.counts

    def run(
        self, image: NDArray[Any], memory: Mapping[str, NDArray[Any]] | None = None
    ) -> StepResult:
        """One time step on one crop."""
        if self.runtime is None:
            self.start()
        try:
            return self._step(image, memory)
        except BaseException:
            self.close(force=True)
            raise

    def _step(self, image: NDArray[Any], memory: Mapping[str, NDArray[Any]] | None) -> StepResult:
        if self.writer is not None and memory is None and self.steps == 0:
            raise GraphError(f"{self.graph.name}: the first step needs a memory")
        self.look()
        deadline = time.monotonic() + self.timeout
        self.steps += 1
        self._feed(image, memory)
        # counts come first: those of early blocks are taken while later ones compute
        counts = self.assembly.counts(self._receive_counts(deadline)) if self.counts else {}
        outputs = self.assembly.outputs(self._receive(self.outputs.host, deadline))
        operations = {}
        if self.operations is not None:
            operations = self.assembly.operations(self._receive(self.operations.host, deadline))
        return StepResult(outputs, operations, counts)

    def _feed(self, image: NDArray[Any], memory: Mapping[str, NDArray[Any]] | None) -> None:
        if self.writer is not None:
            self._send_memory(self.writer, memory)
        self.image.host.external_pipe_csp_send_port.send(image.astype(np.int16))

    def _send_memory(
        self, writer: PlannedProcess, memory: Mapping[str, NDArray[Any]] | None
    ) -> None:
        command = KEPT if memory is None else REWRITTEN
        writer.command.external_pipe_csp_send_port.send(np.array([command], np.int8))
        if memory is not None:
            names = [node.name for node in self.graph.memories]
            values = [np.asarray(memory[name], np.int32).ravel() for name in names]
            writer.host.external_pipe_csp_send_port.send(np.concatenate(values))

    def _receive_counts(self, deadline: float) -> list[NDArray[Any]]:
        """One vector a part that records counts, side by side in one buffer.

        Of some parts the last one is waited for first: then the others have sent, mostly, and the
        host wakes once for all of them.
        """
        ends = np.cumsum([port.size for port in self.counts])
        vectors = np.split(self.buffers.take(), ends[:-1])
        for first in range(0, len(vectors), AT_ONCE):
            batch = zip(self.counts[first:], vectors[first : first + AT_ONCE], strict=False)
            for port, vector in reversed(list(batch)):
                self._receive(port, deadline, vector)
        return vectors

    def _receive(
        self, port: OutPort, deadline: float, into: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """Wait for a message, now and then looking for failed processes and the deadline."""
        while not self.receivers[port].arrives(LOOK_EVERY):
            self.look()
            if time.monotonic() > deadline:
                raise LavaError(
                    f"Lava process {self._late()}: no answer within {self.timeout:g} s; "
                    "the run was ended (a larger --timeout waits longer)"
                )
        return self.receivers[port].copy(into)

    def look(self) -> None:
        """``LavaError`` where a process has ended or stands still, in a step or between two."""
        if self.health is not None:
            self.health.look()

    def _late(self) -> str:
        """The first process that began this step and did not finish it, else the first waiting."""
        names = (part.name for part in self.grouping.parts if self._place(part.name))
        late = next(names, None)
        return "of input or output" if late is None else f"{late}{self._place(late)}"

    def _place(self, name: str) -> str:
        """Where in an unfinished step a block is; empty otherwise."""
        for part, row in zip(self.grouping.parts, self.progress, strict=True):
            if part.name == name and row[FINISHED] < self.steps:
                state = "began" if row[STARTED] >= self.steps else "did not begin"
                return f" ({state} step {self.steps})"
        return ""

    def seconds(self) -> dict[str, tuple[float, float]]:
        """Part → seconds of arithmetic, and of sending and recording, so far."""
        return {
            part.name: (float(row[BUSY]), float(row[SENDING]))
            for part, row in zip(self.grouping.parts, self.progress, strict=True)
        }

    def close(self, force: bool = False) -> None:
        """End all processes and free their shared memory; ``force`` does not wait for them.

        ``LavaError`` where one did not live until now, unless another error is on its way.
        """
        runtime, self.runtime = self.runtime, None
        health, self.health = self.health, None
        if runtime is not None:
            end(
                runtime, lambda: not force and health is not None and self._stopped(runtime, health)
            )

    def _stopped(self, runtime: Any, health: Health) -> bool:
        """Whether the processes ended when asked to; ``LavaError`` where one is lost."""
        health.look_at_the_end()
        if self.steps == 0 or not pauses(runtime, STOP_TIMEOUT, lambda: self._end_step(health)):
            return False
        return stops(self.image, STOP_TIMEOUT)

    def _end_step(self, health: Health) -> None:
        """Let the time step that waits for a frame end: Lava stops between steps alone."""
        health.look_for_ended()
        if self.image.host.external_pipe_csp_send_port.probe():
            self._feed(np.zeros(self.image.host.shape, np.int16), None)
