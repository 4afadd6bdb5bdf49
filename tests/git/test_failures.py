"""git's words and what they are called: one line of evidence each, from git, curl, OpenSSH and the hosts."""

from __future__ import annotations

import pytest

from gitsync.errors import AuthFailed, FolderPaused, GitFailed, GitsyncError, PushRefused, RemoteAway
from gitsync.git.environment import ssh_command
from gitsync.git.failures import failure, push_kind, remote_words
from gitsync.git.remote import Place, kind_of, locate
from gitsync.secrets.redact import redact

SSH_TAIL = (
    "\nfatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\n"
    "and the repository exists.\n"
)


@pytest.mark.parametrize(
    ("stderr", "kind", "words"),
    [
        ("fatal: unable to access 'https://u:t@h/x/': Could not resolve host: h", RemoteAway, "reached"),
        ("fatal: unable to access 'https://h/x/': Failed to connect to h port 443 after 1 ms", RemoteAway, "reached"),
        ("fatal: unable to access 'https://h/x/': The requested URL returned error: 503", RemoteAway, "reached"),
        ("error: RPC failed; curl 56 GnuTLS recv error (-9)\nfatal: early EOF", RemoteAway, "reached"),
        ("error: RPC failed; curl 18 transfer closed with outstanding read data", RemoteAway, "reached"),
        ("fetch-pack: unexpected disconnect while reading sideband packet", RemoteAway, "reached"),
        ("ssh: connect to host h port 22: Connection timed out" + SSH_TAIL, RemoteAway, "reached"),
        ("ssh: connect to host h port 22: No route to host" + SSH_TAIL, RemoteAway, "reached"),
        ("ssh: Could not resolve hostname h: Name or service not known" + SSH_TAIL, RemoteAway, "reached"),
        ("kex_exchange_identification: Connection closed by remote host" + SSH_TAIL, RemoteAway, "reached"),
        ("Connection to h closed by remote host." + SSH_TAIL, RemoteAway, "reached"),
        ("fatal: '/mnt/nas/x.git' does not appear to be a git repository" + SSH_TAIL, RemoteAway, "reached"),
        ("fatal: the remote end hung up unexpectedly", RemoteAway, "reached"),
        ("fatal: could not read Username for 'https://h': terminal prompts disabled", AuthFailed, "credentials"),
        (
            "remote: Invalid username or token.\nfatal: Authentication failed for 'https://h/'",
            AuthFailed,
            "credentials",
        ),
        ("remote: HTTP Basic: Access denied", AuthFailed, "credentials"),
        ("git@h: Permission denied (publickey)." + SSH_TAIL, AuthFailed, "credentials"),
        ("git@h: Permission denied (publickey,password)." + SSH_TAIL, AuthFailed, "credentials"),
        ("fatal: unable to access 'https://h/': The requested URL returned error: 407", AuthFailed, "credentials"),
        ("remote: Permission to a/b.git denied to c.\nfatal: ... returned error: 403", AuthFailed, "let us do"),
        ("remote: You are not allowed to push code to this project." + SSH_TAIL, AuthFailed, "let us do"),
        ("ERROR: The key you are authenticating with has been marked as read only." + SSH_TAIL, AuthFailed, "let us"),
        ("Host key verification failed." + SSH_TAIL, AuthFailed, "host key"),
        ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @" + SSH_TAIL, AuthFailed, "host key"),
        ("fatal: unable to access 'https://h/': SSL certificate problem: self signed", AuthFailed, "certificate"),
        ("server certificate verification failed. CAfile: none CRLfile: none", AuthFailed, "certificate"),
        ("ERROR: Repository not found." + SSH_TAIL, AuthFailed, "no such repository"),
        ("remote: Repository not found.\nfatal: repository 'https://h/x/' not found", AuthFailed, "no such repository"),
        ("error: RPC failed; HTTP 413 curl 22 The requested URL returned error: 413", PushRefused, "for good"),
        ("fatal: Unable to create '/m/.git/index.lock': File exists.", FolderPaused, "Another git"),
        ("error: file write error: No space left on device\nfatal: unable to write", GitsyncError, "no room"),
        ("fatal: detected dubious ownership in repository at '/m'", GitsyncError, "another user"),
        ("remote: fatal: write error: No space left on device\nfatal: the remote end hung up", RemoteAway, "reached"),
        ("mux_client_request_session: refused\nERROR: Repository not found." + SSH_TAIL, AuthFailed, "no such"),
        ("fatal: something nobody has seen", GitFailed, "exit code 128"),
    ],
)
def test_each_word_has_its_name(stderr: str, kind: type[GitsyncError], words: str) -> None:
    found = failure(("fetch",), 128, stderr)
    assert type(found) is kind
    assert words in found.what
    assert found.why
    assert found.remedy or kind is GitFailed
    assert "u:t@" not in str(found)


