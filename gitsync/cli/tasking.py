"""Ask for tasks, look at them, cancel them. What is asked for is durable when the command returns."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gitsync import clock
from gitsync.cli.stores import Stores, opened
from gitsync.cli.terminal import clean, clean_line, note, print_json, say, table, to_terminal
from gitsync.cli.writing import body_of, seconds_of
from gitsync.errors import EXIT_ERROR, EXIT_OK, EXIT_TRY_LATER, NotFound

if TYPE_CHECKING:
    from gitsync.cli.client import Client
    from gitsync.tasks.tasks import Tasks
    from gitsync.tasks.values import TaskAsk

SCREENFUL = 50
"""Tasks that a list on a terminal shows."""
LOOK = 0.2
"""Seconds between two looks while a command waits."""
ALL = 1_000_000

Task = Mapping[str, Any]


def tasks(args: Namespace) -> int:
    """List the tasks of this machine, newest first."""
    limit = args.limit if args.limit is not None else SCREENFUL if to_terminal() and not args.json else ALL
    with opened(args, fresh=False) as stores:
        found = _tasks(stores).list(limit=limit, status=args.status)
    if args.json:
        print_json(found)
    elif not found:
        say("no tasks")
    else:
        table(
            ("task", "status", "type", "priority", "with", "subject"),
            [
                (
                    str(task["task_id"]),
                    str(task["status"]),
                    str(task["type"]),
                    str(task["priority"]),
                    str(task["assigned_to"] or "–"),
                    str(task["subject"]),
                )
                for task in found
            ],
            wide="subject",
        )
    return EXIT_OK


def submit(args: Namespace) -> int:
    """Ask for a task; print its id."""
    from gitsync.tasks.values import TaskAsk

    wait = seconds_of(args.wait, "--wait")
    ask = TaskAsk(
        type=args.type,
        content=_content(args),
        priority=args.priority,
        deadline=seconds_of(args.deadline, "--deadline"),
        retries=args.retries,
        sender=(args.sender or "").removeprefix("self/"),
        subject=args.subject or "",
        to=args.to,
    )
    with opened(args, fresh=False) as stores:
        found = _tasks(stores).submit(ask) if stores.client is None else _ask(stores.client, ask)
        if wait is None:
            if args.json:
                print_json(found)
            else:
                say(found["task_id"])
                if found["status"] == "BLOCKED":
                    note(f"blocked: {clean_line(str(found['error']))}")
                if stores.client is None:
                    note("no process is running: nobody works on it until gitsync up")
            return EXIT_OK
        return _wait(stores, found["task_id"], wait, json=args.json)


def show(args: Namespace) -> int:
    """Show one task with its history."""
    with opened(args, fresh=False) as stores:
        task = _known(stores, args.id)
    if args.json:
        print_json(task)
    else:
        _show(task)
    return EXIT_OK


def cancel(args: Namespace) -> int:
    """End a task that has not ended."""
    with opened(args, fresh=False) as stores:
        task = _tasks(stores).cancel(args.id)
        stores.wake()
    say(f"{task['task_id']}: cancelled")
    last = next((entry["note"] for entry in reversed(task["history"]) if entry["status"] == "FAILED"), "cancelled")
    if last != "cancelled":
        note(clean_line(last))
    return EXIT_OK


def _ask(client: Client, ask: TaskAsk) -> Task:
    """Ask the running process: it knows the agents that were added to it, and begins at once."""
    body = {
        "type": ask.type,
        "priority": ask.priority,
        "deadline": ask.deadline,
        "retries": ask.retries,
        "from": ask.sender,
        "subject": ask.subject,
        "to": ask.to,
    }
    given = {name: value for name, value in body.items() if value not in (None, "")}
    found: Task = client.post("/task", {"content": ask.content, **given})
    return found


def _tasks(stores: Stores) -> Tasks:
    from gitsync.inbox import fleet_view
    from gitsync.tasks.tasks import Tasks

    settings = stores.settings
    return Tasks(
        stores.journal,
        stores.ledger,
        settings.machine,
        settings.rules,
        settings.tasks,
        fleet=lambda: fleet_view(stores.ledger, stores.journal, stores.machine, now=clock.utcnow()),
    )


def _known(stores: Stores, ident: str) -> Task:
    task = _tasks(stores).get(ident)
    if task is None:
        raise NotFound(f"no task {ident!r}", "no id of a task begins so, or several do", "see: gitsync tasks")
    return task


def _content(args: Namespace) -> str:
    """Take the content from a file, from standard input, or as it was written."""
    if args.content == "-" or args.file is not None:
        return body_of(Namespace(message=None, file=args.file, source=args.content))
    return args.content or ""


def _wait(stores: Stores, ident: str, seconds: float, *, json: bool) -> int:
    """Wait for the end of a task; return 0 completed, 1 failed, 75 neither yet."""
    from gitsync.ledger.tasks import ENDED

    if not json:
        note(ident)
    if stores.client is None:
        note("no process is running: nobody works on it until gitsync up")
    until = clock.monotonic() + seconds
    while True:
        task = _known(stores, ident)
        ended = task["status"] in ENDED
        left = until - clock.monotonic()
        if ended or left <= 0:
            break
        clock.sleep(min(LOOK, left))
    if json:
        print_json(task)
    elif task["status"] == "COMPLETED":
        print(clean(str(task["result"] or "")))
    if not ended:
        note(f"gitsync: {ident} is {task['status']} after {seconds:g} s")
        if task["status"] == "BLOCKED" and task["error"]:
            note(f"  {clean_line(str(task['error']))}")
        note(f"  look later: gitsync task show {ident}")
        return EXIT_TRY_LATER
    if task["status"] == "FAILED":
        note(f"gitsync: {ident} failed")
        note(f"  {clean_line(str(task['error']))}")
        return EXIT_ERROR
    return EXIT_OK


def _show(task: Task) -> None:
    say(f"{task['task_id']}  {task['status']}")
    for name, value in (
        ("type", task["type"]),
        ("priority", task["priority"]),
        ("from", task["sender"]),
        ("with", task["assigned_to"]),
        ("machine", task["machine"]),
        ("chosen", task["reason"]),
        ("created", task["created"]),
        ("deadline", task["deadline"]),
        ("attempts", f"{task['attempts']} of {task['retries'] + 1}" if task["attempts"] else None),
        ("error", task["error"]),
    ):
        if value:
            print(f"  {name:<9} {clean_line(str(value))}")
    say()
    print(clean(str(task["content"] or task["subject"])))
    if task["result"]:
        say()
        print(clean(str(task["result"])))
    say()
    for entry in task["history"]:
        who = f" {entry['agent']}" if entry["agent"] else ""
        print(clean_line(f"{entry['at']}  {entry['status']}{who}: {entry['note']}"))
