"""Lava's runtime service of the Loihi protocol, without helper threads.

Lava's own keeps two threads for each process model, which turn semaphores into queues, although it
waits for one model after the other. For a network of hundreds of models and steps this one waits
for the semaphores themselves. Phases, commands and answers are Lava's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiketrack.deploy.lava.names import CPU, LoihiProtocol, LoihiPyRuntimeService
from spiketrack.deploy.lava.processes.ports import Receiver, Sender

_Answer = LoihiPyRuntimeService.PMResponse
REQUESTS: Mapping[int, str] = {  # answer of a model → what the service notes
    int(_Answer.STATUS_ERROR[0]): "_error",
    int(_Answer.REQ_PRE_LRN_MGMT[0]): "req_pre_lrn_mgmt",
    int(_Answer.REQ_LEARNING[0]): "req_lrn",
    int(_Answer.REQ_POST_LRN_MGMT[0]): "req_post_lrn_mgmt",
    int(_Answer.REQ_PAUSE[0]): "req_pause",
    int(_Answer.REQ_STOP[0]): "req_stop",
}


class DirectService(LoihiPyRuntimeService):  # type: ignore[misc]
    """Tells all models the phase, and waits for all of them."""

    def start(self) -> None:
        """Open the channels and follow the runtime until it says stop."""
        self.runtime_to_service.start()
        self.service_to_runtime.start()
        self.service_to_process: Any = [Sender(port) for port in self.service_to_process]
        self.process_to_service: Any = [Receiver(port) for port in self.process_to_service]
        self.run()

    def _send_pm_cmd(self, phase: NDArray[np.int32]) -> None:
        word = int(phase[0])
        for port in self.service_to_process:
            port.send_word(word)

    def _get_pm_resp(self) -> list[NDArray[np.int32]]:
        answers = []
        for port in self.process_to_service:
            answers.append(port.take().copy())
            port.give_back()
        for answer in answers:
            if answer[0] and int(answer[0]) in REQUESTS:
                setattr(self, REQUESTS[int(answer[0])], True)
        return answers


class DirectProtocol(LoihiProtocol):  # type: ignore[misc]
    """The Loihi protocol with that service."""

    @property
    def runtime_service(self) -> dict[Any, Any]:
        """Lava's services; on the CPU this one."""
        return {**super().runtime_service, CPU: DirectService}
