"""The values that the two stores hold."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace

from gitsync.protocol.message import Message, write
from gitsync.protocol.receipts import Receipt
from gitsync.protocol.receipts import line as receipt_line
from gitsync.secrets.redact import redact
from gitsync.signing.signer import Signer
from gitsync.verifying import UNSIGNED

INTENT_STATES = (
    "started",
    "waiting",
    "taken",
    "retry",
    "done",
    "failed",
    "refused",
    "uncertain",
    "held",
    "dead",
)

_SSHSIG = "sshsig"

TASK = "Task"
"""The field of a message that carries a task: the task's id."""
ASKED_BY = "Asked-By"
"""The field of a local message that names who asked for the task in it; only this machine writes those."""
ASKED_STANDING = "Asked-Standing"
"""The field beside it: the standing of what asked for the task; absent where that was verified."""


@dataclass(frozen=True, slots=True)
class Op:
    """One thing that must reach the branch.

    kind      ident                to                     payload
    message   message id           '2', 'ALL' or 'ANY'    the whole block (`protocol.message.write`)
    receipt   message id           sender of the message  JSON of the receipt (`receipt_of`)
    withdraw  message id           '2', 'ALL' or 'ANY'    empty
    import    path in the mailbox  ''                     the file's bytes

    An operation that is not `urgent` waits for another one's push.
    """

    kind: str
    ident: str
    to: str = ""
    payload: bytes = b""
    urgent: bool = True
    seq: int = 0
    created: str = ""


@dataclass(frozen=True, slots=True)
class Parked:
    """An operation that has left the queue: landed in a commit, or refused with a reason."""

    op: Op
    state: str
    commit: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """A commit that was, or was about to be, pushed with these operations in it."""

    commit: str
    parent: str
    seqs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A file that is being put on disk: what must be there, what shall be, and its temporary name."""

    id: int
    path: str
    expected: str | None
    new: str | None
    temp: str


@dataclass(frozen=True, slots=True)
class Displaced:
    """A file that came out of the folder when another took its place; a writer may still hold it open."""

    id: int
    path: str
    file: str
    blob: str
    since: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What this machine decided about one message and one agent; at most one row for each pair.

    `message_key` is `message_key()`, or `amended_key()` for a later text; `key` the idempotency key that the agent
    gets, `not_before` Unix time in seconds, `usage` a JSON object.
    """

    message_key: str
    message_id: str
    agent: str
    state: str = "started"
    attempt: int = 1
    key: str = ""
    content: str = ""
    sender: str = ""
    started: str = ""
    finished: str | None = None
    not_before: float | None = None
    reason: str = ""
    reply: str | None = None
    seconds: float | None = None
    usage: str | None = None


