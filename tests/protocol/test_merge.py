"""The laws of merging, each on made-up files, and the cases that have a name."""

from __future__ import annotations

import random
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsync.protocol.align import align
from gitsync.protocol.blocks import content_hash, parse
from gitsync.protocol.edit import append
from gitsync.protocol.merge import Merged, merge, merge_path, merge_text
from gitsync.protocol.message import Message, write
from gitsync.protocol.wrap import wrap
from tests.protocol.mailboxes import IDS, contents, forks, letters, signed_letters, text_lines


@given(forks())
def test_law_commutative_and_deterministic(fork):
    base, ours, theirs = fork
    merged = merge(base, ours, theirs)
    assert merge(base, theirs, ours) == merged
    assert merge(base, ours, theirs) == merged


@given(forks())
def test_law_one_sided_change_wins(fork):
    base, ours, _ = fork
    assert merge(base, ours, base).data == ours
    assert merge(base, base, ours).data == ours
    assert merge(base, ours, ours).data == ours


@given(forks(wraps=False))
def test_law_no_version_is_lost(fork):
    base, ours, theirs = fork
    merged = contents(merge(base, ours, theirs).data)
    assert merged >= (contents(ours) | contents(theirs)) - contents(base)


@given(forks())
def test_law_no_line_is_lost(fork):
    base, ours, theirs = fork
    merged = Counter(text_lines(merge(base, ours, theirs).data))
    before = Counter(text_lines(base))
    for side in (ours, theirs):
        for line, count in Counter(text_lines(side)).items():
            assert count <= before[line] or merged[line], line


@given(forks())
def test_law_merging_the_result_again_changes_nothing(fork):
    base, ours, theirs = fork
    merged = merge(base, ours, theirs).data
    assert merge(base, merged, ours).data == merged
    assert merge(base, theirs, merged).data == merged


@given(forks(wraps=False))
def test_law_a_signature_is_not_lost(fork):
    base, ours, theirs = fork
    if base in (ours, theirs):
        return  # then the side that changed wins, whatever it did
    merged = merge(base, ours, theirs).data
    for one, other in ((ours, theirs), (theirs, ours)):
        both = signed_letters(one) & set(letters(other).items())
        assert both & set(letters(merged).items()) <= signed_letters(merged)


def test_the_same_message_signed_and_unsigned_is_one_and_signed():
    signed = block(C, "new").replace(b"/msg", b"/msg sshsig=QUJD")
    ours, theirs = BASE + block(C, "new"), BASE.replace(b"end", b"fin") + signed
    merged = merge(BASE, ours, theirs)
    assert merged.data == theirs
    assert merged.variants == ()
    assert merge(BASE, theirs, ours) == merged
    assert merge(None, signed, block(C, "new")).data == signed


def test_an_edit_wins_over_the_signature_of_the_former_text():
    signed = BASE.replace(b"one\n<!-- /msg", b"one\n<!-- /msg sshsig=QUJD")
    edited = BASE.replace(b"one", b"1")
    assert merge(BASE, signed, edited).data == edited


RECEIPTS = b"# Receipts of 2\n\n"
ONE, TWO = (
    f"- 2026-11-20T06:45:1{n}Z \u00b7 {IDS[n]} \u00b7 from 1 \u00b7 done \u00b7 attempt 1".encode() for n in (1, 2)
)


def test_a_receipt_signed_and_unsigned_is_one_and_signed():
    signed = ONE + b" <!-- sshsig=QUJD -->"
    ours = RECEIPTS + ONE + b"\n" + TWO + b"\n"
    theirs = RECEIPTS + signed + b"\n"
    merged = merge_path("receipts/2/2026-11.md", RECEIPTS, ours, theirs)
    assert merged.data == RECEIPTS + signed + b"\n" + TWO + b"\n"
    assert merge_path("receipts/2/2026-11.md", RECEIPTS, theirs, ours) == merged


receipt_lines = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from(["", "", " <!-- sshsig=QUJD -->", " <!-- sshsig=REVG -->"])),
    max_size=5,
).map(
    lambda lines: (
        RECEIPTS
        + b"".join(ONE.replace(b"attempt 1", b"attempt %d" % number) + sig.encode() + b"\n" for number, sig in lines)
    )
)


def bare(data: bytes) -> set[bytes]:
    return {line.partition(b" <!--")[0] for line in data.split(b"\n")}


