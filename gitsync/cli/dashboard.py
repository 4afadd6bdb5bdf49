"""Open the page of the running process in a browser, logged in."""

from __future__ import annotations

import os
import sys
import webbrowser
from argparse import Namespace

from gitsync.cli.client import connect
from gitsync.cli.settings import own_settings
from gitsync.cli.terminal import note, say
from gitsync.errors import EXIT_OK, GitsyncError


def dashboard(args: Namespace) -> int:
    """Open the dashboard, or print its address.

    The address holds a code behind the ``#``, which no browser sends anywhere by itself; it logs in one browser, once,
    within a minute. The token never becomes part of an address.
    """
    settings = own_settings(args)
    client = connect(settings)
    if client is None:
        raise GitsyncError(
            "no process is running", "the dashboard is a page of the background process", "run: gitsync up --detach"
        )
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.api.host, settings.api.host)
    place = f"http://{f'[{host}]' if ':' in host else host}:{client.process.port}/dashboard"
    given = client.post("/session/code")
    address = f"{place}#code={given['code']}"
    if args.print:
        say(address)
        note("it logs in one browser, once, within a minute")
        return EXIT_OK
    if not _open(address):
        say(f"no browser could be opened; on this computer open {address}")
        note("it logs in one browser, once, within a minute")
    else:
        say(f"opened {place}")
    return EXIT_OK


def _open(address: str) -> bool:
    """Open a browser that has a window; one that takes the terminal over would hold this command."""
    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or os.environ.get("BROWSER")
    ):
        return False
    return webbrowser.open(address)
