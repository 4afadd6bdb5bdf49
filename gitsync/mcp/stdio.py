"""Serve one client over standard input and output, until it closes them."""

from __future__ import annotations

import asyncio

from mcp.server.stdio import stdio_server

from gitsync.config.settings import Settings
from gitsync.mcp.desk import Desks
from gitsync.mcp.server import Speaker
from gitsync.mcp.who import Who


def serve(settings: Settings, who: Who) -> None:
    """Serve until the input ends."""
    asyncio.run(_serve(settings, who))


async def _serve(settings: Settings, who: Who) -> None:
    desks = Desks(settings)
    server = Speaker(desks, who).server()
    try:
        async with stdio_server() as (reader, writer):
            await server.run(reader, writer, server.create_initialization_options())
    finally:
        await desks.close()
