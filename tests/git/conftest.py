"""A mailbox clone to work on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gitsync.git.repo import Mailbox
from tests.remotes import Person, Remote, run_git


@pytest.fixture
def repo(tmp_path: Path) -> Person:
    """An empty repository without a remote, on the branch ``coordination``."""
    path = tmp_path / "repo"
    run_git("init", "-q", "-b", "coordination", path)
    return Person(path)


@pytest.fixture
def open_mailbox() -> Iterator[Callable[..., Mailbox]]:
    """Open mailboxes that are closed after the test."""
    opened: list[Mailbox] = []

    def make(path: Path, **options: float) -> Mailbox:
        opened.append(Mailbox(path, "coordination", **options))
        return opened[-1]

    yield make
    for mailbox in opened:
        mailbox.close()


@pytest.fixture
def mailbox(repo: Person, open_mailbox: Callable[..., Mailbox]) -> Mailbox:
    """A mailbox on ``repo``."""
    return open_mailbox(repo.path)


@pytest.fixture
def synced(remote: Remote, tmp_path: Path, open_mailbox: Callable[..., Mailbox]) -> tuple[Remote, Person, Mailbox]:
    """A remote of each kind with one commit on ``coordination``, a person's clone of it, and a mailbox clone."""
    person = Person.clone(remote.url, tmp_path / "person")
    person.switch("coordination")
    person.commit({"README.md": "mailbox\n"})
    person.push()
    Person.clone(remote.url, tmp_path / "mailbox", "-b", "coordination")
    return remote, person, open_mailbox(tmp_path / "mailbox")
