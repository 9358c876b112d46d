"""A Lava process for each kind of layer, and the one model that executes all of them.

One time step of Lava is one of the chip. In its spiking phase a process first sends what it
computed in the step before, then takes one message of each connection, integrates those that hold
something, and fires or not, by its phase counter. So a message sent in one step arrives in the
next, in whatever order the processes run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from spiketrack.deploy.chip.execution.messages import Message, senders
from spiketrack.deploy.chip.execution.products import build_unit
from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.requirements import COUNTS, RELAYS, ROUNDS, VOTES, WEIGHS
from spiketrack.deploy.lava.processes.planned import PlannedProcess
from spiketrack.deploy.lava.processes.ports import DirectModel
from spiketrack.deploy.lava.service import DirectProtocol
from spiketrack.deploy.lava_chip.plan import OUT, memories_of
from spiketrack.deploy.lava_chip.windows import FINISHED, STARTED, Window
from spiketrack.errors import LavaError


class LayerProcess(PlannedProcess):
    """Neurons of one layer with the synapses that end in them.

    Parameters besides ``plan``: ``layer``; ``graph``, which holds its weights; ``shapes`` of the
    messages of its connections; ``window`` for what is recorded; ``footprint`` or None;
    ``frames``, ``period`` and ``steps`` of a run; ``parent``; ``threads`` of torch.
    """


class CountingLayer(LayerProcess):
    """A counting population.

    On Loihi 2: synapses are stock, convolutional or dense, 8-bit mantissas and an exponent a
    channel; the neurons are microcode (``count``, ``count, with leak``): four thresholds, a soft
    reset and a leak between network steps, graded spikes of 3 bits or up to four binary ones.
    """


class CountingProductLayer(LayerProcess):
    """A population that multiplies the query and the key-value matrix of the same frame.

    On Loihi 2: microcode with two input ports (``product``, then ``count``): one key index a step.
    """


class RelayLayer(LayerProcess):
    """Neurons that add up membranes and send them on: the residual stream, what the host reads.

    On Loihi 2: stock synapses and microcode (``relay``) with a graded payload of 24 bits; Lava's
    nearest stock neuron, a sigma or delta neuron without threshold, sends in every step.
    """


class RoundingLayer(LayerProcess):
    """Relays of an up-sampled map.

    On Loihi 2: stock convolutional synapses and microcode (``relay, rounding``), which sends
    (u + half) >> shift.
    """


class ProductLayer(LayerProcess):
    """Entries of kᵀ v: products of two ports, added up over positions.

    On Loihi 2: microcode with two input ports (``product``), as Lava's ``ProdNeuron`` has them,
    which adds nothing up.
    """


class WeighingLayer(LayerProcess):
    """Logits of the temporal gate, and the table of its exponential.

    On Loihi 2: microcode (``weights of the gate``) with a table that no published opcode reads; an
    embedded processor may hold it.
    """


class VotingLayer(LayerProcess):
    """The temporal gate: keeps the counts of T network steps and weighs them.

    On Loihi 2: microcode (``vote of the gate``) with two input ports.
    """


PROCESSES: Mapping[tuple[str, bool], type[LayerProcess]] = {  # by rule and whether it multiplies
    (COUNTS, False): CountingLayer,
    (COUNTS, True): CountingProductLayer,
    (RELAYS, False): RelayLayer,
    (RELAYS, True): ProductLayer,
    (ROUNDS, False): RoundingLayer,
    (WEIGHS, False): WeighingLayer,
    (VOTES, False): VotingLayer,
}


class LayerModel(DirectModel):
    """One layer's unit behind Lava's ports: its state, its phase counter, nothing else."""

    implements_process = LayerProcess
    implements_protocol = DirectProtocol

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params=proc_params)
        self.layer: Layer = proc_params["layer"]
        self.window: Window = proc_params["window"]
        self.footprint = proc_params["footprint"]
        self.shapes: tuple[tuple[int, ...], ...] = proc_params["shapes"]
        graph = proc_params["graph"]
        self.memories = [(name, graph[name].shape) for name in memories_of(graph, self.layer)]
        try:
            self.unit = build_unit(graph, self.layer)
            if self.footprint is not None:
                self.unit.locate(graph)
        except Exception as error:
            raise LavaError(f"Lava process {self.layer.name}: {error}") from error
        self.now = 0
        self.spoken = False
        self.pending: Tensor | None = None
        self.waiting: dict[int, list[tuple[int, Message]]] = {}  # in synapses, by the step

    def run_spk(self) -> None:
        """One time step. An error names the process."""
        try:
            if not self.spoken:
                self.speak()
            self.spoken = False
            self.listen()
        except Exception as error:
            raise LavaError(f"Lava process {self.layer.name}: {error}") from error

    def speak(self) -> None:
        """Send what was computed in the step before, or word that it was nothing."""
        self.window.progress[STARTED] += 1
        for sender in self.senders.get(OUT, ()):
            sender.send_or_not(self.pending)
        self.pending = None
        self.spoken = True

    def listen(self) -> None:
        """Take what arrives, do what is due."""
        now = self.now
        if now == 0:
            self.unit.start(self.params["frames"], self.params["period"])
            self.rewrite()
        for index, link in enumerate(self.layer.synapses):
            message = self.heard(f"in_{index}", self.shapes[index])
            if message is not None:
                self.waiting.setdefault(now + link.delay, []).append((index, Message(message)))
        phases = self.unit.phases
        mail = self.waiting.pop(now, ())
        if mail or now in phases.fires or now in phases.sends:
            self.act(now, mail)
        self.give_back()
        self.now = (now + 1) % self.params["steps"]
        self.window.progress[FINISHED] += 1

    def heard(self, port: str, shape: tuple[int, ...]) -> Tensor | None:
        """This step's message of a connection, counts in uint8, all else in float32."""
        values = torch.from_numpy(self.receive(port))
        if not values[0]:
            return None
        message = values[1:].reshape(shape)
        if message.dtype == torch.int8:
            return message.view(torch.uint8).clone()
        return message.float()

    def rewrite(self) -> None:
        """The host has rewritten weights between two runs, or not."""
        for index, (name, shape) in enumerate(self.memories):
            memory = self.heard(f"weights_{index}", shape)
            if memory is not None:
                self.unit.write({name: memory})

    def act(self, now: int, mail: Any) -> None:
        """A step in which something arrives or is due."""
        for index, message in mail:
            self.unit.receive(now, index, message)
        work, fired, message = self.unit.step(now)
        self.window.did(now, work)
        if fired is not None:
            self.window.fire(now, fired.frame, fired.step, fired.value)
        if message is not None:
            self.pending = message.values
        if self.footprint is not None:
            part = self.unit.phases.sends[now][1] if message is not None else 0
            sent = None if message is None else senders(message, self.layer, part)
            self.window.place(now, self.footprint, self.unit.take_landed(), sent)
