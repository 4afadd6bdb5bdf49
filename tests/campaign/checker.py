"""Judge a fleet from outside: what git holds, what lies on disk, and what the agents themselves wrote down.

Nothing of gitsync is imported; blocks and receipts are read by a reader of a few lines, which knows PROTOCOL 2 and 6.
Use it after everything was healed and synced until quiet:

    found = check(remote, machines, agent_logs, sent, written, outside, observed=…, idle=…)
    assert not found, report(found)

- ``remote``      path of the bare repository;
- ``machines``    `Machine` for each clone: id, mailbox folder, folder of the person's repository;
- ``agent_logs``  JSON-lines files, each line written by an agent itself and flushed before it answers:
                  ``{"machine": "2", "agent": "worker", "id": <message>, "event": "begun", "at": <seconds>}``; an
                  agent that gives the work back untouched writes ``"event": "untouched"`` after it, an idempotent one
                  adds ``"idempotent": true``; a person who finds a message in the inbox writes ``"event": "seen"``;
- ``sent``        `Sent` for each message that ``send`` accepted, made when it returned;
- ``written``     `Written` for each line that a person saved, made when the save returned; its text must be unique;
- ``outside``     ``{repository: snapshot(repository)}`` of the persons' repositories, from before;
- ``observed``    `Observed` for each health answer that was looked at (I8);
- ``idle``        the branch's tips before and after a round in which nobody had anything to say (I6).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

BRANCH = "coordination"
RESCUE = "refs/gitsync/rescue/"
EXCLUDED = re.compile(r"^/?(coordination|\.gitsync)/?$")
FINAL = frozenset({"done", "failed", "refused", "dead"})

_ID = "[0-9A-HJKMNP-TV-Z]{26}"
_BLOCK = re.compile(rf"^<!-- msg ({_ID}(?:~[0-9a-f]+)?) -->[ \t]*\r?$")
_END = re.compile(r"^<!-- /msg\b.*-->[ \t]*\r?$")
_RECEIPT = re.compile(
    rf"^- \S+ · ({_ID}) · from ([^·—]+?)(?: · to ([^·—]+?))?"
    r" · (claimed|received|done|failed|refused|held|uncertain|dead)(?= |$)"
)


@dataclass(frozen=True)
class Violation:
    """One broken promise: the invariant (``I1`` … ``I8``), and what is wrong in words."""

    invariant: str
    what: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.what}"


@dataclass(frozen=True)
class Machine:
    """One replica; ``paused`` when its folder is left alone for a reason that its status says."""

    id: str
    clone: Path
    repo: Path | None = None
    paused: bool = False


@dataclass
class Sent:
    """A message that was accepted.

    ``body`` is a unique text of it. ``told`` says that its sender was told why it does not arrive: ``withdrawn``,
    ``cancelled``, ``refused``. ``reach`` names the machines at each of which a hand-over, a receipt, or somebody's look
    at the inbox is due; ``*`` is any of them, nothing that none is. ``settled`` names those where somebody said what
    became of it: a final receipt is due. ``local``: for an agent of the same machine, not on the branch. ``rewound``:
    a person took the branch back over it, so a rescue ref has it. ``deleted``: a person took it off the branch by plain
    git.
    """

    id: str
    sender: str
    to: str
    body: str = ""
    told: str = ""
    reach: tuple[str, ...] = ()
    settled: tuple[str, ...] = ()
    local: bool = False
    rewound: bool = False
    deleted: bool = False


@dataclass
class Written:
    """A line that a person saved; ``deleted`` once a person took it away on purpose (it is then not looked for)."""

    text: str
    where: str = ""
    deleted: bool = False


@dataclass(frozen=True)
class Observed:
    """One answer of a machine's health, beside what was really so (I8); ages in seconds of a steady clock."""

    machine: str
    green: bool
    silence: float
    """Since the last moment at which the machine really reached the remote."""
    oldest: float
    """Since the oldest operation that is still not on the branch was accepted; 0.0 when there is none."""
    allowed: float
    """What the machine's own settings let either of them grow to."""


