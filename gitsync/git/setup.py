"""What happens once per repository: find it, clone the mailbox beside it, keep it out of the way."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gitsync.errors import GitsyncError, UsageError
from gitsync.git.remote import locate
from gitsync.git.repo import Mailbox, find_git_dir
from gitsync.git.run import run

OLDEST_GIT = (2, 34, 0)
_INCOMPLETE = "gitsync-incomplete"  # in .git, while a clone is being made

# What a person set for their repository and the mailbox needs too, to reach the same host the same way.
_INHERITED = r"^(core\.sshcommand|core\.askpass|ssh\.variant|http\..*|credential\..*|url\..*|user\.(name|email))$"


@dataclass(frozen=True, slots=True)
class Progress:
    """Tell how far a clone is: git's own word for the phase, and a percentage where git knows one."""

    phase: str
    percent: int | None
    text: str


def git_version() -> tuple[int, int, int]:
    """Return git's version. GitsyncError when it is not installed."""
    found = re.search(rb"(\d+)\.(\d+)(?:\.(\d+))?", run("version").out)
    if found is None:
        raise GitsyncError("git does not tell its version.")
    return int(found[1]), int(found[2]), int(found[3] or 0)


def find_repo(path: Path) -> Path | None:
    """Return the top of the work tree that holds ``path``, or None."""
    path = path.absolute()
    for folder in (path, *path.parents):
        if (folder / ".git").exists():
            with suppress(UsageError):
                find_git_dir(folder)
                return folder
    return None


def remote_url(repo: Path, name: str = "origin") -> str | None:
    """Return the URL of a remote as it is written, credentials included (`redact` it to show it); None without one."""
    return _setting(repo, f"remote.{name}.url")


def clone(
    source: Path | str,
    dest: Path,
    branch: str,
    *,
    remote: str = "origin",
    progress: Callable[[Progress], None] | None = None,
    timeout: float = 60.0,
) -> bool:
    """Clone one branch into ``dest``; return whether it exists on the remote (else the clone is unborn).

    ``source`` is a URL, or a person's repository: then its remote's URL is taken, and its settings for ssh, http
    and credentials. ``timeout`` (seconds) is for silence. On failure nothing is left behind; what a kill left is
    cleared by the next call. UsageError when ``dest`` is in use; RemoteAway, AuthFailed.
    """
    version = git_version()
    if version < OLDEST_GIT:
        wanted = ".".join(map(str, OLDEST_GIT[:2]))
        raise UsageError(f"git {'.'.join(map(str, version))} is too old.", "", f"Install git {wanted} or later.")
    if (dest / ".git" / _INCOMPLETE).exists():
        shutil.rmtree(dest)
    if dest.is_symlink() or (dest.exists() and (not dest.is_dir() or any(dest.iterdir()))):
        raise UsageError(f"{dest} is in use.", "It is not an empty folder.", "Move it away, or choose another folder.")
    existed = dest.exists()
    settings = _settings_from(source, remote)
    try:
        return _clone(settings, dest, branch, remote, progress, timeout)
    except BaseException:
        shutil.rmtree(dest, ignore_errors=True)
        if existed:
            dest.mkdir(exist_ok=True)
        raise


def _clone(
    settings: Sequence[tuple[str, str]],
    dest: Path,
    branch: str,
    remote: str,
    progress: Callable[[Progress], None] | None,
    timeout: float,
) -> bool:
    dest.mkdir(parents=True, exist_ok=True)
    (dest / ".git").mkdir()
    (dest / ".git" / _INCOMPLETE).touch()
    run("init", "-q", "--template=", "--object-format=sha1", "-b", branch, cwd=dest)
    for key, value in (*settings, *_own_settings(branch, remote)):
        run("config", "--add", key, value, cwd=dest)
    for key, value in (("user.name", "gitsync"), ("user.email", "gitsync@localhost")):
        if _setting(dest, key) is None:
            run("config", key, value, cwd=dest)
    with Mailbox(dest, branch, remote, network_timeout=timeout) as mailbox:
        tip = mailbox.fetch(_watcher(progress)).tip
    if tip is not None:
        run("update-ref", f"refs/heads/{branch}", tip, cwd=dest)
        run("reset", "-q", "--hard", cwd=dest, timeout=timeout * 10)
    (dest / ".git" / "info").mkdir(exist_ok=True)
    (dest / ".git" / _INCOMPLETE).unlink()
    return tip is not None


