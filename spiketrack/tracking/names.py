"""The names that results and attributes of a sequence are published under beside its folder's.

OTB's toolkit writes ``Jogging-1`` for the first of two targets, pytracking ``Jogging_1``; of Human4
there is the second target alone. pytracking prefixes ``uav_``, ``nfs_`` and ``tpl_`` (TC128), and
takes the set of 30 frames a second of NfS.
"""

from __future__ import annotations

_PREFIXES = {"UAV123": "uav_", "NfS": "nfs_", "TC128": "tpl_"}
_SECOND_ALONE = {"Human4": "Human4.2"}
_SLOW = "_30"


def published(name: str, layout: str) -> tuple[str, ...]:
    """``name`` first, then the others, each once."""
    names = [name]
    if layout == "OTB":
        sequence, dot, target = _SECOND_ALONE.get(name, name).rpartition(".")
        names += [f"{sequence}{sign}{target}" for sign in ".-_"] if dot else []
    prefix = _PREFIXES.get(layout, "")
    plain = name.removeprefix(prefix)
    if layout == "NfS":
        plain = plain.removesuffix(_SLOW)
    return tuple(dict.fromkeys((*names, f"{prefix}{plain}", plain)))