@pytest.mark.parametrize(
    ("summary", "reason", "kind"),
    [
        ("[rejected]", "stale info", "race"),
        ("[rejected]", "fetch first", "race"),
        ("[rejected]", "non-fast-forward", "race"),
        ("[rejected]", "already exists", "race"),
        ("[remote rejected]", "failed to update ref", "race"),
        ("[remote rejected]", "cannot lock ref 'refs/heads/c': is at 1a but expected 2b", "race"),
        ("[remote rejected]", "cannot lock ref 'refs/heads/c': reference already exists", "race"),
        ("[remote rejected]", "incorrect old value provided", "race"),
        ("[remote rejected]", "pre-receive hook declined", "refused"),
        ("[remote rejected]", "hook declined", "refused"),
        ("[remote rejected]", "protected branch hook declined", "refused"),
        ("[remote rejected]", "push declined due to repository rule violations", "refused"),
        ("[remote rejected]", "You are not allowed to push code to protected branches on this project.", "refused"),
        ("[remote rejected]", "deny updating a hidden ref", "refused"),
        ("[remote rejected]", "deletion prohibited", "refused"),
        ("[remote rejected]", "branch is currently checked out", "refused"),
        ("[remote rejected]", "non-fast-forward", "refused"),
        ("[remote rejected]", "shallow update not allowed", "refused"),
        ("[remote rejected]", "unpacker error", "other"),
        ("[remote rejected]", "Internal Server Error", "other"),
        ("[rejected]", "n/a", "other"),
    ],
)
def test_each_rejection_has_its_kind(summary: str, reason: str, kind: str) -> None:
    assert push_kind(summary, reason) == kind


def test_the_remotes_own_words_are_kept_without_the_progress() -> None:
    said = "remote: Counting objects: 100% (3/3), done.\rremote: \nremote: error: GH006: Protected branch.\nTo h\n"
    assert remote_words(said) == "error: GH006: Protected branch."


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (
            "fatal: 'https://user:ghp_token@github.com/a/b.git' not found",
            "fatal: 'https://github.com/a/b.git' not found",
        ),
        ("https://ghp_token@github.com/a", "https://github.com/a"),
        ("ssh://git@host:22/a and ssh://git:pw@host/a", "ssh://git@host:22/a and ssh://git@host/a"),
        ("git@github.com:a/b.git", "git@github.com:a/b.git"),
        ("/srv/a@b/c.git", "/srv/a@b/c.git"),
        ("https://p:w@x/a https://q:r@y/b", "https://x/a https://y/b"),
    ],
)
def test_credentials_are_taken_out_of_urls(text: str, clean: str) -> None:
    assert redact(text) == clean


@pytest.mark.parametrize(
    ("url", "place", "kind"),
    [
        ("/srv/x.git", Place("file", ""), "file"),
        ("../x.git", Place("file", ""), "file"),
        ("file:///srv/x.git", Place("file", ""), "file"),
        ("./a:b/x.git", Place("file", ""), "file"),
        ("https://github.com/a/b", Place("https", "github.com"), "public"),
        ("git@github.com:a/b.git", Place("ssh", "github.com"), "public"),
        ("ssh://git@ssh.github.com:443/a/b", Place("ssh", "ssh.github.com"), "public"),
        ("https://u:p@notgithub.com/a", Place("https", "notgithub.com"), "other"),
        ("http://127.0.0.1:8080/x", Place("http", "127.0.0.1"), "local"),
        ("http://[::1]:80/x", Place("http", "::1"), "local"),
        ("git@192.168.1.5:x", Place("ssh", "192.168.1.5"), "local"),
        ("nas:x.git", Place("ssh", "nas"), "local"),
        ("https://git.example.com/x", Place("https", "git.example.com"), "other"),
        ("https://8.8.8.8/x", Place("https", "8.8.8.8"), "other"),
    ],
)
def test_where_a_url_leads(url: str, place: Place, kind: str) -> None:
    assert locate(url) == place
    assert kind_of(url) == kind


@pytest.mark.parametrize(
    ("configured", "expected"),
    [
        ("ssh -i key", "ssh -i key -o BatchMode=yes"),
        ("/usr/bin/ssh", "/usr/bin/ssh -o BatchMode=yes"),
        ("plink -batch", None),
        ("'unclosed", None),
        (None, "ssh -o BatchMode=yes"),
        ("", "ssh -o BatchMode=yes"),
    ],
)
def test_a_configured_ssh_is_respected(configured: str | None, expected: str | None) -> None:
    found = ssh_command(configured, None)
    assert found is expected or (found is not None and expected is not None and found.startswith(expected))
    assert found is None or "ControlMaster" not in found
