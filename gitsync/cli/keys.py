"""The keys of this computer: make one, see those of the others, decide whom to believe."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from gitsync import clock
from gitsync.cli.settings import own_settings
from gitsync.cli.stores import Stores, opened, refuse_lost_clone
from gitsync.cli.terminal import agreed, clean_line, note, print_json, say, somebody_there, table
from gitsync.errors import EXIT_OK, GitsyncError, NotFound, Refused, UsageError
from gitsync.protocol.paths import valid_id
from gitsync.signing import told
from gitsync.signing.keys import KINDS, PublicKey, parse_public
from gitsync.signing.signers import MACHINE, PERSON, Line, new_line, parse_line, valid_principal
from gitsync.signing.store import KeyStore, Row
from gitsync.stores import open_keys

LONGEST = 64 * 1024
"""Bytes that are read of a file with a key."""


def init(args: Namespace) -> int:
    """Give a computer that was set up before there were keys its own; safe to repeat."""
    settings = own_settings(args)
    refuse_lost_clone(settings)
    store = open_keys(settings)
    there = store.own() is not None
    key = store.create(clock.entropy(36), clock.stamp())
    say(f"the key of this computer {'is' if there else 'is new:'} {key.fingerprint}")
    if not there:
        _show_soon(args)
    return EXIT_OK


def show(args: Namespace) -> int:
    """List every key that is known here."""
    with opened(args) as stores:
        store = _fresh(stores)
        rows = store.rows()
    if args.json:
        print_json([told.row_document(row) for row in rows])
    elif not rows:
        say("no keys are known; make one for this computer: gitsync keys init")
    else:
        table(
            ("who", "state", "fingerprint", "since"),
            [(row.machine, row.state, row.fingerprint, row.since or "–") for row in rows],
        )
        for row in rows:
            if row.state in ("new", "changed"):
                say(told.said_of(row.machine, row.fingerprint, row.state, row.announced))
    return EXIT_OK


def trust(args: Namespace) -> int:
    """Believe a key from now on: that of a computer's page, or one from a file."""
    who = _principal(args.id)
    if not valid_principal(who):
        raise UsageError(f"{who!r} is no name of a signer", "", "a computer's id, or a person's name or e-mail address")
    with opened(args) as stores:
        store = _fresh(stores)
        line = _from_file(who, args.file, stores) if args.file is not None else _from_page(who, stores, store, args)
        if line is None:
            say(f"the key of {who} is trusted already")
            return EXIT_OK
        key = line.key
        if args.fingerprint is not None and args.fingerprint != key.fingerprint:
            raise Refused(
                f"the key of {who} is {key.fingerprint}",
                f"and not {clean_line(args.fingerprint)}",
                "find out on the other computer which one is right: gitsync keys list",
            )
        former = [old for old in store.signers().keys_of(who) if old != key and old not in store.signers().revoked]
        if args.fingerprint is None and not args.yes:
            _ask(who, key, store)
        store.trust(line, clock.stamp())
        stores.wake()
    say(f"trusted: {who} {key.fingerprint}")
    for old in former:
        note(f"what {old.fingerprint} signed counts as well; if it was stolen: gitsync keys revoke {old.fingerprint}")
    return EXIT_OK


def revoke(args: Namespace) -> int:
    """Believe a key never again, whatever it signed and whenever."""
    with opened(args) as stores:
        keys = _fresh(stores).revoke(_principal(args.id))
        stores.wake()
    for key in keys:
        say(f"revoked: {key.fingerprint}")
    note("on this computer only; each computer decides for itself")
    return EXIT_OK


def rotate(args: Namespace) -> int:
    """Replace the key of this computer; the old one announces the new one."""
    settings = own_settings(args)
    refuse_lost_clone(settings)
    old, new = open_keys(settings).rotate(clock.entropy(36), clock.stamp())
    say(f"the key of this computer is {new.fingerprint}")
    note(f"what {old.fingerprint} signed stays valid; where that key was stolen: gitsync keys revoke {old.fingerprint}")
    note(f"the other computers trust the new one after: gitsync keys trust {settings.machine.id}")
    _show_soon(args)
    return EXIT_OK


