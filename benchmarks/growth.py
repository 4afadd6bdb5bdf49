"""Whether what is new costs the same when much is old: a large mailbox, and many pushes."""

from __future__ import annotations

import time

from benchmarks.cycle import fine, send_one
from benchmarks.measure import Row, Samples, interleave, ms, timed
from benchmarks.world import BRANCH, World, world
from gitsync import outbox
from gitsync.git.repo import Mailbox
from gitsync.ledger.values import receipt_op
from gitsync.machine import Opened
from gitsync.protocol import ids
from gitsync.protocol.edit import append
from gitsync.protocol.message import Message, write
from gitsync.protocol.receipts import Receipt
from gitsync.sync.engine import Request

PER_FILE = 240
"""Messages of a file of 64 KB, at the size of those made here."""


def old_mailbox(here: World, url: str, count: int, name: str) -> None:
    """Push a branch that holds a number of messages, nearly all of them in the archive."""
    path = here.plain_clone(url, name)
    mailbox = Mailbox(path, BRANCH)
    files: dict[str, str] = {}
    try:
        made = 0
        while made < count:
            number, data = len(files), None
            for _ in range(min(PER_FILE, count - made)):
                data = append(data, write(_message(made)))
                made += 1
            last = made >= count
            place = "messages/2_TO_1.md" if last else f"archive/2026-{number % 12 + 1:02}/2_TO_1-{number // 12 + 2}.md"
            files[place] = mailbox.write_blob(data or b"")
        tree = mailbox.write_tree(None, files)
        commit = mailbox.write_commit(tree, [], "[2] what was said before")
        mailbox.move_ref(f"refs/heads/{BRANCH}", commit, None)
    finally:
        mailbox.close()
    here.git("push", "--quiet", "origin", f"{BRANCH}:{BRANCH}", cwd=path)


def _message(number: int) -> Message:
    ident = ids.make_ulid(1_700_000_000_000 + number, number.to_bytes(10, "big"))
    return Message(
        id=ident, sender="2", to=("1",), subject=f"number {number}", body=f"What was said as number {number}.\n",
        date="2026-01-01T00:00:00Z",
    )  # fmt: skip


def large_mailbox(count: int, turns: int) -> list[Row]:
    """Compare the cycle that receives one message in a large mailbox with that in a small one."""
    with world() as here:
        pairs: list[tuple[Opened, Opened]] = []
        joining: list[float] = []
        for size in (100, count):
            url, _ = here.remote("file", f"size-{size}.git")
            old_mailbox(here, url, size, f"seed-{size}")
            began = time.perf_counter()
            joined = here.computer("1", url)
            joining.append(time.perf_counter() - began)
            reader, writer = here.opened(joined), here.opened(here.computer("3", url))
            pairs.append((reader, writer))
        engines = [(reader.engine(), writer.engine()) for reader, writer in pairs]
        turn = iter(range(1_000_000))

        def prepare() -> None:
            number = next(turn)
            for (_, writer), (_, engine) in zip(pairs, engines, strict=True):
                machine = writer.settings.machine
                outbox.send(writer.journal, machine, ["1"], [], "1", f"turn {number}", "a body\n")
                fine(engine.cycle(Request(settle_now=True)))

        small, large = interleave(
            turns,
            lambda: fine(engines[0][0].cycle(Request(settle_now=True))),
            lambda: fine(engines[1][0].cycle(Request(settle_now=True))),
            before=prepare,
        )
    return [
        Row(
            "Growth",
            f"a cycle that receives one message, {count:,} messages in the mailbox",
            large.short(),
            f"100 messages {small.short()}",
            large.p50 / small.p50,
            "≤ 2",
            large.p50 / small.p50 <= 2,
        ),
        Row(
            "Growth",
            f"gitsync init of a new machine, {count:,} messages",
            ms(joining[1]),
            f"100 messages {ms(joining[0])}",
        ),
    ]


def many_pushes(count: int) -> list[Row]:
    """Compare the last pushes of many with the first ones, as life is: a receiver says what became of each message.

    The remote keeps house as git does by default, and the clone's upkeep runs when the process would run it.
    """
    with world() as here:
        url, bare = here.remote()
        for key in ("gc.auto", "receive.autogc"):
            here.git("config", "--unset", key, cwd=bare)
        opened, other = here.opened(here.computer("1", url)), here.opened(here.computer("2", url))
        engine, receiver = opened.engine(), other.engine()
        engine.cycle(Request(settle_now=True))
        early, late, upkeep = Samples(), Samples(), Samples()
        unsaid: list[str] = []
        for turn in range(1, count + 1):
            unsaid.append(send_one(opened, turn))
            took = timed(lambda: fine(engine.cycle(Request(settle_now=True))))
            if 5 <= turn <= 25:
                early.add(took)
            elif turn > count - 25:
                late.add(took)
            if turn % 25 == 0:
                for ident in unsaid:
                    done = Receipt("2026-11-20T06:45:00Z", ident, "1", "", "done")
                    other.journal.enqueue(receipt_op(done))
                unsaid.clear()
                fine(receiver.cycle(Request(settle_now=True)))
            if turn % 250 == 0:
                upkeep.add(timed(opened.mailbox.maintain))
    return [
        Row(
            "Growth",
            f"push number {count:,}",
            late.short(),
            f"push number 10 {early.short()}",
            late.p50 / early.p50,
            "≤ 1.5",
            late.p50 / early.p50 <= 1.5,
        ),
        Row("Growth", "upkeep of the clone, every 250 pushes", upkeep.short()),
    ]


def measure(*, full: bool = False) -> list[Row]:
    """Run everything of this module."""
    return [*large_mailbox(100_000 if full else 20_000, 15), *many_pushes(10_000 if full else 750)]
