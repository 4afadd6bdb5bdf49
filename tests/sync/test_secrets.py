"""Text with a secret in it stays in the folder where it was written, until a person lets it go."""

from __future__ import annotations

import pytest

from gitsync.ledger.values import Op
from gitsync.outbox import release
from gitsync.secrets.redact import know
from tests.secrets.samples import TOKENS, private_key
from tests.sync.world import Computer, World, ids

TOKEN = TOKENS["GitHub token"]
OURS = "hq7-Zw2_kT9plain0mv"
OTHER = TOKENS["Slack token"]


def leaked(world: World, secret: str = TOKEN) -> bool:
    """Say whether a secret is in anything that the remote holds, in whatever commit."""
    return secret in world.remote.git("cat-file", "--batch-all-objects", "--batch")


@pytest.fixture
def one(world: World) -> Computer:
    world.seed({"README.md": "# Mailbox\n\nProtocol: 1\n", "notes.md": "# Notes\n\nFirst.\n"})
    computer = world.computer("1", settle=0.0)
    computer.sync()
    return computer


def block(last: str, title: str, body: str) -> str:
    """Write a message as a program would."""
    head = f"<!-- msg 01JD3WQ8Z6T4K9V2M5N7P0R3S{last} -->\n## {title}\n\n- **From:** 1\n- **To:** 2\n"
    return f"{head}\n{body}\n<!-- /msg -->\n"


def tip(world: World, path: str) -> str:
    return world.remote.git("show", f"coordination:{path}")


def test_a_queued_message_is_kept_back(world: World, one: Computer) -> None:
    ident = one.send("2", f"the key is {TOKEN}")
    fine = one.send("2", "the other one")
    one.sync()
    assert ids(tip(world, "messages/1_TO_2.md").encode()) == [fine]
    assert not leaked(world)
    (held,) = one.journal.held()
    assert (held.id, held.kind, held.findings[0].line) == (ident, "message", 1)
    release(one.journal, ident[:12], "a test key,\nrevoked")
    assert one.sync().sent == 1
    assert TOKEN in tip(world, "messages/1_TO_2.md")
    assert "Gitsync-Override: GitHub token: a test key, revoked" in world.remote.git(
        "log", "-1", "--format=%B", "coordination"
    )
    (held,) = one.journal.held("released")
    assert held.commit == world.remote.tip()
    assert held.payload == b""
    assert one.journal.overrides() == []


def test_of_a_file_of_messages_the_other_text_goes_on(world: World, one: Computer) -> None:
    text = block("8", "Fine", "Good news.") + "\n" + block("9", "Not fine", f"key: {TOKEN}")
    one.write("messages/1_TO_2.md", text)
    one.write("notes.md", "# Notes\n\nFirst.\n\nSecond.\n")
    result = one.sync()
    assert "Good news." in tip(world, "messages/1_TO_2.md")
    assert "Not fine" not in tip(world, "messages/1_TO_2.md")
    assert "Second." in tip(world, "notes.md")
    assert not leaked(world)
    assert one.read("messages/1_TO_2.md").decode() == text
    assert any("kept back, line 16" in trouble.text for trouble in result.troubles), result.troubles
    head = world.remote.tip()
    for _ in range(3):
        one.sync()
    assert world.remote.tip() == head, "nothing new is pushed while it waits"
    assert one.read("messages/1_TO_2.md").decode() == text
    (held,) = one.journal.held()
    assert "Not fine" in held.payload.decode()
    assert (held.kind, held.place, held.findings[0].line) == ("edit", "messages/1_TO_2.md", 16)
    release(one.journal, held.id, "for the tests of a parser")
    one.sync()
    assert tip(world, "messages/1_TO_2.md") == text
    assert "Gitsync-Override: GitHub token: for the tests of a parser" in world.remote.git(
        "log", "-1", "--format=%B", "coordination"
    )
    assert one.journal.overrides() == []
    one.sync()
    assert one.read("messages/1_TO_2.md").decode() == text


def test_of_another_file_the_other_paragraphs_go_on(world: World, one: Computer) -> None:
    text = f"# Notes\n\nFirst.\n\nThe new key:\n{TOKEN}\n\nThird, which is fine.\n"
    one.write("notes.md", text)
    one.sync()
    assert tip(world, "notes.md") == "# Notes\n\nFirst.\n\n\nThird, which is fine.\n"
    assert not leaked(world)
    assert one.read("notes.md").decode() == text
    other = world.person()
    other.commit({"notes.md": tip(world, "notes.md") + "\nFrom elsewhere.\n", "messages/2_TO_1.md": "# x\n"}, "more")
    other.push()
    one.sync()
    assert one.read("notes.md").decode() == text, "what is on disk is not touched"
    one.write("notes.md", text.replace(f"\nThe new key:\n{TOKEN}\n", ""))
    one.sync()
    one.sync()
    assert "From elsewhere." in one.read("notes.md").decode()
    assert "Third, which is fine." in tip(world, "notes.md")
    assert not leaked(world)
    assert one.journal.held() == []
    assert [row.state for row in one.journal.held("gone")] == ["gone"]


