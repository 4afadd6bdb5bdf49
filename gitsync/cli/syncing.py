"""One sync cycle, through the running process or in this one."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from gitsync import clock
from gitsync.cli.client import NoAnswer, connect, ended
from gitsync.cli.settings import own_settings
from gitsync.cli.stores import machine, refuse_lost_clone
from gitsync.cli.terminal import clean_line, note, plural, print_json, say
from gitsync.config.settings import Settings
from gitsync.errors import EXIT_ERROR, EXIT_OK
from gitsync.sync.lock import CloneLock, LockHeld

QUEUE = 15.0
"""Seconds to wait for another command that works on the clone."""


def sync(args: Namespace) -> int:
    """Run one cycle now and print what came and went; without a process nothing is handed to agents."""
    settings = own_settings(args)
    document = cycle(settings, accept_rewrite=args.accept_rewrite, accept_deletions=args.accept_deletions)
    if args.json:
        print_json(document)
    else:
        _show(document)
    code = int(document.get("exit", EXIT_OK if document["state"] == "ok" else EXIT_ERROR))
    if code != EXIT_OK:
        note(f"gitsync: {clean_line(document['error'] or 'the cycle did not succeed: ' + document['state'])}")
        if document.get("remedy"):
            note(f"  {clean_line(document['remedy'])}")
    return code


def cycle(settings: Settings, *, accept_rewrite: bool = False, accept_deletions: bool = False) -> Mapping[str, Any]:
    """Run one cycle and return the document of `gitsync sync --json`."""
    refuse_lost_clone(settings)
    begun = clock.monotonic()
    while True:
        client = connect(settings)
        if client is not None:
            body = {"settle": True, "accept_rewrite": accept_rewrite, "accept_deletions": accept_deletions}
            try:
                found: Mapping[str, Any] = client.post("/sync", body, timeout=4 * settings.sync.network_timeout + 60)
                return found
            except NoAnswer:
                if not ended(settings, client.process):
                    raise
                continue  # it was killed, perhaps in the middle of this very cycle: that is for us to finish
        lock = CloneLock(settings.clone_lock_file)
        try:
            lock.acquire()
        except LockHeld:
            # A process that is just starting, or another command: both are over soon.
            if clock.monotonic() - begun > QUEUE:
                raise
            clock.sleep(0.05)
            continue
        try:
            return _alone(settings, accept_rewrite=accept_rewrite, accept_deletions=accept_deletions)
        finally:
            lock.release()


def _alone(settings: Settings, *, accept_rewrite: bool, accept_deletions: bool) -> Mapping[str, Any]:
    from gitsync.documents import sync_document
    from gitsync.sync.values import Request

    with machine(settings) as opened:
        result = opened.engine().cycle(
            Request(settle_now=True, accept_rewrite=accept_rewrite, accept_deletions=accept_deletions, retry=True)
        )
        opened.note(result)
        opened.refresh()
        document = sync_document(result)
        if result.state == "offline":  # the engine speaks as in the process, which tries again by itself
            document["remedy"] = "run gitsync sync again when it can be reached, or leave that to: gitsync up"
        return document


def _show(document: Mapping[str, Any]) -> None:
    say(
        f"{document['state']}: {plural(document['pulled'], 'commit')} in, {document['pushed']} out; "
        f"{plural(document['received'], 'message')} received, {document['sent']} sent; {document['pending']} waiting"
    )
    if document.get("folder") not in (None, "ok"):
        say(f"the mailbox folder is left alone: {document['folder']}")
    for trouble in document.get("troubles") or ():
        print(f"  {clean_line(trouble['path'])}: {clean_line(trouble['text'])}")
