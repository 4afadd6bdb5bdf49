"""What git's words mean. Pure: text in, a failure with a name and a remedy out.

git has one exit code for nearly everything, so its English messages (``LC_ALL=C``) are the interface. Each row
names where its text comes from; rows are tried in order, so the particular stands before the general.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gitsync.errors import AuthFailed, FolderPaused, GitFailed, GitsyncError, PushRefused, RemoteAway
from gitsync.git.values import PushKind
from gitsync.secrets.redact import redact

Kind = Literal["auth", "host key", "certificate", "access", "missing", "away", "refused", "locked", "disk", "owner"]

_WHAT: dict[Kind, tuple[type[GitsyncError], str, str]] = {
    "auth": (
        AuthFailed,
        "The remote does not accept our credentials.",
        "Make `git ls-remote` work here without asking: a credential helper, an ssh key in the agent, or a token.",
    ),
    "host key": (
        AuthFailed,
        "The ssh host key of the remote is unknown or has changed.",
        "Compare its fingerprint with the one the host publishes, then connect once by hand: `ssh -T git@HOST`.",
    ),
    "certificate": (
        AuthFailed,
        "The certificate of the remote cannot be verified.",
        "Install the certificate authority of your network, or set http.sslCAInfo for this remote.",
    ),
    "access": (
        AuthFailed,
        "The remote knows us but does not let us do this.",
        "Ask its owner for write access to the repository.",
    ),
    "missing": (
        AuthFailed,
        "The remote has no such repository, or does not show it to us.",
        "Check the URL with `git remote -v` and that this account may read it.",
    ),
    "away": (RemoteAway, "The remote cannot be reached.", "It is tried again by itself."),
    "refused": (
        PushRefused,
        "The remote refuses the push for good.",
        "Ask its owner, or use another branch name for the mailbox.",
    ),
    "locked": (
        FolderPaused,
        "Another git is working in the mailbox folder.",
        "It is tried again; a lock that a crashed git left is removed once it is old.",
    ),
    "disk": (GitsyncError, "There is no room left to write.", "Free some space; it goes on by itself."),
    "owner": (
        GitsyncError,
        "git does not trust a repository that belongs to another user.",
        "Correct its owner, or add it to safe.directory.",
    ),
}


@dataclass(frozen=True, slots=True)
class _Row:
    kind: Kind
    pattern: re.Pattern[str]


def _row(kind: Kind, *patterns: str) -> _Row:
    return _Row(kind, re.compile("|".join(patterns), re.IGNORECASE))


_ROWS = (
    _row(
        "host key",
        r"host key verification failed",  # OpenSSH
        r"remote host identification has changed",
        r"no .* host key is known",
    ),
    _row("owner", r"detected dubious ownership", r"unsafe repository \("),  # git 2.35.2 and later
    _row("away", r"remote: .*no space left on device"),  # theirs, not ours
    _row("disk", r"no space left on device", r"disk quota exceeded", r"read-only file system"),
    _row(
        "certificate",
        r"ssl certificate problem",  # curl with OpenSSL
        r"server certificate verification failed",  # curl with GnuTLS (Debian)
        r"certificate subject name",
        r"unable to get local issuer certificate",
    ),
    _row(
        "access",
        r"remote: permission to \S+ denied",  # GitHub
        r"write access to repository not granted",  # GitHub, fine-grained tokens
        r"you are not allowed to (push code to|download code from) this project",  # GitLab
        r"user permission denied for writing",  # Gitea, Forgejo
        r"not authorized to push",
        r"remote: forbidden",
        r"marked as read only",  # GitHub, deploy keys
        r"service not enabled",  # http-backend without http.receivepack
    ),
    _row(
        "auth",
        r"could not read (username|password) for",  # git, prompts off
        r"authentication failed",
        r"invalid username or (password|token)",  # GitHub
        r"support for password authentication was removed",  # GitHub
        r"permission denied \(.*(publickey|password|keyboard|gssapi|hostbased)",  # OpenSSH
        r"http basic: access denied",  # GitLab
        r"too many authentication failures",
        r"returned error: (401|403|407)\b",  # curl; 407 is a proxy
        r"http (401|403|407)\b",
        r"proxy authentication required|from proxy after connect",
        r"terminal prompts disabled",
    ),
    _row(
        "refused",
        r"rpc failed; http 413",  # nginx in front of GitLab, Gitea
        r"deny updating a hidden ref",
    ),
    _row(
        "missing",
        r"repository .*not found",  # git over http (404); GitHub over ssh: 'ERROR: Repository not found.'
        r"project you were looking for could not be found",  # GitLab
        r"cannot find repository|repository does not exist",  # Gitea, Bitbucket
        r"returned error: 404\b",
    ),
    _row(
        "away",
        r"could not resolve (host|proxy|hostname)",
        r"name or service not known|temporary failure in name resolution|nodename nor servname",
        r"failed to connect to|couldn't connect to server",
        r"connection (refused|timed out|reset|closed|aborted|was reset)",
        r"operation (timed out|too slow)|timed out after",
        r"no route to host|network is (unreachable|down)|host is down",
        r"broken pipe|early eof|unexpected disconnect|transfer closed with outstanding",
        r"empty reply from server|recv failure|send failure|gnutls|ssl_error_syscall|ssl_connect|tls connection",
        r"returned error: (408|429|5\d\d)\b|http (408|429|5\d\d)\b",
        r"kex_exchange_identification|ssh_exchange_identification|banner exchange",
        r"control socket connect",
        r"rpc failed",
        r"expected flush after ref listing|bad line length character|protocol error",  # a portal page or a proxy
    ),
    # A path that is not there any more is most often a share that is not mounted.
    _row("away", r"does not appear to be a git repository", r"does not exist$"),
    _row("away", r"could not read from remote repository|remote end hung up|unable to access"),
    _row("locked", r"unable to create '.*\.lock': file exists"),
)

# Somebody else moved one of our refs at that moment: a person's `git pull`, or the push of a process that was killed.
CROSSED = re.compile(
    r"cannot lock ref|unable to lock|is at [0-9a-f]+ but expected|reference already exists", re.IGNORECASE
)
NO_SUCH_BRANCH = re.compile(r"couldn't find remote ref", re.IGNORECASE)

# Reasons in brackets of `git push --porcelain`, first ours ('[rejected]'), then the remote's.
_RACE = re.compile(
    r"stale info|fetch first|remote ref updated since checkout|already exists"
    r"|failed to update ref|cannot lock ref|failed to lock|incorrect old value provided"
    r"|reference is missing but expected|reference already exists|is at [0-9a-f]+ but expected"
    r"|atomic push fail|atomic transaction failed|unable to lock",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    r"hook declined|protected branch|GH\d{3}\b|rule violations|declined due to|not allowed|denied|prohibited"
    r"|deny |hidden ref|currently checked out|non-fast-forward|refusing to|funny refname|forbidden|read.?only"
    r"|shallow update|archived|exceeds|too large|invalid ref",
    re.IGNORECASE,
)


def push_kind(summary: str, reason: str) -> PushKind:
    """Name what happened to one ref that was not updated.

    ``[remote rejected] (failed to update ref)`` is a lost race too: the lease is checked before the remote
    takes its lock. ``non-fast-forward`` is one when our side says so, and a rule when the remote says so
    (``receive.denyNonFastForwards``).
    """
    if _RACE.search(reason):
        return "race"
    if summary == "[rejected]":
        return "race" if "non-fast-forward" in reason or "needs force" in reason else "other"
    return "refused" if _REFUSED.search(reason) else "other"


def failure(argv: Sequence[str], code: int, stderr: str) -> GitsyncError:
    """Return the failure that a git command's words stand for; GitFailed when they are new to us."""
    stderr = redact(stderr)
    for row in _ROWS:
        if row.pattern.search(stderr):
            kind, what, remedy = _WHAT[row.kind]
            return kind(what, said(stderr, row.pattern), remedy)
    return GitFailed(argv, code, "\n".join(lines(stderr)))


def said(stderr: str, pattern: re.Pattern[str] | None = None) -> str:
    """Return the one line that tells most: the one that matches, else the last one."""
    found = lines(stderr)
    if pattern is not None:
        found = [line for line in found if pattern.search(line)] or found
    return found[-1].removeprefix("fatal: ").removeprefix("error: ") if found else ""


def remote_words(stderr: str) -> str:
    """Return what the remote itself said (lines that start with ``remote:``), in one line."""
    words = (line.removeprefix("remote:").strip() for line in lines(stderr) if line.startswith("remote:"))
    return " ".join(word for word in words if word)[:500]


_NOISE = re.compile(
    r"^(remote: )?(enumerating|counting|compressing|receiving|resolving|writing|unpacking|total) "
    # What git says, in three lines, because we ask it not to look for forced updates.
    r"|^warning: fetch normally indicates|^but that check has been disabled|^flag or run 'git config fetch\.",
    re.I,
)


def lines(stderr: str) -> list[str]:
    """Split what a command said into lines, without its progress display."""
    return [line.rstrip() for line in re.split(r"[\r\n]+", stderr) if line.strip() and not _NOISE.match(line)]
