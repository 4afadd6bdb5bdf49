"""Put a reading into the JSON of `gitsync parse`."""

from __future__ import annotations

from gitsync.protocol.found import Found, Reading


def as_json(file: str, reading: Reading) -> dict[str, object]:
    """Give the report of one file as JSON values, in file order; bytes that are not UTF-8 become U+FFFD."""
    status = reading.status
    report: dict[str, object] = {
        "file": file,
        "messages": [message_json(found) for found in reading.messages],
        "status": None
        if status is None
        else {
            "id_or_name": status.id_or_name,
            "state": status.state,
            "state_raw": status.state_raw,
            "line": status.line,
            "end_line": status.end_line,
        },
        "problems": [{"line": p.line, "rule": p.rule, "text": p.text} for p in reading.problems],
    }
    return {name: _printable(value) for name, value in report.items()}


def message_json(found: Found) -> dict[str, object]:
    """Give one message as JSON values."""
    return {
        "line": found.line,
        "end_line": found.end_line,
        "id": found.id,
        "wrapped": found.wrapped,
        "subject": found.subject,
        "from": found.sender,
        "to": list(found.to),
        "date": found.date_raw,
        "date_raw": found.date_raw,
        "date_utc": found.date_utc,
        "priority": found.priority,
        "priority_raw": found.priority_raw,
        "type": found.type,
        "thread": found.thread,
        "in_reply_to": found.in_reply_to,
        "fields": [{"name": name, "value": value} for name, value in found.fields],
        "body": found.body,
        "draft": found.draft,
    }


def _printable(value: object) -> object:
    """Replace the halves of characters that stand for bytes: no terminal and no strict JSON reader takes them."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if isinstance(value, list):
        return [_printable(each) for each in value]
    if isinstance(value, dict):
        return {name: _printable(each) for name, each in value.items()}
    return value