def _principal(text: str) -> str:
    """Give the name that signatures are compared with: as in addresses, an id has no capitals."""
    return text.lower() if valid_id(text.lower()) else text


def _fresh(stores: Stores) -> KeyStore:
    """Open the keys with all that the pages show by now in the book."""
    store = open_keys(stores.settings)
    told.note_pages(store, [(page.id, page.data) for page in stores.ledger.statuses()], clock.stamp())
    return store


def _show_soon(args: Namespace) -> None:
    from gitsync.cli.client import connect

    client = connect(own_settings(args))
    if client is None:
        note("its page shows it after the next: gitsync up")
    else:
        client.wake()


def _from_page(who: str, stores: Stores, store: KeyStore, args: Namespace) -> Line | None:
    """Take the key that a computer's page shows, or the one with the fingerprint; None where it is trusted already."""
    rows = [row for row in store.rows() if row.machine == who]
    waiting = [row for row in rows if row.state in ("new", "changed")]
    shown = _shown(who, stores)
    if args.fingerprint is not None and any(row.fingerprint == args.fingerprint for row in rows):
        chosen = next(row for row in rows if row.fingerprint == args.fingerprint)
    elif shown is not None:
        chosen = next((row for row in rows if row.key == str(shown)), None) or _nothing(who)
    else:
        chosen = waiting[-1] if waiting else _nothing(who)
    if chosen.state in ("own", "trusted"):
        return None
    return new_line(who, parse_public(chosen.key), MACHINE)


def _shown(who: str, stores: Stores) -> PublicKey | None:
    for page in stores.ledger.statuses():
        if page.id == who:
            try:
                return parse_public(str(page.data.get("key") or ""))
            except ValueError:
                return None
    return None


def _nothing(who: str) -> Row:
    raise NotFound(
        f"no key of {who!r} is known here",
        "a computer shows its key on its page when its process runs; a person's key comes in a file",
        f"there: gitsync up;  for a person: gitsync keys trust {clean_line(who)} --file KEY.pub",
    )


def _from_file(who: str, file: Path, stores: Stores) -> Line:
    """Read a public key, or the line of an allowed_signers file that names the one to be trusted."""
    try:
        with file.open("rb") as source:
            text = source.read(LONGEST).decode("utf-8", "replace")
    except OSError as error:
        raise GitsyncError(f"cannot read {file}", error.strerror or str(error)) from error
    known = {page.id for page in stores.ledger.statuses()} | stores.fleet()
    namespaces = MACHINE if who in known else PERSON
    for raw in text.splitlines():
        if not raw.strip() or raw.lstrip().startswith("#"):
            continue
        try:
            key = parse_public(raw)
        except ValueError:
            try:
                line = parse_line(raw)
            except ValueError:
                continue
            if not line.names(who):
                continue
            key = line.key
        if key.kind not in KINDS:
            raise UsageError(f"signatures of a {key.kind} key cannot be checked", "", f"use one of: {', '.join(KINDS)}")
        return new_line(who, key, namespaces)
    raise UsageError(
        f"{file} holds no key for {who}",
        "expected is a public key (ssh-ed25519 AAAA…), or a line of an allowed_signers file that names it",
        "a private key stays where it is; the public one ends in .pub",
    )


def _ask(who: str, key: PublicKey, store: KeyStore) -> None:
    """Show the fingerprint and ask the person; without a terminal there is nobody who could have compared it."""
    row = next((row for row in store.rows() if row.machine == who and row.key == str(key)), None)
    if not somebody_there():
        raise UsageError(
            f"nobody is asked whether {key.fingerprint} is the key of {who}",
            "this is no terminal",
            f"compare it, then: gitsync keys trust {who} --fingerprint {key.fingerprint}   (or --yes, unseen)",
        )
    note(f"the key of {who} is {key.fingerprint}")
    if row is not None and row.state == "changed" and not row.announced:
        note("it is another one than before, and no key that you trust announces it")
    if row is not None and row.announced:
        note(f"it is announced by {row.announced}, a key of {who} that you trust")
    note(f"compare it with what that computer says itself: gitsync keys list, in its line {who} own")
    if not agreed("trust it?"):
        raise Refused("not trusted", "the answer was not yes")
