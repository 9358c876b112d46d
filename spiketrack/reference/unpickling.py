"""A pickle reader that builds plain containers and tensors, and executes or imports nothing.

Nothing but a ``Maker`` of ``pickled_names`` is ever called, no attribute is ever set, no state is
ever restored. What a file may build is bounded: operations, open containers, and the size of what
makers copy, which can be no larger than the pickle itself.
"""

from __future__ import annotations

import pickle
import struct
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, ClassVar

from spiketrack.errors import CheckpointError, printable
from spiketrack.reference.pickled_names import resolve
from spiketrack.reference.pickled_values import (
    Inert,
    Refused,
    RefusedCall,
    call,
    construct,
    frozen_members,
    mapping,
    members,
    put,
)

OPERATIONS = 2_000_000
OPEN = 1_000  # containers that have begun and not ended
_SHOWN_KEY = 120
_LARGE = 2**16


class RefusedError(CheckpointError):
    """A pickle that would have run code: by what, and under which key."""


class _Counted(dict[int, Any]):
    """The opcodes' functions; looking one up counts it."""

    left = OPERATIONS

    def __getitem__(self, opcode: int) -> Any:
        self.left -= 1
        if self.left < 0:
            raise CheckpointError(f"a pickle of more than {OPERATIONS:,} operations")
        return super().__getitem__(opcode)