def test_a_file_that_cannot_be_divided_waits_whole(world: World, one: Computer) -> None:
    one.write("notes.md", f"# Notes\n\nFirst, and {TOKEN} in the same line.\n\nAnd more.\n")
    one.write("other.md", "fine\n")
    one.sync()
    assert tip(world, "notes.md") == "# Notes\n\nFirst.\n"
    assert tip(world, "other.md") == "fine\n"
    assert not leaked(world)
    one.restart()
    one.sync()
    assert not leaked(world)
    assert len(one.journal.held()) == 1


def test_a_key_of_many_lines_is_kept_back_as_a_whole(world: World, one: Computer) -> None:
    key = private_key("OPENSSH ")
    one.write("notes.md", f"# Notes\n\nFirst.\n\nGood.\n\n```\n{key}```\n\nAlso good.\n")
    one.sync()
    assert not any(leaked(world, line) for line in key.splitlines()[1:4])
    assert "Also good." in tip(world, "notes.md")


def test_what_the_branch_has_already_is_no_news(world: World, one: Computer) -> None:
    person = world.person()
    person.commit({"old.md": f"# Old\n\n{TOKEN}\n"}, "leaked long ago")
    person.push()
    one.sync()
    one.write("old.md", f"# Old\n\n{TOKEN}\n\nWe should revoke that.\n")
    one.sync()
    assert "revoke" in tip(world, "old.md")
    assert one.journal.held() == []


@pytest.mark.parametrize("mended", [False, True])
def test_a_commit_by_hand_waits_whole(world: World, one: Computer, mended: bool) -> None:
    one.write("notes.md", f"# Notes\n\nFirst.\n\n{TOKEN}\n")
    one.git("commit", "-q", "-a", "-m", "with a key")
    one.write("notes.md", "# Notes\n\nFirst.\n\nWithout.\n")
    one.git("commit", "-q", "-a", "-m", "without")
    before = one.git("rev-parse", "HEAD")
    ident = one.send("2", "goes on all the same")
    result = one.sync()
    assert not leaked(world)
    assert "secret" in result.folder
    assert ids(tip(world, "messages/1_TO_2.md").encode()) == [ident]
    assert one.git("rev-parse", "HEAD") == before
    (held,) = one.journal.held()
    assert (held.kind, held.place) == ("commit", "notes.md")
    if mended:
        one.git("reset", "-q", "--soft", "HEAD~2")
        one.git("commit", "-q", "-m", "in one")
        one.sync()
        assert not leaked(world)
        assert one.journal.held() == []
    else:
        release(one.journal, held.id, "it was a test key")
        one.sync()
        assert "Gitsync-Override: GitHub token: it was a test key" in world.remote.git(
            "log", "--format=%B", "coordination"
        )
        assert "with a key" in world.remote.git("log", "--format=%B", "coordination")
        assert one.journal.overrides() == []
    assert "Without." in tip(world, "notes.md")
    one.sync()
    assert one.read("messages/1_TO_2.md")


def test_a_released_commit_goes_as_it_is_with_a_word_behind_it(world: World, one: Computer) -> None:
    one.write("notes.md", f"# Notes\n\nFirst.\n\n{TOKEN}\n")
    one.git("commit", "-q", "-a", "-m", "with a key")
    commit = one.git("rev-parse", "HEAD").strip()
    one.sync()
    (held,) = one.journal.held()
    release(one.journal, held.id, "it was a test key")
    one.sync()
    assert commit in world.remote.git("rev-list", "coordination")
    assert "[1] release what was kept back" in world.remote.git("log", "-1", "--format=%s", "coordination")
    assert one.sync().state == "ok"
    assert one.git("status", "--porcelain").strip() == ""


def test_the_message_of_a_commit_is_looked_at_too(world: World, one: Computer) -> None:
    one.write("notes.md", "# Notes\n\nFirst.\n\nSecond.\n")
    one.git("commit", "-q", "-a", "-m", f"use {TOKEN}")
    one.sync()
    assert not leaked(world)
    (held,) = one.journal.held()
    assert held.place.startswith("the message of commit ")
    one.git("commit", "-q", "--amend", "-m", "use the key from the keyring")
    one.sync()
    assert "Second." in tip(world, "notes.md")
    assert one.journal.held() == []


def test_a_second_key_beside_a_released_one_is_kept_back(world: World, one: Computer) -> None:
    one.write("notes.md", f"# Notes\n\nFirst.\n\n{TOKEN}\n")
    one.sync()
    release(one.journal, one.journal.held()[0].id, "a test key")
    one.write("notes.md", f"# Notes\n\nFirst.\n\n{TOKEN}\n\n{OTHER}\n")
    one.sync()
    assert TOKEN in tip(world, "notes.md")
    assert not leaked(world, OTHER)


