"""Questions about a clone that `doctor` asks: each bounded in time, none changes anything, here or on the remote."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gitsync.errors import GitFailed, GitsyncError
from gitsync.git.environment import ssh_command
from gitsync.git.failures import failure, push_kind, remote_words
from gitsync.git.remote import locate
from gitsync.git.run import run
from gitsync.secrets.redact import redact

MISSING = re.compile(r"^missing (?:blob|tree|commit|tag) ([0-9a-f]{40})", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a remote said: its refs, or the failure that its words stand for."""

    refs: dict[str, str]
    failed: GitsyncError | None = None


@dataclass(frozen=True, slots=True)
class Loose:
    """Sizes of the object store: counts, and bytes."""

    loose: int
    loose_size: int
    packs: int
    pack_size: int
    garbage: int


def settings_of(clone: Path) -> list[tuple[str, str]]:
    """Return the clone's own settings, as they stand in its config file. GitFailed where git cannot read it."""
    out = run("config", "--local", "-z", "--list", cwd=clone, timeout=5.0).out.decode("utf-8", "surrogateescape")
    pairs = (item.partition("\n") for item in out.split("\0")[:-1])
    return [(key, value) for key, _, value in pairs]


def effective_url(clone: Path, remote: str) -> str:
    """Return the URL that git will use, credentials included."""
    out = run("ls-remote", "--get-url", remote, cwd=clone, timeout=5.0).out
    return out.decode("utf-8", "surrogateescape").strip()


def ask(clone: Path, remote: str, patterns: Sequence[str], seconds: float) -> Answer:
    """Ask the remote for refs; never raises for what the remote, or the way to it, is to blame for."""
    try:
        ssh = _ssh(clone, remote, seconds)
        done = run("ls-remote", remote, *patterns, cwd=clone, timeout=seconds, ok=range(256), ssh=ssh, network=True)
        if done.code:
            return Answer({}, failure(("ls-remote",), done.code, done.err))
    except GitsyncError as error:
        return Answer({}, error)
    lines = (line.split("\t", 1) for line in done.out.decode("utf-8", "surrogateescape").splitlines() if "\t" in line)
    return Answer({name: sha for sha, name in lines})


def may_push(clone: Path, remote: str, commit: str, ref: str, seconds: float) -> GitsyncError | None:
    """Ask whether a push would be let in, without pushing: git opens the connection for writing and sends nothing.

    What the remote decides by looking at a push (a protected branch, a hook) is not known this way.
    """
    try:
        ssh = _ssh(clone, remote, seconds)
        args = ("push", "--dry-run", "--porcelain", "--no-verify", remote, f"{commit}:{ref}")
        done = run(*args, cwd=clone, timeout=seconds, ok=range(256), ssh=ssh, network=True)
    except GitsyncError as error:
        return error
    if done.code and push_kind("", done.out.decode("utf-8", "replace")) != "race":
        return failure(("push",), done.code, done.err or remote_words(redact(done.err)))
    return None


def _ssh(clone: Path, remote: str, seconds: float) -> str | None:
    if locate(effective_url(clone, remote)).scheme != "ssh":
        return None
    done = run("config", "--get", "core.sshCommand", cwd=clone, timeout=5.0, ok=(0, 1))
    command = ssh_command(done.out.decode("utf-8", "surrogateescape").strip(), None)
    # Of two settings the first one counts, so that this one must stand before ours.
    return (
        command.replace(" -o BatchMode", f" -o ConnectTimeout={max(1, int(seconds))} -o BatchMode") if command else None
    )


def absent(clone: Path, seconds: float) -> list[str] | None:
    """Return the objects that are needed and not there; None where the time was not enough to tell.

    GitFailed when git finds something else wrong.
    """
    args = ("fsck", "--connectivity-only", "--no-dangling", "--no-progress")
    try:
        done = run(*args, cwd=clone, timeout=seconds, ok=range(256))
    except GitFailed as error:
        if error.code == -1:
            return None
        raise
    found = sorted(set(MISSING.findall(done.out.decode("utf-8", "replace"))))
    if done.code and not found:
        raise GitFailed(args, done.code, done.err or done.out.decode("utf-8", "replace"))
    return found


def loose(clone: Path) -> Loose:
    """Measure the object store."""
    text = run("count-objects", "-v", cwd=clone, timeout=5.0).out.decode()
    found = {key: int(value) for key, value in re.findall(r"^([a-z-]+): (\d+)$", text, re.MULTILINE)}
    return Loose(
        found.get("count", 0),
        found.get("size", 0) * 1024,
        found.get("packs", 0),
        found.get("size-pack", 0) * 1024,
        found.get("garbage", 0),
    )


def recent(clone: Path, ref: str, count: int) -> list[str]:
    """Return the newest commits of a ref: name, date, parents; no word of what they say."""
    done = run("log", f"-{count}", "--no-show-signature", "--format=%h %cI %p", ref, "--", cwd=clone, timeout=5.0)
    return done.out.decode("utf-8", "replace").splitlines()


def set_local(clone: Path, settings: Sequence[tuple[str, str]]) -> None:
    """Write settings into the clone's own config file."""
    for key, value in settings:
        run("config", "--replace-all", key, value, cwd=clone, timeout=5.0)


def attach(clone: Path, branch: str) -> None:
    """Let HEAD be on a branch; nothing is checked out."""
    run("symbolic-ref", "HEAD", f"refs/heads/{branch}", cwd=clone, timeout=5.0)


def fetch_again(clone: Path, remote: str, branch: str, seconds: float) -> None:
    """Bring every object of the branch here once more, also those that git thinks it has."""
    args = ("fetch", "--refetch", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", remote)
    ssh = _ssh(clone, remote, seconds)
    run(*args, f"refs/heads/{branch}", cwd=clone, timeout=seconds, ssh=ssh, network=True)
