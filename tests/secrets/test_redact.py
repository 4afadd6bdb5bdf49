"""The one door of redaction: what is known here, what looks like a token, in whatever shape it stands."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from gitsync.api.failures import error_document, told
from gitsync.daemon.logs import RedactingFormatter
from gitsync.errors import AuthFailed, GitFailed, GitsyncError, SecretFound
from gitsync.ledger.values import receipt_of, receipt_op
from gitsync.protocol.receipts import Receipt
from gitsync.secrets import redact as door
from gitsync.secrets.redact import know, know_environment, know_url, redact, redact_bytes
from tests.secrets.samples import TOKENS

OURS = "Wk3-own.Secret/42"
TOKEN = TOKENS["GitHub token"]


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """Leave nothing of what a test made known."""
    before = dict(door._known)
    yield
    for place in set(door._known) - set(before):
        know(place, None)


def test_what_is_known_is_gone_wherever_it_stands() -> None:
    know("test", OURS)
    assert redact(f"a {OURS} b{OURS}c") == "a [redacted] b[redacted]c"
    assert OURS not in redact("?token=Wk3-own.Secret%2F42")
    assert "Wk3-own.Secret%2F42" not in redact("?token=Wk3-own.Secret%2F42")
    assert redact_bytes(b"\xff" + OURS.encode() + b"\xfe") == b"\xff[redacted]\xfe"
    know("test", "another-Secret-43")
    assert redact(OURS) == OURS, "what was said before is forgotten"
    know("test", None)
    assert redact("another-Secret-43") == "another-Secret-43"


def test_of_an_environment_plain_words_stay() -> None:
    know(
        "test",
        {
            "DB_PASSWORD": "hunter2x",
            "REGION": "europe",
            "LEVEL": "debug",
            "HOME": "/home/jesse",
            "KEY_FILE": "/home/jesse/.ssh/id_ed25519",
            "BLOB": "q8Zr2Lm0Tx",
            "URL": "https://station.net/a",
            "DSN": "postgres://app:Pa55-w0rd@db/shop",
            "N": "12",
        },
    )
    text = "europe debug /home/jesse/.ssh/id_ed25519 https://station.net/a 12"
    assert redact(text) == text
    for value in ("hunter2x", "q8Zr2Lm0Tx", "Pa55-w0rd"):
        assert value not in redact(f"x {value} y")


def test_of_the_own_environment_only_what_is_secret_by_name() -> None:
    know_environment(
        {"DESKTOP_SESSION": "station-shell", "GITHUB_TOKEN": "not-of-a-known-shape-1", "EDITOR": "emacs-29x"}
    )
    assert redact("station-shell emacs-29x not-of-a-known-shape-1") == "station-shell emacs-29x [redacted]"


def test_the_password_of_an_address_alone() -> None:
    know_url("test", "https://jesse:s3cr%21t-pw@host/a.git")
    assert redact("wrong: s3cr%21t-pw or s3cr!t-pw") == "wrong: [redacted] or [redacted]"


def test_errors_are_born_without_secrets() -> None:
    error = AuthFailed(f"no: https://u:{TOKEN}@h/x", f"Authorization: Bearer {TOKEN}", f"not {TOKEN}")
    assert TOKEN not in "".join((str(error), repr(error), error.what, error.why, error.remedy))
    failed = GitFailed(["push"], 1, f"fatal: https://u:hunter2x@h/x\nremote: {TOKEN}\n")
    assert TOKEN not in failed.stderr + str(failed)
    assert "hunter2x" not in failed.stderr + str(failed)


def test_http_errors() -> None:
    document = json.dumps(error_document("x", f"see {TOKEN}", why=f"Authorization: Basic {TOKEN}", near=None))
    assert TOKEN not in document
    status, document_, _ = told(SecretFound("not sent", "why", "do", held="01J", line=3, rule="GitHub token"))
    assert status == 422
    assert document_["error"] | {"message": ""} == {
        "code": "secret", "message": "", "why": "why", "remedy": "do", "exit": 3, "held": "01J", "line": 3,
        "rule": "GitHub token",
    }  # fmt: skip


def test_log_lines_and_tracebacks() -> None:
    know("test", OURS)
    try:
        try:
            raise ValueError(f"curl -H 'Authorization: Bearer {TOKEN}' {OURS}")
        except ValueError as error:
            raise GitsyncError("it failed") from error
    except GitsyncError:
        import sys

        record = logging.LogRecord(
            "x", logging.ERROR, "f", 1, "push to %s", (f"https://u:{TOKEN}@h/r",), sys.exc_info()
        )
    line = RedactingFormatter("%(message)s").format(record)
    assert "ValueError" in line
    assert TOKEN not in line
    assert OURS not in line


def test_the_reason_of_a_receipt() -> None:
    told_ = Receipt(
        date="2026-11-20T06:45:00Z",
        id="01JD3WQ8Z6T4K9V2M5N7P0R3S8",
        sender="1",
        agent="a",
        outcome="failed",
        reason=f"exit code 1: env: GITHUB_TOKEN={TOKEN}",
    )
    assert TOKEN not in receipt_of(receipt_op(told_)).reason
    assert "exit code 1" in receipt_of(receipt_op(told_)).reason
