"""What has a row a layer and a row a stage: operations, firing rates, energy."""

from __future__ import annotations

from typing import Any

from spiketrack.notebook.sheet import Sheet


class Layered:
    """``by_layer`` and ``by_stage`` are sheets; the whole is the one, a notebook shows the other.

    Stages are those of ``spiketrack/energy/stages.py``: parts of the network by a layer's name.
    """

    @property
    def by_layer(self) -> Sheet:
        """A row a layer, in the order of the network."""
        raise NotImplementedError

    @property
    def by_stage(self) -> Sheet:
        """A row a stage, in the order of the network."""
        raise NotImplementedError

    def to_frame(self) -> Any:
        """``by_layer`` as a pandas ``DataFrame``; ``MissingDependency`` without pandas."""
        return self.by_layer.to_frame()

    def _repr_html_(self) -> str:
        return self.by_stage._repr_html_()
