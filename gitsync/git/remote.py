"""The two commands that cross the network: one fetch, one push; each is one process."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitsync import clock
from gitsync.errors import AuthFailed, GitFailed, GitsyncError, RemoteAway
from gitsync.git.environment import socket_folder, ssh_command
from gitsync.git.failures import CROSSED, NO_SUCH_BRANCH, failure, push_kind, remote_words
from gitsync.git.refs import Move, Refs
from gitsync.git.run import Done, run, ssh_shares_already
from gitsync.git.values import Fetched, Pushed, RemoteKind, Update
from gitsync.secrets.redact import know_url, redact

_CROSSED_PAUSES = (0.05, 0.2, 0.0)
"""Seconds after a fetch that met somebody else at our refs, until it is tried again; the last one counts."""

_FETCH = (
    "fetch",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-auto-maintenance",
    "--no-recurse-submodules",
    "--no-show-forced-updates",
    "--refmap=",
    "--prune",
    "--progress",  # signs of life, so that only silence runs into the time-out
)
_PUSH = ("push", "--porcelain", "--no-verify", "--no-recurse-submodules", "--no-follow-tags", "--progress")


class RemoteSide:
    """One remote of the clone and the branch on it."""

    def __init__(self, work_tree: Path, refs: Refs, branch: str, remote: str, timeout: float) -> None:
        self._work_tree = work_tree
        self._refs = refs
        self._branch = branch
        self._remote = remote
        self.timeout = timeout
        self._ssh: str | None = None
        self._ssh_known = False
        self._url: str | None = None
        self.tracking = f"refs/remotes/{remote}/{branch}"
        self.beside = f"refs/gitsync/{branch}/"
        self.mirror = f"refs/gitsync/remote/{branch}/"

    # where it is

    def url(self) -> str:
        """Return the URL that git will use, ``insteadOf`` applied; it may hold credentials."""
        if self._url is None:
            done = run("ls-remote", "--get-url", self._remote, cwd=self._work_tree)
            self._url = done.out.decode("utf-8", "surrogateescape").strip()
            know_url(f"remote {self._remote}", self._url)
        return self._url

    def _git(self, *args: str, ok: Sequence[int] = (0,), heard: Callable[[bytes], None] | None = None) -> Done:
        if not self._ssh_known:
            self._ssh = self._ssh_command()
            self._ssh_known = True
        return run(*args, cwd=self._work_tree, timeout=self.timeout, ok=ok, ssh=self._ssh, network=True, heard=heard)

    def _ssh_command(self) -> str | None:
        place = locate(self.url())
        if place.scheme != "ssh":
            return None
        done = run("config", "--get", "core.sshCommand", cwd=self._work_tree, ok=(0, 1))
        sockets = None if ssh_shares_already(place.host) else socket_folder()
        return ssh_command(done.out.decode("utf-8", "surrogateescape").strip(), sockets)

    # the two commands

    def fetch(self, heard: Callable[[bytes], None] | None = None) -> Fetched:
        """Bring the branch and gitsync's refs beside it here; a branch that does not exist is no error.

        RemoteAway, AuthFailed, or GitFailed for words that are new to us.
        """
        branch = f"+refs/heads/{self._branch}:{self.tracking}"
        beside = f"+{self.beside}*:{self.mirror}*"
        for pause in _CROSSED_PAUSES:
            done = self._git(*_FETCH, self._remote, branch, beside, ok=range(256), heard=heard)
            if not (done.code and CROSSED.search(done.err)):
                break
            clock.sleep(pause)
        if done.code and NO_SUCH_BRANCH.search(done.err):
            there = self._refs.read(self.tracking)
            if there is not None:
                self._refs.move([Move(self.tracking, None, there)])
            done = self._git(*_FETCH, self._remote, beside, ok=range(256), heard=heard)
        if done.code:
            raise self._failed(failure(_FETCH[:1], done.code, done.err))
        return self.known()

    def known(self) -> Fetched:
        """Return what the last fetch or push left here."""
        machines: dict[str, str] = {}
        claims: dict[str, str] = {}
        for name, sha in self._refs.below(self.mirror).items():
            kind, _, ident = name.removeprefix(self.mirror).partition("/")
            if kind == "machine":
                machines[ident] = sha
            elif kind == "claim":
                claims[ident] = sha
        return Fetched(self._refs.read(self.tracking), machines, claims)

    def unshallow(self) -> None:
        """Bring the rest of a shallow clone's history here."""
        self._git(*_FETCH, "--unshallow", self._remote, f"+refs/heads/{self._branch}:{self.tracking}")

    def push(self, updates: Sequence[Update]) -> list[Pushed]:
        """Ask the remote to move refs; return what became of each, in the order asked.

        RemoteAway (then it is unknown whether it happened), AuthFailed, or GitFailed.
        """
        if not updates:
            return []
        leases = (f"--force-with-lease={update.ref}:{update.expect}" for update in updates if update.expect is not None)
        args = [*_PUSH, *leases, self._remote]
        args += (
            f"{'+' if update.expect is None and update.new else ''}{update.new or ''}:{update.ref}"
            for update in updates
        )
        done = self._git(*args, ok=range(256))
        answers = _answers(done.out)
        if done.code and not answers:
            raise self._failed(failure(_PUSH[:1], done.code, done.err))
        words = remote_words(redact(done.err))
        results = []
        for update in updates:
            answer = answers.get(update.ref)
            if answer is None:
                results.append(Pushed(update.ref, False, "other", words))
            elif answer.flag != "!":
                results.append(Pushed(update.ref, True, "ok"))
            elif "remote failed to report status" in answer.reason:
                # The connection broke after the pack was sent: nobody here knows whether the ref moved.
                raise RemoteAway("The remote did not say what became of the push.", words, "It is looked up.")
            else:
                kind = push_kind(answer.summary, answer.reason)
                text = " ".join(part for part in (answer.reason, words if kind != "race" else "") if part)
                results.append(Pushed(update.ref, False, kind, text))
        self._note([update for update, result in zip(updates, results, strict=True) if result.ok])
        return results

    def _note(self, updates: Sequence[Update]) -> None:
        """Let our mirror of the remote's refs say what the remote now has."""
        moves = []
        for update in updates:
            if update.ref == f"refs/heads/{self._branch}":
                name = self.tracking
            elif update.ref.startswith(self.beside):
                name = self.mirror + update.ref.removeprefix(self.beside)
            else:
                continue
            if self._refs.read(name) != update.new:
                moves.append(Move(name, update.new, force=True))
        self._refs.move(moves)

    def _failed(self, error: GitsyncError) -> GitsyncError:
        if isinstance(error, AuthFailed | RemoteAway):
            error.what = f"{error.what[:-1]}: {redact(self.url())}"
        elif isinstance(error, GitFailed):
            error.remedy = f"Try it by hand: git -C {self._work_tree} fetch {self._remote}"
        self._ssh_known = False  # settings are read again: a person may just have mended them
        self._url = None
        return error


