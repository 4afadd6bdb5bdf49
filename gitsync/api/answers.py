"""What goes back: JSON, errors in their one shape, and the headers that everything carries."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from gitsync.api.failures import error_document

_write = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_LONE = re.compile("[\ud800-\udfff]")

HEADERS = {
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-frame-options": "DENY",
}
"""Nothing that a message says may be taken for a page, kept by a cache, shown in a frame, or told to another site."""


def encode(content: Any) -> bytes:
    """Write UTF-8; a byte that was none travels inside as a lone surrogate, which no encoding can hold."""
    text = _write(content)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _LONE.sub("\N{REPLACEMENT CHARACTER}", text).encode()


class Answer(Response):
    """A JSON document, whatever bytes people have put into names, pages and messages."""

    media_type = "application/json"

    def __init__(self, content: Any, status_code: int = 200, headers: Mapping[str, str] | None = None) -> None:
        data = content if isinstance(content, bytes) else encode(content)
        super().__init__(data, status_code, {**HEADERS, **(headers or {})})


def failed(status: int, code: str, message: str, headers: Mapping[str, str] | None = None, **more: Any) -> Answer:
    """Return an error."""
    return Answer(error_document(code, message, **more), status, headers)
