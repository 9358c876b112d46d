"""Where the host meets the network: images and memories go in, maps and records come out.

On Loihi 2 these are the host's input and output channels.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Sequence
from typing import Any

import numpy as np
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from numpy.typing import DTypeLike

KEPT, REWRITTEN = 0, 1
_PR_SET_PDEATHSIG = 1
_SLOTS = 2


def bind(parent: int) -> None:
    """In a child process: leave Ctrl-C to the parent, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    libc = ctypes.CDLL(None)
    if hasattr(libc, "prctl"):
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


class ImageInput(AbstractProcess):
    """Sends one normalised integer crop into the network at each time step (host input)."""

    def __init__(self, *, shape: tuple[int, ...], **params: Any) -> None:
        super().__init__(shape=shape, **params)
        self.host = InPort(shape=shape)
        self.host.flag_external_pipe(buffer_size=_SLOTS)
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
        self.host.flag_external_pipe(buffer_size=_SLOTS)
        self.command = InPort(shape=(1,))
        self.command.flag_external_pipe(buffer_size=_SLOTS)
        self.rewritten = OutPort(shape=(1,))
        for index, shape in enumerate(shapes):
            setattr(self, f"out_{index}", OutPort(shape=shape))


class Collector(AbstractProcess):
    """Gathers messages of many processes and hands them to the host as one vector."""

    def __init__(
        self, *, shapes: Sequence[tuple[int, ...]], dtype: DTypeLike, **params: Any
    ) -> None:
        super().__init__(count=len(shapes), dtype=np.dtype(dtype), **params)
        for index, shape in enumerate(shapes):
            setattr(self, f"in_{index}", InPort(shape=shape))
        self.host = OutPort(shape=(sum(int(np.prod(s)) for s in shapes),))
        self.host.flag_external_pipe(buffer_size=_SLOTS)


class _HostModel(PyLoihiProcessModel):
    """What the models of this file share."""

    implements_protocol = LoihiProtocol
    required_resources = [CPU]  # noqa: RUF012
    tags: list[str] = []  # noqa: RUF012
    implements_process: Any = None

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params=proc_params)
        bind(proc_params["parent"])
        self.params = proc_params


class ImageInputModel(_HostModel):
    """Waits for the host's crop and passes it on."""

    host: Any = LavaPyType(PyInPort.VEC_DENSE, np.int16)
    out: Any = LavaPyType(PyOutPort.VEC_DENSE, np.int16)
    implements_process = ImageInput

    def run_spk(self) -> None:
        """One crop a step."""
        self.out.send(self.host.recv())


class MemoryWriterModel(_HostModel):
    """Passes the command on, and the memories when they are rewritten."""

    implements_process = MemoryWriter

    def run_spk(self) -> None:
        """Announce, then send the memories if there are new ones."""
        command = self.__dict__["command"].recv()
        self.__dict__["rewritten"].send(command)
        if command[0] != REWRITTEN:
            return
        values = self.__dict__["host"].recv()
        start = 0
        for index, shape in enumerate(self.params["shapes"]):
            size = int(np.prod(shape))
            part = values[start : start + size].reshape(shape)
            self.__dict__[f"out_{index}"].send(part)
            start += size


class CollectorModel(_HostModel):
    """Receives every port and sends one vector."""

    implements_process = Collector

    def run_spk(self) -> None:
        """Gather one step."""
        messages = [self.__dict__[f"in_{i}"].recv() for i in range(self.params["count"])]
        self.__dict__["host"].send(np.concatenate([m.ravel() for m in messages]))


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
