"""One fetch, one push, over file, http and ssh; and what the remote's answers are called."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gitsync.errors import AuthFailed, RemoteAway
from gitsync.git.repo import Fetched, Mailbox, Pushed, Update
from tests.remotes import GitHttpServer, Person, Remote, Remotes, command_lines, init_bare

Synced = tuple[Remote, Person, Mailbox]
BRANCH = "refs/heads/coordination"


def grow(mailbox: Mailbox, parent: str, data: bytes) -> str:
    tree = mailbox.write_tree(mailbox.commit(parent).tree, {"new.md": mailbox.write_blob(data)})
    return mailbox.write_commit(tree, [parent], "[1] grown")


def test_a_round_trip(synced: Synced) -> None:
    remote, person, mailbox = synced
    tip = remote.tip()
    assert tip is not None
    assert mailbox.fetch() == Fetched(tip, {}, {})
    sha = grow(mailbox, tip, b"from gitsync\n")
    machine, claim = mailbox.machine_ref("1"), mailbox.claim_ref("01JD")
    life = mailbox.write_commit(mailbox.write_tree(None, {}), [], "alive")
    results = mailbox.push([Update(BRANCH, sha, tip), Update(machine, life, ""), Update(claim, life, "")])
    assert results == [Pushed(BRANCH, True, "ok"), Pushed(machine, True, "ok"), Pushed(claim, True, "ok")]
    assert (remote.tip(), remote.refs()[machine], remote.read("new.md")) == (sha, life, b"from gitsync\n")
    assert mailbox.fetched() == Fetched(sha, {"1": life}, {"01JD": life})
    person.git("pull", "-q")
    theirs = person.commit({"by-hand.md": "x\n"})
    person.push()
    remote.git("update-ref", "-d", claim)
    assert mailbox.fetch() == Fetched(theirs, {"1": life}, {})
    assert [commit.sha for commit in mailbox.between([sha], theirs)] == [theirs]
    assert not (mailbox.git_dir / "FETCH_HEAD").exists()


def test_leases_decide_races(synced: Synced) -> None:
    remote, person, mailbox = synced
    tip = mailbox.fetch().tip
    assert tip is not None
    theirs = person.commit({"by-hand.md": "x\n"})
    person.push()
    ours = grow(mailbox, tip, b"late\n")
    claim = mailbox.claim_ref("01JD")
    remote.git("update-ref", claim, tip)
    results = mailbox.push(
        [Update(BRANCH, ours, tip), Update(claim, ours, ""), Update(mailbox.machine_ref("1"), ours, "")]
    )
    assert [(result.ok, result.kind) for result in results] == [(False, "race"), (False, "race"), (True, "ok")]
    assert remote.tip() == theirs
    assert mailbox.push([Update(claim, None, tip)])[0].ok
    assert claim not in remote.refs()
    assert mailbox.push([Update(claim, None, tip)])[0].kind == "race"
    assert mailbox.push([Update(mailbox.machine_ref("1"), tip, ours)])[0].ok  # moved back: the lease is what counts
    assert mailbox.push([Update(mailbox.machine_ref("1"), ours)])[0].ok  # without a lease
    assert mailbox.fetched().machine == {"1": ours}


def test_a_branch_that_is_not_there(remote: Remote, tmp_path: Path, open_mailbox: Callable[..., Mailbox]) -> None:
    person = Person.clone(remote.url, tmp_path / "mailbox")
    mailbox = open_mailbox(person.path)
    assert mailbox.fetch() == Fetched(None, {}, {})
    sha = mailbox.write_commit(mailbox.write_tree(None, {"a": mailbox.write_blob(b"a")}), [], "first")
    assert mailbox.push([Update(mailbox.machine_ref("2"), sha, "")])[0].ok
    assert mailbox.fetch() == Fetched(None, {"2": sha}, {})
    assert mailbox.push([Update(BRANCH, sha, "")])[0].ok
    assert mailbox.fetch().tip == sha
    remote.git("update-ref", "-d", BRANCH)
    assert mailbox.fetch().tip is None
    assert mailbox.ref(mailbox.tracking_ref) is None


def test_other_branches_and_tags_stay_away(synced: Synced) -> None:
    _, person, mailbox = synced
    person.git("tag", "v1")
    person.git("switch", "-q", "-c", "coordination-of-others")
    person.commit({"big": "x"})
    person.git("push", "-q", "--tags", "origin", "HEAD")
    mailbox.fetch()
    assert list(mailbox.refs("refs/tags/")) == []
    assert "refs/remotes/origin/coordination-of-others" not in mailbox.refs("refs/remotes/")


def test_one_process_each(synced: Synced, monkeypatch: pytest.MonkeyPatch) -> None:
    remote, _, mailbox = synced
    mailbox.fetch()
    from gitsync.git import wrapped

    started: list[str] = []
    start = wrapped.start

    def counting(argv: list[str], *args: object, **options: object) -> object:
        started.append(argv[len(wrapped.command())])
        return start(argv, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(wrapped, "start", counting)
    tip = mailbox.fetch().tip
    assert started == ["fetch"]
    assert tip is not None
    sha = grow(mailbox, tip, b"x")
    assert mailbox.push([Update(BRANCH, sha, tip)])[0].ok
    assert [word for word in started if word not in ("cat-file", "update-ref", "config", "--git-dir")] == [
        "fetch",
        "push",
    ]
    assert remote.tip() == sha


@pytest.mark.parametrize("hook", ["pre-receive", "update"])
def test_a_hook_of_the_owner_refuses_for_good(synced: Synced, hook: str) -> None:
    remote, _, mailbox = synced
    remote.hook(hook, "echo GH006: Protected branch update failed. >&2; exit 1\n")
    tip = mailbox.fetch().tip
    assert tip is not None
    result = mailbox.push([Update(BRANCH, grow(mailbox, tip, b"x"), tip)])[0]
    assert (result.ok, result.kind) == (False, "refused")
    assert "GH006: Protected branch update failed." in result.text
    assert "hook declined" in result.text


def test_a_lock_of_another_push_is_a_lost_race(synced: Synced) -> None:
    remote, _, mailbox = synced
    tip = mailbox.fetch().tip
    assert tip is not None
    (remote.path / "refs/heads/coordination.lock").touch()
    result = mailbox.push([Update(BRANCH, grow(mailbox, tip, b"x"), tip)])[0]
    assert (result.ok, result.kind) == (False, "race"), result.text


def test_hidden_refs_are_refused_and_the_branch_is_not(bare: Remote, tmp_path: Path) -> None:
    bare.git("config", "receive.hideRefs", "refs/gitsync")
    person = Person.clone(bare.url, tmp_path / "mailbox")
    with Mailbox(person.path, "coordination") as mailbox:
        sha = mailbox.write_commit(mailbox.write_tree(None, {}), [], "first")
        results = mailbox.push([Update(BRANCH, sha, ""), Update(mailbox.machine_ref("1"), sha, "")])
    assert [result.kind for result in results] == ["ok", "refused"]


def test_a_host_that_forbids_forced_moves_says_so(bare: Remote, tmp_path: Path) -> None:
    bare.git("config", "receive.denyNonFastForwards", "true")
    person = Person.clone(bare.url, tmp_path / "mailbox")
    with Mailbox(person.path, "coordination") as mailbox:
        one, two = (mailbox.write_commit(mailbox.write_tree(None, {}), [], word) for word in ("one", "two"))
        assert mailbox.push([Update(BRANCH, one, "")])[0].ok
        assert mailbox.push([Update(BRANCH, two, one)])[0].kind == "refused"


def test_hooks_of_the_person_do_not_run(synced: Synced, tmp_path: Path) -> None:
    _, _, mailbox = synced
    for name in ("pre-push", "reference-transaction", "post-update"):
        hook = mailbox.git_dir / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran-{name}\nexit 1\n")
        hook.chmod(0o755)
    tip = mailbox.fetch().tip
    assert tip is not None
    assert mailbox.push([Update(BRANCH, grow(mailbox, tip, b"x"), tip)])[0].ok
    assert list(tmp_path.glob("ran-*")) == []


def test_a_remote_path_that_is_gone_is_away(bare: Remote, tmp_path: Path) -> None:
    person = Person.clone(bare.url, tmp_path / "mailbox")
    person.git("remote", "set-url", "origin", str(tmp_path / "not-mounted" / "x.git"))
    with Mailbox(person.path, "coordination") as mailbox, pytest.raises(RemoteAway, match="cannot be reached"):
        mailbox.fetch()


def unreachable(person: Person, url: str, timeout: float = 20.0) -> Mailbox:
    person.git("remote", "set-url", "origin", url)
    return Mailbox(person.path, "coordination", network_timeout=timeout)


def test_nobody_listens(repo: Person) -> None:
    repo.git("remote", "add", "origin", "x")
    for url in ("http://127.0.0.1:1/x.git", "http://user:secret@127.0.0.1:1/x.git"):
        with unreachable(repo, url) as mailbox, pytest.raises(RemoteAway) as caught:
            mailbox.fetch()
        assert "secret" not in str(caught.value)
        assert "http://127.0.0.1:1/x.git" in str(caught.value)
        assert mailbox.url() == "http://127.0.0.1:1/x.git"


def test_http_troubles(bare: Remote, tmp_path: Path) -> None:
    init_bare(tmp_path / "served" / "x.git")
    person = Person.clone(bare.url, tmp_path / "mailbox")
    with GitHttpServer(tmp_path / "served", auth=("me", "secret")) as server:
        for url in (f"{server.url}/x.git", server.url.replace("//", "//me:wrong@") + "/x.git"):
            with unreachable(person, url) as mailbox, pytest.raises(AuthFailed, match="credentials") as caught:
                mailbox.fetch()
            assert "wrong" not in str(caught.value)
        with unreachable(person, server.url.replace("//", "//me:secret@") + "/x.git") as mailbox:
            assert mailbox.fetch() == Fetched(None, {}, {})
            for status, failure in ((503, RemoteAway), (429, RemoteAway), (403, AuthFailed), (404, AuthFailed)):
                server.answer = status
                with pytest.raises(failure):
                    mailbox.fetch()
            server.answer = None
            sha = mailbox.write_commit(mailbox.write_tree(None, {}), [], "first")
            assert mailbox.push([Update(BRANCH, sha, "")])[0].ok


def test_a_credential_helper_is_asked_and_nobody_else(bare: Remote, tmp_path: Path) -> None:
    init_bare(tmp_path / "served" / "x.git")
    person = Person.clone(bare.url, tmp_path / "mailbox")
    with GitHttpServer(tmp_path / "served", auth=("me", "secret")) as server:
        person.git("config", "credential.helper", "!f() { echo username=me; echo password=secret; }; f")
        with unreachable(person, f"{server.url}/x.git") as mailbox:
            assert mailbox.fetch() == Fetched(None, {}, {})


def test_a_connection_that_hangs_ends_in_time_with_all_its_processes(bare: Remote, tmp_path: Path) -> None:
    init_bare(tmp_path / "served" / "x.git")
    person = Person.clone(bare.url, tmp_path / "mailbox")
    with GitHttpServer(tmp_path / "served") as server:
        server.hang = True
        with unreachable(person, f"{server.url}/x.git", 0.5) as mailbox:
            started = time.monotonic()
            with pytest.raises(RemoteAway, match="does not answer"):
                mailbox.fetch()
            assert time.monotonic() - started < 5
        deadline = time.monotonic() + 5
        while (
            left := [line for line in command_lines() if f":{server.port}/" in line]
        ) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert left == []
        server.hang = False
        with unreachable(person, f"{server.url}/x.git") as mailbox:
            assert mailbox.fetch() == Fetched(None, {}, {})


def test_an_unknown_host_key_fails_at_once(remotes: Remotes, tmp_path: Path) -> None:
    remote = remotes("ssh")
    person = Person.clone(remote.url, tmp_path / "mailbox")
    config = remotes.ssh.client_config
    empty = tmp_path / "known"
    empty.touch()
    with Mailbox(person.path, "coordination") as mailbox:
        for options, words in (
            (f"-o UserKnownHostsFile={empty}", "host key"),
            ("-o IdentityFile=/nonexistent -o IdentityAgent=none", "credentials"),
        ):
            person.git("config", "core.sshCommand", f"ssh -F {config} {options} -o ControlPath=none")
            if "Identity" in options:
                person.git(
                    "config",
                    "core.sshCommand",
                    f"ssh -F /dev/null -o UserKnownHostsFile={config.parent}/known_hosts {options}",
                )
            with pytest.raises(AuthFailed, match=words):
                mailbox.fetch()
        person.git("config", "core.sshCommand", f"ssh -F {config}")
        assert mailbox.fetch() == Fetched(None, {}, {})
        person.git("config", "--unset", "core.sshCommand")


def logins(remotes: Remotes) -> int:
    return (remotes.ssh.folder / "log").read_text(errors="replace").count("Accepted publickey")


def test_ssh_commands_share_one_connection(remotes: Remotes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = remotes("ssh")
    person = Person.clone(remote.url, tmp_path / "mailbox")
    own = Path(os.environ["XDG_RUNTIME_DIR"], "own")  # other tests of this run share connections too
    own.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(own))
    sockets = own / "gitsync-ssh"
    with Mailbox(person.path, "coordination") as mailbox:
        before = logins(remotes)
        mailbox.fetch()
        assert not sockets.exists()  # the person's own settings share it, so they stay
        assert logins(remotes) == before
    plain = tmp_path / "ssh_config"
    plain.write_text(
        "".join(
            line
            for line in remotes.ssh.client_config.read_text().splitlines(keepends=True)
            if not line.lstrip().startswith("Control")
        )
    )
    wrapper = tmp_path / "bin" / "ssh"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nexec {remotes.ssh.program} -F {plain} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    with Mailbox(person.path, "coordination") as mailbox:
        for _ in range(3):
            mailbox.fetch()
        assert logins(remotes) == before + 1
    assert sockets.stat().st_mode & 0o777 == 0o700
    assert len(list(sockets.iterdir())) == 1