class _Bounded:
    """A file whose reads ask for no more than there is: Python allocates what it is asked for."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size, self.readline = file, size, file.readline

    def read(self, count: int) -> bytes:
        """At most ``count`` bytes."""
        if count > _LARGE:
            count = min(count, max(self._size - self._file.tell(), 0))
        return self._file.read(count)


class Unpickler(pickle._Unpickler):
    """Python's own pickle machine with every opcode that calls, hashes or sets state replaced.

    ``size``: bytes of the file; ``persistent(identifier)`` finds the storages that torch keeps
    outside of its pickles; ``strip`` leaves inert what is refused otherwise.
    """

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)
    stack: list[Any]
    metastack: list[list[Any]]
    append: Callable[[Any], None]
    read: Callable[[int], bytes]
    pop_mark: Callable[[], list[Any]]

    def __init__(
        self,
        file: BinaryIO,
        size: int,
        persistent: Callable[[Any], Any] | None = None,
        strip: bool = False,
    ) -> None:
        super().__init__(_Bounded(file, size), encoding="utf-8")
        self.dispatch = _Counted(type(self).dispatch)  # type: ignore[misc]
        self.persistent = persistent
        self.strip = strip
        self.refused: list[Refused] = []
        self.states: dict[int, list[Any]] = {}  # by identity of plain objects
        self._left = size

    def load(self) -> Any:
        """The value; ``RefusedError`` names the first thing that would have run code."""
        try:
            value = super().load()
        except Exception:
            self._refuse(None)
            raise
        self._refuse(value)
        return value

    def _refuse(self, value: Any) -> None:
        if self.refused and not self.strip:
            place = locate(value, self.refused[0], self.states)
            reason = printable(self.refused[0].reason)
            under = f" under the key '{printable(place, _SHOWN_KEY)}'" if place else ""
            raise RefusedError(
                f"refused: the file {reason}{under}, which could run code; nothing was run"
            )

    def find_class(self, module: str, name: str) -> Any:
        """See ``resolve``."""
        return self._noted(resolve(module, name))

    def _noted(self, value: Any) -> Any:
        if isinstance(value, Refused):
            self.refused.append(value)
        return value

    def persistent_load(self, pid: Any) -> Any:
        """See the class."""
        if self.persistent is None:
            raise CheckpointError("a storage outside of a torch file")
        return self.persistent(pid)

    def get_extension(self, code: int) -> None:
        """Extension codes name classes that no checkpoint needs."""
        self.append(self._noted(Refused("extension", f"uses pickle extension {code}")))

    def _make(self, how: Callable[[Any, Any], Any], kind: Any, arguments: Any) -> Any:
        try:
            value = how(kind, arguments)
        except RefusedCall as refusal:
            return self._noted(Refused("call", str(refusal)))
        built = value.parts if isinstance(value, Inert) else value
        if isinstance(built, list | tuple | dict | set | frozenset | bytes):
            self._left -= len(built)
            if self._left < 0:
                raise CheckpointError("a pickle that builds more than it holds")
        return value

    def _instantiate(self, kind: Any, arguments: Any) -> None:
        self.append(self._make(construct, kind, arguments))

    def _construct(self) -> None:
        arguments = self.stack.pop()
        self.stack[-1] = self._make(construct, self.stack[-1], arguments)

    def _construct_with_keywords(self) -> None:
        keywords = self.stack.pop()
        self._construct()
        if isinstance(self.stack[-1], Inert):
            self.stack[-1].parts.append(keywords)

    def _call(self) -> None:
        arguments = self.stack.pop()
        self.stack[-1] = self._make(call, self.stack[-1], arguments)

    def _keep_state(self) -> None:
        state = self.stack.pop()
        owner = self.stack[-1]
        kept = owner.parts if isinstance(owner, Inert) else self.states.setdefault(id(owner), [])
        kept.append(state)

    def _byte_array(self) -> None:
        # Python's own allocates whatever length the file claims
        (length,) = struct.unpack("<Q", self.read(8))
        self.append(bytearray(self.read(length)))

    def _open(self) -> None:
        if len(self.metastack) >= OPEN:
            raise CheckpointError(f"a pickle of more than {OPEN:,} nested containers")
        pickle._Unpickler.load_mark(self)  # type: ignore[attr-defined]

    def _set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        put(self.stack[-1], key, value)

    def _set_items(self) -> None:
        parts = self.pop_mark()
        for key, value in zip(parts[::2], parts[1::2], strict=True):
            put(self.stack[-1], key, value)

    def _dictionary(self) -> None:
        parts = self.pop_mark()
        self.append(mapping(list(zip(parts[::2], parts[1::2], strict=True))))

    def _extend(self, parts: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, list | set | Inert):
            raise CheckpointError(f"appends to a {type(target).__name__}")
        if isinstance(target, set):
            target.update(members(parts))
        else:
            (target.parts if isinstance(target, Inert) else target).extend(parts)

    def _append(self) -> None:
        self._extend([self.stack.pop()])

    def _append_all(self) -> None:
        self._extend(self.pop_mark())

    def _frozen_set(self) -> None:
        self.append(frozen_members(self.pop_mark()))

    for opcode, function in {
        pickle.BYTEARRAY8: _byte_array,
        pickle.REDUCE: _call,
        pickle.NEWOBJ: _construct,
        pickle.NEWOBJ_EX: _construct_with_keywords,
        pickle.BUILD: _keep_state,
        pickle.MARK: _open,
        pickle.SETITEM: _set_item,
        pickle.SETITEMS: _set_items,
        pickle.DICT: _dictionary,
        pickle.APPEND: _append,
        pickle.APPENDS: _append_all,
        pickle.ADDITEMS: _append_all,
        pickle.FROZENSET: _frozen_set,
    }.items():
        dispatch[opcode[0]] = function
    del opcode, function


def parts_of(value: Any, states: dict[int, list[Any]] | None = None) -> Iterator[tuple[str, Any]]:
    """What a value holds, each with the key that leads there (empty for parts without one)."""
    items = value.items if isinstance(value, Inert) else value if isinstance(value, dict) else {}
    for key, part in items.items():
        yield "", key
        yield printable(key if isinstance(key, str) else type(key).__name__, _SHOWN_KEY), part
    inside = value.parts if isinstance(value, Inert) else value
    if isinstance(inside, list | tuple | set | frozenset):
        yield from (("", part) for part in inside)
    yield from (("", state) for state in (states or {}).get(id(value), ()))


def locate(root: Any, wanted: object, states: dict[int, list[Any]]) -> str:
    """The keys that lead from ``root`` to ``wanted``, joined by dots; empty where none does."""
    seen = {id(root)}
    waiting = deque([(root, "")])
    while waiting:
        value, place = waiting.popleft()
        if value is wanted:
            return place
        for key, part in parts_of(value, states):
            if id(part) not in seen:
                seen.add(id(part))
                waiting.append((part, f"{place}.{key}" if place and key else place or key))
    return ""
