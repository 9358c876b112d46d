"""Checkpoints: the published ``.pth.tar`` format, bare state dicts and ``.safetensors``.

The kind of a file is told by its content, never by its name.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from spiketrack.config import NetworkConfig, TrackerConfig
from spiketrack.errors import CheckpointError
from spiketrack.files import atomic_path
from spiketrack.reference.model import SpikeTrack
from spiketrack.reference.state_dicts import check_state, derive_config, refuse
from spiketrack.reference.torch_files import read_torch_file
from spiketrack.reference.unpickling import Unknown, printable

BUNDLED = ("nano", "nano-t3")
METADATA_KEY = "spiketrack"
_SETTINGS: Mapping[str, tuple[Any, float]] = {  # types and smallest values of ``TrackerConfig``
    "search_factor": ((int, float), 1e-3),
    "template_factor": ((int, float), 1e-3),
    "update_every": (int, 1),
    "update_threshold": ((int, float), 0),
    "margin": (int, 0),
    "window": (bool, 0),
}


@dataclass(frozen=True)
class Checkpoint:
    """A read and checked file: float32 state, sizes, tracker settings, SHA-256 of the bytes."""

    path: Path
    state: Mapping[str, Tensor]
    network: NetworkConfig
    tracker: TrackerConfig
    metadata: Mapping[str, str]
    sha256: str

    def build(self) -> SpikeTrack:
        """The float reference with this state, in eval mode."""
        model = SpikeTrack(self.network)
        model.load_state_dict(dict(self.state), strict=False)
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        return model.eval()


def load_checkpoint(path: str | Path) -> SpikeTrack:
    """Read any supported checkpoint and return the float reference in eval mode."""
    return read_checkpoint(path).build()


def resolve_checkpoint(name: str | Path) -> Path:
    """A path, or the name of a bundled checkpoint (``nano``, ``nano-t3``)."""
    path = Path(name)
    _require_name(path)
    if str(name) in BUNDLED and not path.is_file():
        path = Path(
            str(importlib.resources.files("spiketrack") / "weights" / f"{name}.safetensors")
        )
        if not path.exists():
            raise CheckpointError(f"{name}: these weights are not bundled with this version")
    if not path.exists():
        known = ", ".join(BUNDLED)
        raise CheckpointError(f"{path}: no such file; give a checkpoint or one of {known}")
    if path.is_dir():
        raise CheckpointError(f"{path}: a folder, where a checkpoint file is needed")
    if not path.is_file():
        raise CheckpointError(f"{path}: no regular file, which a checkpoint has to be")
    return path


def _require_name(path: Path) -> None:
    try:
        path.exists()
    except OSError as error:  # a name that is too long, a folder that may not be searched
        shown = printable(str(path), 80)
        raise CheckpointError(f"{shown}: {error.strerror or error}") from error


def read_checkpoint(name: str | Path) -> Checkpoint:
    """Read, derive the sizes from the shapes, and check every key, shape and value."""
    path = resolve_checkpoint(name)
    state, metadata = _read_state(path)
    config = derive_config(state, str(path))
    checked = check_state(state, config, str(path))
    tracker = _tracker(metadata, str(path))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Checkpoint(path, checked, config, tracker, metadata, digest)


def save_checkpoint(
    path: str | Path,
    model: SpikeTrack,
    tracker: TrackerConfig,
    metadata: Mapping[str, str] | None = None,
    half: bool = False,
    exact: bool = False,
) -> None:
    """Write ``.safetensors`` (by suffix) or the published ``.pth.tar`` format, atomically.

    ``half`` stores floating-point tensors as fp16, with ``exact`` only those that fp16 holds
    without rounding. The tracker's settings go into the metadata.
    """
    state = {
        key: (_halved(value, exact) if half else value).cpu().contiguous()
        for key, value in model.state_dict().items()
    }
    faulty = [k for k, v in state.items() if not torch.isfinite(v).all()]
    refuse(str(path), {"not finite in fp16" if half else "not finite": faulty})
    notes = dict(metadata or {}) | {METADATA_KEY: json.dumps(tracker.as_dict(), sort_keys=True)}
    with atomic_path(Path(path)) as temporary:
        if Path(path).suffix == ".safetensors":
            safetensors.torch.save_file(state, temporary, notes)
        else:
            with temporary.open("wb") as file:  # a path would put its random name in the file
                torch.save({"net": state, "metadata": notes}, file)


def _halved(value: Tensor, exact: bool) -> Tensor:
    half = value.half()
    keep = not value.is_floating_point() or (exact and not torch.equal(half.to(value.dtype), value))
    return value if keep else half


def _read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        if path.stat().st_size == 0:
            raise CheckpointError("an empty file")
        if _is_safetensors(path):
            with safetensors.safe_open(path, framework="pt") as file:
                state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
                return state, dict(file.metadata() or {})
        return _from_pickle(read_torch_file(path))
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror or error}") from error
    except Exception as error:  # any parser may fail in any way on a corrupt file
        reason = printable(f"{type(error).__name__} {error}".strip(), 120)
        raise CheckpointError(f"{path}: corrupt, truncated or no checkpoint ({reason})") from error


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(9)
    return len(head) == 9 and head[8:9] == b"{" and struct.unpack("<Q", head[:8])[0] < 2**28


def _from_pickle(loaded: Any) -> tuple[dict[str, Tensor], dict[str, str]]:
    """``{"net": state}``, ``{"state_dict": state}``, ``{"model": state}`` or a bare state dict."""
    if not isinstance(loaded, Mapping):
        kind = loaded.name if isinstance(loaded, Unknown) else type(loaded).__name__
        raise CheckpointError(f"holds a {kind}, not a state dict")
    metadata = loaded.get("metadata")
    for key in ("net", "state_dict", "model"):
        if isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
            break
    state = {str(k): v for k, v in loaded.items() if isinstance(v, Tensor)}
    if not state:
        raise CheckpointError("holds no tensors; expected keys encoder.* and decoder.*")
    notes = metadata if isinstance(metadata, Mapping) else {}
    return state, {str(k): v for k, v in notes.items() if isinstance(v, str)}


def _tracker(metadata: Mapping[str, str], path: str) -> TrackerConfig:
    try:
        values = json.loads(metadata.get(METADATA_KEY, "{}"))
        known = {name: values[name] for name in _SETTINGS if name in values}
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{path}: unreadable tracker settings in its metadata") from error
    for name, value in known.items():
        kind, low = _SETTINGS[name]
        fits = isinstance(value, kind) and isinstance(value, bool) == (kind is bool)
        if not fits or not low <= value < math.inf:
            shown = printable(json.dumps(value), 40)
            raise CheckpointError(f"{path}: tracker setting {name} = {shown} in its metadata")
    return TrackerConfig(**known)


__all__ = [
    "BUNDLED",
    "Checkpoint",
    "derive_config",
    "load_checkpoint",
    "read_checkpoint",
    "resolve_checkpoint",
    "save_checkpoint",
]
