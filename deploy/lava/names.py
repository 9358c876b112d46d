"""Everything that is used of Lava, imported in one place, after ``loading`` has prepared it."""

from __future__ import annotations

from spiketrack.deploy.lava.loading import opening

with opening():
    from lava.magma.compiler.channels import pypychannel as pypychannel_module
    from lava.magma.compiler.channels.interfaces import ChannelType
    from lava.magma.compiler.channels.pypychannel import CspRecvPort, CspSendPort, PyPyChannel
    from lava.magma.core.model.py.model import PyLoihiProcessModel
    from lava.magma.core.model.py.ports import PyInPort, PyOutPort
    from lava.magma.core.model.py.type import LavaPyType
    from lava.magma.core.process.ports.ports import InPort, OutPort
    from lava.magma.core.process.process import AbstractProcess
    from lava.magma.core.resources import CPU
    from lava.magma.core.run_conditions import RunContinuous, RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
    from lava.magma.runtime import runtime as runtime_module
    from lava.magma.runtime.message_infrastructure.message_infrastructure_interface import (
        MessageInfrastructureInterface,
    )
    from lava.magma.runtime.mgmt_token_enums import MGMT_COMMAND, MGMT_RESPONSE
    from lava.magma.runtime.runtime import ActorType, Runtime
    from lava.magma.runtime.runtime_services.runtime_service import LoihiPyRuntimeService

__all__ = [
    "CPU",
    "MGMT_COMMAND",
    "MGMT_RESPONSE",
    "AbstractProcess",
    "ActorType",
    "ChannelType",
    "CspRecvPort",
    "CspSendPort",
    "InPort",
    "LavaPyType",
    "Loihi2SimCfg",
    "LoihiProtocol",
    "LoihiPyRuntimeService",
    "MessageInfrastructureInterface",
    "OutPort",
    "PyInPort",
    "PyLoihiProcessModel",
    "PyOutPort",
    "PyPyChannel",
    "RunContinuous",
    "RunSteps",
    "Runtime",
    "pypychannel_module",
    "runtime_module",
]
