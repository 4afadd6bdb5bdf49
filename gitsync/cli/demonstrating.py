"""Start the demonstration."""

from __future__ import annotations

from argparse import Namespace


def demo(args: Namespace) -> int:
    """Play three computers in a temporary folder."""
    from gitsync.demo.show import show

    return show(once=args.once)