@dataclass(frozen=True, slots=True)
class Local:
    """A message between agents of this machine; `open` until something was decided about it."""

    key: str
    message: Message
    block: bytes
    created: str
    open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One message of the branch as the ledger knows it.

    `sender` and `to` are those of the path (`to` is '' for a message on a machine's own page); `message` carries the
    normalised header. `open`: addressed to this machine, and nothing on the branch settles it. `quarantined` names the
    rule that keeps it from being delivered. `evidence` is what its bytes prove, whoever is trusted (''; `altered`; a
    namespace and the key that signed); `standing` what that is worth here (`gitsync.verifying`). `contested`: somebody
    says that it was done or taken elsewhere, in a way that does not count: machine, outcome and standing of that.
    """

    seq: int
    key: str
    sender: str
    to: str
    message: Message
    date_raw: str | None
    path: str
    line: int
    content: str
    commit: str
    commit_date: str
    mine: bool = False
    open: bool = False
    history: bool = False
    suspect: bool = False
    archived: bool = False
    withdrawn: bool = False
    quarantined: str = ""
    evidence: str = ""
    standing: str = UNSIGNED
    contested: str = ""
    amended: int = 0


@dataclass(frozen=True, slots=True)
class Amendment:
    """Another text of a known message: edited later, or the variant of a merge."""

    key: str
    variant: str
    content: str
    subject: str
    body: str
    commit: str
    date: str
    standing: str = UNSIGNED


@dataclass(frozen=True, slots=True)
class Told:
    """A receipt and the machine whose file it stands in; `counts`: it is taken for that machine's own word.

    `evidence` and `standing` as for a message; a standing of '' says that nobody looked, because nobody asks.
    """

    machine: str
    receipt: Receipt
    evidence: str = ""
    standing: str = ""
    counts: bool = True


@dataclass(frozen=True, slots=True)
class KnownText:
    """What the ledger has under a key: the text that is shown, where it stands, and what it is worth."""

    content: str
    path: str
    withdrawn: bool = False
    evidence: str = ""
    standing: str = UNSIGNED


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something in the mailbox that was not taken as it stands."""

    path: str
    line: int
    rule: str
    text: str
    commit: str


@dataclass(frozen=True, slots=True)
class MachinePage:
    """The last status of a machine as its page told it; `data` is JSON of `protocol.status.Status`."""

    id: str
    name: str
    state: str
    date: str
    data: dict[str, object] = field(default_factory=dict)


def message_key(sender: str, to: str, ident: str) -> str:
    """Name a message by (from, to, id), from and to taken from the path (PROTOCOL 1)."""
    return f"{sender}_TO_{to}/{ident}" if to else f"COMPUTER_{sender}/{ident}"


def amended_key(key: str, content: str) -> str:
    """Name the hand-over of a later text of a message: a hand-over of its own for each content (I2)."""
    return f"{key}@{content}"


def base_key(key: str) -> str:
    """Name the message that a hand-over is about."""
    return key.partition("@")[0]


def local_key(ident: str) -> str:
    """Name a message that stays on this machine."""
    return f"local/{ident}"


def message_op(message: Message, to: str) -> Op:
    """Make the operation that puts a message into the file to machine `to` ('2', 'ALL', 'ANY')."""
    return Op("message", message.id, to, write(message))


def receipt_op(receipt: Receipt) -> Op:
    """Make the operation that appends a receipt; `received` and `claimed` alone cause no push (PROTOCOL 6)."""
    if receipt.reason:  # often an agent's own words; what becomes of a message must be told, so it is not kept back
        receipt = replace(receipt, reason=redact(receipt.reason))
    payload = json.dumps(asdict(receipt), ensure_ascii=True).encode()
    return Op("receipt", receipt.id, receipt.sender, payload, urgent=receipt.outcome not in ("received", "claimed"))


def receipt_of(op: Op) -> Receipt:
    """Read the receipt back out of its operation."""
    values = json.loads(op.payload)
    values.pop(_SSHSIG, None)
    return Receipt(**values)


def receipt_signature(op: Op) -> str:
    """Give the signature of a receipt's line, in base64; empty where there is none."""
    return str(json.loads(op.payload).get(_SSHSIG, ""))


def seal(op: Op, signer: Signer | None) -> Op:
    """Sign what an operation says, once: what is stored is what each rebuilding puts on the branch."""
    if signer is None:
        return op
    if op.kind == "message":
        return replace(op, payload=signer.message(op.payload, op.to))
    if op.kind == "receipt" and (sshsig := signer.receipt(receipt_line(receipt_of(op)))):
        return replace(op, payload=json.dumps({**json.loads(op.payload), _SSHSIG: sshsig}).encode())
    return op


@dataclass(slots=True)
class Batch:
    """What some commits brought, for one transaction of the ledger: from `base` (None: from nothing) to `head`.

    `files` maps a path to (blob, clean) or None when it is gone; clean: the blob ends outside of everything, so
    that what is appended to it can be read alone.
    """

    base: str | None
    head: str
    arrived: dict[str, Row] = field(default_factory=dict)
    changed: list[tuple[Row, bool]] = field(default_factory=list)
    moved: dict[str, tuple[str, bool]] = field(default_factory=dict)
    withdrawn: set[str] = field(default_factory=set)
    proved: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    """Content, evidence and standing of known texts that were met without a good signature before."""
    receipts: list[Told] = field(default_factory=list)
    pages: dict[str, MachinePage] = field(default_factory=dict)
    seen: dict[str, str] = field(default_factory=dict)
    files: dict[str, tuple[str, bool] | None] = field(default_factory=dict)
    troubles: list[Trouble] = field(default_factory=list)
    commits: int = 0
    weight: int = 0
