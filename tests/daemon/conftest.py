"""Computers whose background process runs, driven by the command line and the HTTP surface."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from tests.cli.conftest import Computer, calls, make_computer, one, own_list, stop_processes, two

__all__ = ["Computer", "calls", "eventually", "http", "make_computer", "one", "own_list", "stop_processes", "two"]

QUICK = """
[sync]
fastest = "500ms"
slowest = "1s"
settle = "100ms"
network_timeout = "5s"
"""


def eventually(check: Callable[[], Any], *, seconds: float = 20) -> Any:
    """Return what `check` gives once it is true; fail when it never is."""
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < deadline, f"never came true: {check}"
        time.sleep(0.05)


def http(computer: Computer, method: str, path: str, body: object = None) -> tuple[int, Any]:
    """Call the process of a computer as a script would."""
    place = json.loads((computer.root / ".gitsync" / "daemon.json").read_text())
    request = urllib.request.Request(
        f"http://127.0.0.1:{place['port']}{path}",
        data=None if body is None else json.dumps(body).encode(),
        method=method,
        headers={
            "Authorization": f"Bearer {(computer.root / '.gitsync' / 'token').read_text().strip()}",
            **({} if body is None else {"Content-Type": "application/json"}),
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())
