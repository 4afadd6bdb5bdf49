"""Wait for what becomes of a message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitsync import clock
from gitsync.cli.reading import print_message
from gitsync.cli.stores import Stores
from gitsync.cli.terminal import clean_line, note, print_json, say
from gitsync.errors import EXIT_ERROR, EXIT_OK, EXIT_TRY_LATER
from gitsync.protocol.receipts import FINAL

LOOK = 0.2
"""Seconds between two looks while the process fetches."""
FETCH = 2.0
"""Seconds between two cycles of our own where no process does that."""


def wait_for(stores: Stores, told: Mapping[str, Any], seconds: float, *, json: bool) -> int:
    """Wait for the reply or the final receipt, print it, return the exit code: 0 done, 1 not, 75 not yet."""
    ident = told["id"]
    deadline = clock.monotonic() + seconds
    fetched = -FETCH
    if told["status"] == "local" and stores.client is None:
        note("no process is running: nobody hands the message to its agent until gitsync up")
    while True:
        if stores.client is None and told["status"] != "local" and clock.monotonic() - fetched >= FETCH:
            _fetch(stores)
            fetched = clock.monotonic()
        answer, receipt = _look(stores, ident)
        if answer is not None or receipt is not None:
            return _done(told, answer, receipt, json=json)
        left = deadline - clock.monotonic()
        if left <= 0:
            break
        clock.sleep(min(LOOK, left))
    if json:
        print_json({**told, "outcome": None, "reply": None})
    note(f"gitsync: no answer to {ident} within {seconds:g} s")
    note(f"  {_so_far(stores, ident)}; look later: gitsync show {ident}")
    return EXIT_TRY_LATER


def _so_far(stores: Stores, ident: str) -> str:
    from gitsync.inbox import show_view

    receipts: Any = show_view(stores.ledger, stores.journal, stores.machine, ident).get("receipts") or []
    if not receipts:
        return "nobody has said yet that it arrived"
    last = receipts[-1]
    who = last["machine"] + (f"/{last['agent']}" if last["agent"] else "")
    reason = f": {clean_line(str(last['reason']))}" if last["reason"] else ""
    return f"{last['outcome']} by {who}{reason}"


def _fetch(stores: Stores) -> None:
    from gitsync.cli.syncing import cycle

    document = cycle(stores.settings)
    if document.get("exit") not in (EXIT_OK, EXIT_TRY_LATER):
        note(f"gitsync: {clean_line(document.get('error') or document['state'])}")


def _look(stores: Stores, ident: str) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """Return the first message that answers this one, and the final receipt: whichever is there."""
    from gitsync.inbox import show_view, thread_view

    message: Mapping[str, Any] = show_view(stores.ledger, stores.journal, stores.machine, ident)
    thread = thread_view(stores.ledger, stores.journal, stores.machine, ident)
    answer = next((entry for entry in thread if entry.get("in_reply_to") == ident), None)
    receipts: Any = message.get("receipts") or []
    receipt = next((one for one in receipts if one["outcome"] in FINAL), None)
    if receipt is not None and receipt["outcome"] == "done" and answer is None and receipt.get("reply"):
        return None, None  # the receipt names a reply that is still on its way
    return answer, receipt


def _done(
    told: Mapping[str, Any], answer: Mapping[str, Any] | None, receipt: Mapping[str, Any] | None, *, json: bool
) -> int:
    outcome = receipt["outcome"] if receipt is not None else "done"
    if json:
        print_json({**told, "outcome": outcome, "reply": answer})
    elif answer is not None:
        print_message(answer)
    else:
        say(outcome)
    if outcome == "done":
        return EXIT_OK
    reason = str((receipt or {}).get("reason") or "")
    note(f"gitsync: {told['id']} {outcome}")
    if reason:
        note(f"  {clean_line(reason)}")
    return EXIT_ERROR
