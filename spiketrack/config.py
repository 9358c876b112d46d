"""What shapes tell of a network, and what only its metadata can tell of its tracker."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spiketrack.errors import ConfigError, printable
from spiketrack.limits import HEADS

# types, smallest and largest values of ``TrackerConfig``
_SETTINGS: Mapping[str, tuple[Any, float, float]] = {
    "search_factor": ((int, float), 1e-3, 100),
    "template_factor": ((int, float), 1e-3, 100),
    "update_every": (int, 1, 2**31 - 1),
    "update_threshold": ((int, float), 0, 1),
    "margin": (int, 0, 2**31 - 1),
    "window": (bool, 0, 1),
}


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of one SpikeTrack; everything else of the architecture is fixed.

    ``embed_dims``: channels E0..E3; ``grid``: P, tokens along a side, resolution = 16 P;
    ``templates``: T; ``head_channels``: width of the prediction head;
    ``conv_blocks``: ConvBlocks in stages 1_1, 1_2, 2_1, 2_2; ``blocks3`` and ``blocks4``:
    TransformerBlocks.
    """

    embed_dims: tuple[int, int, int, int]
    grid: int
    templates: int
    head_channels: int
    conv_blocks: tuple[int, int, int, int] = (1, 1, 1, 1)
    blocks3: int = 6
    blocks4: int = 2

    @property
    def resolution(self) -> int:
        """Side of a crop in pixels."""
        return 16 * self.grid

    @property
    def memory_dims(self) -> tuple[int, ...]:
        """Width of each of the six memory retrieval modules."""
        e0, e1, e2, e3 = self.embed_dims
        return (e0, e1, e2, e2, e3, e3)

    @property
    def memory_shapes(self) -> tuple[tuple[int, int, int, int], ...]:
        """Shape (T, 8, d, 4d) of each memory, d = C / 8."""
        return tuple((self.templates, HEADS, c // HEADS, c // HEADS * 4) for c in self.memory_dims)

    @property
    def variant(self) -> str:
        """Name of these sizes, a published one or that of the bundled weights, else ``custom``."""
        return next((name for name, known in VARIANTS.items() if known == self), "custom")

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return dataclasses.asdict(self)


_NANO = NetworkConfig((16, 32, 64, 96), grid=8, templates=1, head_channels=128)
_PUBLISHED = {
    "s256": NetworkConfig((32, 64, 128, 192), grid=16, templates=1, head_channels=192),
    "b256": NetworkConfig((64, 128, 256, 360), grid=16, templates=1, head_channels=256),
    "b384": NetworkConfig((64, 128, 256, 360), grid=24, templates=1, head_channels=256),
}
VARIANTS: Mapping[str, NetworkConfig] = {
    "nano": _NANO,
    "nano-t3": dataclasses.replace(_NANO, templates=3),
    **{
        f"spiketrack_{name}_t{templates}": dataclasses.replace(sizes, templates=templates)
        for name, sizes in _PUBLISHED.items()
        for templates in (1, 3)
    },
}


@dataclass(frozen=True)
class TrackerConfig:
    """Settings of the tracker that shapes cannot tell; defaults are the published values.

    Crop side = ceil(sqrt(w h) * factor). For T > 1 a template is replaced on every
    ``update_every``-th frame whose confidence exceeds ``update_threshold`` (LaSOT: 40 and 0.8).
    ``margin`` is the clipping margin in pixels.
    """

    search_factor: float = 4.0
    template_factor: float = 4.0
    update_every: int = 25
    update_threshold: float = 0.7
    margin: int = 10
    window: bool = True

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return dataclasses.asdict(self)


def tracker_settings(values: Any) -> TrackerConfig:
    """Settings from plain values; those that are left out have their defaults.

    Raises ``ConfigError`` that names the setting and its value; settings of later versions are
    ignored.
    """
    if not isinstance(values, Mapping):
        raise ConfigError("unreadable tracker settings, no mapping,")
    known = {name: values[name] for name in _SETTINGS if name in values}
    for name, value in known.items():
        kind, low, high = _SETTINGS[name]
        fits = isinstance(value, kind) and isinstance(value, bool) == (kind is bool)
        if not fits or not low <= value <= high:
            raise ConfigError(f"tracker setting {name} = {_shown(value)}, not {low:g} to {high:g}")
    return TrackerConfig(**known)


def _shown(value: Any) -> str:
    if isinstance(value, list | dict):
        return f"a {type(value).__name__}"
    if isinstance(value, int) and abs(value) >= 10**40:
        return "a number of more than 40 digits"
    return printable(json.dumps(value, default=str), 40)
