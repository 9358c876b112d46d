"""Checkpoints: the published ``.pth.tar`` format, bare state dicts and ``.safetensors``.

The kind of a file is told by its content, never by its name.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import shlex
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from spiketrack.config import NetworkConfig, TrackerConfig, tracker_settings
from spiketrack.errors import CheckpointError, ConfigError, printable
from spiketrack.files import atomic_path
from spiketrack.reference.candidates import choose
from spiketrack.reference.foreign import HEAD, foreign_content, is_text
from spiketrack.reference.model import SpikeTrack
from spiketrack.reference.state_dicts import check_state, derive_config, refuse
from spiketrack.reference.torch_files import read_torch_file
from spiketrack.reference.unpickling import RefusedError

BUNDLED = ("nano", "nano-t3")
METADATA_KEY = "spiketrack"
_SHARED = 4  # elements a byte of the file: more only where many tensors are views of one storage


@dataclass(frozen=True)
class Checkpoint:
    """A read and checked file: float32 state, sizes, tracker settings, SHA-256 of the bytes.

    ``key``: which of several state dicts this is, None where the file has one; ``notes``: what a
    user should know of the reading, such as prefixes that were stripped.
    """

    path: Path
    state: Mapping[str, Tensor]
    network: NetworkConfig
    tracker: TrackerConfig
    metadata: Mapping[str, str]
    sha256: str
    key: str | None = None
    notes: tuple[str, ...] = ()

    def build(self) -> SpikeTrack:
        """The float reference with this state, in eval mode."""
        model = SpikeTrack(self.network)
        model.load_state_dict(dict(self.state), strict=False)
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        return model.eval()


def load_checkpoint(path: str | Path, key: str | None = None) -> SpikeTrack:
    """Read any supported checkpoint and return the float reference in eval mode."""
    return read_checkpoint(path, key).build()


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


def read_checkpoint(name: str | Path, key: str | None = None, strip: bool = False) -> Checkpoint:
    """Read, derive the sizes from the shapes, and check every key, shape and value.

    ``key`` names one of several state dicts (``model_ema``, ``state_dict.ema``); ``strip`` takes
    the tensors of a file that is refused otherwise, whose code is left out and never run.
    """
    path = resolve_checkpoint(name)
    try:
        loaded, metadata = _read(path, strip)
        choice = choose(loaded, key)
        state = choice.taken.tensors
        _limit(state, path.stat().st_size)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    config = derive_config(state, str(path))
    checked = check_state(state, config, str(path))
    tracker = _tracker(metadata, str(path))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Checkpoint(path, checked, config, tracker, metadata, digest, choice.key, choice.notes)


def _limit(state: Mapping[str, Tensor], size: int) -> None:
    elements = sum(value.numel() for value in state.values())
    if elements > _SHARED * size:
        raise CheckpointError(
            f"{elements:,} elements in tensors, more than a file of {size:,} bytes"
        )


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
        key: (_halved(value, exact) if half else value) for key, value in model.state_dict().items()
    }
    faulty = [k for k, v in state.items() if not torch.isfinite(v).all()]
    refuse(str(path), {"not finite in fp16" if half else "not finite": faulty})
    save_state(path, state, tracker, metadata)


def save_state(
    path: str | Path,
    state: Mapping[str, Tensor],
    tracker: TrackerConfig,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a checked state dict as it is; see ``save_checkpoint``."""
    tensors = {key: value.cpu().contiguous() for key, value in state.items()}
    notes = dict(metadata or {}) | {METADATA_KEY: json.dumps(tracker.as_dict(), sort_keys=True)}
    with atomic_path(Path(path)) as temporary:
        if Path(path).suffix == ".safetensors":
            safetensors.torch.save_file(tensors, temporary, notes)
        else:
            with temporary.open("wb") as file:  # a path would put its random name in the file
                torch.save({"net": tensors, "metadata": notes}, file)


def _halved(value: Tensor, exact: bool) -> Tensor:
    half = value.half()
    keep = not value.is_floating_point() or (exact and not torch.equal(half.to(value.dtype), value))
    return value if keep else half


def _read(path: Path, strip: bool) -> tuple[Any, dict[str, str]]:
    """Everything in a file, as plain containers and tensors, and its metadata."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
        return _read_as(path, head, strip)
    except RefusedError as error:
        remedy = f"spiketrack convert {shlex.quote(str(path))} clean.safetensors --strip"
        raise CheckpointError(f"{error}; to take its tensors alone: {remedy}") from None
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(error.strerror or str(error)) from error
    except Exception as error:  # any parser may fail in any way on a corrupt file
        reason = printable(f"{type(error).__name__} {error}".strip(), 120)
        what = "a text, not a" if is_text(head) else "corrupt, truncated or no"
        raise CheckpointError(f"{what} checkpoint ({reason})") from error


def _read_as(path: Path, head: bytes, strip: bool) -> tuple[Any, dict[str, str]]:
    if not head:
        raise CheckpointError("an empty file")
    if head[8:9] == b"{" and struct.unpack("<Q", head[:8])[0] < 2**28:
        if any("\ud800" <= letter <= "\udfff" for letter in str(path)):
            raise CheckpointError("its name is no UTF-8, which safetensors asks for; rename it")
        with safetensors.safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return tensors, dict(file.metadata() or {})
    if what := foreign_content(head):
        raise CheckpointError(what)
    loaded = read_torch_file(path, strip)
    notes = loaded.get("metadata") if isinstance(loaded, Mapping) else None
    texts = notes.items() if isinstance(notes, Mapping) else ()
    return loaded, {k: v for k, v in texts if isinstance(k, str) and isinstance(v, str)}


def _tracker(metadata: Mapping[str, str], path: str) -> TrackerConfig:
    try:
        return tracker_settings(json.loads(metadata.get(METADATA_KEY, "{}")))
    except (ValueError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{path}: unreadable tracker settings in its metadata") from error
    except ConfigError as error:
        raise CheckpointError(f"{path}: {error} in its metadata") from error


__all__ = [
    "BUNDLED",
    "Checkpoint",
    "derive_config",
    "load_checkpoint",
    "read_checkpoint",
    "resolve_checkpoint",
    "save_checkpoint",
]