@dataclass
class Branch:
    """What the remote has, now and ever."""

    files: dict[str, bytes] = field(default_factory=dict)
    standing: dict[str, list[str]] = field(default_factory=dict)
    """Id -> the places where its block stands now."""
    blocks: dict[str, bytes] = field(default_factory=dict)
    ever: set[str] = field(default_factory=set)
    receipts: dict[str, list[tuple[str, str, str]]] = field(default_factory=dict)
    """Id -> (machine, agent, outcome), over all that was ever on the branch."""


def check(
    remote: Path,
    machines: Sequence[Machine],
    agent_logs: Iterable[Path],
    sent: Sequence[Sent],
    written: Sequence[Written],
    outside: Mapping[Path, Mapping[str, str]],
    *,
    observed: Iterable[Observed] = (),
    idle: tuple[str | None, str | None] | None = None,
    wiped: Mapping[str, Sequence[float]] | None = None,
    branch: str = BRANCH,
) -> list[Violation]:
    """Judge everything; an empty list means that all invariants hold. ``wiped``: machine -> when its ledger went."""
    held = read_branch(remote, branch)
    kept = rescued([remote, *(machine.clone for machine in machines)], branch)
    calls = read_logs(agent_logs)
    return [
        *_arrived(held, kept, sent, calls),
        *_once(sent, calls, wiped or {}),
        *_kept(held, kept, machines, written),
        *_untouched(outside),
        *_alike(held, remote, machines, branch),
        *_meant(remote, branch, idle),
        *_truthful(observed),
    ]


def report(found: Sequence[Violation]) -> str:
    """Put violations on lines of their own."""
    return "\n".join(map(str, found)) or "nothing"


# -- the invariants --------------------------------------------------------------------------------


def _arrived(
    held: Branch, kept: bytes, sent: Sequence[Sent], calls: Sequence[Mapping[str, object]]
) -> Iterable[Violation]:
    """I1, and that nothing stands twice."""
    reached = {(str(call["id"]), str(call["machine"])) for call in calls}
    reached |= {(ident, machine) for ident, said in held.receipts.items() for machine, _, _ in said}
    reached |= {(ident, "*") for ident, _ in reached}
    for ident, places in sorted(held.standing.items()):
        if len(places) > 1:
            yield Violation("I1", f"message {ident} stands {len(places)} times: {', '.join(places)}")
    for one in sent:
        if one.told:
            continue
        yield from _there(held, kept, one)
        for place in one.reach:
            if (one.id, place) not in reached:
                yield Violation("I1", f"message {one.id} from {one.sender} to {one.to} did not reach machine {place}")
        final = {machine for machine, _, outcome in held.receipts.get(one.id, ()) if outcome in FINAL}
        for place in sorted({*one.settled} - final):
            yield Violation("I1", f"message {one.id} was settled on machine {place}, and its sender never hears of it")


def _there(held: Branch, kept: bytes, one: Sent) -> Iterable[Violation]:
    if one.local:
        return
    if one.id in held.standing:
        if one.body and one.body.encode() not in held.blocks[one.id]:
            yield Violation("I1", f"message {one.id} has lost its text {one.body!r}")
        return
    final = any(outcome in FINAL for _, _, outcome in held.receipts.get(one.id, ()))
    if one.id in held.ever and (final or one.deleted):
        return  # dealt with or taken off by a person, so it may be gone
    if not (one.rewound and one.id.encode() in kept):
        yield Violation("I1", f"message {one.id} from {one.sender} to {one.to} was accepted and is nowhere")


