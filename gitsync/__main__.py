"""Let ``python -m gitsync`` be the same program as ``gitsync``."""

from __future__ import annotations

import sys

from gitsync.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
