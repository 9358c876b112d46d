"""Where progress was; see ``spiketrack.terminal``."""

from spiketrack.terminal.console import notes as console
from spiketrack.terminal.progress import frame_bar

__all__ = ["console", "frame_bar"]
