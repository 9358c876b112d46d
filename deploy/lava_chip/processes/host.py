"""Where the host meets the chip: pixels go in; weights that are a memory are rewritten."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from spiketrack.deploy.chip.execution.activity import Work
from spiketrack.deploy.chip.execution.messages import PIXEL_PAYLOAD
from spiketrack.deploy.lava.processes.planned import PlannedProcess
from spiketrack.deploy.lava.processes.ports import DirectModel
from spiketrack.deploy.lava.service import DirectProtocol
from spiketrack.deploy.lava_chip.plan import HOST, OUT
from spiketrack.deploy.lava_chip.windows import FINISHED, STARTED, Window


class PixelInput(PlannedProcess):
    """Injects the images of a run, each network step in its time step.

    On Loihi 2: the host's input channel, graded spikes of 8 bits.
    """


class WeightWriter(PlannedProcess):
    """Hands new weights to the layers that read a memory, before a run.

    On Loihi 2: the host rewrites synaptic weights between two runs.
    """


class HostModel(DirectModel):
    """Speaks by the clock of a run."""

    implements_protocol = DirectProtocol

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params=proc_params)
        self.window: Window = proc_params["window"]
        self.now = 0
        self.spoken = False

    def run_spk(self) -> None:
        """One time step."""
        if not self.spoken:
            self.speak()
        self.spoken = False
        self.listen()
        self.now = (self.now + 1) % self.params["steps"]
        self.window.progress[FINISHED] += 1

    def speak(self) -> None:
        """What is due in this step."""
        self.window.progress[STARTED] += 1
        self.spoken = True
        self.due()

    def due(self) -> None:
        """Messages of this step."""

    def listen(self) -> None:
        """What the host says at the beginning of a run."""


class PixelInputModel(HostModel):
    """Sends in each step what it held in the step before, as layers do."""

    implements_process = PixelInput

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params=proc_params)
        self.pending: torch.Tensor | None = None
        self.frames = torch.zeros(0)

    def due(self) -> None:
        """The pixels that were due in the step before."""
        for sender in self.senders.get(OUT, ()):
            sender.send_or_not(self.pending)
        self.pending = None

    def listen(self) -> None:
        """Take the images of a run, and look which is due."""
        if self.now == 0:
            self.frames = torch.from_numpy(np.copy(self.receive(HOST)))
            self.give_back()
        place = self.params["injects"].get(self.now)
        if place is not None:
            frame, t = place
            self.pending = self.frames[frame, t]
            pixels = self.pending.numel()
            self.window.did(self.now, Work(messages=pixels, bits=pixels * PIXEL_PAYLOAD))
            if self.params["footprint"] is not None:
                sent = np.ones(tuple(self.pending.shape), np.bool_)
                self.window.place(self.now, self.params["footprint"], None, sent)


class WeightWriterModel(HostModel):
    """Once a run: whether weights are new, and those that are."""

    implements_process = WeightWriter

    def due(self) -> None:
        """In the first step alone."""
        if self.now:
            return
        values = torch.from_numpy(np.copy(self.receive(HOST)))
        self.give_back()
        start = 1
        for port in self.params["plan"].outputs:
            size = port.shape[0] - 1
            memory = values[start : start + size] if values[0] else None
            start += size
            for sender in self.senders.get(port.name, ()):
                sender.send_or_not(memory)
