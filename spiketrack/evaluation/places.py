"""The folders that an evaluation fills: held from their first moment, so that no other goes on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from spiketrack.files import atomic_folder
from spiketrack.machine.locks import alone
from spiketrack.ownership import EVALUATION
from spiketrack.targets import Source
from spiketrack.terminal.console import note as say


class Places(ExitStack):
    """Folders of one call; ``with`` lets all of them go at its end."""

    def __init__(self, force: bool, inputs: Iterable[Source]) -> None:
        super().__init__()
        self.force, self.inputs = force, tuple(inputs)

    def hold(self, out: Path, stays: Path | None = None) -> None:
        """Hold a folder that is there; ``SpikeTrackError`` where another program has it."""
        said = self.enter_context(alone(out, stays, "evaluates"))
        if said:
            say(said)

    @contextmanager
    def anew(self, out: Path) -> Iterator[Path]:
        """Make a folder, or replace it with ``force``: held before it has its name."""
        with atomic_folder(out, EVALUATION, self.force, self.inputs) as folder:
            self.hold(folder, out)
            yield folder
