"""Several process models in one operating system process: a crew.

Lava gives every model a process of its own. A network of hundreds of small models would be as many
processes, most of which wait at any time. A crew follows the commands of all its models, each of
which keeps its own channels to the runtime service and to the others: in the spiking phase first
every model speaks, then every model listens, so that none waits for one of the same crew.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import Any

from spiketrack.deploy.lava.names import MGMT_COMMAND, PyLoihiProcessModel

SPIKE = int(PyLoihiProcessModel.Phase.SPK[0])
STOP = int(MGMT_COMMAND.STOP[0])


def man(builders: Sequence[Any], exception_q: Any) -> None:
    """Build the models of a crew and follow their commands until the end, in their process."""
    try:
        models = [builder.build() for builder in builders]
        exception_q.put(None)
        for model in models:
            model.open()
        while work(models):
            pass
    except Exception as error:
        error.trace = traceback.format_exc()  # type: ignore[attr-defined]  # Lava prints it
        exception_q.put(error)
        raise


def work(models: Sequence[Any]) -> bool:
    """One command of the runtime service, the same for all models; False after the last."""
    commands: list[int] = [model.next_command() for model in models]
    if commands[0] == SPIKE:
        for model in models:
            model.speak()
    for model, command in zip(models, commands, strict=True):
        model.obey(command)
    return commands[0] != STOP