def _once(
    sent: Sequence[Sent], calls: Sequence[Mapping[str, object]], wiped: Mapping[str, Sequence[float]]
) -> Iterable[Violation]:
    """I2 and I7: begun once by each agent; by one agent only, unless it is for everybody."""
    to = {one.id: one.to for one in sent}
    begun: dict[str, list[Mapping[str, object]]] = defaultdict(list)
    for call in calls:
        if call.get("idempotent"):
            continue
        if call["event"] == "begun":
            begun[str(call["id"])].append(call)
        elif call["event"] == "untouched":
            for former in reversed(begun[str(call["id"])]):
                if _who(former) == _who(call):
                    begun[str(call["id"])].remove(former)
                    break
    for ident, those in sorted(begun.items()):
        place, _, agent = to.get(ident, "").partition("/")
        alone = bool(place) and place != "ALL" and not agent
        groups: dict[object, list[Mapping[str, object]]] = defaultdict(list)
        for call in those:
            groups[None if alone else call["machine"] if place == "ALL" else _who(call)].append(call)
        for group in groups.values():
            if len(group) < 2:
                continue
            times = sorted(float(str(call.get("at", 0.0))) for call in group)
            name = str(group[0]["machine"])
            forgot = any(times[0] <= when <= times[-1] for when in wiped.get(name, ()))
            who = ", ".join(f"{call['machine']}/{call['agent']} at {call.get('at')}" for call in group)
            yield Violation("I7" if forgot else "I2", f"message {ident} to {to.get(ident, '?')} was begun twice: {who}")
        if place and place not in ("ALL", "ANY"):
            for call in those:
                if call["machine"] != place:
                    yield Violation("I2", f"message {ident} to {place} was begun by machine {call['machine']}")


def _kept(held: Branch, kept: bytes, machines: Sequence[Machine], written: Sequence[Written]) -> Iterable[Violation]:
    """I3: on the branch (archive included), under a rescue ref, or still a pending edit of a paused folder."""
    everything = b"\n".join(held.files.values())
    pending = b"\n".join(data for one in machines if one.paused for data in read_folder(one.clone).values())
    for line in written:
        text = line.text.encode()
        if not line.deleted and text not in everything and text not in kept and text not in pending:
            yield Violation("I3", f"the line {line.text!r} ({line.where}) is gone")


def _untouched(outside: Mapping[Path, Mapping[str, str]]) -> Iterable[Violation]:
    """I4."""
    for repo, before in outside.items():
        after = snapshot(repo)
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                yield Violation("I4", f"{repo}: {name} was {before.get(name)} and is {after.get(name)}")


def _alike(held: Branch, remote: Path, machines: Sequence[Machine], branch: str) -> Iterable[Violation]:
    """I5: the folder, the clone's branch and its index all say what the remote's branch says."""
    tip = _git(remote, "rev-parse", "--verify", "-q", f"refs/heads/{branch}", check=False).decode().strip()
    for one in machines:
        if one.paused:
            continue
        files = read_folder(one.clone)
        for name in sorted(files.keys() | held.files.keys()):
            if files.get(name) != held.files.get(name):
                here, there = _size(files.get(name)), _size(held.files.get(name))
                yield Violation("I5", f"machine {one.id}: {name} has {here}, on the branch {there}")
        local = _git(one.clone, "rev-parse", "--verify", "-q", f"refs/heads/{branch}", check=False).decode().strip()
        if local != tip:
            yield Violation("I5", f"machine {one.id}: its branch is at {local[:10]}, the remote's at {tip[:10]}")
        elif staged := _git(one.clone, "diff", "--cached", "--name-status", "HEAD").decode().strip():
            yield Violation("I5", f"machine {one.id}: the index differs from its branch: {staged!r}")