def test_an_import_is_kept_back(world: World, one: Computer) -> None:
    one.queue(Op("import", "archive/old.md", "", f"token: {TOKEN}\n".encode()))
    one.queue(Op("import", "archive/fine.md", "", b"fine\n"))
    one.sync()
    assert not leaked(world)
    assert tip(world, "archive/fine.md") == "fine\n"
    (held,) = one.journal.held()
    assert (held.kind, held.place) == ("import", "archive/old.md")
    release(one.journal, held.id, "revoked last year")
    one.sync()
    assert TOKEN in tip(world, "archive/old.md")
    assert one.journal.overrides() == []


def test_without_scanning_all_goes(world: World, one: Computer) -> None:
    from gitsync.secrets.scan import Secrets

    one.journal.secrets = Secrets(scan=False)
    one.write("notes.md", f"# Notes\n\nFirst.\n\n{TOKEN}\n")
    one.sync()
    assert TOKEN in tip(world, "notes.md")


@pytest.mark.parametrize("path", [f"notes/{TOKEN}.md", f"notes/{TOKEN}/a.md"])
def test_a_key_in_a_name_is_kept_back_and_shown_nowhere(world: World, one: Computer, path: str) -> None:
    one.write(path, "# Fine\n\nNothing in here.\n")
    one.write("other.md", "fine\n")
    result = one.sync()
    assert tip(world, "other.md") == "fine\n"
    assert not leaked(world)
    (held,) = one.journal.held()
    assert (held.kind, held.findings[0].place) == ("edit", "the name")
    assert held.place == path.replace(TOKEN, held.findings[0].masked)
    (trouble,) = [trouble for trouble in result.troubles if "kept back" in trouble.text]
    assert TOKEN not in f"{trouble} {held}"
    release(one.journal, held.id, "the name of a test")
    one.sync()
    assert tip(world, path) == "# Fine\n\nNothing in here.\n"
    assert TOKEN not in world.remote.git("log", "--format=%B", "coordination")
    assert "Gitsync-Override: GitHub token: the name of a test" in world.remote.git(
        "log", "--format=%B", "coordination"
    )
    assert one.journal.overrides() == []
    one.write(path, "# Fine\n\nMore.\n")
    one.sync()
    assert tip(world, path) == "# Fine\n\nMore.\n", "the name is on the branch, so it is no news"
    (one.mailbox.path / path).unlink()
    one.sync()
    assert path not in world.remote.git("ls-tree", "-r", "--name-only", "coordination")
    assert TOKEN not in world.remote.git("log", "--format=%B", "coordination")


def test_a_key_in_a_name_of_a_commit_by_hand_is_kept_back(world: World, one: Computer) -> None:
    one.write(f"notes/{TOKEN}.md", "fine\n")
    one.git("add", "-A")
    one.git("commit", "-q", "-m", "a note")
    result = one.sync()
    assert TOKEN not in world.remote.git("log", "--name-only", "--format=%B", "coordination")
    assert "secret" in result.folder
    assert TOKEN not in result.folder
    (held,) = one.journal.held()
    assert (held.kind, held.place) == ("commit", f"notes/{held.findings[0].masked}.md")
    release(one.journal, held.id, "the name of a test")
    one.sync()
    assert tip(world, f"notes/{TOKEN}.md") == "fine\n"


def test_a_key_in_the_name_of_an_import_is_kept_back(world: World, one: Computer) -> None:
    one.queue(Op("import", f"archive/{TOKEN}.md", "", b"fine\n"))
    one.sync()
    (held,) = one.journal.held()
    assert TOKEN not in held.place
    assert TOKEN not in world.remote.git("ls-tree", "-r", "--name-only", "coordination")
    release(one.journal, held.id, "the name of a test")
    one.sync()
    assert tip(world, f"archive/{TOKEN}.md") == "fine\n"
    assert TOKEN not in world.remote.git("log", "--format=%B", "coordination")
    assert one.journal.overrides() == []


def test_a_secret_of_this_computer_is_kept_back_whatever_it_looks_like(world: World, one: Computer) -> None:
    know("test", OURS)
    try:
        one.send("2", f"my own token is {OURS}")
        one.write("notes.md", f"# Notes\n\nFirst.\n\n{OURS}\n\nLast.\n")
        one.sync()
        assert not leaked(world, OURS)
        assert "Last." in tip(world, "notes.md")
        assert {held.kind for held in one.journal.held()} == {"message", "edit"}
        assert OURS not in str([held.findings for held in one.journal.held()])
    finally:
        know("test", None)


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_key_in_another_coding_is_kept_back(world: World, one: Computer, coding: str) -> None:
    one.write("notes.txt", f"Über das:\n{TOKEN}\nund mehr.\n".encode(coding))
    one.sync()
    (held,) = one.journal.held()
    assert held.place == "notes.txt"
    assert "notes.txt" not in world.remote.git("ls-tree", "-r", "--name-only", "coordination")
    release(one.journal, held.id, "of a test")
    one.sync()
    assert "notes.txt" in world.remote.git("ls-tree", "-r", "--name-only", "coordination")
