"""The state dicts in a file: where they lie, under which prefix, and which one is meant.

A trainer wraps a network (``module.``, ``_orig_mod.``, ``model.``) and keeps averages beside it
(``net_ema``, ``model_ema``, ``ema``). Every mapping whose keys are SpikeTrack's behind a common
prefix is a candidate; its name is made of the keys that lead there, joined by dots.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from spiketrack.errors import CheckpointError, printable
from spiketrack.reference.foreign import foreign_keys
from spiketrack.reference.pickled_values import Inert
from spiketrack.reference.state_dicts import kind_of, known_kinds

_FIRST = (
    "net",
    "state_dict",
    "model",
    "module",
)  # the network itself, by the names that trainers use
_WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module",
             "_forward_module"}  # fmt: skip
_ROOTS = {"encoder", "decoder"}
_DEPTH = 6
_NODES = 100_000
_SHOWN = 4
_ITSELF = "the file itself"


@dataclass(frozen=True)
class StateDict:
    """One candidate: its name, its tensors by SpikeTrack's keys, and what was done to them.

    ``prefixes``: what was taken off the keys; ``outside``: other keys of the same mapping.
    """

    name: str
    tensors: Mapping[str, Tensor]
    prefixes: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()

    def notes(self) -> Iterator[str]:
        """What a user should know about it."""
        if self.prefixes:
            shown = ", ".join(printable(prefix, 60) for prefix in self.prefixes)
            yield f"stripped {shown} from its keys"
        if self.outside:
            shown = ", ".join(printable(key, 60) for key in self.outside[:_SHOWN])
            more = f" and {len(self.outside) - _SHOWN} more" if len(self.outside) > _SHOWN else ""
            yield f"left out what stands beside the prefix: {shown}{more}"


@dataclass(frozen=True)
class Choice:
    """The state dict that was taken; ``key`` names it where there were several."""

    taken: StateDict
    key: str | None
    notes: tuple[str, ...]


def choose(loaded: Any, key: str | None) -> Choice:
    """The state dict named ``key``, or the network itself among several.

    Raises ``CheckpointError`` that lists the names, or says what else the file holds.
    """
    dicts = find(loaded)
    if not dicts:
        raise CheckpointError(_nothing(loaded))
    names = ", ".join(one.name or _ITSELF for one in dicts)
    taken = _named(dicts, key) if key is not None else _itself(dicts)
    if taken is None and key is not None:
        raise CheckpointError(f"no state dict {printable(key, 80)!r}; --key takes one of: {names}")
    if taken is None:
        raise CheckpointError(f"holds {len(dicts)} state dicts, {names}; choose one with --key")
    notes = [*taken.notes()]
    if len(dicts) > 1:
        notes.append(f"took {taken.name or _ITSELF} of its state dicts {names} (--key chooses)")
    return Choice(taken, taken.name if len(dicts) > 1 else None, tuple(notes))


def _named(dicts: list[StateDict], key: str) -> StateDict | None:
    return next((one for one in dicts if key in (one.name, one.name or _ITSELF)), None)


def _itself(dicts: list[StateDict]) -> StateDict | None:
    """The only one, or the first by the names that trainers give to the network itself."""
    if len(dicts) == 1:
        return dicts[0]
    for name in _FIRST:
        for one in dicts:
            parts = one.name.split(".")
            if parts[0] == name and set(parts) <= {*_FIRST, *_WRAPPERS}:
                return one
    return next((one for one in dicts if not one.name), None)


def find(loaded: Any) -> list[StateDict]:
    """Every state dict of a SpikeTrack in plain containers, in the order of the file.

    ``CheckpointError`` for tensors that are kept in another form than their numbers.
    """
    dicts: list[StateDict] = []
    for path, node in _mappings(loaded):
        odd = [k for k, v in node.items() if isinstance(k, str) and _is_odd(v) and _split(k)]
        if odd:
            raise CheckpointError(
                f"{len(odd):,} tensors are sparse, quantised or without numbers, such as "
                f"{printable(odd[0], 80)}; save plain ones (to_dense, dequantize, to('cpu'))"
            )
        groups = _groups(node)
        for prefix, one in groups.items():
            name = ".".join((*path, *prefix) if len(groups) > 1 else path)
            dicts.append(StateDict(name, *one))
    return dicts


def _mappings(loaded: Any) -> Iterator[tuple[tuple[str, ...], Mapping[Any, Any]]]:
    """Every mapping with the keys that lead there, whole pickled modules as their state dicts."""
    waiting: deque[tuple[tuple[str, ...], Any]] = deque([((), loaded)])
    seen: set[int] = set()
    while waiting and len(seen) < _NODES:
        path, node = waiting.popleft()
        if id(node) in seen or len(path) > _DEPTH:
            continue
        seen.add(id(node))
        items = _items(node)
        if items:
            yield path, items
        waiting.extend(((*path, k), v) for k, v in items.items() if isinstance(k, str))


def _items(node: Any) -> Mapping[Any, Any]:
    if isinstance(node, Inert):
        return node.items or dict(_module(node))
    return node if isinstance(node, Mapping) else {}


def _module(node: Inert) -> Iterator[tuple[str, Any]]:
    """The tensors of a pickled ``torch.nn.Module`` by their names in its state dict."""
    waiting: list[tuple[str, Any]] = [("", node)]
    seen: set[int] = set()
    while waiting and len(seen) < _NODES:
        prefix, module = waiting.pop()
        states = module.parts if isinstance(module, Inert) and id(module) not in seen else ()
        seen.add(id(module))
        for state in states:
            if isinstance(state, Mapping):
                yield from _own_tensors(prefix, state)
                waiting.extend(_inside(prefix, state, "_modules"))


def _own_tensors(prefix: str, state: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    for kind in ("_parameters", "_buffers"):
        for name, value in _inside(prefix, state, kind):
            if isinstance(value, Tensor):
                yield name.removesuffix("."), value


def _inside(prefix: str, state: Mapping[Any, Any], kind: str) -> list[tuple[str, Any]]:
    inside = state.get(kind)
    items = inside.items() if isinstance(inside, Mapping) else ()
    return [(f"{prefix}{name}.", value) for name, value in items if isinstance(name, str)]


_Group = tuple[dict[str, Tensor], tuple[str, ...], tuple[str, ...]]


def _groups(node: Mapping[Any, Any]) -> dict[tuple[str, ...], _Group]:
    """The tensors of one mapping by the prefix in front of ``encoder.`` and ``decoder.``."""
    tensors = {k: v for k, v in node.items() if isinstance(k, str) and isinstance(v, Tensor)}
    split = {key: parts for key in tensors if (parts := _split(key))}
    prefixes = {prefix for prefix, _, rest in split.values() if kind_of(rest) in known_kinds()}
    beside = tuple(k for k in tensors if k not in split or split[k][0] not in prefixes)
    groups: dict[tuple[str, ...], _Group] = {}
    for prefix in sorted(prefixes, key=len):
        mine = {key: parts for key, parts in split.items() if parts[0] == prefix}
        taken = _renamed(tensors, mine)
        inner = sorted({f"{wrapper}." for parts in mine.values() for wrapper in parts[1]})
        if prefix:
            groups[prefix] = (taken, (".".join((*prefix, "")), *inner), beside)
        else:  # beside bare keys others are surplus, and an error says so
            groups[prefix] = (taken | {k: tensors[k] for k in beside}, tuple(inner), ())
    return groups


def _renamed(
    tensors: Mapping[str, Tensor], split: Mapping[str, tuple[Any, Any, str]]
) -> dict[str, Tensor]:
    taken: dict[str, Tensor] = {}
    for key, (_, _, rest) in split.items():
        if rest in taken:
            raise CheckpointError(f"two tensors for {printable(rest)}, with and without a wrapper")
        taken[rest] = tensors[key]
    return taken


def _split(key: str) -> tuple[tuple[str, ...], tuple[str, ...], str] | None:
    """Prefix, wrappers inside, and what is left of a key; None without encoder or decoder."""
    parts = key.split(".")
    start = next((i for i, part in enumerate(parts) if part in _ROOTS), None)
    if start is None:
        return None
    inner = tuple(part for part in parts[start:] if part in _WRAPPERS)
    rest = ".".join(part for part in parts[start:] if part not in _WRAPPERS)
    return tuple(parts[:start]), inner, rest


def _nothing(loaded: Any) -> str:
    """What a file holds that holds no state dict of ours."""
    if not isinstance(loaded, Mapping) and not _items(loaded):
        kind = loaded.name if isinstance(loaded, Inert) else type(loaded).__name__
        return f"holds a {printable(kind)}, not a state dict"
    mappings = [node for _, node in _mappings(loaded)]
    arrays = sum(_is_array(value) for node in mappings for value in node.values())
    named = [
        [k for k, v in n.items() if isinstance(k, str) and isinstance(v, Tensor)] for n in mappings
    ]
    most = max(named, key=len, default=[])
    if arrays > len(most):
        return (
            f"holds {arrays:,} numpy arrays in place of tensors; turn them into tensors "
            "(torch.from_numpy) and save again"
        )
    return foreign_keys(most) if most else "holds no tensors; expected keys encoder.* and decoder.*"


def _is_odd(value: Any) -> bool:
    """A tensor that is rebuilt by other means than from a stretch of numbers."""
    return isinstance(value, Inert) and value.name.startswith("torch._utils._rebuild_")


def _is_array(value: Any) -> bool:
    return (
        isinstance(value, Inert)
        and value.name.startswith("numpy.")
        and value.name.endswith(("_reconstruct", "ndarray", "_frombuffer"))
    )
