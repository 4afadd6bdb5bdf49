"""The machine ref: who lives, and whether two machines use one id (PROTOCOL 7).

The ref points at a commit without files. Its message carries the machine, an install id that is bound to this host
and to the place of the clone, the time and the protocol version. It is created expecting nothing and moved with a
lease, so a ref that moved without us means that somebody else uses our id.
"""

from __future__ import annotations

import hashlib
import json
import logging
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from gitsync import clock
from gitsync.errors import Halted
from gitsync.git.repo import Mailbox, Pushed, Update
from gitsync.ledger.journal import Journal
from gitsync.protocol.identity import Machine
from gitsync.protocol.status import Status
from gitsync.sync.settings import SyncSettings
from gitsync.sync.values import author

log = logging.getLogger(__name__)

PROTOCOL = "1"
ATTEMPTS = 16
"""Beats without an answer that are remembered as ours."""
ACTIVE = 45 * 60
"""Seconds since its last beat for which a machine counts as active."""


@dataclass(frozen=True, kw_only=True)
class Beat:
    """What the commit of a machine ref says; `at` is Unix time in seconds."""

    machine: str
    install: str
    bound: str
    at: int
    protocol: str
    contested: bool = False


def write_beat(beat: Beat, nonce: str) -> str:
    """Give the commit message of a beat; the nonce tells two beats of cloned machines in one second apart."""
    lines = [
        f"machine {beat.machine}",
        "",
        f"Install: {beat.install}",
        f"Bound: {beat.bound}",
        f"Time: {clock.stamp(beat.at)}",
        f"Protocol: {beat.protocol}",
        f"Nonce: {nonce}",
    ]
    if beat.contested:
        lines.append("Contested: another install uses this id; gitsync init --take-over on the one that shall have it")
    return "\n".join(lines) + "\n"


def read_beat(message: str, at: int) -> Beat | None:
    """Read the commit message of a beat; None when it is none."""
    head, _, rest = message.partition("\n")
    if not head.startswith("machine "):
        return None
    fields = dict(line.split(": ", 1) for line in rest.splitlines() if ": " in line)
    if "Install" not in fields:
        return None
    return Beat(
        machine=head.removeprefix("machine ").strip(),
        install=fields["Install"],
        bound=fields.get("Bound", ""),
        at=at,
        protocol=fields.get("Protocol", PROTOCOL),
        contested="Contested" in fields,
    )


def _age(then: str | None, now: str) -> float:
    try:
        return (datetime.fromisoformat(now) - datetime.fromisoformat(then or "")).total_seconds()
    except (ValueError, TypeError):
        return float("inf")


def host_mark() -> str:
    """Name this host: its machine id, or its name where there is none."""
    for name in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            text = Path(name).read_text().strip()
        except (OSError, UnicodeDecodeError):
            continue
        if text:
            return text
    return socket.gethostname()


def binding(clone: Path) -> str:
    """Give a digest of the host and the place of the clone: a copy elsewhere has another one."""
    return hashlib.sha256(f"{host_mark()}\0{clone.resolve()}".encode("utf-8", "surrogateescape")).hexdigest()[:32]


