"""Where the project and the shared data lie."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("SPIKETRACK_SHARED", ROOT.parent / "shared"))
GOLDEN = SHARED / "golden"
DATA = ROOT / "tests" / "data"
