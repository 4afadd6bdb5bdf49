"""Journal and ledger, and what the journal says of what is under way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gitsync import clock
from gitsync.config.settings import Settings
from gitsync.doctor.ground import Ground
from gitsync.doctor.values import Check, Fix, first_line, ok
from gitsync.errors import GitsyncError
from gitsync.ledger.health import Health, JournalFacts, journal_facts, journal_health, ledger_health, salvage
from gitsync.ledger.journal import Journal
from gitsync.sync.presence import binding

LONG = 3600.0
"""Seconds after which something unsent deserves a word."""
_SUFFIXES = ("", "-wal", "-shm", "-journal")

Rebuild = Callable[[], None]


def checks(ground: Ground, rebuild: Rebuild) -> Iterator[Check]:
    """Examine both stores; ``rebuild`` makes a ledger from the branch."""
    own = ground.settings
    if own is None or ground.git_dir is None:
        return
    health = journal_health(own.journal_file, ground.seconds)
    yield journal(own, health)
    yield ledger(ground, own, ledger_health(own.ledger_file, ground.seconds), rebuild)
    facts = journal_facts(own.journal_file, ground.seconds) if health.condition in ("ok", "older") else None
    if facts is not None:
        yield from under_way(ground, own, facts)


def journal(own: Settings, health: Health) -> Check:
    """Say how the journal is; a damaged one is set aside, and what can still be read of the unsent is taken over."""
    file = own.journal_file
    match health.condition:
        case "ok" | "older":
            return ok("journal", f"layout {health.version}" + ("" if health.complete else ", not looked at to the end"))
        case "missing":
            return Check(
                name="journal",
                state="warn",
                what=f"there is no journal {file}",
                why="it was never begun, or was removed: then what was under way will be shown as uncertain",
                remedy="gitsync sync begins it",
            )
        case "newer":
            return Check(
                name="journal",
                state="fail",
                what=f"{file} was written by a newer gitsync",
                why=health.why,
                remedy="upgrade gitsync on this machine",
            )
        case "busy":
            return Check(name="journal", state="warn", what=f"{file} is in use", why=health.why, remedy="try again")
        case "closed":
            return Check(
                name="journal",
                state="fail",
                what=f"{file} cannot be read",
                why=health.why,
                remedy="check who owns it and the folders above it",
            )
    readable = salvage(file)
    return Check(
        name="journal",
        state="fail",
        what=f"{file} is damaged",
        why=f"{first_line(health.why)}; {len(readable)} unsent operation(s) in it can still be read",
        remedy="gitsync doctor --fix sets it aside and takes those over; hand-overs under way become uncertain",
        fix=Fix(
            says=f"set the journal aside, begin a new one with {len(readable)} unsent operation(s)",
            aside=tuple(path for path in _files(file) if path.exists()),
            touches=tuple(path for path in _files(file) if not path.exists()),
            lock=True,
            act=lambda: _begin(file, readable),
        ),
    )


def _begin(file: Path, unsent: list[Any]) -> None:
    with Journal(file) as begun:
        begun.enqueue_many(unsent)


def _files(store: Path) -> list[Path]:
    return [Path(f"{store}{suffix}") for suffix in _SUFFIXES]


def ledger(ground: Ground, own: Settings, health: Health, rebuild: Rebuild) -> Check:
    """Say how the ledger is; it is a cache, and can always be built again."""
    file = own.ledger_file
    if health.condition == "ok":
        return ok("ledger", f"layout {health.version}" + ("" if health.complete else ", not looked at to the end"))
    if health.condition == "busy":
        return Check(name="ledger", state="warn", what=f"{file} is in use", why=health.why, remedy="try again")
    if health.condition == "closed":
        return Check(
            name="ledger",
            state="fail",
            what=f"{file} cannot be read",
            why=health.why,
            remedy="check who owns it and the folders above it",
        )
    what = {
        "missing": f"there is no ledger {file}",
        "newer": f"{file} is of another version of gitsync",
        "older": f"{file} is of another version of gitsync",
    }.get(health.condition, f"{file} is damaged")
    return Check(
        name="ledger",
        state="fail" if health.condition == "broken" else "warn",
        what=what,
        why="it is only an index of what the branch says" + (f"; {first_line(health.why)}" if health.why else ""),
        remedy="gitsync status builds it again, as does any reading command; or gitsync doctor --fix",
        fix=Fix(
            says="build the ledger again from the branch",
            aside=tuple(path for path in _files(file) if path.exists()),
            touches=tuple(path for path in _files(file) if not path.exists()),
            lock=True,
            act=rebuild,
        )
        if ground.clone is not None
        else None,
    )


def under_way(ground: Ground, own: Settings, facts: JournalFacts) -> Iterator[Check]:
    """Tell what waits, for the remote or for a person."""
    yield outbox(facts.pending, clock.age(facts.oldest) or 0.0)
    if facts.refused:
        yield Check(
            name="parked",
            state="warn",
            what=f"{len(facts.refused)} thing(s) can never be sent: {first_line(facts.refused[0])}",
            why="the branch does not take them as they are; nobody got them",
            remedy="gitsync status; send them again in another form",
            more=facts.refused[:50],
        )
    else:
        yield ok("parked", "nothing was refused")
    if facts.displaced:
        yield Check(
            name="displaced",
            state="ok" if (clock.age(facts.displaced_since) or 0.0) < LONG else "warn",
            what=f"{len(facts.displaced)} file(s) that came out of the folder are kept: {facts.displaced[0]}",
            why="a program could still be writing to them; what is new in them is taken up",
            remedy="gitsync sync; if they stay, compare them with what is in the mailbox",
            more=facts.displaced[:50],
        )
    else:
        yield ok("displaced", "no file waits")
    waiting = {state: facts.intents.get(state, 0) for state in ("uncertain", "held")}
    if any(waiting.values()):
        told = " and ".join(f"{count} {state}" for state, count in waiting.items() if count)
        yield Check(
            name="blockers",
            state="warn",
            what=f"messages wait for a person: {told}",
            why="whether an agent had them cannot be known, or a rule holds them",
            remedy="gitsync status names them; then gitsync ack ID --done, --failed or --again",
        )
    else:
        yield ok("blockers", "nothing waits for a person")
    yield from state(ground, facts)
    yield identity(own, facts)
    if facts.meta.get("refs") == "refused":
        yield ok("machine-refs", "the host takes no refs beside the branch: signs of life go into COMPUTER_<id>.md")
    else:
        yield ok("machine-refs", "accepted")


def outbox(pending: int, waited: float) -> Check:
    """Say what is unsent, and for how long (s)."""
    if pending and waited > LONG:
        return Check(
            name="outbox",
            state="warn",
            what=f"{pending} operation(s) wait to be pushed, the oldest for {waited / 3600:.0f} h",
            why="the remote was not reached, or refuses; nothing is lost",
            remedy="gitsync up --detach, or: gitsync sync",
        )
    return ok("outbox", f"{pending} waiting" if pending else "empty")


def state(ground: Ground, facts: JournalFacts) -> Iterator[Check]:
    """Tell how the last cycle ended: from the process that runs, else as it was written down."""
    live = ground.running.status.get("sync") if ground.running is not None else None
    said = live if isinstance(live, dict) else _last(facts)
    how, error = str(said.get("state") or "unknown"), first_line(str(said.get("error") or ""))
    if how in ("halted", "refused", "error"):
        yield Check(
            name="cycle",
            state="fail",
            what=f"syncing has stopped: {error or how}",
            why="it goes on when a person has decided" if how == "halted" else "the last cycle ended so",
            remedy=first_line(str(said.get("remedy") or "")) or "gitsync sync says what to do",
        )
    elif how == "offline":
        yield Check(
            name="cycle",
            state="warn",
            what=f"the last cycle did not reach the remote: {error}"
            if error
            else "the last cycle did not reach the remote",
            remedy="gitsync sync",
        )
    else:
        yield ok("cycle", how)
    folder = said.get("folder")
    if folder not in (None, "ok"):
        yield Check(
            name="paused",
            state="warn",
            what=f"the mailbox folder is left alone: {first_line(str(folder))}",
            why="syncing goes on, but what arrives is not put on disk",
            remedy="gitsync status",
        )


def _last(facts: JournalFacts) -> dict[str, Any]:
    try:
        value = json.loads(facts.meta.get("last_sync") or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def identity(own: Settings, facts: JournalFacts) -> Check:
    """Say whether this machine's id is its alone, as far as was seen (row 18)."""
    if "double" in facts.meta:
        return Check(
            name="identity",
            state="fail",
            what=f"another machine uses the id {own.machine.id}",
            why="its sign of life was seen on the remote; both have stopped, so that nothing is done twice",
            remedy="give one of them another id, or run on the one that shall have it: gitsync init --take-over",
        )
    try:
        bound = json.loads(facts.meta["install"])["bound"] if "install" in facts.meta else None
    except (ValueError, KeyError, TypeError):
        bound = None
    if bound is not None and bound != binding(own.mailbox):
        return Check(
            name="identity",
            state="fail",
            what="this clone was copied or moved here, journal and all",
            why="if the other one is still in use, both will send what waits in it, under one id",
            remedy="moved: gitsync init --take-over; a copy: remove it, then gitsync init with another --id",
        )
    return ok("identity", f"machine {own.machine.id}")


