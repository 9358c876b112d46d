"""State dicts: the sizes that their shapes tell, and what is wrong with them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache

import torch
from torch import Tensor

from spiketrack.config import NetworkConfig
from spiketrack.errors import CheckpointError
from spiketrack.limits import HEADS, MAX_STEPS
from spiketrack.reference.model import SpikeTrack
from spiketrack.reference.unpickling import printable

_SHOWN = 4  # keys named in an error
_POSITIONS = "encoder.mrm.0.retriever.s_pos_embed"
_TELLING = {  # the keys whose shapes tell the sizes, and their number of axes
    "encoder.downsample1_2.encode_conv.weight": 4,
    "encoder.downsample2.encode_conv.weight": 4,
    "encoder.downsample3.encode_conv.weight": 4,
    "encoder.downsample4.encode_conv.weight": 4,
    "decoder.conv1_ctr.0.weight": 4,
    _POSITIONS: 3,
}


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    """How many indices there are; where one is left out, the key check names what is missing."""
    return len({m.group(1) for key in state if (m := re.match(pattern, key))})


def derive_config(state: Mapping[str, Tensor], path: str = "state dict") -> NetworkConfig:
    """Sizes from shapes alone (see ``NetworkConfig``)."""
    refuse(path, {"missing": sorted(key for key in _TELLING if key not in state)})
    for key, rank in _TELLING.items():
        if state[key].dim() != rank:
            shape = list(state[key].shape)
            raise CheckpointError(f"{path}: {key} has shape {shape}, expected {rank} axes")
    *widths, head = (state[key].shape[0] for key, rank in _TELLING.items() if rank == 4)
    positions = state[_POSITIONS].shape[2]
    grid = math.isqrt(positions)
    if grid * grid != positions or grid < 2:
        raise CheckpointError(f"{path}: {positions} positions are no square grid of 2 × 2 or more")
    for name, width in zip(("E0", "E1", "E2", "E3", "head channels"), (*widths, head), strict=True):
        if width % HEADS or not width:
            raise CheckpointError(f"{path}: {name} = {width} is no multiple of {HEADS}")
    e0, e1, e2, e3 = widths
    blocks = tuple(
        _count(state, rf"encoder\.ConvBlock{stage}\.(\d+)\.")
        for stage in ("1_1", "1_2", "2_1", "2_2")
    )
    return NetworkConfig(
        embed_dims=(e0, e1, e2, e3),
        grid=grid,
        templates=_count(state, r"encoder\.mrm\.0\.retriever\.seg_responder_dw\.(\d+)\."),
        head_channels=head,
        conv_blocks=(blocks[0], blocks[1], blocks[2], blocks[3]),
        blocks3=_count(state, r"encoder\.block3\.(\d+)\."),
        blocks4=_count(state, r"encoder\.block4\.(\d+)\."),
    )


@lru_cache(maxsize=8)
def _expected(config: NetworkConfig) -> Mapping[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {k: tuple(v.shape) for k, v in SpikeTrack(config).state_dict().items()}


def check_state(state: Mapping[str, Tensor], config: NetworkConfig, path: str) -> dict[str, Tensor]:
    """Float32 copies of exactly the expected keys; errors name the first few offenders."""
    if not 1 <= config.templates <= MAX_STEPS:
        number = config.templates
        raise CheckpointError(f"{path}: T = {number} templates; supported are 1 to {MAX_STEPS}")
    expected = _expected(config)
    counters = ".num_batches_tracked"
    want = {k for k in expected if not k.endswith(counters)}
    have = {k for k in state if not k.endswith(counters)}
    both = sorted(want & have)
    refuse(path, {
        "missing": sorted(want - have),
        "surplus": sorted(have - want),
        "misshapen": [
            f"{k} {list(state[k].shape)} instead of {list(expected[k])}"
            for k in both if tuple(state[k].shape) != expected[k]
        ],
        "not floating-point": [k for k in both if not state[k].is_floating_point()],
    })  # fmt: skip
    checked = {k: state[k].detach().to(torch.float32) for k in expected if k in want}
    refuse(path, {
        "not finite": [k for k, v in checked.items() if not torch.isfinite(v).all()],
        "negative": [k for k, v in checked.items()
                     if k.endswith("running_var") and bool((v < 0).any())],
    })  # fmt: skip
    return checked


def refuse(path: str, faults: Mapping[str, list[str]]) -> None:
    """Raise one error with every kind of fault, the first few keys of each and their number."""
    found = [_faulty(kind, keys) for kind, keys in faults.items() if keys]
    if found:
        raise CheckpointError(f"{path}: {'; '.join(found)}")


def _faulty(kind: str, keys: list[str]) -> str:
    shown = ", ".join(printable(key) for key in keys[:_SHOWN])
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return f"{len(keys)} {'key' if len(keys) == 1 else 'keys'} {kind}: {shown}{more}"
