"""A message arrives, its agent gets it, the sender hears of it: with real agents, journal and ledger."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gitsync import clock
from gitsync.agents.spec import AgentSpec
from gitsync.demo.messages_api import serving
from gitsync.protocol.receipts import Receipt
from tests.agents.benches import Service, free_port, service
from tests.dispatch.world import World, letter, running, until


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def program(code: str = "pass", name: str = "worker", **more: Any) -> AgentSpec:
    return AgentSpec(name=name, kind="command", argv=(sys.executable, "-S", "-c", code), **more)


def web(url: str, name: str = "worker", **more: Any) -> AgentSpec:
    return AgentSpec(name=name, kind="http", url=url, **more)


def pulls(name: str = "worker", **more: Any) -> AgentSpec:
    return AgentSpec(name=name, kind="inbox", **more)


def settled(world: World, count: int = 1) -> bool:
    final = ("done", "failed", "refused", "uncertain", "dead", "held")
    return len([intent for intent in world.intents() if intent.state in final]) >= count


def play(world: World, *specs: AgentSpec, count: int = 1, **settings: Any) -> None:
    """Run the machine until so many messages are settled."""

    async def act() -> None:
        async with running(world, world.dispatcher(*specs, **settings)) as dispatcher:
            await dispatcher.consider()
            await until(lambda: settled(world, count))

    asyncio.run(act())


# The plain case


def test_a_message_is_done_and_answered(world: World) -> None:
    message = letter(id="01JD3WQ8Z6T4K9V2M5N7P0R3S8", priority="high")

    async def act() -> Service:
        async with service("reply") as (served, url):
            async with running(world, world.dispatcher(web(url))) as dispatcher:
                world.arrive(message)
                await dispatcher.consider()
                await until(lambda: settled(world))
            return served

    served = asyncio.run(act())
    _, fields, document = served.seen[0]
    assert (document["id"], document["from"], document["priority"]) == (message.id, "1/mechanic", "high")
    assert document["key"] == fields["idempotency-key"] == f"1_TO_2/{message.id}/worker"
    assert document["verified"] is False
    [reply] = world.replies()
    assert (reply.sender, reply.to, reply.subject) == ("2/worker", ("1/mechanic",), "Re: Build it")
    assert (reply.thread, reply.in_reply_to, reply.fields) == (message.id, message.id, (("Auto", "replied"),))
    assert reply.body == "got please"
    received, done = world.receipts()
    assert (received.outcome, done.outcome, done.sender, done.agent) == ("received", "done", "1", "worker")
    assert done.reply == reply.id
    assert done.seconds is not None
    assert world.changes == 1


def test_an_empty_answer_makes_no_reply(world: World) -> None:
    world.arrive(letter())
    play(world, program())
    assert world.outcomes() == ["received", "done"]
    assert world.replies() == []


def test_a_message_between_agents_of_this_machine_stays_here(world: World) -> None:
    from gitsync.protocol.message import write

    message = letter(sender="2/boss", to=("2/worker",))
    world.journal.put_local(message, write(message))
    play(world, program("print('fine')"), pulls("boss"))
    assert world.journal.pending() == []
    replies = [local.message for local in world.journal.locals()]
    assert [reply.body for reply in replies] == ["please", "fine"]
    assert replies[1].to == ("2/boss",)


def test_a_local_reply_goes_on_to_the_agent_that_asked(world: World) -> None:
    from gitsync.protocol.message import write

    message = letter(sender="2/boss", to=("2/worker",))
    world.journal.put_local(message, write(message))

    async def act() -> None:
        async with running(world, world.dispatcher(program("print('fine')"), pulls("boss"))) as dispatcher:
            await dispatcher.consider()
            await until(lambda: ("boss", "waiting") in world.states())

    asyncio.run(act())


# Nobody, or not this one


def test_an_unknown_agent_is_refused_and_the_sender_hears_why(world: World) -> None:
    world.arrive(letter(to=("2/nobody",)))
    play(world, program())
    [receipt] = world.receipts()
    assert (receipt.outcome, receipt.reason) == ("refused", "no agent nobody here")


def test_policy_refuses_with_a_reason(world: World) -> None:
    from gitsync.routing import Policy

    world.arrive(letter(sender="3/x"))
    play(world, program("open('ran', 'w')"), policies=(Policy("1"),))
    assert world.outcomes() == ["refused"]
    assert "no policy lets 3" in world.receipts()[0].reason
    assert not (world.root / "ran").exists()


@pytest.mark.parametrize("specs", [(), (program("open('ran', 'w')", types=("other",)),)])
def test_without_a_default_it_waits_in_the_inbox(specs: tuple[AgentSpec, ...], world: World) -> None:
    world.arrive(letter(to=("2",)))

    async def act() -> None:
        async with running(world, world.dispatcher(*specs)) as dispatcher:
            await dispatcher.consider()
            assert world.states() == [("inbox", "waiting")]
            await dispatcher.consider()

    asyncio.run(act())
    assert world.outcomes() == ["received"]
    assert world.journal.pending_count(urgent=True) == 0
    assert not (world.root / "ran").exists()


def test_an_agent_that_pulls_lets_it_wait(world: World) -> None:
    world.arrive(letter())

    async def act() -> None:
        async with running(world, world.dispatcher(pulls())) as dispatcher:
            await dispatcher.consider()

    asyncio.run(act())
    assert world.states() == [("worker", "waiting")]
    key = world.intents()[0].message_key
    assert world.journal.take(key, "worker")


def test_a_reply_to_a_person_waits_in_the_inbox(world: World) -> None:
    world.arrive(letter(to=("2",), in_reply_to="01JD3WQ8Z6T4K9V2M5N7P0R3S8", fields=(("Auto", "replied"),)))

    async def act() -> None:
        async with running(world, world.dispatcher(program("open('ran', 'w')", default=True))) as dispatcher:
            await dispatcher.consider()

    asyncio.run(act())
    assert world.states() == [("inbox", "waiting")]
    assert not (world.root / "ran").exists()


def test_history_is_left_alone(world: World) -> None:
    world.arrive(letter(), history=True)

    async def act() -> None:
        async with running(world, world.dispatcher(program())) as dispatcher:
            await dispatcher.consider()
            assert dispatcher.busy() == {"worker": 0}

    asyncio.run(act())
    assert world.intents() == []


def test_two_agents_named_by_one_message_both_get_it(world: World) -> None:
    world.arrive(letter(to=("2/a", "2/b")))
    play(world, program("print('A')", "a"), program("print('B')", "b"), count=2)
    assert sorted(reply.body for reply in world.replies()) == ["A", "B"]


# Failure


def test_a_failure_after_the_start_is_final_and_brings_the_last_words(world: World) -> None:
    world.arrive(letter())
    play(world, program("import sys; print('step one'); sys.exit('disk full')"))
    receipt = world.receipts()[-1]
    assert (receipt.outcome, receipt.attempt, receipt.reason) == ("failed", 1, "exit code 1: disk full")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import time; time.sleep(60)", "time-out after 0.5 s"),
        ("while True: print('flood' * 1000)", "flood"),
        ("import sys; sys.stdout.buffer.write(b'\\xff\\xfe'); sys.exit(9)", "exit code 9: \ufffd\ufffd"),
        ("import os,time; os.fork() or time.sleep(60); time.sleep(60)", "time-out after 0.5 s"),
    ],
    ids=["hangs", "floods", "garbage", "forks"],
)
def test_a_hostile_agent_harms_only_its_own_message(code: str, reason: str, world: World) -> None:
    world.arrive(letter(to=("2/hostile",)), letter())
    hostile = program(code, "hostile", timeout=0.5, grace=0.2, max_output=10_000)
    play(world, hostile, program("print('fine')"), count=2)
    by_agent = {receipt.agent: receipt for receipt in world.receipts() if receipt.outcome != "received"}
    assert by_agent["worker"].outcome == "done"
    assert by_agent["hostile"].outcome == "failed"
    assert reason in by_agent["hostile"].reason


def test_what_never_started_is_tried_again_and_then_dead(world: World) -> None:
    world.arrive(letter())
    play(world, web(f"http://127.0.0.1:{free_port()}", attempts=3))
    [intent] = world.intents()
    assert (intent.state, intent.attempt) == ("dead", 3)
    assert world.outcomes() == ["received", "dead"]
    assert "given up after 3 attempts" in world.receipts()[-1].reason


def test_an_agent_that_comes_back_gets_what_waited_for_it(world: World) -> None:
    port = free_port()
    world.arrive(letter())

    async def act() -> None:
        async with running(world, world.dispatcher(web(f"http://127.0.0.1:{port}"))) as dispatcher:
            await dispatcher.consider()
            await until(lambda: ("worker", "retry") in world.states())
            served = Service("reply")
            server = await asyncio.start_server(served.answer, "127.0.0.1", port)
            await until(lambda: settled(world))
            assert served.seen[0][2]["attempt"] >= 2
            server.close()

    asyncio.run(act())
    assert world.states() == [("worker", "done")]


def test_a_busy_agent_is_left_in_peace_as_long_as_it_asks(world: World) -> None:
    world.arrive(letter())

    async def act() -> None:
        async with service("busy") as (served, url), running(world, world.dispatcher(web(url))) as dispatcher:
            await dispatcher.consider()
            await until(lambda: ("worker", "retry") in world.states())
            await asyncio.sleep(0.3)
            assert len(served.seen) == 1
        [intent] = world.intents()
        assert intent.not_before is not None
        assert 5 < intent.not_before - clock.unix() <= 7

    asyncio.run(act())


def test_an_idempotent_agent_is_tried_again_also_after_it_began(world: World) -> None:
    code = (
        "import os,sys\n"
        "tries = len(open('tries').read()) if os.path.exists('tries') else 0\n"
        "open('tries', 'a').write('x')\n"
        "print(os.environ['GITSYNC_KEY'], os.environ['GITSYNC_ATTEMPT']) if tries == 2 else sys.exit('no')"
    )
    world.arrive(letter())
    play(world, program(code, idempotent=True))
    [intent] = world.intents()
    assert (intent.state, intent.attempt) == ("done", 3)
    assert world.replies()[0].body == f"{intent.message_key}/worker 3"


def test_a_broken_connection_is_uncertain_and_stays_so(world: World) -> None:
    world.arrive(letter())

    async def act() -> int:
        async with service("vanish") as (served, url):
            async with running(world, world.dispatcher(web(url))) as dispatcher:
                await dispatcher.consider()
                await until(lambda: settled(world))
                await dispatcher.consider()
                await asyncio.sleep(0.2)
            return len(served.seen)

    assert asyncio.run(act()) == 1
    assert world.outcomes() == ["received", "uncertain"]


# Order


ORDER = "import json,sys,time; open('order', 'a').write(json.load(sys.stdin)['body'] + ' ')"


def order(world: World) -> list[str]:
    return (world.root / "order").read_text().split()


def test_urgent_first_and_each_sender_in_turn(world: World) -> None:
    bodies = [("normal", "n1"), ("low", "l1"), ("urgent", "u1"), ("high", "h1"), ("normal", "n2"), ("urgent", "u2")]
    world.arrive(*(letter(priority=priority, body=body) for priority, body in bodies))
    play(world, program(ORDER), count=6)
    assert order(world) == ["u1", "u2", "h1", "n1", "n2", "l1"]


def test_a_message_that_waits_for_another_try_is_not_overtaken_by_its_senders_next(world: World) -> None:
    code = (
        "import json,os,sys\n"
        "body = json.load(sys.stdin)['body']\n"
        "if body == 'first' and os.environ['GITSYNC_ATTEMPT'] == '1': sys.exit(1)\n"
        "open('order', 'a').write(body + ' ')"
    )
    world.arrive(letter(body="first"), letter(body="second"), letter(body="other", sender="3/x"))
    play(world, program(code, idempotent=True), count=3, backoff=0.3)
    assert order(world) == ["other", "first", "second"]


def test_no_more_at_once_than_the_agent_allows(world: World) -> None:
    code = (
        "import os,time\n"
        "open(f'on-{os.getpid()}', 'w').close()\n"
        "time.sleep(0.1)\n"
        "open('most', 'a').write(str(len([n for n in os.listdir() if n.startswith('on-')])))\n"
        "os.remove(f'on-{os.getpid()}')"
    )
    world.arrive(*(letter() for _ in range(6)))
    play(world, program(code, concurrency=2), count=6)
    assert max(int(digit) for digit in (world.root / "most").read_text()) == 2


def test_of_two_agents_that_take_a_type_the_less_busy_gets_it(world: World) -> None:
    world.arrive(letter(to=("2",), type="build"), letter(to=("2",), type="build"))
    both = [program("print('done')", name, types=("build",)) for name in ("a", "b")]
    play(world, *both, count=2)
    assert sorted(intent.agent for intent in world.intents()) == ["a", "b"]


# Two agents must not talk for ever


def test_the_turn_budget_ends_a_conversation(world: World) -> None:
    thread = "01JD3WQ8Z6T4K9V2M5N7P0R3S8"
    auto = {"thread": thread, "fields": (("Auto", "replied"),), "in_reply_to": thread}
    world.arrive(letter(id=thread))
    play(world, program())
    earlier = [letter(sender="1/mechanic" if n % 2 else "9/x", **auto) for n in range(4)]
    world.arrive(*earlier, mine=False, open=False)
    world.arrive(letter(**auto))
    play(world, program("print('and you?')"), count=2)
    assert world.states()[-1] == ("worker", "done")  # the fifth: one more may follow
    world.land()
    world.arrive(letter(sender="2/worker", **auto), mine=False, open=False)
    world.arrive(letter(**auto))
    play(world, program("open('ran', 'w')"), count=3)
    assert world.states()[-1] == ("worker", "held")
    assert world.outcomes() == ["held"]
    assert "turn budget" in world.receipts()[0].reason
    assert not (world.root / "ran").exists()


def test_two_agents_of_one_machine_that_always_answer_come_to_an_end(world: World) -> None:
    from gitsync.protocol.message import write

    message = letter(sender="2/a", to=("2/b",))
    world.journal.put_local(message, write(message))
    talk = "print('yes, and?')"
    play(world, program(talk, "a"), program(talk, "b"), count=7)
    messages = [local.message for local in world.journal.locals()]
    assert len([one for one in messages if one.fields]) == 6
    assert [intent.state for intent in world.intents()] == ["done"] * 6 + ["held"]


def test_a_person_may_release_what_was_held(world: World) -> None:
    auto = {"thread": "01JD3WQ8Z6T4K9V2M5N7P0R3S8", "fields": (("Auto", "replied"),)}
    message = letter(**auto)
    world.arrive(message)
    play(world, program(), turn_budget=1)
    [intent] = world.intents()
    assert intent.state == "held"
    assert world.journal.release(intent.message_key, intent.agent)
    play(world, program(), turn_budget=1)
    assert world.states() == [("worker", "done")]


# Restarts


def begun(world: World, agent: str = "worker", **more: Any) -> str:
    """Leave behind what a process leaves that was killed during a hand-over."""
    from gitsync.ledger.values import Intent

    message = letter(to=(f"2/{agent}",))
    world.arrive(message)
    key = f"1_TO_2/{message.id}"
    assert world.journal.begin(Intent(message_key=key, message_id=message.id, agent=agent, sender="1/mechanic", **more))
    return key


def test_a_hand_over_cut_off_by_a_crash_is_uncertain_and_not_repeated(world: World) -> None:
    begun(world)
    play(world, program("open('ran', 'w')"))
    assert world.states() == [("worker", "uncertain")]
    [receipt] = world.receipts()
    assert (receipt.outcome, receipt.sender, receipt.reason) == ("uncertain", "1", "gitsync ended in the middle of it")
    assert not (world.root / "ran").exists()


def test_an_idempotent_agent_gets_it_again_with_the_same_key(world: World) -> None:
    key = begun(world)
    play(world, program("import os; print(os.environ['GITSYNC_KEY'])", idempotent=True))
    assert world.states() == [("worker", "done")]
    assert world.replies()[0].body == f"{key}/worker"


def test_a_retry_survives_a_restart(world: World) -> None:
    key = begun(world)
    assert world.journal.finish(key, "worker", "retry", reason="was away", not_before=clock.unix() + 0.2)
    play(world, program("import os; print(os.environ['GITSYNC_ATTEMPT'])"))
    assert world.replies()[0].body == "2"


def test_a_retry_for_an_agent_that_was_removed_is_refused(world: World) -> None:
    key = begun(world)
    assert world.journal.finish(key, "worker", "retry", not_before=0.0)
    play(world, program(name="another"))
    assert world.states() == [("worker", "refused")]


@pytest.mark.parametrize(
    ("spec", "state"),
    [(program(), "uncertain"), (program(idempotent=True), "done"), (pulls(), "waiting")],
    ids=["once", "idempotent", "pulls"],
)
def test_after_a_lost_journal_nothing_is_repeated_that_may_have_run(spec: AgentSpec, state: str, world: World) -> None:
    world.arrive(letter(), suspect=True)

    async def act() -> None:
        async with running(world, world.dispatcher(spec)) as dispatcher:
            await dispatcher.consider()
            await until(lambda: world.states() == [("worker", state)])

    asyncio.run(act())


def test_draining_waits_for_what_is_nearly_done(world: World) -> None:
    world.arrive(letter(), letter())

    async def act() -> None:
        dispatcher = world.dispatcher(program("import time; time.sleep(0.4); print('ok')"))
        await dispatcher.consider()
        await until(lambda: ("worker", "started") in world.states())
        await dispatcher.drain(5)
        assert dispatcher.busy()["worker"] == 1

    asyncio.run(act())
    assert world.states() == [("worker", "done")]
    assert len(world.replies()) == 1


@pytest.mark.parametrize(("idempotent", "state"), [(False, "uncertain"), (True, "retry")])
def test_draining_ends_what_does_not_end_and_is_honest_about_it(idempotent: bool, state: str, world: World) -> None:
    world.arrive(letter())

    async def act() -> None:
        code = "import os,time; open('pid', 'w').write(str(os.getpid())); time.sleep(60)"
        dispatcher = world.dispatcher(program(code, idempotent=idempotent))
        await dispatcher.consider()
        await until(lambda: (world.root / "pid").exists() and (world.root / "pid").read_text() != "")
        await dispatcher.drain(0.1)

    before = clock.monotonic()
    asyncio.run(act())
    assert clock.monotonic() - before < 5
    assert world.states() == [("worker", state)]
    with pytest.raises(ProcessLookupError):
        os.kill(int((world.root / "pid").read_text()), 0)


def test_the_intent_is_on_disk_before_the_agent_hears_of_it(world: World) -> None:
    code = (
        "import sqlite3\n"
        "rows = sqlite3.connect('file:journal.sqlite3?mode=ro', uri=True).execute('SELECT state, key FROM intents')\n"
        "print(list(rows))"
    )
    message = letter()
    world.arrive(message)
    play(world, AgentSpec(name="worker", kind="command", argv=(sys.executable, "-c", code)))
    assert world.replies()[0].body == str([("started", f"1_TO_2/{message.id}/worker")])


def test_calling_it_often_hands_nothing_over_twice(world: World) -> None:
    world.arrive(*(letter() for _ in range(5)))

    async def act() -> None:
        async with running(
            world, world.dispatcher(program("open('runs', 'a').write('x')", concurrency=3))
        ) as dispatcher:
            while not settled(world, 5):
                await asyncio.gather(*(dispatcher.consider() for _ in range(3)))
                await asyncio.sleep(0.01)

    asyncio.run(act())
    assert (world.root / "runs").read_text() == "x" * 5


def write_protect(world: World, on: bool) -> None:
    """Let SQLite itself refuse every write."""
    with world.journal.db.read() as conn:
        conn.execute(f"PRAGMA query_only = {'ON' if on else 'OFF'}")


def test_a_disk_that_takes_nothing_delays_but_loses_nothing(world: World) -> None:
    world.arrive(letter())

    async def act() -> None:
        code = "open('ran', 'a').write('x'); import time; time.sleep(0.3); print('worth keeping')"
        async with running(world, world.dispatcher(program(code))) as dispatcher:
            await dispatcher.consider()
            await until((world.root / "ran").exists)
            write_protect(world, True)
            await until(lambda: dispatcher.busy() == {"worker": 0})
            await dispatcher.consider()
            assert world.states() == [("worker", "started")]
            write_protect(world, False)
            await dispatcher.consider()
            await until(lambda: world.states() == [("worker", "done")])

    asyncio.run(act())
    assert world.replies()[0].body == "worth keeping"
    assert (world.root / "ran").read_text() == "x"


# ANY


def anybody(**changes: Any) -> Any:
    return letter(to=("ANY",), **changes)


def test_who_wins_the_claim_runs_it_and_lets_it_go_when_the_receipt_has_landed(world: World) -> None:
    message = anybody()
    world.arrive(message, place="ANY")

    async def act() -> None:
        async with running(world, world.dispatcher(program(default=True))) as dispatcher:
            await dispatcher.consider()
            await until(lambda: settled(world))
            await dispatcher.consider()
            assert world.released == []
            world.land()
            await dispatcher.consider()

    asyncio.run(act())
    assert world.claimed == world.released == [message.id]
    assert [told.receipt.outcome for told in world.ledger.receipts(message.id)] == ["claimed", "received", "done"]


def test_who_loses_the_claim_does_nothing(world: World) -> None:
    world.arrive(anybody(), place="ANY")
    world.answers = ["lost"]

    async def act() -> None:
        async with running(world, world.dispatcher(program("open('ran', 'w')", default=True))) as dispatcher:
            await dispatcher.consider()
            await until(lambda: len(world.claimed) == 1)
            for _ in range(3):
                await dispatcher.consider()
                await asyncio.sleep(0.05)

    asyncio.run(act())
    assert len(world.claimed) == 1
    assert world.intents() == []
    assert world.journal.pending() == []
    assert not (world.root / "ran").exists()


def test_a_claim_won_after_the_message_was_settled_is_let_go(world: World) -> None:
    """Its end arrived between asking and winning: then no job is left that would give the claim up."""
    message = letter(to=("ANY",))
    world.arrive(message, place="ANY")

    async def act() -> None:
        async with running(world, world.dispatcher(program(default=True))) as dispatcher:
            await dispatcher.consider()
            world.told("3", Receipt(date=clock.stamp(), id=message.id, sender="1", agent="x", outcome="done"))
            await until(lambda: world.outcomes() == ["claimed"])
            world.land()
            await dispatcher.consider()  # returns at once where a round is under way, which then makes one more
            await until(lambda: world.released == [message.id])

    asyncio.run(act())
    assert world.intents() == []


def test_a_claim_won_after_another_machine_has_finished_is_given_up(world: World) -> None:
    message = anybody()
    world.arrive(message, place="ANY")

    async def refresh() -> bool:
        world.told("3", Receipt(date=clock.stamp(), id=message.id, sender="1", agent="x", outcome="done"))
        return True

    async def act() -> None:
        spec = program("open('ran', 'w')", default=True)
        async with running(world, world.dispatcher(spec, refresh=refresh)) as dispatcher:
            await dispatcher.consider()
            await until(lambda: world.released == [message.id])

    asyncio.run(act())
    assert world.intents() == []
    assert not (world.root / "ran").exists()


def test_who_fits_worse_waits_longer(world: World) -> None:
    world.arrive(anybody(type="build"), anybody(type="other"), place="ANY")
    when: dict[str, float] = {}

    async def act() -> None:
        dispatcher = world.dispatcher(program(types=("build",)), program(name="all", default=True))
        async with running(world, dispatcher):
            start = clock.monotonic()
            await dispatcher.consider()
            await until(lambda: len(world.claimed) == 1)
            when["fits"] = clock.monotonic() - start
            await until(lambda: len(world.claimed) == 2)
            when["worse"] = clock.monotonic() - start

    asyncio.run(act())
    assert when["fits"] < when["worse"]
    assert when["worse"] >= 0.3


def test_who_cannot_take_it_leaves_it_to_others(world: World) -> None:
    world.arrive(anybody(type="build"), place="ANY")

    async def act() -> None:
        async with running(world, world.dispatcher(program(types=("other",)))) as dispatcher:
            await dispatcher.consider()
            await asyncio.sleep(0.05)

    asyncio.run(act())
    assert world.claimed == []
    assert world.intents() == []


@pytest.mark.parametrize("first", ["2", "3"])
def test_without_claim_refs_the_first_claimed_line_decides(first: str, world: World) -> None:
    message = anybody()
    world.arrive(message, place="ANY")
    world.answers = ["unsupported"]

    async def act() -> None:
        async with running(world, world.dispatcher(program(default=True))) as dispatcher:
            await dispatcher.consider()
            await until(lambda: world.outcomes() == ["claimed"])
            assert world.journal.pending_count(urgent=True) == 1
            await dispatcher.consider()
            assert world.intents() == []
            if first == "3":
                world.told("3", Receipt(date=clock.stamp(), id=message.id, sender="1", agent="", outcome="claimed"))
            world.land()
            await dispatcher.consider()
            await asyncio.sleep(0.05)
            await dispatcher.consider()
            if first == "2":
                await until(lambda: settled(world))

    asyncio.run(act())
    assert world.states() == ([("worker", "done")] if first == "2" else [])


def test_a_claim_that_is_not_answered_is_asked_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitsync.dispatch.claims._AGAIN", (0.1, 0.1))
    world.arrive(anybody(), place="ANY")
    world.answers = ["away", "won"]
    play(world, program(default=True))
    assert len(world.claimed) == 2


# Claude, and figures


def test_a_model_is_given_the_thread(world: World) -> None:
    thread = "01JD3WQ8Z6T4K9V2M5N7P0R3S8"
    world.arrive(letter(id=thread, body="first question"), mine=False, open=False)
    world.arrive(letter(sender="2/worker", to=("1/mechanic",), body="my answer", thread=thread), mine=False, open=False)
    world.arrive(letter(body="second question", thread=thread, in_reply_to=thread))

    async def act() -> Any:
        async with serving() as server:
            spec = AgentSpec(
                name="worker", kind="claude", model="claude-haiku-4-5", base_url=server.url, api_key_env="K"
            )
            async with running(world, world.dispatcher(spec, environ={**os.environ, "K": "k"})) as dispatcher:
                await dispatcher.consider()
                await until(lambda: settled(world))
                return server.requests[0]["messages"]

    messages = asyncio.run(act())
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert "first question" in messages[0]["content"]
    assert messages[1]["content"] == "my answer"
    recorded = json.loads(world.intents()[0].usage or "{}")
    assert recorded["output_tokens"] > 0
    assert recorded["cost_usd"] > 0


def test_what_runs_and_what_is_queued_is_counted(world: World) -> None:
    world.arrive(letter(), letter())

    async def act() -> None:
        async with running(
            world, world.dispatcher(program("import time; time.sleep(1)"), pulls("later"))
        ) as dispatcher:
            await dispatcher.consider()
            assert dispatcher.busy() == {"worker": 2, "later": 0}

    asyncio.run(act())


def test_who_may_not_act_starts_nothing_of_what_is_queued(world: World) -> None:
    """Another machine with the same id: found while three messages waited for the one place of an agent."""
    may = [True]
    world.arrive(*(letter(subject=f"No {number}") for number in range(3)))

    async def act() -> None:
        spec = program("import time; time.sleep(0.3)")
        async with running(world, world.dispatcher(spec, allowed=lambda: may[0])) as dispatcher:
            await dispatcher.consider()
            await until(lambda: bool(world.intents()))
            may[0] = False
            await until(lambda: settled(world))
            await dispatcher.consider()
            assert [state for _, state in world.states()] == ["done"]
            may[0] = True
            await dispatcher.consider()
            await until(lambda: settled(world, 3))

    asyncio.run(act())
