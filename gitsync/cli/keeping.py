"""Show what is kept back on this machine for a secret in it, and let it go on a person's word."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from gitsync.cli.stores import Stores, opened
from gitsync.cli.terminal import clean, note, print_json, say, table
from gitsync.errors import EXIT_OK, NotFound, UsageError
from gitsync.secrets.redact import redact

if TYPE_CHECKING:
    from gitsync.ledger.held import Held


def quarantine(args: Namespace) -> int:
    """List what is kept back, or show one text with its secrets taken out."""
    with opened(args, fresh=False) as stores:
        if args.action == "show" or args.id is not None:
            return _show(args, _one(stores, args.id))
        found = stores.journal.held(*(("held", "released", "dropped", "gone") if args.all else ("held",)))
    if args.json:
        print_json([_entry(one) for one in found])
    elif not found:
        say("nothing is kept back")
    else:
        table(
            ("id", "what", "for or in", "state", "why"),
            [(one.id, one.kind, one.place, one.state, one.why) for one in found],
            wide="why",
        )
    return EXIT_OK


def release(args: Namespace) -> int:
    """Let one go; what it was kept back for, and the reason, stand in the commit that brings it."""
    from gitsync.outbox import release as let_go

    with opened(args, fresh=False) as stores:
        one = let_go(stores.journal, args.id, args.reason)
        stores.wake()
        say(f"{one.id}: released")
        if stores.client is None:
            note("no process is running: it leaves with the next gitsync sync or gitsync up")
    return EXIT_OK


def _one(stores: Stores, ident: str | None) -> Held:
    if ident is None:
        raise UsageError("which one is to be shown", "", "give an id of: gitsync quarantine")
    found = stores.journal.held_by_prefix(ident.strip().upper())
    if not found:
        raise NotFound(f"nothing is kept back as {ident!r}", remedy="see `gitsync quarantine`")
    if len(found) > 1:
        raise UsageError(
            f"{ident!r} is the beginning of several ids", ", ".join(one.id for one in found[:5]), "give more of it"
        )
    return found[0]


def _show(args: Namespace, one: Held) -> int:
    text = redact(one.payload.decode("utf-8", "replace"))
    if args.json:
        print_json({**_entry(one), "text": text})
        return EXIT_OK
    say(f"{one.id}: {one.kind} to {one.place}" if one.kind == "message" else f"{one.id}: {one.kind}, {one.place}")
    say(f"{one.state} since {one.settled or one.created}" + (f": {one.reason}" if one.reason else ""))
    for found in one.findings:
        say(f"{found} (fingerprint {found.fingerprint})")
    if text:
        say()
        print(clean(text), end="" if text.endswith("\n") else "\n")
    if one.state == "held":
        how = f"gitsync withdraw {one.id}" if one.kind in ("message", "import") else "take it out of the file"
        note(f'to drop it: {how}; to let it go: gitsync release {one.id} --reason "…"')
    return EXIT_OK


def _entry(one: Held) -> dict[str, Any]:
    return {
        "id": one.id,
        "kind": one.kind,
        "place": one.place,
        "state": one.state,
        "found": [
            {"line": found.line, "rule": found.rule, "masked": found.masked, "fingerprint": found.fingerprint}
            for found in one.findings
        ],
        "created": one.created,
        "settled": one.settled,
        "reason": one.reason or None,
        "commit": one.commit,
    }
