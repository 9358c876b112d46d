"""A Lava process whose ports are those of a process of the process graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from spiketrack.deploy.lava.names import (
    AbstractProcess,
    InPort,
    LavaPyType,
    OutPort,
    PyInPort,
    PyOutPort,
)
from spiketrack.deploy.process_graph.processes import Process

HOST_SLOTS = 2  # messages that a channel to or from the host holds


class PlannedProcess(AbstractProcess):
    """``plan`` names its ports; the host's are the ends of external pipes."""

    def __init__(self, *, plan: Process, **params: Any) -> None:
        super().__init__(plan=plan, **params)
        for kind, ports in ((InPort, plan.inputs), (OutPort, plan.outputs)):
            for port in ports:
                made = kind(shape=port.shape)
                if port.host:
                    made.flag_external_pipe(buffer_size=HOST_SLOTS)
                setattr(self, port.name, made)


def model_for(process: PlannedProcess, model: type[Any]) -> type[Any]:
    """``model`` with the port types of this process: Lava reads them from the class."""
    plan: Process = process.proc_params["plan"]
    types: dict[str, Any] = {"implements_process": type(process)}
    for kind, ports in ((PyInPort, plan.inputs), (PyOutPort, plan.outputs)):
        for port in ports:
            types[port.name] = LavaPyType(kind.VEC_DENSE, np.dtype(port.dtype).type)
    return type(f"{type(process).__name__}Model", (model,), types)
