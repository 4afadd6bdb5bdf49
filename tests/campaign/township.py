"""Three replicas, their people, a host, and everything that can happen to them, one step at a time.

Each step takes small numbers that a machine draws; which replica, file or message they mean is for the step to say, so
that any numbers are good. A step that makes no sense at the moment does nothing and gives False.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import shutil
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from gitsync.dispatch import faults as hand_over_faults
from gitsync.errors import GitsyncError
from gitsync.inbox import inbox_view
from gitsync.protocol.message import Message
from gitsync.sync import faults as cycle_faults
from gitsync.sync.engine import CycleResult
from tests.campaign import checker
from tests.campaign.checker import Observed, Sent, Violation, Written
from tests.campaign.people import BRANCH, NOTES, Host, load, save, with_line, without_block
from tests.campaign.replicas import MINUTE, Killed, Replica, SimClock, age_locks
from tests.remotes import run_git

NAMES = ("1", "2", "3")
PLACES = tuple(point for point in cycle_faults.POINTS if point.startswith("6-"))
"""The points of a materialisation at which somebody may save."""
POINTS = (*cycle_faults.POINTS, *hand_over_faults.POINTS)
DECIDING = ("7-begun", "7-calling", "7-answered", "7-concluded")
"""The points of a hand-over at which a crash decides about I2."""
ALLOWED = 5 * MINUTE
"""Seconds that contact and outbox may age before green is a lie, whatever the settings say."""
ROUNDS = 40
"""Rounds of a minute within which a healed fleet must come to rest."""


class Township:
    """Play steps, remember what must hold, and judge at the end."""

    def __init__(self, root: Path, sim: SimClock) -> None:
        self.root = root
        self.sim = sim
        self.remote = root / "remote.git"
        self.logs = root / "logs"
        self.logs.mkdir(parents=True)
        self.sent: dict[str, Sent] = {}
        self.written: list[Written] = []
        self.wiped: dict[str, list[float]] = defaultdict(list)
        self.observed: list[Observed] = []
        self.found: list[Violation] = []
        self.accepted: dict[str, float] = {}
        """When each message was accepted that was not yet seen on the branch."""
        self.buffers: dict[str, tuple[Path, bytes]] = {}
        self.copies = 0
        shutil.copytree(template("remote"), self.remote)
        self.host = Host(self.remote, root / "host")
        (self.host.path / "README.md").write_text("# Mailbox\n\nProtocol: 1\n")
        (self.host.path / "NOTES.md").write_text("# Notes\n")
        self.host.push("begin")
        self.replicas = [self._replica(name) for name in NAMES]
        self.outside = {one.root: checker.snapshot(one.root) for one in self.replicas}
        for one in self.replicas:
            one.start()
        for one in self.replicas * 2:
            one.cycle(settle_now=True)

    def _replica(self, name: str) -> Replica:
        root = self.root / f"computer{name}"
        shutil.copytree(template("person"), root, symlinks=True)
        shutil.copytree(template("clone"), root / "coordination")
        link = self.root / f"remote{name}.git"
        link.symlink_to(self.remote)
        with (root / "coordination/.git/config").open("a") as config:
            config.write(f'[remote "origin"]\n\turl = {link}\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n')
        return Replica(name, root, self.logs, self.sim)

    def close(self) -> None:
        """End what runs."""
        for one in self.replicas:
            one.drop()

    def at(self, number: int) -> Replica:
        """Choose a replica."""
        return self.replicas[number % len(self.replicas)]

    def link(self, one: Replica) -> Path:
        """Give the way of a replica to the remote: without it, the remote is away."""
        return self.root / f"remote{one.id}.git"

    def online(self, one: Replica) -> bool:
        """Say whether a replica can reach the remote."""
        return self.link(one).is_symlink()

    def text(self, what: str) -> str:
        """Make a text that stands nowhere else."""
        return f"{what} {len(self.written) + len(self.sent)} {self.sim.new_id()[-10:]}"

    # -- messages ------------------------------------------------------------------------------------

    def send(self, who: int, to: int, kind: int) -> bool:
        """Send to one, to a named agent, to all, to any, or to an agent of the same machine."""
        one = self.at(who)
        other = _other(one, to)
        place = (other, f"{other}/worker", f"{other}/steady", f"{other}/pull", "ALL", "ANY", "self/worker")[kind % 7]
        return one.alive and self._sent(one, lambda body: one.send(place, body), place)

    def _sent(self, one: Replica, send: Callable[[str], Message], place: str, body: str = "") -> bool:
        body = body or self.text("words")
        before = self.sim.now
        try:
            message = send(body)
        except GitsyncError:
            return False
        machine = place.partition("/")[0]
        local = machine in ("self", one.id)
        reach = {"ALL": tuple(name for name in NAMES if name != one.id), "ANY": ("*",)}.get(machine, (machine,))
        to = f"{one.id}/worker" if local else place
        self.sent[message.id] = Sent(message.id, one.id, to, body, reach=() if local else reach, local=local)
        if not local:
            self.accepted[message.id] = before
        return True

    def send_again(self, who: int, which: int, to: int) -> bool:
        """Send the very words of a former message once more: it is another message all the same."""
        one = self.at(who)
        own = [sent for sent in self.sent.values() if sent.sender == one.id and not sent.local]
        if not one.alive or not own:
            return False
        body = own[which % len(own)].body
        other = _other(one, to)
        return self._sent(one, lambda _body: one.send(other, body), other, body)

    def reply(self, who: int, which: int) -> bool:
        """Answer a message that came."""
        one = self.at(who)
        came = [sent for sent in self.sent.values() if sent.sender != one.id and one.id in sent.reach]
        if not one.alive or not came:
            return False
        to = came[which % len(came)]
        return self._sent(one, lambda body: one.reply(to.id, body), to.sender)

    def withdraw(self, who: int, which: int) -> bool:
        """Take a message back."""
        one = self.at(who)
        own = [sent for sent in self.sent.values() if sent.sender == one.id and not sent.told and not sent.local]
        if not one.alive or not own:
            return False
        message = own[which % len(own)]
        with contextlib.suppress(GitsyncError):
            message.told = one.withdraw(message.id)
            self.accepted.pop(message.id, None)
        return True

    def ack(self, who: int, which: int, *, first_take: bool) -> bool:
        """Take a message as the agent that pulls, or settle one as a person."""
        one = self.at(who)
        came = [sent.id for sent in self.sent.values() if one.id in sent.reach]
        if not one.alive or not came:
            return False
        ident = came[which % len(came)]
        with contextlib.suppress(GitsyncError):
            if first_take:
                one.take(ident)
            else:
                one.ack(ident)
                self.sent[ident].settled += (one.id,)
        return True

    def answers(self, who: int, kind: int) -> bool:
        """Let the agents of a replica answer otherwise from now on."""
        self.at(who).answer = ("done", "done", "reply", "untouched", "failed", "vanished")[kind % 6]
        return True

    # -- cycles and time -----------------------------------------------------------------------------

    def cycle(self, who: int, now: bool) -> bool:
        """Run a cycle, and hand over."""
        one = self.at(who)
        if not one.alive:
            return False
        self._judge(one, one.cycle(settle_now=now))
        return True

    def _judge(self, one: Replica, result: CycleResult | None) -> None:
        if result is None:
            return
        if result.remote_contact and not self.online(one):
            self.found.append(Violation("I8", f"machine {one.id} says that it reached a remote that was away"))
        if result.state == "ok" and not self.online(one):
            self.found.append(Violation("I8", f"machine {one.id} calls a cycle without a remote ok"))
        if result.state == "error":
            self.found.append(Violation("I1", f"machine {one.id}: {result.error} - {result.remedy}"))

    def wait(self, seconds: float) -> bool:
        """Let time pass."""
        self.sim.pass_time(seconds)
        return True

    def look_at_health(self, who: int) -> bool:
        """Ask a replica whether it is well, and note what is so."""
        one = self.at(who)
        if not one.alive:
            return False
        self._landed()
        waiting = [since for ident, since in self.accepted.items() if self.sent[ident].sender == one.id]
        oldest = self.sim.now - min(waiting) if waiting else 0.0
        self.observed.append(Observed(one.id, one.healthy(), self.sim.now - one.reached, oldest, ALLOWED))
        return True

    def _landed(self) -> None:
        if self.accepted:
            ever = checker.read_branch(self.remote).ever
            for ident in list(self.accepted):
                if ident in ever or self.sent[ident].rewound or self.sent[ident].told:
                    del self.accepted[ident]

    # -- hand edits ------------------------------------------------------------------------------------

    def edit(self, who: int, file: int, place: int, aside: bool) -> bool:
        """Write a line somewhere in the folder."""
        one = self.at(who)
        name = _path(one, file)
        line = self.text("line")
        save(one.clone / name, with_line(load(one.clone / name), line, place), aside=aside)
        self.written.append(Written(line, f"{name} at {one.id}"))
        return True

    def handwrite(self, who: int, to: int, aside: bool) -> bool:
        """Write a whole message by hand, into the sender's own file."""
        one = self.at(who)
        other = _other(one, to)
        name = f"messages/{one.id}_TO_{other}.md"
        title, body = self.text("by hand"), self.text("said")
        head = f"\n## {title}\n\nFrom: {one.id}\nTo: {other}\n\n{body}\n"
        save(one.clone / name, load(one.clone / name) + head.encode(), aside=aside)
        self.written += [Written(title, f"{name} at {one.id}"), Written(body, f"{name} at {one.id}")]
        return True

    def open_editor(self, who: int, to: int) -> bool:
        """Open a file of messages and leave it open."""
        one = self.at(who)
        target = one.clone / f"messages/{one.id}_TO_{_other(one, to)}.md"
        self.buffers[one.id] = (target, load(target))
        return True

    def save_editor(self, who: int, aside: bool) -> bool:
        """Write a line into what was opened long ago, and save that over whatever stands there now."""
        one = self.at(who)
        if one.id not in self.buffers:
            return False
        target, data = self.buffers.pop(one.id)
        standing = load(target)
        if any(line.text.encode() in standing and line.text.encode() not in data for line in self.written):
            return False  # free text has no name: nobody could tell this from a person who deletes it
        line = self.text("late")
        save(target, with_line(data, line, 0), aside=aside)
        self.written.append(Written(line, f"messages/{target.name} at {one.id}"))
        return True

    def edit_in_between(self, who: int, point: int, file: int, aside: bool) -> bool:
        """Save while the same file is put on disk, from what the editor read just before the cycle."""
        one = self.at(who)
        if not one.alive:
            return False
        name = _path(one, file)
        self._write_on_the_host(name, 0)
        data, line = load(one.clone / name), self.text("between")
        left = [PLACES[point % len(PLACES)]]

        def hook(passed: str) -> None:
            if left and passed == left[0]:
                left.clear()
                save(one.clone / name, with_line(data, line, 0), aside=aside)
                self.written.append(Written(line, f"{name} at {one.id}, at {passed}"))
                one.unlooked.add(name)

        one.hook = hook
        self._judge(one, one.cycle())
        one.hook = _nothing
        return True

    def commit_here(self, who: int, file: int) -> bool:
        """Commit in the mailbox folder with plain git (row 3).

        What git shows the person as removed there, they have removed: an old buffer that was saved over what had just
        arrived is still told apart, one that was saved and committed is not.
        """
        one = self.at(who)
        self.edit(who, file, 0, aside=False)
        before, after = checker.read_tree(one.clone, "HEAD"), checker.read_folder(one.clone)
        try:
            run_git("add", "-A", cwd=one.clone)
            run_git("commit", "-q", "-m", "by hand", cwd=one.clone)
        except AssertionError:  # a lock that a killed cycle left: the person tries again some day
            return True
        for name, data in before.items():
            self._gone(data, after.get(name, b""))
        return True

    # -- on the host -----------------------------------------------------------------------------------

    def edit_on_the_host(self, file: int, place: int) -> bool:
        """Write a line, or a whole message, in a plain clone, commit and push."""
        name = (*NOTES, "COMPUTER_2.md", "messages/1_TO_2.md", "messages/jesse_TO_3.md")[file % 5]
        self._write_on_the_host(name, place)
        return True

    def _write_on_the_host(self, name: str, place: int) -> None:
        self.host.pull()
        line = self.text("host")
        target = self.host.path / name
        data = load(target)
        if "jesse" in name:
            data += f"\n## {self.text('from the host')}\n\nTo: 3\n\n{line}\n".encode()
        else:
            data = with_line(data, line, place)
        save(target, data, aside=False)
        self.host.push(f"edit {name}")
        self.written.append(Written(line, f"{name} on the host"))

    def delete_on_the_host(self, what: int, which: int) -> bool:
        """Delete a message, or a file of notes, in a plain clone."""
        self.host.pull()
        if what % 2:
            if not self._delete_notes(self.host.path, which):
                return False
            self.host.push("delete notes")
            return True
        files = sorted((self.host.path / "messages").glob("*.md"))
        if not files:
            return False
        file = files[which % len(files)]
        before = file.read_bytes()
        data, ident = without_block(before, which)
        if not ident:
            return False
        file.write_bytes(data)
        if ident in self.sent:
            self.sent[ident].deleted = True
        self._gone(before, data)
        self.host.push("delete a message")
        return True

    def _removed(self, one: Replica, name: str, before: bytes) -> None:
        """Note which lines went with a file.

        What was placed and saved over before gitsync has looked goes with it: nobody could tell that from a person who
        removes what has just arrived.
        """
        if name in one.unlooked:
            before += checker.read_tree(one.clone, "HEAD").get(name, b"") + self._at_tip(name)
        self._gone(before, b"")

    def _at_tip(self, name: str) -> bytes:
        return checker.read_branch(self.remote).files.get(name, b"")

    def _gone(self, before: bytes, after: bytes) -> None:
        """Note which lines a person took away."""
        for line in self.written:
            line.deleted |= line.text.encode() in before and line.text.encode() not in after

    def _delete_notes(self, folder: Path, which: int) -> bool:
        file = folder / NOTES[which % len(NOTES)]
        if not file.exists():
            return False
        self._gone(file.read_bytes(), b"")
        file.unlink()
        return True

    def rewrite_remote(self, back: int) -> bool:
        """Force the branch some commits back (row 5)."""
        self.host.pull()
        history = self.host.git("rev-list", "--first-parent", "HEAD").split()
        if len(history) < 4:
            return False
        to = history[1 + back % min(6, len(history) - 3)]
        before = checker.read_branch(self.remote)
        tips = [one.known_tip() for one in self.replicas]
        known = b"\n".join(
            data
            for one, tip in zip(self.replicas, tips, strict=True)
            if tip
            for data in checker.read_tree(one.clone, tip).values()
        )
        self.host.git("push", "-q", "--force", "origin", f"{to}:refs/heads/{BRANCH}")
        after = checker.read_branch(self.remote)
        for message in self.sent.values():
            message.settled = ()  # the receipts may be among what is taken back
            has = {machine for machine, _, _ in before.receipts.get(message.id, ())}
            message.reach = tuple(place for place in message.reach if place not in has and not (place == "*" and has))
        for ident in before.ever - after.ever:
            if ident in self.sent:
                message = self.sent[ident]
                message.rewound, message.reach = True, ()
                if ident.encode() not in known:
                    message.told = "its history was taken back before anybody had it"
        standing = b"\n".join(after.files.values())
        for line in self.written:
            text = line.text.encode()
            there = any(text in data for data in before.files.values())
            if there and text not in standing and text not in known:
                line.deleted = True  # whoever forced the branch back was the only one who had it
        return True

    # -- deleting in the folder --------------------------------------------------------------------------

    def delete_block(self, who: int, file: int, which: int) -> bool:
        """Cut a message out of a file in the folder; without a final receipt it must come back."""
        one = self.at(who)
        files = sorted((one.clone / "messages").glob("*.md"))
        if not files:
            return False
        target = files[file % len(files)]
        before = target.read_bytes()
        data, ident = without_block(before, which)
        if ident:
            save(target, data, aside=False)
            self._gone(before, data)
        return bool(ident)

    def delete_notes(self, who: int, which: int) -> bool:
        """Delete a file of notes in the folder."""
        one = self.at(who)
        name = NOTES[which % len(NOTES)]
        if (one.clone / name).exists():
            self._removed(one, name, (one.clone / name).read_bytes())
        return self._delete_notes(one.clone, which)

    def delete_folder(self, who: int) -> bool:
        """Empty the folder of messages (row 13)."""
        folder = self.at(who).clone / "messages"
        if not folder.is_dir():
            return False
        for name, data in checker.read_folder(folder).items():
            self._removed(self.at(who), f"messages/{name}", data)
        shutil.rmtree(folder)
        return True

    # -- accidents -----------------------------------------------------------------------------------------

    def restart(self, who: int) -> bool:
        """End a process in order, and begin the next."""
        one = self.at(who)
        one.stop()
        one.start()
        return True

    def kill(self, who: int, after: int) -> bool:
        """Kill a process at a fault point of its next cycle, or right after it."""
        one = self.at(who)
        if not one.alive:
            return False
        left = [after]

        def hook(point: str) -> None:
            left[0] -= 1
            if left[0] < 0:
                one.hook = _nothing
                raise Killed(point)

        one.hook = hook
        self._judge(one, one.cycle(settle_now=after % 2 == 0))
        one.hook = _nothing
        one.drop()
        return True

    def kill_at(self, who: int, to: int, number: int) -> bool:
        """Kill a process at a named point of the cycle or of a hand-over, in a cycle that has something to do."""
        one = self.at(who)
        if not one.alive:
            return False
        self.send(who, to, number)
        self.send(who + 1, 0 if who % 3 == 0 else 1, 0)
        self.cycle(who + 1, True)
        return self._kill_at(one, POINTS[number % len(POINTS)])

    def cut_off(self, who: int, number: int) -> bool:
        """Kill a process while an agent has a message of another machine in its hands."""
        one = self.at(who)
        if not one.alive:
            return False
        self.send(who + 1, 0 if who % 3 == 0 else 1, 0)
        self.cycle(who + 1, True)
        return self._kill_at(one, DECIDING[number % len(DECIDING)])

    def _kill_at(self, one: Replica, name: str) -> bool:
        left = [name]

        def hook(point: str) -> None:
            if left and point == left[0]:
                left.clear()
                raise Killed(point)

        one.hook = hook
        self._judge(one, one.cycle(settle_now=True))
        one.hook = _nothing
        one.drop()
        return True

    def revive(self, who: int) -> bool:
        """Begin anew after a kill."""
        one = self.at(who)
        if one.alive:
            return False
        age_locks(one.clone)
        one.start()
        return True

    def partition(self, who: int) -> bool:
        """Take the remote away from one replica."""
        self.link(self.at(who)).unlink(missing_ok=True)
        return True

    def heal(self, who: int) -> bool:
        """Let a replica reach the remote again."""
        one = self.at(who)
        if self.online(one):
            return False
        self.link(one).symlink_to(self.remote)
        return True

    def accept(self, who: int) -> bool:
        """Accept a rewritten branch, as a person may where the status asks for it."""
        one = self.at(who)
        if not one.alive or one.last is None or one.last.kind not in ("rewritten", "unrelated", "gone"):
            return False
        self._judge(one, one.cycle(settle_now=True, accept_rewrite=True))
        return True

    def wipe_ledger(self, who: int, running: bool) -> bool:
        """Lose the ledger, under a process that runs or between two (I7)."""
        one = self.at(who)
        if not running:
            one.stop()
        one.wipe_ledger()
        self.wiped[one.id].append(self.sim.now)
        if not running:
            one.start()
        return True

    def copy_clone(self, who: int) -> bool:
        """Copy a whole computer (row 18): both must stop, and nothing be handed over twice, until one takes over."""
        one = self.at(who)
        if not one.alive or not self.online(one) or one.last is None or one.last.state != "ok":
            return False
        one.stop()
        self.copies += 1
        copy = one.copied(self.root / f"copy{self.copies}", self.logs)
        one.start()
        if (result := one.cycle()) is None or result.state != "ok":
            copy.remove()  # a halt of another kind: nobody beats, so nobody could notice
            return True
        copy.start()
        try:
            for _ in range(2):
                result = copy.cycle(settle_now=True)
                if result is None or result.kind != "double-id":
                    self.found.append(Violation("I2", f"a copy of machine {one.id} does not notice: {result}"))
            for _ in range(3):  # a push that goes first asks nothing; with the next fetch or beat it is seen
                result = one.cycle(settle_now=True)
                if result is None or result.kind == "double-id":
                    break
                self.sim.pass_time(MINUTE)
            else:
                self.found.append(Violation("I2", f"machine {one.id} does not notice its copy: {result}"))
        finally:
            copy.remove()
        if one.alive:
            one.engine.take_over()
            one.cycle(settle_now=True)
        return True

    # -- the end -------------------------------------------------------------------------------------------

    def finish(self) -> list[Violation]:
        """Heal everything, sync until quiet, and judge."""
        for number, one in enumerate(self.replicas):
            one.hook, one.answer = _nothing, "done"
            self.heal(number)
            self.revive(number)
        quiet = 0
        for _ in range(ROUNDS):
            tip = self._tip()
            calm = [self._calm(one) for one in self.replicas]
            quiet = quiet + 1 if all(calm) and self._tip() == tip else 0
            self.sim.pass_time(MINUTE)
            if quiet >= 2:
                break
        else:
            states = "; ".join(f"{one.id}: {one.last}" for one in self.replicas)
            return [*self.found, Violation("I5", f"the fleet does not come to rest: {states}")]
        for one in self.replicas:
            self._read_inbox(one)
        before = self._tip()
        for _ in range(2):
            for one in self.replicas:
                one.cycle(settle_now=True)
        for number in range(len(self.replicas)):
            self.look_at_health(number)
        return [
            *self.found,
            *checker.check(
                self.remote,
                [checker.Machine(one.id, one.clone, one.root) for one in self.replicas],
                sorted(self.logs.glob("*.jsonl")),
                list(self.sent.values()),
                self.written,
                self.outside,
                observed=self.observed,
                idle=(before, self._tip()),
                wiped=self.wiped,
            ),
        ]

    def _calm(self, one: Replica) -> bool:
        if not one.alive:
            one.start()
        result = one.cycle(settle_now=True)
        if result is None:
            return False
        self._judge(one, result)
        if result.kind in ("rewritten", "unrelated", "gone"):
            self._judge(one, one.cycle(settle_now=True, accept_rewrite=True))
            return False
        if result.kind == "mass-deletion":
            gone = run_git("ls-files", "-dz", cwd=one.clone).split("\0")[:-1]
            if gone and "remote" not in (result.error or ""):
                run_git("checkout", "-q", "--", *gone, cwd=one.clone)
            else:
                one.cycle(settle_now=True, accept_deletions=True)
            return False
        return result.state == "ok" and not result.changed and result.folder == "ok"

    def _read_inbox(self, one: Replica) -> None:
        """Be the person who reads the inbox, and notes what is there."""
        shown = inbox_view(one.opened.ledger, one.opened.journal, one.id, limit=10_000)
        with (self.logs / "people.jsonl").open("a") as log:
            for entry in shown:
                if entry["state"] in ("waiting", "held", "taken", "withdrawn"):
                    line = {"machine": one.id, "agent": "person", "id": entry["id"], "event": "seen"}
                    log.write(json.dumps(line) + "\n")

    def _tip(self) -> str | None:
        done = subprocess.run(
            ["git", "-C", str(self.remote), "rev-parse", f"refs/heads/{BRANCH}"],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip() or None


def _nothing(_point: str) -> None:
    return None


def _other(one: Replica, number: int) -> str:
    return [name for name in NAMES if name != one.id][number % 2]


def _path(one: Replica, file: int) -> str:
    return (*NOTES, f"COMPUTER_{one.id}.md", f"messages/{one.id}_TO_{_other(one, file // 4)}.md")[file % 4]


_TEMPLATES: list[Path] = []


def template(name: str) -> Path:
    """Give a folder to copy: an empty remote, an empty clone, or a person's repository with some work in it."""
    if not _TEMPLATES:
        top = Path(tempfile.mkdtemp(prefix="gitsync-campaign-"))
        atexit.register(shutil.rmtree, top)
        run_git("init", "-q", "--bare", "-b", "main", top / "remote")
        run_git("init", "-q", "-b", BRANCH, top / "clone")
        person = top / "person"
        run_git("init", "-q", person)
        (person / "work.py").write_text("print('work')\n")
        run_git("add", "work.py", cwd=person)
        run_git("commit", "-q", "-m", "work", cwd=person)
        (person / "work.py").write_text("print('stashed')\n")
        run_git("stash", "-q", cwd=person)
        (person / "work.py").write_text("print('staged')\n")
        run_git("add", "work.py", cwd=person)
        (person / "work.py").write_text("print('not staged')\n")
        with (person / ".git/info/exclude").open("a") as exclude:
            exclude.write("/coordination/\n/.gitsync/\n")
        _TEMPLATES.append(top)
    return _TEMPLATES[0] / name
