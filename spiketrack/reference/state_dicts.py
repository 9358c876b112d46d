"""State dicts: the sizes that their shapes tell, and what is wrong with them."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

import torch
from torch import Tensor

from spiketrack.config import NetworkConfig
from spiketrack.errors import CheckpointError, printable
from spiketrack.limits import HEADS, MAX_STEPS
from spiketrack.reference.model import SpikeTrack

_SHOWN = 4  # keys named in an error
_MAX_WIDTH, _MAX_GRID = 2**14, 2**10
_POSITIONS = "encoder.mrm.0.retriever.s_pos_embed"
_TELLING = {  # the keys whose shapes tell the sizes, and their number of axes
    "encoder.downsample1_2.encode_conv.weight": 4,
    "encoder.downsample2.encode_conv.weight": 4,
    "encoder.downsample3.encode_conv.weight": 4,
    "encoder.downsample4.encode_conv.weight": 4,
    "decoder.conv1_ctr.0.weight": 4,
    _POSITIONS: 3,
}
_STAGES = (
    "encoder.ConvBlock1_1.", "encoder.ConvBlock1_2.", "encoder.ConvBlock2_1.",
    "encoder.ConvBlock2_2.", "encoder.block3.", "encoder.block4.",
)  # fmt: skip
_RESPONDERS = "encoder.mrm.0.retriever.seg_responder_dw."
_COUNTER = ".num_batches_tracked"
_INDEX = re.compile(r"\.\d+(?=\.|$)")


def kind_of(key: str) -> str:
    """A key with its indices blanked: ``encoder.block3.4.attn.x`` → ``encoder.block3.#.attn.x``."""
    return _INDEX.sub(".#", key)


@lru_cache(maxsize=1)
def known_kinds() -> frozenset[str]:
    """The kinds of all keys that a SpikeTrack of any size has."""
    return frozenset(kind_of(key) for key in _template(NetworkConfig((8, 8, 8, 8), 2, 1, 8)))


def _count(state: Mapping[str, Tensor], stage: str) -> int:
    """How many indices there are; where one is left out, the key check names what is missing."""
    indices = {key[len(stage) :].split(".", 1)[0] for key in state if _is_of(key, stage)}
    return len(indices)


def _is_of(key: str, stage: str) -> bool:
    return key.startswith(stage) and kind_of(key) in known_kinds()


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
    if grid * grid != positions or not 2 <= grid <= _MAX_GRID:
        raise CheckpointError(f"{path}: {positions} positions are no square grid of 2 × 2 or more")
    for name, width in zip(("E0", "E1", "E2", "E3", "head channels"), (*widths, head), strict=True):
        if width % HEADS or not 0 < width <= _MAX_WIDTH:
            limit = f"{HEADS} up to {_MAX_WIDTH:,}"
            raise CheckpointError(f"{path}: {name} = {width} is no multiple of {limit}")
    e0, e1, e2, e3 = widths
    blocks = [_count(state, stage) for stage in _STAGES]
    return NetworkConfig(
        embed_dims=(e0, e1, e2, e3),
        grid=grid,
        templates=_count(state, _RESPONDERS),
        head_channels=head,
        conv_blocks=(blocks[0], blocks[1], blocks[2], blocks[3]),
        blocks3=blocks[4],
        blocks4=blocks[5],
    )


@lru_cache(maxsize=8)
def _template(config: NetworkConfig) -> Mapping[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {k: tuple(v.shape) for k, v in SpikeTrack(config).state_dict().items()}


@lru_cache(maxsize=8)
def _expected(config: NetworkConfig) -> Mapping[str, tuple[int, ...]]:
    """Keys and shapes, in the network's order; blocks are those of one block a stage, repeated.

    Building a network of as many blocks as a file claims would take minutes.
    """
    one = dataclasses.replace(config, conv_blocks=(1, 1, 1, 1), blocks3=1, blocks4=1)
    times = dict(zip(_STAGES, (*config.conv_blocks, config.blocks3, config.blocks4), strict=True))
    return dict(_repeated(_template(one), times))


def _repeated(
    template: Mapping[str, tuple[int, ...]], times: Mapping[str, int]
) -> Iterator[tuple[str, tuple[int, ...]]]:
    def stage_of(item: tuple[str, tuple[int, ...]]) -> str:
        return next((stage for stage in _STAGES if item[0].startswith(stage)), "")

    for stage, group in itertools.groupby(template.items(), stage_of):
        items = list(group)
        if not stage:
            yield from items
            continue
        for index in range(times[stage]):
            yield from ((f"{stage}{index}{k[len(stage) + 1 :]}", shape) for k, shape in items)


def check_state(state: Mapping[str, Tensor], config: NetworkConfig, path: str) -> dict[str, Tensor]:
    """Float32 copies of exactly the expected keys; errors name the first few offenders."""
    if not 1 <= config.templates <= MAX_STEPS:
        number = config.templates
        raise CheckpointError(f"{path}: T = {number} templates; supported are 1 to {MAX_STEPS}")
    expected = _expected(config)
    want = {k for k in expected if not k.endswith(_COUNTER)}
    have = {k for k in state if not k.endswith(_COUNTER)}
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
    reasons = [_faulty(kind, keys) for kind, keys in faults.items() if keys]
    if reasons:
        raise CheckpointError(f"{path}: {'; '.join(reasons)}")


def _faulty(kind: str, keys: list[str]) -> str:
    shown = ", ".join(printable(key) for key in keys[:_SHOWN])
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return f"{len(keys)} {'key' if len(keys) == 1 else 'keys'} {kind}: {shown}{more}"