class Presence:
    """Keep our machine ref, and notice when it is not only ours."""

    def __init__(
        self,
        mailbox: Mailbox,
        journal: Journal,
        settings: SyncSettings,
        machine: Machine,
        sign: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self._sign = sign
        self._mailbox = mailbox
        self._journal = journal
        self.settings = settings
        self.machine = machine
        self._bound = binding(mailbox.path)
        self._install = self._bind()
        self._beat = journal.meta("beat")
        self._attempts = (journal.meta("beat_attempt") or "").split()
        self._at: float | None = None
        self._seen: str | None = None
        self._looked = False
        self._refused = journal.meta("refs") == "refused"
        self.doubled = journal.meta("double") is not None
        """Whether the last look, perhaps of a former process, found our id in other hands."""
        self._times: dict[str, int] = {}
        self._machines: dict[str, str] = {}

    @property
    def install(self) -> str:
        """Give the random id of this installation."""
        return self._install

    @property
    def fallback(self) -> bool:
        """Say whether the host refuses such refs, so that the status page has to carry the install id."""
        return self._refused

    def _bind(self) -> str:
        known = self._journal.meta("install")
        if known is not None:
            try:
                note = json.loads(known)
                if note["bound"] == self._bound:
                    return str(note["id"])
            except (ValueError, KeyError, TypeError):
                pass  # written by hand, or by something else: a new install id is the safe reading
        install = clock.new_id()
        self._journal.set_meta("install", json.dumps({"id": install, "bound": self._bound}))
        for key in ("beat", "beat_attempt", "double"):
            if self._journal.meta(key) is not None:
                self._journal.set_meta(key, None)
        return install

    # -- looking -----------------------------------------------------------------------------------

    def look(self, machines: Mapping[str, str], page: Status | None) -> Halted | None:
        """Take what a fetch found, refs and our own page; say whether our id is in other hands."""
        halt = self._look_at_refs(machines) or self._look_at_page(page)
        self.doubled = halt is not None
        return halt

    def _look_at_refs(self, machines: Mapping[str, str]) -> Halted | None:
        self._machines = dict(machines)
        seen = machines.get(self.machine.id)
        known = self._looked and seen == self._seen
        self._looked, self._seen = True, seen
        if known and self._journal.meta("double") is None:
            return None
        if seen is None:
            self._clear_double()
            return None
        if seen == self._beat or seen in self._attempts:
            if seen != self._beat:
                self._confirm(seen)
            self._clear_double()
            return None
        commit = self._mailbox.commit(seen)
        beat = read_beat(commit.message, commit.committer.date)
        if beat is not None and not beat.contested and self._beat is None and beat.bound == self._bound:
            self._confirm(seen)  # this very place, before its journal was lost
            self._journal.set_meta("install", json.dumps({"id": beat.install, "bound": self._bound}))
            self._install = beat.install
            self._clear_double()
            return None
        if self._journal.meta("take_over") is not None:
            return None
        return self._doubled(beat)

    def _doubled(self, beat: Beat | None) -> Halted:
        since = f", last seen {clock.stamp(beat.at)}" if beat else ""
        return Halted(
            f"another machine uses the id {self.machine.id}",
            f"the remote's machine ref was moved by another install{since}",
            "give one of them another id, or run here: gitsync init --take-over",
            kind="double-id",
        )

    # -- where the host refuses such refs

    def signed(self, status: Status | None, told: Status | None) -> Status | None:
        """Put the install id into the page, refreshed every six hours: the fallback of PROTOCOL 7."""
        if not self._refused:
            return status
        status = status or told or Status(id=self.machine.id, name=self.machine.name, role=self.machine.role)
        now = clock.stamp()
        fresh = told is not None and told.install == self._install and told.refreshed is not None
        due = not fresh or _age(told.refreshed if told else None, now) >= self.settings.install_refresh
        return replace(status, install=self._install, refreshed=now if due or told is None else told.refreshed)

    def _look_at_page(self, told: Status | None) -> Halted | None:
        """Say whether our own page is signed by another install than this one."""
        signed = told is not None and told.install == self._install and self._refused
        if signed and self._journal.meta("take_over") is not None:
            self._journal.set_meta("take_over", None)
        if told is None or told.install in (None, self._install):
            return None
        if self._journal.meta("take_over") is not None:
            return None
        return Halted(
            f"another machine uses the id {self.machine.id}",
            f"its page was signed by another install{f' at {told.refreshed}' if told.refreshed else ''}",
            "give one of them another id, or run here: gitsync init --take-over",
            kind="double-id",
        )

    def contest(self) -> Update | None:
        """Give the update that tells the other machine too, once for each discovery."""
        if self._journal.meta("double") is not None or self._seen is None:
            return None
        self._journal.set_meta("double", self._seen)
        commit = self._mailbox.commit(self._seen)
        beat = read_beat(commit.message, commit.committer.date)
        if beat is not None and beat.contested:
            return None
        return Update(self._mailbox.machine_ref(self.machine.id), self._write(contested=True), self._seen)

    def active(self) -> int:
        """Count the machines seen active, ourselves included."""
        now = clock.unix()
        count = 1
        for ident, sha in self._machines.items():
            if ident == self.machine.id:
                continue
            if sha not in self._times:
                self._times[sha] = self._mailbox.commit(sha).committer.date
            count += self._times[sha] > now - ACTIVE
        if len(self._times) > 4 * len(self._machines) + 16:
            self._times = {sha: at for sha, at in self._times.items() if sha in self._machines.values()}
        return count

    # -- beating -----------------------------------------------------------------------------------

    def riding(self, now: float) -> Update | None:
        """Give the update that goes along with a branch push; None when the last beat is fresh."""
        return self._due(now, self.settings.machine_ref_rides)

    def alone(self, now: float) -> Update | None:
        """Give the update that goes alone; None until max(15 min, machines x 1 min) have passed."""
        return self._due(now, max(self.settings.machine_ref_every, 60.0 * max(1, len(self._machines))))

    def wait(self, now: float) -> float | None:
        """Give the seconds until the next beat of its own."""
        if self._refused or self._at is None:
            return None
        every = max(self.settings.machine_ref_every, 60.0 * max(1, len(self._machines)))
        return max(0.0, self._at + every - now)

    def _due(self, now: float, age: float) -> Update | None:
        if self._refused or not self._looked or self._journal.meta("double") is not None:
            return None
        taking = self._journal.meta("take_over") is not None
        if self._at is not None and now - self._at < age and not taking:
            return None
        sha = self._write()
        # Not only the last: the push of a process that was killed may still be under way, and land before this one.
        self._attempts = [*self._attempts[1 - ATTEMPTS :], sha]
        self._journal.set_meta("beat_attempt", " ".join(self._attempts))
        return Update(self._mailbox.machine_ref(self.machine.id), sha, self._seen or "")

    def _write(self, *, contested: bool = False) -> str:
        beat = Beat(
            machine=self.machine.id,
            install=self._install,
            bound=self._bound,
            at=int(clock.unix()),
            protocol=PROTOCOL,
            contested=contested,
        )
        person = author(self.machine, beat.at)
        return self._mailbox.write_commit(
            self._mailbox.write_tree(None, {}), [], write_beat(beat, clock.new_id()), person, person, sign=self._sign
        )

    def told(self, answer: Pushed, now: float) -> None:
        """Take the remote's answer to a beat; a lost lease is looked into at the next fetch."""
        if answer.ok and self._attempts:
            self._confirm(self._attempts[-1])
            self._seen = self._beat
            self._at = now
            if self._journal.meta("take_over") is not None:
                self._journal.set_meta("take_over", None)
            self._clear_double()
        elif answer.kind == "refused":
            log.warning("the host refuses the machine ref: %s", answer.text)
            self._refused = True
            self._journal.set_meta("refs", "refused")
        else:
            self._looked = False
            self._seen = None

    def take_over(self) -> None:
        """Make the id ours at the next push, whoever has it."""
        self._journal.set_meta("take_over", "1")
        self._journal.set_meta("double", None)
        self._at = None

    def _confirm(self, sha: str) -> None:
        self._beat = sha
        self._attempts = []  # the others were to replace what this one replaced, so they come too late
        self._journal.set_meta("beat", sha)
        self._journal.set_meta("beat_attempt", None)

    def _clear_double(self) -> None:
        if self._journal.meta("double") is not None:
            self._journal.set_meta("double", None)
