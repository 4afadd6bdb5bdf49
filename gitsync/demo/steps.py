"""What the demonstration shows, one function for each promise; `CheckFailed` when it is not kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from gitsync.demo.computer import CheckFailed, Computer, wait_for
from gitsync.demo.fleet import Fleet
from gitsync.demo.narrator import Narrator

Step = Callable[[Fleet, Narrator], None]


def check(holds: bool, otherwise: str) -> None:
    """Raise `CheckFailed` unless something holds."""
    if not holds:
        raise CheckFailed(otherwise)


def task_and_answer(fleet: Fleet, tell: Narrator) -> None:
    """A task goes from computer 1 to the builder on 2, and its answer comes back"""
    plan = "# Landing page\n\nA title, one picture, one button.\n"
    began = time.time()
    ident = fleet.mechanic.send("2/builder", "Build the landing page", plan, "--type", "build_project")
    accepted = time.time() - began
    tell.say(f'computer 1: gitsync send 2/builder "Build the landing page"   -> {ident}')
    tell.say(f"safe on disk after {accepted:.2f} s")
    call = fleet.called(ident)
    answer = fleet.mechanic.reply_to(ident, sender="2/builder")
    whole = time.time() - began
    text = fleet.mechanic.body(answer["id"])
    tell.quote(text)
    check("sha256" in text, "the answer is not what the builder says")
    check(len(fleet.calls(ident)) == 1, "the builder was called more than once")
    called = call["time"] - began
    tell.good(f"builder called {called:.2f} s after the command was typed, answer back after {whole:.2f} s")


def a_question_to_a_watcher(fleet: Fleet, tell: Narrator) -> None:
    """Computer 2 asks the watcher on computer 3 how it is doing"""
    began = time.time()
    ident = fleet.workshop.send("3/watcher", "How are you doing?", "Load and disk, please.")
    answer = fleet.workshop.reply_to(ident, sender="3/watcher")
    tell.quote(fleet.workshop.body(answer["id"]))
    tell.good(f"answered after {time.time() - began:.2f} s")


def broadcast(fleet: Fleet, tell: Narrator) -> None:
    """A message to all reaches every other computer"""
    began = time.time()
    ident = fleet.mechanic.send("all", "Freeze at 18:00", "No deployments after 18:00. Current load: 12, 7 and 23.")
    tell.say(f'computer 1: gitsync send all "Freeze at 18:00"   -> {ident}')
    for sender in ("2/reviewer", "3/analyst"):
        answer = fleet.mechanic.reply_to(ident, sender=sender)
        tell.say(f"{sender}: {fleet.mechanic.body(answer['id']).strip().splitlines()[0]}")
    agents = sorted(str(call["agent"]) for call in fleet.calls(ident))
    check(agents == ["analyst", "reviewer"], f"called were {agents}")
    tell.good(f"both called once, answered after {time.time() - began:.2f} s; the sender itself was not called")


def any_runs_once(fleet: Fleet, tell: Narrator) -> None:
    """Tasks for ANY computer run on exactly one each"""
    began = time.time()
    idents = [
        fleet.mechanic.send("any", f"Whoever is free: part {part}", f"Add up 1, 2 and {part}.", "--type", "errand")
        for part in (3, 4, 5)
    ]
    answers = [fleet.mechanic.reply_to(ident, seconds=30) for ident in idents]
    for answer in answers:
        tell.say(f'{answer["from"]} took "{answer["subject"]}"')
    whole = time.time() - began
    for computer in fleet.computers:  # whoever is late has had a chance to do it a second time
        computer.ask("sync")
    for ident in idents:
        count = len(fleet.calls(ident))
        check(count == 1, f"{ident} ran {count} times")
    tell.good(f"three tasks, three runs, by the agents' own logs; all answered after {whole:.2f} s")


def written_by_hand(fleet: Fleet, tell: Narrator) -> None:
    """A message typed into a Markdown file is answered like any other"""
    path = fleet.mechanic.mailbox / "messages" / "1_TO_2.md"
    tell.say(f"a person appends to {path.relative_to(fleet.base)} with an editor:")
    subject = "Is this sentence all right?"
    text = f"## {subject}\n\nFrom: 1\nTo: 2/reviewer\nPriority: high\n\nTODO: finish this sentence\n"
    tell.quote(text, limit=8)
    began = time.time()
    with path.open("a", encoding="utf-8") as file:
        file.write("\n" + text)

    def adopted() -> str | None:
        return next(
            (m["id"] for m in fleet.workshop.messages() if m["subject"] == subject),
            None,
        )

    ident = wait_for("computer 2 sees what was typed on computer 1", adopted, seconds=30)
    answer = fleet.mechanic.reply_to(ident, sender="2/reviewer")
    tell.quote(fleet.mechanic.body(answer["id"]))
    raw = path.read_text(encoding="utf-8")
    check(text in raw, "the person's own lines were changed")
    check(f"<!-- msg {ident} -->" in raw, "the message has no boundary lines")
    tell.good(f"answered after {time.time() - began:.2f} s, of which 1 s is the settle time; no typed byte changed")


def offline(fleet: Fleet, tell: Narrator) -> None:
    """Computer 3 is away for a while; nothing is lost in either direction"""
    away = fleet.observatory
    away.down()
    tell.say("computer 3: gitsync down")
    waiting = [
        fleet.mechanic.send("3/analyst", "While you were out", "Numbers: 1, 2, 3, 4."),
        fleet.workshop.send("3/watcher", "Still there?", "Tell me your load."),
        fleet.mechanic.send("all", "Lunch", "At 12, 13 or 14?"),
    ]
    from_away = away.send("1/desk", "Written while nothing was running", "For whoever sits at the desk.")
    try:
        wait_for("three messages for it are on the remote", lambda: all(map(fleet.landed, waiting)), every=0.1)
        early = [call for ident in waiting for call in fleet.calls(ident) if call["agent"] in ("analyst", "watcher")]
    finally:
        began = time.time()
        away.up()
    tell.say("three messages for it are on the remote by now; one of its own waits in its journal")
    tell.say("computer 3: gitsync up")
    check(not early, f"called while it was away: {early}")
    fleet.mechanic.reply_to(waiting[0], sender="3/analyst")
    fleet.workshop.reply_to(waiting[1], sender="3/watcher")
    fleet.mechanic.reply_to(waiting[2], sender="3/analyst")
    tell.good(f"all three answered {time.time() - began:.2f} s after its process was started")

    def on_the_desk() -> bool:
        return any(entry["id"] == from_away for entry in fleet.mechanic.ask("inbox", "--agent", "desk"))

    wait_for("what it wrote while away is on the desk of computer 1", on_the_desk, every=0.2)
    fleet.mechanic.run("ack", from_away, "--done")

    def receipt() -> bool:
        return any(line["outcome"] == "done" for line in away.ask("show", from_away)["receipts"])

    wait_for("the receipt is back on computer 3", receipt, every=0.2, seconds=30)
    tell.good("its own message was taken from the desk of computer 1 and acknowledged; the receipt is back")


def same_line_twice(fleet: Fleet, tell: Narrator) -> None:
    """Two people change the same line at the same moment on two computers"""
    name = "NOTES.md"

    def notes(computer: Computer) -> Path:
        return computer.mailbox / name

    def read(computer: Computer) -> bytes:
        path = notes(computer)
        return path.read_bytes() if path.exists() else b""

    first = "# Notes\n\nThe release is on Monday.\n\nEverything else is in the plan.\n"
    notes(fleet.mechanic).write_text(first, encoding="utf-8")
    wait_for(
        f"{name} is on all computers",
        lambda: all(read(c) == first.encode() for c in fleet.computers),
        seconds=30,
    )
    began = time.time()
    tuesday, friday = (
        "The release is on Tuesday, says computer 1.",
        "The release is on Friday, says computer 3.",
    )
    for computer, line in ((fleet.mechanic, tuesday), (fleet.observatory, friday)):
        notes(computer).write_text(first.replace("The release is on Monday.", line), encoding="utf-8")
        tell.say(f"computer {computer.id} writes: {line}")

    def settled() -> bool:
        versions = {read(computer) for computer in fleet.computers}
        return len(versions) == 1 and all(line.encode() in next(iter(versions)) for line in (tuesday, friday))

    wait_for("the same bytes, with both texts, on all computers", settled, seconds=30)
    tell.quote(read(fleet.workshop).decode())
    check(b"Everything else is in the plan." in read(fleet.workshop), "an untouched line was lost")
    whole = time.time() - began
    tell.good(f"both lines survive, the same bytes on all three after {whole:.2f} s; nobody was asked")


def conversation(fleet: Fleet, tell: Narrator) -> None:
    """A conversation with Claude, which remembers the thread"""
    asker = fleet.workshop
    tell.say(f"1/mechanic is {fleet.claude}")
    began = time.time()
    first = asker.send("1/mechanic", "A name", "The project is called Heron. Please remember it.")
    answer = asker.reply_to(first, sender="1/mechanic", seconds=60)
    tell.quote(asker.body(answer["id"]))
    second = asker.send(
        "1/mechanic",
        "Which name?",
        "What is the project called?",
        "--thread",
        first,
        "--in-reply-to",
        answer["id"],
    )

    def last_word() -> str | None:
        own = [m["id"] for m in asker.messages() if m["from"] == "1/mechanic" and m.get("thread") == first]
        return next((ident for ident in own if ident != answer["id"]), None)

    text = asker.body(wait_for("a second answer in the thread", last_word, seconds=60))
    tell.quote(text)
    check("heron" in text.lower(), f"the second answer (to {second}) does not know what was said before")
    tell.good(f"two turns in {time.time() - began:.2f} s; the second answer knows the first")


def quiet(fleet: Fleet, tell: Narrator) -> None:
    """With nothing to say, nothing is committed"""
    for computer in fleet.computers:
        computer.ask("sync")
    settled = time.monotonic() + 20
    while list(fleet.new_history()) and time.monotonic() < settled:  # the last receipts ride along
        for computer in fleet.computers:
            computer.ask("sync")
    for _ in range(3):
        for computer in fleet.computers:
            computer.ask("sync")
    late = list(fleet.new_history())
    check(not late, f"{len(late)} commits without anything to say: {late}")
    tell.good("three forced cycles on each computer: no commit")


STEPS: tuple[Step, ...] = (
    task_and_answer,
    a_question_to_a_watcher,
    broadcast,
    any_runs_once,
    written_by_hand,
    offline,
    same_line_twice,
    conversation,
    quiet,
)
