"""What a page may do: run its own scripts, known by their hash, and nothing that needs a network.

The policy stands in the page itself (``Content-Security-Policy``), so that it holds wherever the
file is opened. Nothing is fetched or sent (``default-src``, ``connect-src`` and ``form-action`` are
'none'); a script that is not one of ours, in text or in an attribute, does not run.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable

RULES = (
    "default-src 'none'",
    "connect-src 'none'",
    "frame-src 'none'",
    "form-action 'none'",
    "base-uri 'none'",
    "img-src data: blob:",
    "font-src data:",
    "style-src 'unsafe-inline'",
)


def content_policy(scripts: Iterable[str]) -> str:
    """The policy that lets these scripts run and no other."""
    allowed = " ".join(dict.fromkeys(script_hash(text) for text in scripts))
    return "; ".join((*RULES, f"script-src {allowed}"))


def script_hash(text: str) -> str:
    """``'sha256-…'`` of a script's text, as browsers compare it."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
