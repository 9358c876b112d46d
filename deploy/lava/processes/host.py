"""Where the host meets the network: images and memories go in, maps and records come out.

On Loihi 2 these are the host's input and output channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from spiketrack.deploy.lava.names import (
    AbstractProcess,
    InPort,
    LavaPyType,
    OutPort,
    PyInPort,
    PyOutPort,
)
from spiketrack.deploy.lava.processes.ports import DirectModel

KEPT, REWRITTEN = 0, 1
HOST_SLOTS = 2


class ImageInput(AbstractProcess):
    """Sends one normalised integer crop into the network at each time step (host input)."""

    def __init__(self, *, shape: tuple[int, ...], **params: Any) -> None:
        super().__init__(shape=shape, **params)
        self.host = InPort(shape=shape)
        self.host.flag_external_pipe(buffer_size=HOST_SLOTS)
        self.out = OutPort(shape=shape)


class MemoryWriter(AbstractProcess):
    """Rewrites the synaptic weights of all memory reads when the host has sent new ones.

    At each time step the host's ``command`` is KEPT or REWRITTEN and goes out as ``rewritten``;
    only after REWRITTEN does ``host`` bring weights and do ``out_i`` carry them (looking whether
    a message has come would race with its delivery). On Loihi 2 this is the host's weight update
    of the reading synapses.
    """

    def __init__(self, *, shapes: Sequence[tuple[int, ...]], **params: Any) -> None:
        super().__init__(shapes=tuple(shapes), **params)
        self.host = InPort(shape=(sum(int(np.prod(s)) for s in shapes),))
        self.host.flag_external_pipe(buffer_size=HOST_SLOTS)
        self.command = InPort(shape=(1,))
        self.command.flag_external_pipe(buffer_size=HOST_SLOTS)
        self.rewritten = OutPort(shape=(1,))
        for index, shape in enumerate(shapes):
            setattr(self, f"out_{index}", OutPort(shape=shape))


class Collector(AbstractProcess):
    """Gathers small messages of many processes and hands them to the host as one vector."""

    def __init__(
        self, *, shapes: Sequence[tuple[int, ...]], dtype: DTypeLike, **params: Any
    ) -> None:
        super().__init__(count=len(shapes), dtype=np.dtype(dtype), **params)
        for index, shape in enumerate(shapes):
            setattr(self, f"in_{index}", InPort(shape=shape))
        self.host = OutPort(shape=(sum(int(np.prod(s)) for s in shapes),))
        self.host.flag_external_pipe(buffer_size=HOST_SLOTS)


class ImageInputModel(DirectModel):
    """Waits for the host's crop and passes it on."""

    host: Any = LavaPyType(PyInPort.VEC_DENSE, np.int16)
    out: Any = LavaPyType(PyOutPort.VEC_DENSE, np.int16)
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
        start = 0
        for index, shape in enumerate(self.params["shapes"]):
            size = int(np.prod(shape))
            part = values[start : start + size].reshape(shape)
            self.send(f"out_{index}", part)
            start += size


class CollectorModel(DirectModel):
    """Receives every port and sends one vector.

    The last sender is waited for first: by then most others have sent, and waiting for each in
    turn would wake this process as often as there are ports.
    """

    implements_process = Collector

    def run_spk(self) -> None:
        """Gather one step."""
        messages = [self.receive(f"in_{i}") for i in reversed(range(self.params["count"]))]
        self.send("host", np.concatenate([m.ravel() for m in reversed(messages)]))
        self.give_back()


def memory_writer_model(process: MemoryWriter) -> type[MemoryWriterModel]:
    """A model class with this process's ports."""
    ports: dict[str, Any] = {
        "host": LavaPyType(PyInPort.VEC_DENSE, np.int32),
        "command": LavaPyType(PyInPort.VEC_DENSE, np.int8),
        "rewritten": LavaPyType(PyOutPort.VEC_DENSE, np.int8),
    }
    for index in range(len(process.proc_params["shapes"])):
        ports[f"out_{index}"] = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    return type("MemoryWriterModel", (MemoryWriterModel,), ports)


def collector_model(process: Collector) -> type[CollectorModel]:
    """A model class with this process's ports."""
    kind = process.proc_params["dtype"].type
    ports: dict[str, Any] = {"host": LavaPyType(PyOutPort.VEC_DENSE, kind)}
    for index in range(process.proc_params["count"]):
        ports[f"in_{index}"] = LavaPyType(PyInPort.VEC_DENSE, kind)
    return type("CollectorModel", (CollectorModel,), ports)
