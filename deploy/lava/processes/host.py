"""Where the host meets the network: images and memories go in, maps and records come out.

On Loihi 2 these are the host's input and output channels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiketrack.deploy.lava.processes.planned import PlannedProcess
from spiketrack.deploy.lava.processes.ports import DirectModel
from spiketrack.deploy.process_graph.processes import REWRITTEN, Process


class ImageInput(PlannedProcess):
    """Sends one crop, pixels 0..255, into the network at each time step (host input)."""


class MemoryWriter(PlannedProcess):
    """Rewrites the synaptic weights of all memory reads when the host has sent new ones.

    At each time step the host's ``command`` is KEPT or REWRITTEN and goes out as ``rewritten``;
    only after REWRITTEN does ``host`` bring weights and do ``out_i`` carry them (looking whether
    a message has come would race with its delivery). On Loihi 2 this is the host's weight update
    of the reading synapses.
    """


class Collector(PlannedProcess):
    """Gathers small messages of many processes and hands them to the host as one vector."""


class ImageInputModel(DirectModel):
    """Waits for the host's crop and passes it on."""

    implements_process = ImageInput

    def run_spk(self) -> None:
        """One crop a step."""
        self.send("out", self.receive("host"))
        self.give_back()


class MemoryWriterModel(DirectModel):
    """Passes the command on, and the memories when they are rewritten."""

    implements_process = MemoryWriter

    def run_spk(self) -> None:
        """Announce, then send the memories if there are new ones."""
        command = self.receive("command")
        self.send("rewritten", command)
        if command[0] == REWRITTEN:
            self._rewrite(self.receive("host"))
        self.give_back()

    def _rewrite(self, values: NDArray[np.int32]) -> None:
        plan: Process = self.params["plan"]
        start = 0
        for port in plan.outputs[1:]:  # behind the command
            size = int(np.prod(port.shape))
            self.send(port.name, values[start : start + size].reshape(port.shape))
            start += size


class CollectorModel(DirectModel):
    """Receives every port and sends one vector.

    The last sender is waited for first: by then most others have sent, and waiting for each in
    turn would wake this process as often as there are ports.
    """

    implements_process = Collector

    def run_spk(self) -> None:
        """Gather one step."""
        plan: Process = self.params["plan"]
        messages: list[NDArray[Any]] = [self.receive(p.name) for p in reversed(plan.inputs)]
        self.send("host", np.concatenate([m.ravel() for m in reversed(messages)]))
        self.give_back()
