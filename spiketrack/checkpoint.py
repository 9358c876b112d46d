"""Checkpoints: the published ``.pth.tar`` format, bare state dicts and ``.safetensors``.

The kind of a file is told by its content, never by its name.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import re
import struct
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from spiketrack.config import NetworkConfig, TrackerConfig
from spiketrack.errors import CheckpointError
from spiketrack.files import atomic_path
from spiketrack.limits import HEADS
from spiketrack.model import SpikeTrack
from spiketrack.unpickling import pickle_module

BUNDLED = ("nano", "nano-t3")
METADATA_KEY = "spiketrack"
_SHOWN = 4  # keys named in an error


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
    if str(name) in BUNDLED and not path.exists():
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
    return path


def read_checkpoint(name: str | Path) -> Checkpoint:
    """Read, derive the sizes from the shapes, and check every key, shape and value."""
    path = resolve_checkpoint(name)
    state, metadata = _read_state(path)
    config = derive_config(state, str(path))
    checked = _checked(state, config, str(path))
    tracker = _tracker(metadata, str(path))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Checkpoint(path, checked, config, tracker, metadata, digest)


def save_checkpoint(
    path: str | Path,
    model: SpikeTrack,
    tracker: TrackerConfig,
    metadata: Mapping[str, str] | None = None,
    half: bool = False,
) -> None:
    """Write ``.safetensors`` (by suffix) or the published ``.pth.tar`` format, atomically.

    ``half`` stores floating-point tensors as fp16. The tracker's settings go into the metadata.
    """
    state = {
        key: (value.half() if half and value.is_floating_point() else value)
        .detach()
        .cpu()
        .contiguous()
        for key, value in model.state_dict().items()
    }
    notes = dict(metadata or {}) | {METADATA_KEY: json.dumps(tracker.as_dict(), sort_keys=True)}
    with atomic_path(Path(path)) as temporary:
        if Path(path).suffix == ".safetensors":
            safetensors.torch.save_file(state, temporary, notes)
        else:
            torch.save({"net": state, "metadata": notes}, temporary)


def _read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        if _is_safetensors(path):
            with safetensors.safe_open(path, framework="pt") as file:
                state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
                return state, dict(file.metadata() or {})
        return _from_pickle(_unpickle(path), str(path))
    except CheckpointError as error:
        raise CheckpointError(
            f"{path}: {error}" if str(path) not in str(error) else str(error)
        ) from None
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror or error}") from error
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:  # any parser may fail in any way on a corrupt file
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise CheckpointError(f"{path}: corrupt, truncated or no checkpoint ({reason})") from error


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(9)
    return len(head) == 9 and head[8:9] == b"{" and struct.unpack("<Q", head[:8])[0] < 2**28


def _unpickle(path: Path) -> Any:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(name.endswith("constants.pkl") for name in archive.namelist()):
                raise CheckpointError(
                    "a TorchScript program, which contains code; save a state dict"
                )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TypedStorage's deprecation, which loading cannot avoid
        return torch.load(path, "cpu", pickle_module=pickle_module(), weights_only=False)


def _from_pickle(loaded: Any, path: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """``{"net": state}``, ``{"state_dict": state}``, ``{"model": state}`` or a bare state dict."""
    if not isinstance(loaded, Mapping):
        raise CheckpointError(f"{path}: holds a {type(loaded).__name__}, not a state dict")
    metadata = loaded.get("metadata")
    for key in ("net", "state_dict", "model"):
        if isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
            break
    state = {str(k): v for k, v in loaded.items() if isinstance(v, Tensor)}
    if not state:
        raise CheckpointError(f"{path}: holds no tensors; expected keys encoder.* and decoder.*")
    notes = metadata if isinstance(metadata, Mapping) else {}
    return state, {str(k): v for k, v in notes.items() if isinstance(v, str)}


def _shape(state: Mapping[str, Tensor], key: str, path: str) -> tuple[int, ...]:
    if key not in state:
        raise CheckpointError(f"{path}: no SpikeTrack checkpoint: {key} is missing")
    return tuple(state[key].shape)


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    found = {int(m.group(1)) for key in state if (m := re.match(pattern, key))}
    return max(found, default=-1) + 1


def derive_config(state: Mapping[str, Tensor], path: str = "state dict") -> NetworkConfig:
    """Sizes from shapes alone (see ``NetworkConfig``)."""

    def size(key: str, axis: int, rank: int) -> int:
        shape = _shape(state, key, path)
        if len(shape) != rank:
            raise CheckpointError(f"{path}: {key} has shape {list(shape)}, expected {rank} axes")
        return shape[axis]

    e0, e1, e2, e3 = (
        size(f"encoder.downsample{stage}.encode_conv.weight", 0, 4)
        for stage in ("1_2", "2", "3", "4")
    )
    positions = size("encoder.mrm.0.retriever.s_pos_embed", 2, 3)
    grid = round(positions**0.5)
    if grid * grid != positions or grid < 1:
        raise CheckpointError(f"{path}: {positions} positions are no square grid")
    for name, width in zip("0123", (e0, e1, e2, e3), strict=True):
        if width % HEADS:
            raise CheckpointError(f"{path}: E{name} = {width} is not divisible by {HEADS} heads")
    blocks = tuple(
        _count(state, rf"encoder\.ConvBlock{stage}\.(\d+)\.")
        for stage in ("1_1", "1_2", "2_1", "2_2")
    )
    return NetworkConfig(
        embed_dims=(e0, e1, e2, e3),
        grid=grid,
        templates=_count(state, r"encoder\.mrm\.0\.retriever\.seg_responder_dw\.(\d+)\."),
        head_channels=size("decoder.conv1_ctr.0.weight", 0, 4),
        conv_blocks=(blocks[0], blocks[1], blocks[2], blocks[3]),
        blocks3=_count(state, r"encoder\.block3\.(\d+)\."),
        blocks4=_count(state, r"encoder\.block4\.(\d+)\."),
    )


def _checked(state: Mapping[str, Tensor], config: NetworkConfig, path: str) -> dict[str, Tensor]:
    """Float32 copies of exactly the expected keys; errors name the first few offenders."""
    if not 1 <= config.templates <= 3:
        raise CheckpointError(f"{path}: T = {config.templates} templates; supported are 1 to 3")
    with torch.device("meta"):
        expected = {k: tuple(v.shape) for k, v in SpikeTrack(config).state_dict().items()}
    counters = ".num_batches_tracked"
    want = {k for k in expected if not k.endswith(counters)}
    have = {k for k in state if not k.endswith(counters)}
    _refuse(path, "missing", sorted(want - have))
    _refuse(path, "surplus", sorted(have - want))
    _refuse(path, "misshapen", [
        f"{k} {list(state[k].shape)} instead of {list(expected[k])}"
        for k in sorted(want) if tuple(state[k].shape) != expected[k]
    ])  # fmt: skip
    checked = {k: state[k].detach().to(torch.float32) for k in expected if k in want}
    _refuse(path, "not finite", [k for k, v in checked.items() if not torch.isfinite(v).all()])
    negative = [k for k, v in checked.items() if k.endswith("running_var") and bool((v < 0).any())]
    _refuse(path, "negative", negative)
    return checked


def _refuse(path: str, kind: str, keys: list[str]) -> None:
    if keys:
        more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
        raise CheckpointError(f"{path}: {len(keys)} keys {kind}: {', '.join(keys[:_SHOWN])}{more}")


def _tracker(metadata: Mapping[str, str], path: str) -> TrackerConfig:
    if METADATA_KEY not in metadata:
        return TrackerConfig()
    try:
        values = json.loads(metadata[METADATA_KEY])
        known = {field.name for field in fields(TrackerConfig)}
        return TrackerConfig(**{k: v for k, v in values.items() if k in known})
    except (ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path}: unreadable tracker settings in its metadata") from error


__all__ = [
    "BUNDLED",
    "Checkpoint",
    "derive_config",
    "load_checkpoint",
    "read_checkpoint",
    "resolve_checkpoint",
    "save_checkpoint",
]
