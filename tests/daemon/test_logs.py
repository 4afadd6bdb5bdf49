"""Lines of the log: what others wrote in them stays harmless."""

from __future__ import annotations

import logging

from gitsync.daemon.logs import RedactingFormatter


def test_words_of_others_stay_in_their_line() -> None:
    words = "a\x1b]0;evil\x07\n2026-11-20 10:00:00,000 INFO    gitsync: forged\r https://u:p@h/x"
    record = logging.LogRecord("gitsync", logging.WARNING, "", 0, "%s", (words,), None)
    first, second = RedactingFormatter("%(message)s").format(record).split("\n")
    assert first == "a\N{REPLACEMENT CHARACTER}]0;evil\N{REPLACEMENT CHARACTER}"
    assert second == "  2026-11-20 10:00:00,000 INFO    gitsync: forged\N{REPLACEMENT CHARACTER} https://h/x"
