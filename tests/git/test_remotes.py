"""The remotes of the test suite are themselves real: a person can clone, push and pull over each of them."""

from __future__ import annotations

from pathlib import Path

from tests.remotes import Person, Remote


def test_a_person_can_work_over_every_transport(remote: Remote, tmp_path: Path) -> None:
    one = Person.clone(remote.url, tmp_path / "one")
    one.switch("coordination")
    tip = one.commit({"messages/1_TO_2.md": "hello\n"})
    one.push()
    assert remote.tip() == tip
    assert remote.files() == {"messages/1_TO_2.md": b"hello\n"}
    two = Person.clone(remote.url, tmp_path / "two", "-b", "coordination")
    one.commit({"big": b"x" * 3_000_000})
    one.push()
    two.pull()
    assert (two.path / "big").stat().st_size == 3_000_000
