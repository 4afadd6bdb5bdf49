"""Serve the tools to an MCP client over standard input and output."""

from __future__ import annotations

from argparse import Namespace

from gitsync.cli.failures import keep_warnings
from gitsync.cli.settings import own_settings
from gitsync.errors import EXIT_OK


def mcp(args: Namespace) -> int:
    """Serve one client until it closes our input."""
    settings = own_settings(args)
    from gitsync.mcp.who import identify

    who = identify(settings, args.sender or "")
    keep_warnings(settings.state_dir)
    from gitsync.mcp.stdio import serve

    serve(settings, who)
    return EXIT_OK
