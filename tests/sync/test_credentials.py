"""Row 7: no credentials, a prompt, an unknown host key: fails at once with what to do, then goes on by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.remotes import GitHttpServer, Remote, Remotes, init_bare
from tests.sync.world import Computer, World, ids

HELPER = "!f() { test -f %s && { echo username=me; echo password=secret; }; }; f"


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[tuple[World, GitHttpServer]]:
    """Give a seeded remote that lets nobody in who does not know the password."""
    root = tmp_path / "served"
    init_bare(root / "x.git")
    with GitHttpServer(root, auth=("me", "secret")) as server:
        World(tmp_path, Remote("file", str(root / "x.git"), root / "x.git")).seed()
        world = World(tmp_path, Remote("http", f"{server.url}/x.git", root / "x.git"))
        yield world, server
        world.close()


def refused(computer: Computer, words: str, remedy: str) -> None:
    """Insist that a cycle ends by a refusal to let us in, not by a time-out, and says what to do."""
    result = computer.cycle(settle_now=True)
    assert result.state == "error", result  # silence, as of a prompt that waits for an answer, would be "offline"
    assert words in (result.error or "")
    assert remedy in (result.remedy or "")
    assert not result.remote_contact


def test_7_a_remote_that_wants_credentials(locked: tuple[World, GitHttpServer], tmp_path: Path) -> None:
    world, server = locked
    one = world.computer("1")
    token = tmp_path / "token"
    one.git("config", "credential.helper", HELPER % token)
    ident = one.send("2")
    for _ in range(2):
        refused(one, "credentials", "git ls-remote")
        assert one.journal.pending_count() == 1
    token.touch()  # secrets are read again at each try: nothing is started anew
    assert one.sync().sent == 1
    token.unlink()
    late = one.send("2")
    refused(one, "credentials", "git ls-remote")
    server.auth = ("me", "another one")  # it has expired
    token.touch()
    refused(one, "credentials", "git ls-remote")
    server.auth = ("me", "secret")
    one.sync()
    assert ids(world.remote.read("messages/1_TO_2.md")) == [ident, late]


def test_7_what_is_said_of_a_url_with_a_password_holds_none(locked: tuple[World, GitHttpServer]) -> None:
    world, server = locked
    one = world.computer("1")
    one.git("config", "remote.origin.url", server.url.replace("//", "//me:wr0ng@") + "/x.git")
    result = one.cycle()
    assert result.state == "error"
    assert "wr0ng" not in str(result)
    assert f"{server.url}/x.git" in (result.error or "")


def test_7_a_program_that_asks_for_the_password_is_not_waited_for(
    locked: tuple[World, GitHttpServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Desktops set one for every program they start; a window that nobody sees would be waited for all night."""
    world, _ = locked
    asks = tmp_path / "asks"
    asks.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\nexec cat {tmp_path}/fifo\n")
    asks.chmod(0o755)
    for name in ("SSH_ASKPASS", "GIT_ASKPASS"):
        monkeypatch.setenv(name, str(asks))
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
    monkeypatch.setenv("DISPLAY", ":0")
    refused(world.computer("1"), "credentials", "git ls-remote")
    assert not (tmp_path / "asked").exists()


def test_7_an_unknown_host_key_and_a_changed_one(remotes: Remotes, tmp_path: Path) -> None:
    remote = remotes("ssh")
    World(tmp_path, Remote("file", str(remote.path), remote.path)).seed()
    world = World(tmp_path, remote)
    one = world.computer("1")
    ident = one.send("2")
    config, known = remotes.ssh.client_config, tmp_path / "known_hosts"
    one.git(
        "config",
        "core.sshCommand",
        f"ssh -F {config} -o StrictHostKeyChecking=ask -o UserKnownHostsFile={known} -o ControlPath=none",
    )
    refused(one, "host key", "fingerprint")
    right = (config.parent / "known_hosts").read_text()
    known.write_text(right.rpartition("ssh-ed25519")[0] + (config.parent / "user.pub").read_text())
    refused(one, "host key", "fingerprint")
    known.write_text(right)
    one.sync()
    assert ids(remote.read("messages/1_TO_2.md")) == [ident]
    world.close()


def test_7_an_ssh_key_that_is_not_let_in(remotes: Remotes, tmp_path: Path) -> None:
    remote = remotes("ssh")
    world = World(tmp_path, remote)
    one = world.computer("1")
    known = remotes.ssh.client_config.parent / "known_hosts"
    one.git(
        "config",
        "core.sshCommand",
        f"ssh -F /dev/null -o UserKnownHostsFile={known} -o IdentityFile=/nonexistent -o IdentityAgent=none",
    )
    refused(one, "credentials", "git ls-remote")
    world.close()