@dataclass(frozen=True, slots=True)
class _Answer:
    flag: str
    summary: str
    reason: str


_LINE = re.compile(r"(?P<flag>[ +\-*=!])\t[^\t]*:(?P<ref>[^\t:]+)\t(?P<summary>\[[^]]*\]|\S+)(?: \((?P<reason>.*)\))?")


def _answers(out: bytes) -> Mapping[str, _Answer]:
    """Read the lines of ``push --porcelain``: ``<flag> TAB <from>:<to> TAB <summary> (<reason>)``."""
    found: dict[str, _Answer] = {}
    for line in out.decode("utf-8", "surrogateescape").splitlines():
        match = _LINE.match(line)
        if match:
            found[match["ref"]] = _Answer(match["flag"], match["summary"], match["reason"] or "")
    return found


@dataclass(frozen=True, slots=True)
class Place:
    """Tell how a URL is reached: ``scheme`` is file, ssh, http, https, git or another one; ``host`` without port."""

    scheme: str
    host: str


def locate(url: str) -> Place:
    """Take a remote's URL apart as git does; ``host:path`` is ssh unless a slash comes first."""
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://(?:[^/@]*@)?(\[[^]]*\]|[^/:]*)", url)
    if match:
        scheme = match[1].lower()
        return Place("ssh" if scheme in ("git+ssh", "ssh+git") else scheme, match[2].strip("[]").lower())
    match = re.match(r"(?:[^/@:]*@)?(\[[^]]*\]|[^/:]+):", url)
    if match:
        return Place("ssh", match[1].strip("[]").lower())
    return Place("file", "")


_PUBLIC = ("github.com", "gitlab.com", "bitbucket.org", "codeberg.org", "dev.azure.com", "visualstudio.com", "sr.ht")
_LOCAL_ENDINGS = (".local", ".lan", ".internal", ".home", ".home.arpa", ".localdomain", ".test")


def kind_of(url: str) -> RemoteKind:
    """Tell a public host, whose patience is shared with the world, from a machine of one's own."""
    place = locate(url)
    if place.scheme == "file":
        return "file"
    if any(place.host == name or place.host.endswith("." + name) for name in _PUBLIC):
        return "public"
    try:
        address = ipaddress.ip_address(place.host)
    except ValueError:
        near = "." not in place.host or place.host.endswith(_LOCAL_ENDINGS)
        return "local" if near else "other"
    return "local" if address.is_private or address.is_loopback or address.is_link_local else "other"
