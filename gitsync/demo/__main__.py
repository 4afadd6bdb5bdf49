"""Let ``python -m gitsync.demo [--once]`` do what ``gitsync demo`` does."""

from __future__ import annotations

import sys

from gitsync.demo.show import show

if __name__ == "__main__":
    sys.exit(show(once="--once" in sys.argv[1:]))