@given(receipt_lines, receipt_lines, receipt_lines)
def test_law_receipts_keep_every_line_and_its_signature(base, ours, theirs):
    merged = merge_path("receipts/2/2026-11.md", base, ours, theirs).data
    assert merge_path("receipts/2/2026-11.md", base, theirs, ours).data == merged
    assert merge_path("receipts/2/2026-11.md", base, merged, ours).data == merged
    if base in (ours, theirs):
        return
    assert bare(merged) == bare(ours) | bare(theirs)
    assert {line for line in merged.split(b"\n") if b"sshsig" in line} == {
        line for side in (ours, theirs) for line in side.split(b"\n") if b"sshsig" in line
    }


@given(forks(sides=3, wraps=False, whole=False))
def test_law_contents_are_associative(fork):
    base, one, two, three = fork
    left = merge(base, merge(base, one, two).data, three).data
    right = merge(base, one, merge(base, two, three).data).data
    assert contents(left) == contents(right)


@given(forks(wraps=False))
def test_law_without_a_base_nothing_is_deleted(fork):
    _, ours, theirs = fork
    merged = merge(None, ours, theirs).data
    assert {c for _, c in contents(merged)} >= {c for _, c in contents(ours) | contents(theirs)}
    assert set(text_lines(merged)) >= set(text_lines(ours)) | set(text_lines(theirs))


@given(forks(), st.data())
def test_law_protected_messages_stay(fork, data):
    base, ours, theirs = fork
    both = letters(ours).keys() | letters(theirs).keys()
    protect = frozenset(data.draw(st.sets(st.sampled_from(sorted(both)))) if both else ())
    merged = letters(merge(base, ours, theirs, protect=protect).data)
    assert protect <= merged.keys()


lines_of_text = st.lists(st.sampled_from(["a", "b", "c", "", "d  ", "e\r"]), max_size=8).map(
    lambda lines: "\n".join(lines).encode()
)


@given(lines_of_text, lines_of_text, lines_of_text)
def test_law_text_is_merged_alike_and_completely(base, ours, theirs):
    merged = merge_text(base, ours, theirs).data
    assert merge_text(base, theirs, ours).data == merged
    assert merge_text(base, ours, base).data == ours
    assert merge_text(base, merged, ours).data == merged
    after, before = Counter(text_lines(merged)), Counter(text_lines(base))
    for side in (ours, theirs):
        for line, count in Counter(text_lines(side)).items():
            assert count <= before[line] or after[line]


@given(st.lists(st.integers(0, 5), max_size=40), st.lists(st.integers(0, 5), max_size=40))
def test_an_alignment_is_in_order_and_true(a, b):
    found = align(a, b)
    pairs = [(i, j) for i, j in enumerate(found) if j >= 0]
    assert all(a[i] == b[j] for i, j in pairs)
    assert [j for _, j in pairs] == sorted({j for _, j in pairs})
    if a == b:
        assert found == list(range(len(a)))


A, B, C, D = IDS[:4]


def block(name: str, text: str) -> bytes:
    return f"<!-- msg {name} -->\n{text}\n<!-- /msg -->\n".encode()


def say(name: str, text: str) -> bytes:
    return write(Message(id=name, sender="1", to=("2",), subject="Hi", body=text, date="2026-11-20T06:45:00Z"))


BASE = b"# Head\n\n" + block(A, "one") + b"\nbetween\n\n" + block(B, "two") + b"\nend\n"


def test_both_append():
    ours, theirs = append(BASE, say(C, "ours")), append(BASE, say(D, "theirs"))
    merged = merge(BASE, ours, theirs)
    assert merged.data == BASE + b"\n" + say(C, "ours") + b"\n" + say(D, "theirs")
    assert merged == merge(BASE, theirs, ours)


def test_both_edit_a_message():
    ours, theirs = BASE.replace(b"one", b"1"), BASE.replace(b"one", b"uno")
    merged = merge(BASE, ours, theirs)
    low, high = sorted((b"1\n", b"uno\n"), key=content_hash)
    name = f"{A}~{content_hash(high)}"
    assert merged.variants == (name,)
    assert merged.clashes == 1
    assert letters(merged.data) == {A: content_hash(low), name: content_hash(high), B: content_hash(b"two")}


def test_both_edit_a_message_alike():
    ours, theirs = BASE.replace(b"one", b"1"), BASE.replace(b"one", b"1").replace(b"end", b"fin")
    assert merge(BASE, ours, theirs) == Merged(theirs)


