"""The figures, tables and pictures of README and docs, all written by this project's commands.

    .venv/bin/python -m tools.readme measure   # docs/networks.json anew, minutes
    .venv/bin/python -m tools.readme chip      # docs/chip.json anew, of which parts may be named
    .venv/bin/python -m tools.readme example   # the worked example of the tutorial, some minutes
    .venv/bin/python -m tools.readme picture   # docs/result.png, from a run of nano; needs Chromium
    .venv/bin/python -m tools.readme write     # the blocks that both files fill, at once

A test compares every block with what would be written, and what it was measured with with what is
there now, so that a stale figure fails.
"""