def _meant(remote: Path, branch: str, idle: tuple[str | None, str | None] | None) -> Iterable[Violation]:
    """I6: no commit of a machine without a change, no merge, and none at all where nobody had anything to say."""
    log = _git(remote, "log", "--format=%x00%H %T %P%n%B", f"refs/heads/{branch}", "--", check=False).decode(
        errors="replace"
    )
    entries = [entry.partition("\n") for entry in log.split("\0")[1:]]
    trees = {}
    for head, _, _ in entries:
        sha, tree, *_ = head.split()
        trees[sha] = tree
    for head, _, message in entries:
        sha, tree, *parents = head.split()
        if "Gitsync-Machine:" not in message:
            continue
        if len(parents) > 1:
            yield Violation("I6", f"commit {sha[:10]} of a machine is a merge")
        elif parents and trees.get(parents[0]) == tree:
            yield Violation("I6", f"commit {sha[:10]} changes nothing: {message.splitlines()[0]!r}")
    if idle is not None and idle[0] != idle[1]:
        yield Violation("I6", f"nobody had anything to say, and the branch went from {idle[0]} to {idle[1]}")


def _truthful(observed: Iterable[Observed]) -> Iterable[Violation]:
    """I8."""
    for seen in observed:
        if seen.green and max(seen.silence, seen.oldest) > seen.allowed:
            yield Violation(
                "I8",
                f"machine {seen.machine} said it is healthy, {seen.silence:.0f} s after its last contact and with an "
                f"operation {seen.oldest:.0f} s old; {seen.allowed:.0f} s are allowed",
            )


# -- reading ---------------------------------------------------------------------------------------


def blocks(data: bytes) -> list[tuple[str, bytes]]:
    """Give (id, bytes) of each block of a file, in order; fences are not looked at, the writer escapes such lines."""
    found: list[tuple[str, list[str]]] = []
    open_: list[str] | None = None
    for line in data.decode("utf-8", "surrogateescape").split("\n"):
        if start := _BLOCK.match(line):
            open_ = [line]
            found.append((start[1], open_))
        elif open_ is not None:
            open_.append(line)
            if _END.match(line):
                open_ = None
    return [(ident, "\n".join(lines).encode("utf-8", "surrogateescape")) for ident, lines in found]


def read_branch(remote: Path, branch: str = BRANCH) -> Branch:
    """Read the branch as it stands, and every version of its messages and receipts that it ever had."""
    held = Branch(files=read_tree(remote, f"refs/heads/{branch}"))
    for name, data in held.files.items():
        if _of_messages(name):
            for ident, block in blocks(data):
                held.standing.setdefault(ident, []).append(name)
                held.blocks[ident] = block
    for name, data in _history(remote, [f"refs/heads/{branch}"]):
        if name.startswith("receipts/"):
            for line in data.decode("utf-8", "replace").splitlines():
                if said := _RECEIPT.match(line):
                    entry = (name.split("/")[1], said[3] or "", said[4])
                    known = held.receipts.setdefault(said[1], [])
                    if entry not in known:
                        known.append(entry)
        elif _of_messages(name):
            held.ever.update(ident for ident, _ in blocks(data))
    return held


def rescued(repositories: Iterable[Path], branch: str = BRANCH) -> bytes:
    """Give all bytes that are kept under rescue refs and as variants, in any of the repositories."""
    found = []
    for repo in repositories:
        names = _git(repo, "for-each-ref", "--format=%(refname)", RESCUE, check=False).decode().split()
        if names:
            found += [data for _, data in _history(repo, [*names, f"^refs/heads/{branch}"], check=False)]
    return b"\n".join(found)


def read_tree(repo: Path, commit: str) -> dict[str, bytes]:
    """Give every file of a commit."""
    listing = _git(repo, "ls-tree", "-r", "-z", commit, check=False).decode("utf-8", "surrogateescape")
    rows = [row.partition("\t") for row in listing.split("\0") if row]
    names = {name: head.split()[2] for head, _, name in rows if head.split()[1] == "blob"}
    data = _blobs(repo, sorted(set(names.values())))
    return {name: data[sha] for name, sha in names.items()}


def read_folder(folder: Path) -> dict[str, bytes]:
    """Give every regular file of a work tree."""
    found = {}
    for top, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != ".git"]
        for name in files:
            file = Path(top, name)
            if not file.is_symlink() and name != ".git":
                found[file.relative_to(folder).as_posix()] = file.read_bytes()
    return found


