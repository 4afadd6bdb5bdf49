"""Run the background process in the foreground of its own program, and translate signals."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable

from gitsync.config.settings import Settings
from gitsync.daemon import logs
from gitsync.daemon.control import ProcessControl
from gitsync.daemon.process import Process
from gitsync.errors import EXIT_OK, ConfigError

log = logging.getLogger(__name__)

SWITCH = 0.0005
"""Seconds after which the git thread lets the loop go on: what arrived is handed over while the folder is written."""


def run(settings: Settings, *, foreground: bool = True, ready: Callable[[int], None] = lambda _port: None) -> int:
    """Run until SIGTERM, SIGINT or ``gitsync down``; SIGHUP rereads the settings. Return the exit code.

    ``ready`` is called with the port once everything is up. Raises `GitsyncError` where the start is impossible.
    """
    logs.configure(
        settings.log_file,
        level=settings.log.level,
        max_size=settings.log.max_size,
        keep=settings.log.keep,
        foreground=foreground,
    )
    sys.setswitchinterval(SWITCH)
    return asyncio.run(_run(settings, ready))


async def _run(settings: Settings, ready: Callable[[int], None]) -> int:
    process = Process(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, process.stop)
    reloads: set[asyncio.Task[None]] = set()

    def reread() -> None:
        task = loop.create_task(_reload(process))
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGHUP, reread)
    await process.run(ProcessControl, lambda: ready(process.port))
    return EXIT_OK


async def _reload(process: Process) -> None:
    try:
        await process.reload()
    except ConfigError as error:
        log.error("settings not taken: %s", error)
    except Exception:
        log.exception("rereading the settings failed")
