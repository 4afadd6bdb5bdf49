"""Decode request bodies once, at the border; name the field that is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gitsync.api.control import SendAsk, SyncAsk
from gitsync.protocol.message import PRIORITIES


class BadRequest(Exception):
    """A request that cannot be understood: 400 for its form, 422 for a field."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def json_object(data: bytes, *, may_be_empty: bool = False) -> Mapping[str, Any]:
    """Return the JSON object in a body.

    Raises `BadRequest` (400) when the bytes are not one.
    """
    if not data.strip() and may_be_empty:
        return {}
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadRequest(400, "bad_json", "the body is not JSON") from error
    if not isinstance(value, dict):
        raise BadRequest(400, "bad_json", "the body must be a JSON object")
    return value


def text(fields: Mapping[str, Any], name: str, *, default: str | None = None, empty: bool = True) -> str:
    """Return a text field; without a default it must be there."""
    value = fields.get(name, default)
    if value is None:
        raise BadRequest(422, "missing_field", f"field '{name}' is missing")
    if not isinstance(value, str):
        raise BadRequest(422, "wrong_type", f"field '{name}' must be a string")
    if not empty and not value.strip():
        raise BadRequest(422, "empty_field", f"field '{name}' is empty")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BadRequest(422, "bad_text", f"field '{name}' holds a lone surrogate") from error
    return value


def flag(fields: Mapping[str, Any], name: str) -> bool:
    """Return a boolean field, false where it is absent."""
    value = fields.get(name, False)
    if not isinstance(value, bool):
        raise BadRequest(422, "wrong_type", f"field '{name}' must be true or false")
    return value


def send_ask(data: bytes) -> SendAsk:
    """Decode the body of ``POST /send``."""
    fields = json_object(data)
    priority = text(fields, "priority", default="normal") or "normal"
    if priority not in PRIORITIES:
        raise BadRequest(422, "bad_value", f"field 'priority' must be one of {', '.join(PRIORITIES)}")
    body = text(fields, "message")
    first = next((line.strip() for line in body.splitlines() if line.strip()), "")
    return SendAsk(
        sender=text(fields, "from", default=""),
        to=text(fields, "to", empty=False),
        subject=text(fields, "subject", default="") or first[:80],
        body=body,
        type=text(fields, "type", default=""),
        priority=priority,
        thread=text(fields, "thread", default="") or None,
        in_reply_to=text(fields, "in_reply_to", default="") or None,
    )


def sync_ask(data: bytes) -> SyncAsk:
    """Decode the body of ``POST /sync``, which may be empty."""
    fields = json_object(data, may_be_empty=True)
    return SyncAsk(accept_rewrite=flag(fields, "accept_rewrite"), accept_deletions=flag(fields, "accept_deletions"))


def page(query: Mapping[str, str]) -> tuple[int, str | None]:
    """Decode ``?limit=50&before=ID``; the limit is held between 1 and 500."""
    raw = query.get("limit", "50")
    if not raw.isascii() or not raw.isdigit() or not 1 <= len(raw) <= 9:
        raise BadRequest(422, "bad_value", "query 'limit' must be a whole number")
    return max(1, min(int(raw), 500)), query.get("before") or None