def rewritten(ground: Ground) -> Iterator[Check]:
    """Say whether the remote's branch has lost what was known of it."""
    own, clone = ground.settings, ground.clone
    if own is None or clone is None:
        return
    from gitsync.git.repo import Mailbox

    facts = journal_facts(own.journal_file, ground.seconds)
    tip = facts.meta.get("tip") if facts is not None else None
    try:
        with Mailbox(clone, own.sync.branch, own.sync.remote) as mailbox:
            far = mailbox.ref(mailbox.tracking_ref)
            if tip is None or far is None or not (mailbox.has(tip) and mailbox.has(far)):
                return
            if mailbox.is_ancestor(tip, far) or (mailbox.is_ancestor(far, tip) and far == tip):
                yield ok("rewritten", "the remote's history goes on from what was known")
                return
            rescue = f"refs/gitsync/rescue/rewritten-{tip[:10]}"
            kept = tip in mailbox.refs("refs/gitsync/rescue/").values()
    except GitsyncError as error:
        yield Check(name="rewritten", state="warn", what="the clone's history cannot be compared", why=str(error))
        return
    yield Check(
        name="rewritten",
        state="fail",
        what=f"the history of {own.sync.branch} was rewritten on the remote",
        why=f"it no longer contains {tip[:10]}, which was there before"
        + (", and is kept here under refs/gitsync/rescue/" if kept else ""),
        remedy="if that was meant: gitsync sync --accept-rewrite; unsent work is added again",
        more=(f"known {tip}", f"now {far}"),
        fix=None
        if kept
        else Fix(
            says=f"keep what was known as {rescue}; whether the new history is right is for you to say",
            refs=(rescue,),
            lock=True,
            act=lambda: _rescue(own, rescue, tip),
        ),
    )


def _rescue(own: Settings, name: str, commit: str) -> None:
    from gitsync.git.repo import Mailbox

    with Mailbox(own.mailbox, own.sync.branch, own.sync.remote) as mailbox:
        if mailbox.ref(name) is None:
            mailbox.move_ref(name, commit, None)
