"""Serve the files of the dashboard, and nothing else of the disk."""

from __future__ import annotations

import re
from pathlib import Path

from starlette.responses import Response

from gitsync.api.answers import HEADERS
from gitsync.errors import NotFound

FOLDER = Path(__file__).parent / "dashboard"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""The page may use its own files and this service; nothing inline, nothing of others, in no frame."""

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
}
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*\.[a-z]+", re.ASCII)


def page(name: str = "index.html") -> Response:
    """Return a file of the dashboard; raise NotFound for everything that is not one."""
    kind = _TYPES.get(Path(name).suffix) if _NAME.fullmatch(name) else None
    try:
        data = (FOLDER / name).read_bytes() if kind else None
    except OSError:
        data = None
    if data is None or kind is None:
        raise NotFound(f"the dashboard has no file {name!r}")
    headers = {
        **HEADERS,
        "content-type": kind,
        "content-security-policy": POLICY,
        "cross-origin-opener-policy": "same-origin",
    }
    return Response(data, headers=headers)
