"""Which time steps hold anything: messages under way and phases that are due."""

from __future__ import annotations

import heapq

from spiketrack.deploy.chip.execution.messages import Message

Post = tuple[int, int, Message]  # unit, its connection, what arrives


class Calendar:
    """Steps ahead, in order; a unit acts where a message arrives or a phase is due."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.phases: dict[int, set[int]] = {}
        self.mail: dict[int, list[Post]] = {}

    def call(self, step: int, unit: int) -> None:
        """A phase of a unit is due in a step."""
        self._mark(step)
        self.phases.setdefault(step, set()).add(unit)

    def post(self, step: int, unit: int, connection: int, message: Message) -> None:
        """A message arrives in a step."""
        self._mark(step)
        self.mail.setdefault(step, []).append((unit, connection, message))

    def next(self) -> tuple[int, set[int], list[Post]] | None:
        """The next step with its due units and its mail; None when nothing is left."""
        if not self.steps:
            return None
        step = heapq.heappop(self.steps)
        return step, self.phases.pop(step, set()), self.mail.pop(step, [])

    def _mark(self, step: int) -> None:
        if step not in self.phases and step not in self.mail:
            heapq.heappush(self.steps, step)
