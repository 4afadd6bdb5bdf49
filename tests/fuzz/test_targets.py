# ruff: noqa: E501 - lines of data
"""The targets of `make fuzz` in every run of the tests: by Hypothesis, by our own generator, and what once fell."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitsync.git import objects
from gitsync.git.values import Entry
from gitsync.protocol import blocks, edit, message, receipts, status
from gitsync.protocol.blocks import Block
from gitsync.protocol.merge import merge
from gitsync.protocol.reader import read_file
from gitsync.protocol.version import load
from gitsync.sync.ignore import ignored, parse_rules
from tests.fuzz import run
from tests.fuzz.families import FAMILIES
from tests.fuzz.grammar import CUT, mutate
from tests.fuzz.linear import READERS, measured, steep
from tests.fuzz.targets import TARGETS

ID = "01JD3WQ8Z6T4K9V2M5N7P0R3S8"
OTHER = "01JD3WQ8Z6T4K9V2M5N7P0R3S9"


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.data())
@settings(max_examples=25)
def test_hypothesis(name: str, data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, 2**32))
    rng = Random(seed)
    made = TARGETS[name].make(rng)
    if data.draw(st.booleans()):
        made = mutate(rng, made, (made,))
    if data.draw(st.integers(0, 4)) == 0:
        made = data.draw(st.binary(max_size=60)) + made
    TARGETS[name].target(made)


@pytest.mark.parametrize("name", TARGETS)
def test_the_plain_engine(name: str, tmp_path: Path) -> None:
    outcome = run.plain(name, TARGETS[name], 60, 7, tmp_path)
    assert outcome.crashes == {}
    assert outcome.inputs == 60


def test_the_same_seed_makes_the_same_inputs() -> None:
    for fuzzed in TARGETS.values():
        assert [fuzzed.make(Random(5)) for _ in range(3)] == [fuzzed.make(Random(5)) for _ in range(3)]


def test_a_failing_input_is_kept_and_runs_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def falls(data: bytes) -> None:
        if b"msg" in data:
            raise ValueError("fell")

    monkeypatch.setitem(TARGETS, "split", run.Fuzzed(falls, TARGETS["split"].make, 1))  # type: ignore[arg-type]
    assert run.main(["split", "--inputs", "50", "--crashes", str(tmp_path)]) == 1
    (file,) = tmp_path.iterdir()
    with pytest.raises(ValueError, match="fell"):
        run.main(["--replay", str(file)])


# The rest, and larger, by `python -m tests.fuzz.linear`.
@pytest.mark.parametrize(
    ("reader", "size"),
    [("split", 4_000), ("read", 2_500), ("merge", 2_500), ("merge, wrapped", 2_000), ("receipts", 4_000), ("status", 4_000),
     ("follow-ups", 16_000)],
)  # fmt: skip
def test_reading_takes_time_in_step_with_the_input(reader: str, size: int) -> None:
    slow = [(name, family) for name, family, first, second in measured(size, [reader]) if steep(first, second)]
    assert slow == []


@pytest.mark.soak
def test_everything_takes_time_in_step_with_large_inputs() -> None:
    slow = [(name, family) for name, family, first, second in measured(64_000) if steep(first, second)]
    assert slow == []
    assert len(FAMILIES) * len(READERS) > 500


# What fell once, each by the name of what it does.


def test_every_form_of_an_end_line_in_a_body_is_escaped() -> None:
    for line in ("<!-- /msg-->", "<!--/msg-->", "<!-- /msg -->", f"<!-- msg {ID} -->"):
        made = message.Message(id=ID, sender="1", to=("2",), subject="x", body=line, date="2026-11-20T06:45:00Z")
        assert message.read(message.write(made)) == made


def test_a_message_with_an_open_quoting_fence_does_not_swallow_the_next() -> None:
    open_one = f"<!-- msg {ID} -->\n```\n<!-- msg {OTHER} -->\nquoted\n".encode()
    other = f"<!-- msg {OTHER} -->\nmine\n<!-- /msg -->\n".encode()
    for out in (merge(None, open_one, other).data or b"", edit.append(open_one, other)):
        assert [segment.id for segment in blocks.parse(out) if isinstance(segment, Block)] == [ID, OTHER]


def test_a_file_that_ends_in_a_bare_carriage_return_keeps_its_end_line() -> None:
    version = load(f"<!-- msg {ID} -->\r\nx\r\n<!-- /msg --> \r".encode())
    assert version.letters[ID].closed


def test_lines_of_blanks_that_only_unicode_knows_stop_no_reader() -> None:
    for data in ("# x\n\u2028\n**From:** 1\n", "## From\n\n\x1c\n\nx\n", "# x\r\u2029\x85\n**Re:** 2\n"):
        read_file(data.encode(), "messages/1_TO_2.md")


def test_half_a_character_in_a_receipt_stays_as_written() -> None:
    line = f"- 2026-11-20T06:45:12Z · {ID} · from 1 · done · attempt 1 — \\ud800"
    (receipt,) = receipts.parse_file(line.encode())
    assert receipt.reason == "\\ud800"
    assert receipts.parse_file(receipts.lines([receipt])) == (receipt,)


def test_bytes_that_make_a_letter_together_are_that_letter_in_a_receipt() -> None:
    for reason in ("\udce2\udc80\udca9", "\udcff", "\ud800", "é"):
        receipt = receipts.Receipt("2026-11-20T06:45:12Z", ID, "1", "", "done", reason=reason)
        assert receipts.parse_file(receipts.lines([receipt])) == (receipt,)


def test_a_row_of_dashes_is_an_agent_and_not_a_rule() -> None:
    page = status.Status("1", agents=(status.AgentRow("---", "---", "---", "---", ("---",), 0),))
    read = status.read_status(status.write_block(page))
    assert read is not None
    assert len(read.agents) == 1


def test_a_commit_of_a_time_without_a_date_gets_one_that_has_one() -> None:
    for date, expected in (
        ("-5", 0),
        ("1" + "0" * 12, objects.LATEST),
        ("9" * 5000, objects.LATEST),
        ("1700000000", 1700000000),
    ):
        assert objects.parse_person(f"A <b> {date} +0000").date == expected


def test_a_commit_in_an_encoding_that_is_no_text_is_read_as_it_is() -> None:
    for codec in (b"hex", b"undefined", b"unicode_escape", b"\0", b"idna"):
        data = b"tree " + objects.EMPTY_TREE.encode() + b"\nauthor A <b> 1 +0000\nencoding " + codec + b"\n\n\\ud800\n"
        assert objects.parse_commit("0" * 40, data).message == "\\ud800\n"


def test_of_two_entries_of_one_name_the_first_counts_for_everybody() -> None:
    first, second = b"\x01" * 20, b"\x02" * 20
    data = b"100644 a\0" + first + b"100644 a\0" + second
    assert objects.parse_tree(data) == {b"a": Entry(0o100644, first.hex())}
    assert objects.differences(b"", data) == [(b"a", None, Entry(0o100644, first.hex()))]
    assert objects.differences(b"100644 a\0" + first, data) == []


def test_a_pattern_of_many_stars_is_matched_at_once() -> None:
    rules = parse_rules("a" + "*a" * 60 + "b\n" + "*?" * 40 + "x\n" + "**/" * 200 + "y\n")
    assert not ignored("a" * 250, rules)
    assert not ignored("/".join(["a"] * 200), rules)
    assert ignored("a" * 100 + "b", rules)
    for odd in ("[a--b]", "[[a]", "[&&]", "[~~x]", "[z-a]", "[!]", "[]]"):
        ignored("a", parse_rules(odd))  # a warning is an error here


def test_the_cut_is_no_boundary() -> None:
    assert len(blocks.parse(CUT)) == 1