def test_a_change_beats_a_deletion():
    ours = BASE.replace(block(A, "one") + b"\n", b"")
    theirs = BASE.replace(b"one", b"1")
    merged = merge(BASE, ours, theirs)
    assert merged.data == theirs
    assert merged.restored == (A,)


def test_deleted_on_one_side():
    ours = BASE.replace(block(A, "one") + b"\n", b"")
    theirs = append(BASE, say(C, "new"))
    assert merge(BASE, ours, theirs) == Merged(append(ours, say(C, "new")))
    kept = merge(BASE, ours, theirs, protect=frozenset({A}))
    assert kept == Merged(theirs, restored=(A,))
    assert merge(BASE, ours, BASE, protect=frozenset({A})) == Merged(BASE, restored=(A,))
    assert merge(BASE, ours, BASE) == Merged(ours)


def test_a_deleted_file():
    theirs = append(BASE, say(C, "new"))
    assert merge(BASE, None, BASE) == Merged(None)
    assert letters(merge(BASE, None, theirs).data).keys() == {C}
    assert letters(merge(BASE, None, BASE, protect=frozenset({B})).data).keys() == {B}
    assert merge(None, None, theirs) == Merged(theirs)
    assert merge(BASE, None, BASE.replace(b"end\n", b"end\n\n")).data is None


def test_free_text_that_both_changed_stays_in_byte_order():
    ours, theirs = BASE.replace(b"between", b"zwischen"), BASE.replace(b"between", b"entre")
    merged = merge(BASE, ours, theirs)
    assert merged.data == BASE.replace(b"between", b"entre\nzwischen")
    assert merged.clashes == 1


HAND = b"# Head\n\n## Hello\n**To:** 2\n\nPlease do it.\nSoon.\n"


def adopted(data: bytes, name: str = C) -> bytes:
    return wrap(data, [(data.index(b"## Hello"), len(data))], [name])


def test_a_wrap_meets_an_edit():
    ours = HAND.replace(b"Please do it.", b"Please do it well.")
    merged = merge(HAND, ours, adopted(HAND)).data
    assert merged == adopted(ours)
    assert merge(HAND, merged, ours).data == merged
    assert merge(HAND, merged, adopted(HAND)).data == merged


def test_a_wrap_meets_an_append():
    ours = append(HAND, say(D, "new"))
    assert merge(HAND, ours, adopted(HAND)).data == append(adopted(HAND), say(D, "new"))


def test_a_wrap_meets_a_text_that_was_cut_short():
    ours = HAND.replace(b"Soon.\n", b"")
    merged = merge(HAND, ours, adopted(HAND)).data
    assert merged == adopted(ours)
    assert merge(HAND, merged, adopted(HAND)).data == merged
    assert merge(HAND, merged, ours).data == merged


def test_a_wrap_meets_another_text_in_its_place():
    ours = HAND[: HAND.index(b"## Hello")] + b"Something else.\n"
    merged = merge(HAND, ours, adopted(HAND)).data
    assert contents(merged) == contents(adopted(HAND))
    assert b"Something else." in text_lines(merged)
    assert merge(HAND, merged, ours).data == merged


def test_two_wraps_of_the_same_text():
    merged = merge(HAND, adopted(HAND, C), adopted(HAND, D)).data
    assert merged == adopted(HAND, C)


def test_a_wrap_meets_a_deletion():
    assert letters(merge(HAND, b"# Head\n", adopted(HAND)).data).keys() == {C}


def test_a_message_twice_in_one_file():
    ours = BASE + block(A, "one") + block(B, "other")
    merged = merge(BASE, ours, append(BASE, say(C, "new"))).data
    low, high = sorted((b"two", b"other"), key=content_hash)
    assert letters(merged) == {
        A: content_hash(b"one"),
        B: content_hash(low),
        f"{B}~{content_hash(high)}": content_hash(high),
        C: letters(say(C, "new"))[C],
    }


def test_a_moved_message_that_was_edited():
    ours = BASE.replace(block(A, "one") + b"\n", b"") + b"\n" + block(A, "one")
    theirs = BASE.replace(b"one", b"1")
    merged = merge(BASE, ours, theirs).data
    assert merged == ours.replace(b"one", b"1")


def test_an_open_fence_does_not_swallow_what_the_other_side_appended():
    ours = BASE.replace(b"end\n", b"```\nend\n")
    merged = merge(BASE, ours, append(BASE, say(C, "new"))).data
    assert letters(merged).keys() == {A, B, C}
    assert b"```\nend\n```\n" in (merged or b"").replace(b"\n\n", b"\n")


