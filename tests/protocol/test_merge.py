"""The laws of merging, each on made-up files, and the cases that have a name."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gitsync.protocol.merge import merge
from tests.protocol.mailboxes import contents, forks, letters, text_lines


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