def read_logs(files: Iterable[Path]) -> list[dict[str, object]]:
    """Give what the agents wrote; a last line that a kill cut short is left out."""
    calls = []
    for file in files:
        if file.exists():
            calls += [json.loads(line) for line in file.read_text().split("\n")[:-1]]
    return calls


def snapshot(repo: Path) -> dict[str, str]:
    """Describe a person's repository, but for what gitsync may touch: mailbox, ``.gitsync/``, lines of exclude."""
    found = {}
    for top, folders, files in os.walk(repo):
        at = Path(top)
        if at == repo:
            folders[:] = [name for name in folders if name not in ("coordination", ".gitsync", ".git")]
        for name in (*files, *folders):
            file = at / name
            found[f"file {file.relative_to(repo)}"] = _described(file)
    git = repo / ".git"
    if not git.exists():
        return found
    for name in ("HEAD", "config", "index", "description", "packed-refs", "ORIG_HEAD", "FETCH_HEAD", "MERGE_HEAD"):
        if (git / name).exists():
            found[f"git {name}"] = _described(git / name)
    for folder in ("hooks", "info", "refs", "logs", "worktrees", "modules"):
        for top, _, files in os.walk(git / folder):
            for name in files:
                file = Path(top, name)
                key = f"git {file.relative_to(git)}"
                if key == "git info/exclude":
                    lines = [line for line in file.read_text().splitlines() if not EXCLUDED.match(line.strip())]
                    found[key] = hashlib.sha256("\n".join(lines).strip().encode()).hexdigest()[:16]
                else:
                    found[key] = _described(file)
    return found


def _described(file: Path) -> str:
    info = file.lstat()
    if stat.S_ISLNK(info.st_mode):
        return f"link to {os.readlink(file)}"
    if stat.S_ISDIR(info.st_mode):
        return f"folder {info.st_mode:o}"
    return f"{info.st_mode:o} {hashlib.sha256(file.read_bytes()).hexdigest()[:16]}"


def _of_messages(name: str) -> bool:
    return name.startswith(("messages/", "archive/")) or re.fullmatch(r"COMPUTER_[^/]*\.md", name) is not None


def _history(repo: Path, revisions: Sequence[str], *, check: bool = True) -> list[tuple[str, bytes]]:
    """Give (path, bytes) of every version of every file in a range of commits, each version once."""
    listing = _git(repo, "rev-list", "--objects", *revisions, "--", check=check).decode("utf-8", "surrogateescape")
    named = [line.partition(" ") for line in listing.split("\n") if " " in line and not line.endswith(" ")]
    data = _blobs(repo, [sha for sha, _, _ in named])
    return [(name, data[sha]) for sha, _, name in named if sha in data]


def _blobs(repo: Path, names: Sequence[str]) -> dict[str, bytes]:
    answer = _git(repo, "cat-file", "--batch", "--buffer", stdin="".join(f"{name}\n" for name in names).encode())
    found, at = {}, 0
    while at < len(answer):
        end = answer.index(b"\n", at)
        sha, kind, *size = answer[at:end].split()
        at = end + 1
        if not size:
            continue
        if kind == b"blob":
            found[sha.decode()] = answer[at : at + int(size[0])]
        at += int(size[0]) + 1
    return found


def _git(repo: Path, *args: str, stdin: bytes = b"", check: bool = True) -> bytes:
    done = subprocess.run(
        ["git", "-C", str(repo), "--no-optional-locks", *args], input=stdin, capture_output=True, check=False
    )
    if check and done.returncode:
        raise RuntimeError(f"git {' '.join(args)}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def _who(call: Mapping[str, object]) -> tuple[object, object]:
    return call["machine"], call["agent"]


def _size(data: bytes | None) -> str:
    return "nothing" if data is None else f"{len(data)} bytes ({hashlib.sha256(data).hexdigest()[:8]})"
