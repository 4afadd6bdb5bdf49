"""Receipts: one line each, exact both ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsync.protocol.edit import append_receipts
from gitsync.protocol.merge import merge_receipts
from gitsync.protocol.receipts import FINAL, OUTCOMES, Receipt, line, lines, numbered, parse_file, parse_line

ID = "01JD3WQ8Z6T4K9V2M5N7P0R3S8"
REPLY = "01JD3W0000000000000000000A"

values = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
receipts = st.builds(
    Receipt,
    date=st.sampled_from(["2026-11-20T06:45:12Z", "2026-11-20T06:45:13Z"]),
    id=st.sampled_from([ID, REPLY, ID + "~12ab34cd"]),
    sender=values.filter(bool),
    agent=values,
    outcome=st.sampled_from(OUTCOMES),
    attempt=st.integers(0, 10**6),
    seconds=st.one_of(st.none(), st.floats(0, 10**6)),
    reply=st.sampled_from([None, REPLY]),
    reason=st.one_of(values, st.sampled_from([" — x · y", "a\\n\nb", "\u2028", "\x85", " "])),
)


@given(receipts)
def test_reading_gives_what_was_written(receipt):
    text = line(receipt)
    assert len(text.splitlines()) == 1
    assert parse_line(text) == receipt


@given(st.lists(receipts, max_size=5), st.binary(max_size=20))
def test_a_file_gives_every_receipt_and_passes_over_the_rest(many, noise):
    noise = noise.replace(b"- ", b"")
    assert parse_file(lines(many) + noise + b"\n") == tuple(many)


def test_the_example_of_the_protocol():
    receipt = Receipt("2026-11-20T06:45:12Z", ID, "1", "builder", "done", 1, 2.3, REPLY)
    text = f"- 2026-11-20T06:45:12Z · {ID} · from 1 · to builder · done · attempt 1 · 2.3 s · reply {REPLY}"
    assert line(receipt) == text
    assert parse_file(text.encode()) == (receipt,)
    assert receipt.final
    assert {outcome for outcome in OUTCOMES if Receipt("2026-11-20T06:45:12Z", ID, "1", "", outcome).final} == FINAL


def test_a_short_one_and_one_with_a_reason():
    short = Receipt("2026-11-20T06:45:12Z", ID, "1", "", "received")
    assert line(short) == f"- 2026-11-20T06:45:12Z · {ID} · from 1 · received · attempt 1"
    failed = Receipt("2026-11-20T06:45:12Z", ID, "1", "coder", "failed", 2, 30.0, None, "exit 1 — no · space\nleft")
    assert line(failed).endswith("failed · attempt 2 · 30.0 s — exit 1 \\m no \\d space\\nleft")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# Receipts of 2",
        "- nonsense",
        f"- 2026-11-20 · {ID} · from 1 · done",
        f"- 2026-11-20T06:45:12Z · {ID} · from 1 · eaten",
        "- 2026-11-20T06:45:12Z · x · from 1 · done",
    ],
)
def test_what_is_no_receipt(text):
    assert parse_line(text) is None


def test_receipts_are_read_from_files_that_editors_changed():
    one = Receipt("2026-11-20T06:45:12Z", ID, "1", "", "received")
    data = b"\xef\xbb\xbf" + lines([one]).replace(b"\n", b"\r\n") + b"\xff\xfe\n"
    assert parse_file(data) == (one,)
    assert [number for number, _, receipt in numbered(data) if receipt] == [1]


def test_a_wrong_outcome_is_refused():
    for change in ({"outcome": "eaten"}, {"attempt": -1}, {"sender": ""}, {"reply": "x"}):
        with pytest.raises(ValueError):
            Receipt(**{"date": "d", "id": ID, "sender": "1", "agent": "", "outcome": "done", **change})


@given(st.lists(receipts, max_size=4), st.lists(receipts, max_size=4))
def test_appending_again_changes_nothing(first, second):
    data = append_receipts(None, "2", first)
    assert data.startswith(b"# Receipts of 2\n\n")
    more = append_receipts(data, "2", second)
    assert more.startswith(data)
    assert append_receipts(more, "2", [*first, *second]) == more
    assert parse_file(more) == tuple(dict.fromkeys([*first, *second]))


def test_a_missing_last_newline_is_added():
    one = Receipt("2026-11-20T06:45:12Z", ID, "1", "", "received")
    assert append_receipts(b"by hand", "2", [one]) == b"by hand\n" + lines([one])


forks = st.tuples(*[st.lists(receipts, max_size=4)] * 3)


@given(forks)
def test_merging_keeps_every_receipt_once(fork):
    shared, one, two = fork
    base = append_receipts(None, "2", shared)
    ours, theirs = append_receipts(base, "2", one), append_receipts(base, "2", two)
    merged = merge_receipts(base, ours, theirs).data
    assert merged is not None
    assert sorted(map(line, parse_file(merged))) == sorted({line(each) for each in [*shared, *one, *two]})
    assert merge_receipts(base, theirs, ours).data == merged
    assert merge_receipts(base, merged, ours).data == merged
    assert merge_receipts(base, theirs, merged).data == merged
    assert merge_receipts(base, ours, base).data == ours


def test_receipts_that_one_side_deleted_stay_when_the_other_added():
    one, two = (Receipt("2026-11-20T06:45:12Z", name, "1", "", "received") for name in (ID, REPLY))
    base = append_receipts(None, "2", [one])
    theirs = append_receipts(base, "2", [two])
    assert parse_file(merge_receipts(base, b"", theirs).data or b"") == (one, two)
    assert merge_receipts(base, None, theirs).data == theirs