def _settings_from(source: Path | str, remote: str) -> list[tuple[str, str]]:
    """Return the settings by which the mailbox reaches the remote."""
    if isinstance(source, str):
        return [(f"remote.{remote}.url", absolute(source, Path.cwd()))]
    url = remote_url(source, remote)
    if url is None:
        raise UsageError(
            f"{source} has no remote called {remote}.",
            "The mailbox lives on the same remote as the code.",
            f"Add it with: git -C {source} remote add {remote} URL",
        )
    wanted = rf"{_INHERITED}|^remote\.{re.escape(remote.lower())}\.(pushurl|proxy|proxyauthmethod|vcs)$"
    done = run("config", "--local", "-z", "--get-regexp", wanted, cwd=source, ok=(0, 1))
    settings = [(f"remote.{remote}.url", absolute(url, source))]
    for item in done.out.decode("utf-8", "surrogateescape").split("\0")[:-1]:
        key, _, value = item.partition("\n")
        settings.append((key, absolute(value, source) if key.endswith(".pushurl") else value))
    return settings


def absolute(url: str, base: Path) -> str:
    """Return a URL that means the same from another folder."""
    if locate(url).scheme != "file" or "://" in url:
        return url
    return os.path.normpath(base.absolute() / Path(url).expanduser())


def _own_settings(branch: str, remote: str) -> tuple[tuple[str, str], ...]:
    return (
        (f"remote.{remote}.fetch", f"+refs/heads/{branch}:refs/remotes/{remote}/{branch}"),
        (f"remote.{remote}.tagOpt", "--no-tags"),
        (f"branch.{branch}.remote", remote),
        (f"branch.{branch}.merge", f"refs/heads/{branch}"),
        ("core.autocrlf", "false"),  # bytes stay as they were written
        ("gc.auto", "0"),
        ("maintenance.auto", "false"),
        ("merge.gitsync.name", "merge mailbox files message by message"),
        ("merge.gitsync.driver", "gitsync merge-driver %O %A %B %P"),
    )


_PROGRESS = re.compile(r"(?:remote: )?(?P<phase>[A-Z][a-z]+ [a-z]+):\s+(?:(?P<percent>\d+)% )?(?P<rest>.*)")


def _watcher(progress: Callable[[Progress], None] | None) -> Callable[[bytes], None] | None:
    """Turn git's progress display, which arrives in pieces, into values."""
    if progress is None:
        return None
    rest = ""

    def heard(piece: bytes) -> None:
        nonlocal rest
        *lines, rest = re.split(r"[\r\n]", rest + piece.decode("utf-8", "replace"))
        for line in lines:
            if match := _PROGRESS.match(line):
                percent = int(match["percent"]) if match["percent"] else None
                progress(Progress(match["phase"], percent, match["rest"].strip()))

    return heard


def exclude(repo: Path, patterns: Sequence[str]) -> bool:
    """Add lines to the repository's own ignore list, which is in nobody's work tree; return whether any was missing."""
    file = find_git_dir(repo)[1] / "info" / "exclude"
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        data = b""
    there = {line.rstrip() for line in data.splitlines()}
    missing = [line for line in map(os.fsencode, patterns) if line not in there]
    if not missing:
        return False
    if data and not data.endswith(b"\n"):
        data += b"\n"
    file.parent.mkdir(exist_ok=True)
    temporary = file.with_name(f"exclude.gitsync-{os.getpid()}")
    temporary.write_bytes(data + b"\n".join(missing) + b"\n")
    temporary.replace(file)
    return True


def is_tracked(repo: Path, path: str) -> bool:
    """Say whether the repository tracks a path, or anything below it."""
    done = run("--literal-pathspecs", "ls-files", "-z", "--", path, cwd=repo)
    return bool(done.out)


def is_ignored(repo: Path, file: Path) -> bool:
    """Say whether git leaves a file of the work tree alone."""
    return run("check-ignore", "-q", "--", str(file), cwd=repo, ok=(0, 1)).code == 0


def _setting(repo: Path, key: str) -> str | None:
    done = run("config", "-z", "--get", key, cwd=repo, ok=(0, 1))
    return done.out.decode("utf-8", "surrogateescape").removesuffix("\0") if done.code == 0 else None


def use_driver(clone: Path, program: Sequence[str]) -> None:
    """Name the program, by its full path, that merges mailbox files for people who run ``git merge`` in the clone.

    A driver that cannot be started makes git take our side and say nothing, so the search path is not relied on.
    """
    command = shlex.join(program) + " merge-driver %O %A %B %P"
    if _setting(clone, "merge.gitsync.driver") != command:
        run("config", "merge.gitsync.driver", command, cwd=clone)
