"""The remote: is it there, does it let us in, may we write, what time does it have, who else uses our id."""

from __future__ import annotations

import http.client
import os
import ssl
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

from gitsync import clock
from gitsync.config.settings import Settings
from gitsync.doctor.ground import Ground
from gitsync.doctor.values import Check, first_line, ok
from gitsync.errors import AuthFailed, GitsyncError, RemoteAway
from gitsync.git import looking
from gitsync.git.remote import locate
from gitsync.git.repo import Mailbox
from gitsync.secrets.redact import redact
from gitsync.sync.presence import binding, read_beat

SKEW = 300.0
"""Seconds by which a clock may be wrong before anybody is told."""
PROBE = "doctor-probe"


def checks(ground: Ground) -> Iterator[Check]:
    """Ask the remote, within the time that there is."""
    clone, own = ground.clone, ground.settings
    if clone is None or own is None:
        return
    yield from beats(ground, own)
    if ground.offline:
        return
    sync = own.sync
    beside = f"refs/gitsync/{sync.branch}/"
    try:
        url = looking.effective_url(clone, sync.remote)
    except GitsyncError as error:
        yield Check(name="remote", state="fail", what=error.what, why=error.why, remedy=error.remedy)
        return
    answer = looking.ask(clone, sync.remote, [f"refs/heads/{sync.branch}", f"{beside}machine/*"], ground.seconds)
    if answer.failed is not None:
        yield judge_failure(answer.failed, redact(url))
        return
    tip = answer.refs.get(f"refs/heads/{sync.branch}")
    if tip is None:
        yield Check(
            name="remote",
            state="warn",
            what=f"the remote answers, but has no branch {sync.branch}",
            why="it is new, or somebody deleted the branch",
            remedy="gitsync sync makes it, or asks when it was there before",
        )
    else:
        yield ok("remote", f"{redact(url)} answers; {sync.branch} at {tip[:10]}")
    yield from skew(url, ground.seconds)
    yield push(ground, own, url)


def judge_failure(error: GitsyncError, url: str) -> Check:
    """Say what keeps us from the remote; the network is a warning, since it comes back by itself."""
    away = isinstance(error, RemoteAway)
    return Check(
        name="credentials" if isinstance(error, AuthFailed) else "remote",
        state="warn" if away else "fail",
        what=f"{error.what.rstrip('.')}: {url}",
        why=first_line(error.why) or ("what is sent waits here until then" if away else ""),
        remedy="check the network and the address; syncing tries again by itself" if away else first_line(error.remedy),
    )


def push(ground: Ground, own: Settings, url: str) -> Check:
    """Ask whether we may write, without writing."""
    assert ground.clone is not None
    place = locate(url)
    if place.scheme == "file":
        folder = Path(url.removeprefix("file://"))
        closed = [
            path for path in (folder / "objects", folder / "refs") if path.exists() and not os.access(path, os.W_OK)
        ]
        if closed:
            return Check(
                name="push",
                state="fail",
                what=f"you may not write to {closed[0]}",
                why="nothing of yours can leave this computer",
                remedy="ask whoever owns the folder for the right to write",
            )
    with Mailbox(ground.clone, own.sync.branch, own.sync.remote) as mailbox:
        known = mailbox.ref(mailbox.tracking_ref) or mailbox.ref(mailbox.local_ref)
    if known is None:
        return ok("push", "not asked: there is nothing to push yet")
    ref = f"refs/gitsync/{own.sync.branch}/{PROBE}"
    error = looking.may_push(ground.clone, own.sync.remote, known, ref, ground.seconds)
    if error is None:
        return ok("push", "the remote lets us write (asked without writing)")
    return Check(
        name="push",
        state="warn" if isinstance(error, RemoteAway) else "fail",
        what=f"the remote can be read, not written: {error.what.rstrip('.')}",
        why=first_line(error.why),
        remedy=first_line(error.remedy) or "ask its owner for write access",
    )


def beats(ground: Ground, own: Settings) -> Iterator[Check]:
    """Look at the signs of life that were fetched last: a clock that is behind, our id in other hands."""
    assert ground.clone is not None
    newest, who = 0.0, ""
    with Mailbox(ground.clone, own.sync.branch, own.sync.remote) as mailbox:
        try:
            found = mailbox.fetched().machine
            mine = found.get(own.machine.id)
            beat = None
            if mine is not None:
                commit = mailbox.commit(mine)
                beat = read_beat(commit.message, commit.committer.date)
            for ident, sha in found.items():
                at = float(mailbox.commit(sha).committer.date)
                if ident != own.machine.id and at > newest:
                    newest, who = at, ident
        except GitsyncError:
            return  # what is wrong with the clone is told elsewhere
    if beat is not None and beat.contested:
        yield _taken(own, "its sign of life says that two use the id")
    elif beat is not None and beat.bound != binding(own.mailbox):
        yield _taken(own, f"its last sign of life came from another place, {clock.stamp(float(beat.at))}")
    ahead = newest - clock.unix()
    if ahead > SKEW:
        yield Check(
            name="clock",
            state="warn",
            what=f"machine {who} lived {_span(ahead)} in the future",
            why="this clock is behind, or that one ahead; nothing is ordered by clocks, but dates will mislead people",
            remedy="set the time by network on both: timedatectl set-ntp true",
        )


def _taken(own: Settings, why: str) -> Check:
    return Check(
        name="machine-id",
        state="fail",
        what=f"the id {own.machine.id} is in use elsewhere too",
        why=why,
        remedy="give one of them another id; or, where this one shall have it: gitsync init --take-over",
    )


def skew(url: str, seconds: float) -> Iterator[Check]:
    """Compare clocks with a remote that tells its time, which those over HTTP do in every answer."""
    theirs = remote_time(url, seconds)
    if theirs is not None:
        yield judge_clock(clock.unix(), theirs)


def judge_clock(ours: float, theirs: float) -> Check:
    """Say whether two clocks agree (Unix time, s)."""
    apart = ours - theirs
    if abs(apart) <= SKEW:
        return ok("clock", "agrees with the remote's")
    word = "ahead of" if apart > 0 else "behind"
    return Check(
        name="clock",
        state="warn",
        what=f"this computer's clock is {_span(abs(apart))} {word} the remote's",
        why="nothing is ordered by clocks, but dates mislead people, and certificates may count as expired",
        remedy="set the time by network: timedatectl set-ntp true",
    )


def _span(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def remote_time(url: str, seconds: float) -> float | None:
    """Return what time a web server has (Unix time, s); None for other remotes, and where none is told.

    Nothing but the path is asked for: no credentials go along, and a refusal has a date too.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    try:
        connection: http.client.HTTPConnection = (
            http.client.HTTPSConnection(parts.hostname, parts.port, timeout=seconds, context=_unverified())
            if parts.scheme == "https"
            else http.client.HTTPConnection(parts.hostname, parts.port, timeout=seconds)
        )
        try:
            connection.request("HEAD", f"{parts.path.rstrip('/')}/info/refs?service=git-upload-pack")
            date = connection.getresponse().getheader("Date")
        finally:
            connection.close()
        return parsedate_to_datetime(date).timestamp() if date else None
    except (OSError, ValueError, http.client.HTTPException):
        return None


def _unverified() -> ssl.SSLContext:
    """Trust whoever answers: with a clock that is wrong no certificate would be valid, and only the time is asked."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
