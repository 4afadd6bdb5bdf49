"""What a person saved and no commit holds is kept from gc for as long as an edit may start from it, and no longer."""

from __future__ import annotations

from gitsync.ledger.folder import BASES_KEPT
from tests.sync.test_hand_edits import pair
from tests.sync.world import Computer, World

PINS = "refs/gitsync/local/base/"


def merged(one: Computer, two: Computer, number: int) -> str:
    """Let both write into one file at once; give the blob that the first of them had on disk before the merge."""
    two.append("README.md", f"two {number}\n")
    two.sync()
    one.append("README.md", f"one {number}\n")
    blob = one.mailbox.hash_blob(one.read("README.md"))
    one.sync()
    two.sync()
    one.sync()
    return blob


def test_what_the_commit_has_needs_no_pin(world: World) -> None:
    one, _ = pair(world)
    for number in range(3):
        one.write(f"note{number}.md", "typed\n")
        one.append("README.md", "typed\n")
        one.sync()
    assert one.mailbox.refs(PINS) == {}


def test_what_was_merged_is_pinned_until_no_edit_can_start_from_it(world: World) -> None:
    one, two = pair(world)
    blob = merged(one, two, 0)
    assert list(one.mailbox.refs(PINS).values()) == [blob]
    one.git("gc", "-q", "--prune=now")
    one.restart()
    assert one.mailbox.has(blob)
    assert blob in one.journal.bases("README.md")
    for number in range(BASES_KEPT + 1):
        two.append("README.md", f"more {number}\n")
        two.sync()
        one.sync()
    assert blob not in one.journal.bases("README.md")
    one.write("another.md", "typed\n")
    one.sync()
    assert one.mailbox.refs(PINS) == {}
    assert one.files() == world.remote.files()
