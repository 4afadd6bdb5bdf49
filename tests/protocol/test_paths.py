"""Paths, addresses and ids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsync.protocol.address import Address, parse_address
from gitsync.protocol.identity import Machine
from gitsync.protocol.ids import base_id, canonical, is_id, make_ulid, variant_id
from gitsync.protocol.paths import (
    Place,
    archive_path,
    classify,
    messages_path,
    receipts_path,
    status_path,
    valid_id,
)

machines = st.from_regex(r"[a-z0-9][a-z0-9-]{0,30}", fullmatch=True).filter(valid_id)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("messages/1_TO_2.md", Place("messages", "1", "2")),
        ("messages/jesse_TO_ALL.md", Place("messages", "jesse", "ALL")),
        ("messages/Jesse_to_any.md", Place("messages", "jesse", "ANY")),
        ("messages/all_TO_2.md", Place("other")),
        ("messages/1_TO_2.txt", Place("other")),
        ("messages/deep/1_TO_2.md", Place("other")),
        ("messages/../1_TO_2.md", Place("other")),
        ("messages/1_TO_2.md\n", Place("other")),
        ("COMPUTER_1.md", Place("status", machine="1")),
        ("COMPUTER_all.md", Place("other")),
        ("receipts/2/2026-11.md", Place("receipts", machine="2", month="2026-11")),
        ("receipts/2/2026-13.md", Place("other")),
        ("archive/2026-11/1_TO_2.md", Place("archive", "1", "2", month="2026-11")),
        ("archive/2026-11/1_TO_lap-2.3.md", Place("archive", "1", "lap-2", month="2026-11")),
        ("README.md", Place("other")),
        ("", Place("other")),
    ],
)
def test_what_a_path_says(path, place):
    assert classify(path) == place
    assert place.owner == (place.sender or place.machine)


@given(machines, machines, st.integers(1, 30))
def test_paths_say_what_they_were_made_from(one, two, number):
    path = messages_path(one, two)
    assert classify(path) == Place("messages", one, two)
    assert classify(archive_path(path, "2026-11", number)) == Place("archive", one, two, month="2026-11")
    assert classify(status_path(one)).machine == one
    assert classify(receipts_path(one, "2026-01")) == Place("receipts", machine=one, month="2026-01")


def test_paths_as_in_the_protocol():
    assert messages_path("1", "all") == "messages/1_TO_ALL.md"
    assert status_path("1") == "COMPUTER_1.md"
    assert archive_path("messages/1_TO_2.md", "2026-11") == "archive/2026-11/1_TO_2.md"
    assert archive_path("messages/1_TO_2.md", "2026-11", 2) == "archive/2026-11/1_TO_2.2.md"
    for call in (
        lambda: messages_path("../x", "2"),
        lambda: receipts_path("1", "11-2026"),
        lambda: archive_path("README.md", "2026-11"),
        lambda: archive_path("messages/1_TO_2.md", "2026-11", 0),
        lambda: Machine("all"),
    ):
        with pytest.raises(ValueError):
            call()


@pytest.mark.parametrize("text", ["", "-a", "A", "all", "any", "self", "a" * 32, "a_b", "a.b", "ä", "1\n"])
def test_not_an_id(text):
    assert not valid_id(text)


@pytest.mark.parametrize(
    ("text", "address", "again"),
    [
        ("2", Address("2"), "2"),
        ("2/builder", Address("2", "builder"), "2/builder"),
        ("Laptop/A.b_c", Address("laptop", "A.b_c"), "laptop/A.b_c"),
        ("all", Address("ALL"), "ALL"),
        ("Any", Address("ANY"), "ANY"),
        ("all/builder", Address("ALL", "builder"), "ALL/builder"),
        ("self/builder", Address(None, "builder"), "self/builder"),
    ],
)
def test_addresses(text, address, again):
    assert parse_address(text) == address
    assert str(address) == again
    assert parse_address(again) == address


@pytest.mark.parametrize("text", ["", "/", "2/", "/x", "2/a b", "2/a,b", "2/a/b", "self", "a b", "ü"])
def test_not_an_address(text):
    with pytest.raises(ValueError):
        parse_address(text)


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10), st.integers(0, 2**48 - 1))
def test_ulids_sort_by_time(one, entropy, two):
    first, second = make_ulid(one, entropy), make_ulid(two, entropy)
    assert is_id(first)
    assert (first < second) == (one < two)


def test_ids():
    assert make_ulid(1469918176385, bytes(10)) == "01ARYZ6S410000000000000000"
    name = "01JD3WQ8Z6T4K9V2M5N7P0R3S8"
    assert canonical(name.lower() + "~AB12") == name + "~ab12"
    assert base_id(variant_id(name + "~ab12", "cd34")) == name
    assert variant_id(name + "~ab12", "cd34") == name + "~cd34"
    assert not is_id(name + "~ab12")
    for call in (lambda: canonical("x"), lambda: make_ulid(-1, bytes(10)), lambda: make_ulid(1, b"")):
        with pytest.raises(ValueError):
            call()