def test_a_missing_end_line_does_not_swallow_what_the_other_side_typed():
    ours = (b"# Head\n\n" + block(A, "one") + block(B, "two")).replace(b"one\n<!-- /msg -->\n", b"one\n")
    base = b"# Head\n\n" + block(A, "one") + block(B, "two")
    theirs = base.replace(block(B, "two"), b"typed\n" + block(B, "two"))
    merged = merge(base, ours, theirs).data
    assert contents(merged) == contents(theirs)
    assert merged == theirs


def test_a_quoted_message_stays_quoted():
    quoted = b"```\n" + block(D, "quoted") + b"```\n"
    base = BASE + quoted
    ours, theirs = base.replace(b"quoted", b"cited"), base.replace(b"```\n<", b"````\n<")
    assert letters(merge(base, ours, theirs).data).keys() == {A, B}


def test_byte_order_mark_and_last_newline():
    ours = b"\xef\xbb\xbf" + BASE
    theirs = append(BASE, say(C, "new"))
    assert merge(BASE, ours, theirs).data == b"\xef\xbb\xbf" + theirs
    assert merge(b"\xef\xbb\xbf" + BASE, BASE, b"\xef\xbb\xbf" + theirs).data == theirs
    unended = BASE[:-1] + b" more"
    assert merge(BASE, unended, theirs).data == theirs.replace(b"\nend\n", b"\nend more\n")


def test_an_editor_that_changes_line_ends():
    ours = BASE.replace(b"\n", b"\r\n")
    theirs = append(BASE, say(C, "new"))
    merged = merge(BASE, ours, theirs).data
    assert contents(merged) == contents(theirs)
    assert [line.rstrip() for line in (merged or b"").split(b"\n")] == theirs.split(b"\n")


def test_binary_files_and_others():
    one, two = b"\0one", b"\0two"
    assert merge_text(b"\0", one, two) == merge_text(b"\0", two, one)
    assert merge_text(b"\0", one, two).data in (one, two)
    assert merge_text(b"\0", one, b"\0").data == one
    assert merge_text(b"x\n", None, b"y\n") == Merged(b"y\n", clashes=1)
    assert merge_text(b"x\n", None, b"x\n") == Merged(None)
    assert merge_text(None, b"x\n", None) == Merged(b"x\n")


@pytest.mark.parametrize(
    ("path", "merged"),
    [
        ("messages/1_TO_2.md", b"a\nb\nc\n"),
        ("archive/2026-11/1_TO_2.md", b"a\nb\nc\n"),
        ("COMPUTER_1.md", b"a\nb\nc\n"),
        ("notes.md", b"a\nb\nc\n"),
        ("receipts/2/2026-11.md", b"a\nx\nb\nc\n"),
    ],
)
def test_a_path_says_how_its_file_is_merged(path, merged):
    assert merge_path(path, b"a\nx\nc\n", b"a\nx\nb\nc\n", b"a\nc\n").data in (merged, b"a\nx\nb\nc\n")
    assert merge_path(path, b"a\nc\n", b"a\nb\nc\n", b"a\nc\n").data == b"a\nb\nc\n"


def test_a_file_of_ordinary_size_takes_milliseconds():
    data: bytes | None = None
    number = 0
    while data is None or len(data) < 64 * 1024:
        number += 1
        data = append(data, say(f"01JD3WQ8Z6T4K9V2M5N7P0{number:04d}", "some words in a line\n" * 12))
    ours, theirs = append(data, say(C, "ours")), append(data.replace(b"some", b"SOME", 1), say(D, "theirs"))
    best = 1.0
    for _ in range(5):
        begin = time.process_time()
        merged = merge(data, ours, theirs).data
        best = min(best, time.process_time() - begin)
    assert merged is not None
    assert len(parse(merged)) == len(parse(data)) + 4
    assert best < 0.01


def test_hostile_files_are_merged_in_bounded_time():
    chance = random.Random(7)
    shuffled = [[f"{number % 300}\n" for number in range(20_000)] for _ in range(3)]
    mixed = ["".join(chance.choice("ab") + "\n" for _ in range(10_000)) for _ in range(3)]
    for lines in shuffled[1:]:
        chance.shuffle(lines)
    same = b"a\n" * 20_000
    begin = time.process_time()
    merge(*("".join(lines).encode() for lines in shuffled))
    merge(*(text.encode() for text in mixed))
    merge(same, same[:-8000] + b"x\n", b"y\n" + same + b"a\n" * 300)
    assert time.process_time() - begin < 10
