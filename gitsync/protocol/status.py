"""A machine's status: a generated block in its `COMPUTER_<id>.md`, beside the free text of people."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from gitsync.protocol.blocks import BOM

AGENT_HEAD = ("agent", "kind", "state", "specialty", "types", "queue")
CAPACITY_HEAD = ("capacity", "used", "limit", "resets")

_START = re.compile(rb"(?:\A|(?<=\n)|(?<=\A\xef\xbb\xbf))<!--[ \t]*status[ \t]*-->[ \t]*\r?(?:\n|\Z)")
_END = re.compile(rb"(?<=\n)<!--[ \t]*/status[ \t]*-->[ \t]*\r?(?:\n|\Z)")
_HEADING = re.compile(rb"\A(?:\xef\xbb\xbf)?# [^\n]*(?:\n|\Z)")
_GENERATED_LINE = re.compile(rb"(?:[-|]|  - )[^\n]*(?:\n|\Z)|[ \t]*\r?\n(?=[-|])")
_OURS = re.compile(
    r"<!--[ \t]*/?status[ \t]*-->|- \*\*(?:Status|Role|Agents|Blockers|Install|Refreshed|Key|Announced):\*\*"
    r"|\|(?:[ \t]*:?-+:?[ \t]*\|)+\Z"
)
_TITLE = re.compile(r"^\ufeff?# COMPUTER ([A-Za-z0-9-]+)(?: — (.*)|[ \t\r]*)$", re.MULTILINE)
_BAR = re.compile(r"\\.|\|", re.DOTALL)
_FIELD = re.compile(r"- \*\*([^*]+):\*\*(?: (.*))?")


@dataclass(frozen=True, slots=True)
class AgentRow:
    """One agent of a machine, and how many messages wait for it."""

    agent: str
    kind: str
    state: str
    specialty: str = ""
    types: tuple[str, ...] = ()
    queue: int = 0


@dataclass(frozen=True, slots=True)
class CapacityRow:
    """Something a machine can run out of, in words and units of its own."""

    name: str
    used: str
    limit: str = ""
    resets: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """What a machine says of itself; `install` and `refreshed` only where the host refuses its ref."""

    id: str
    name: str = ""
    state: str = "ACTIVE"
    role: str = ""
    agents: tuple[AgentRow, ...] = ()
    capacity: tuple[CapacityRow, ...] = ()
    blockers: tuple[str, ...] = ()
    install: str | None = None
    refreshed: str | None = None
    key: str = ""
    """The public key of the machine, as OpenSSH writes it, and its fingerprint; nobody trusts it for standing here."""
    announced: str = ""
    """The signature in base64 by which the machine's former key announces this one."""


def write_block(status: Status) -> bytes:
    """Write the generated block, boundary lines and the last newline included."""
    online = sum(_inline(row.state) == "online" for row in status.agents)
    lines = ["<!-- status -->", f"- **Status:** {_inline(status.state)}"]
    if status.role:
        lines.append(f"- **Role:** {_inline(status.role)}")
    lines += [f"- **Agents:** {online}/{len(status.agents)} online", ""]
    if status.agents:
        rows = [(r.agent, r.kind, r.state, r.specialty, ", ".join(r.types), str(r.queue)) for r in status.agents]
        lines += [*_table(AGENT_HEAD, rows), ""]
    if status.capacity:
        lines += [*_table(CAPACITY_HEAD, [(r.name, r.used, r.limit, r.resets) for r in status.capacity]), ""]
    if not status.blockers:
        lines.append("- **Blockers:** none")
    elif len(status.blockers) == 1 and status.blockers[0].strip().casefold() != "none":
        lines.append(f"- **Blockers:** {_inline(status.blockers[0])}")
    else:
        lines += ["- **Blockers:**", *(f"  - {_inline(text)}" for text in status.blockers)]
    if status.install is not None:
        lines.append(f"- **Install:** {_inline(status.install)}")
    if status.refreshed is not None:
        lines.append(f"- **Refreshed:** {_inline(status.refreshed)}")
    if status.key:
        lines.append(f"- **Key:** {_inline(status.key)}")
    if status.announced:
        lines.append(f"- **Announced:** {_inline(status.announced)}")
    lines.append("<!-- /status -->")
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def set_block(data: bytes | None, status: Status) -> bytes:
    """Put the generated block into a status file; free text stays byte for byte.

    It replaces the one that is there, else it stands below the first heading, else at the top. What a person wrote
    into the old one then stands below it (I3).
    """
    block = write_block(status)
    if data is None or not data.removeprefix(BOM).strip():
        title = f"# COMPUTER {status.id}" + (f" — {_inline(status.name)}" if status.name else "")
        return (data or b"") + f"{title}\n\n".encode("utf-8", "surrogateescape") + block
    found = locate(data)
    if found is not None:
        start, end = found
        return data[:start] + block + split_block(data[start:end])[1] + data[end:]
    if heading := _HEADING.match(data):
        head = heading[0] if heading[0].endswith(b"\n") else heading[0] + b"\n"
        rest = data[heading.end() :]
        gap = b"" if not rest or rest.startswith((b"\n", b"\r\n")) else b"\n"
        return head + b"\n" + block + gap + rest
    bom = BOM if data.startswith(BOM) else b""
    return bom + block + b"\n" + data[len(bom) :]


def locate(data: bytes) -> tuple[int, int] | None:
    """Find where the generated block begins and ends; without an end line, with what looks generated."""
    start = _START.search(data)
    if start is None:
        return None
    again = _START.search(data, start.end())
    end = _END.search(data, start.end() - 1)
    if end is not None and (again is None or end.start() < again.start()):
        return start.start(), end.end()
    position = start.end()
    while line := _GENERATED_LINE.match(data, position):
        position = line.end()
    return start.start(), position


def split_block(block: bytes) -> tuple[bytes, bytes]:
    """Part what was generated of a block from the lines that a person wrote into it, with a blank line before them.

    A value that somebody changed in a line of ours is not told from an older one of ours: such a line is generated.
    """
    status = read_status(block)
    ours = set(write_block(status).decode("utf-8", "surrogateescape").split("\n")) if status is not None else set()
    rows = {tuple(_cells(line)) for line in ours if line.startswith("|")}
    generated: list[str] = []
    typed: list[str] = []
    apart = True
    for line in block.decode("utf-8", "surrogateescape").split("\n"):
        bare = line.strip()
        if not bare or line.rstrip() in ours or _OURS.match(bare) or (bare[0] == "|" and tuple(_cells(bare)) in rows):
            generated.append(line)
            apart = True
            continue
        if apart:
            typed.append("")
        apart = False
        typed.append(line)
    return "\n".join(generated).encode("utf-8", "surrogateescape"), "".join(f"{line}\n" for line in typed).encode(
        "utf-8", "surrogateescape"
    )


def read_status(data: bytes) -> Status | None:
    """Read the generated block of a status file; None where there is none. Unknown lines are passed over."""
    found = locate(data)
    if found is None:
        return None
    head = data[: found[0]].decode("utf-8", "surrogateescape")
    text = data[found[0] : found[1]].decode("utf-8", "surrogateescape")
    title = _TITLE.search(head)
    fields: dict[str, str] = {}
    blockers: list[str] = []
    agents: list[AgentRow] = []
    capacity: list[CapacityRow] = []
    table: tuple[str, ...] = ()
    ruled = False
    field = ""
    for line in (raw.rstrip() for raw in text.split("\n")):
        if match := _FIELD.fullmatch(line):
            field = match[1].strip().casefold()
            fields[field] = (match[2] or "").strip()
        elif line.startswith("  - ") and field == "blockers":
            blockers.append(line[4:].strip())
        elif line.startswith("|"):
            cells = _cells(line)
            if tuple(cells) in (AGENT_HEAD, CAPACITY_HEAD):
                table, ruled = tuple(cells), False
            elif table and not ruled and all(set(cell) <= set("-:") and cell for cell in cells):
                ruled = True
            elif table:
                cells += [""] * (len(table) - len(cells))
                if table == AGENT_HEAD:
                    agents.append(_agent(cells))
                else:
                    capacity.append(CapacityRow(*cells[:4]))
        else:
            table = ()
    said = fields.get("blockers", "")
    if said and said.casefold() != "none":
        blockers.insert(0, said)
    return Status(
        id=title[1].lower() if title else "",
        name=(title[2] or "").strip() if title else "",
        state=fields.get("status", ""),
        role=fields.get("role", ""),
        agents=tuple(agents),
        capacity=tuple(capacity),
        blockers=tuple(blockers),
        install=fields.get("install") or None,
        refreshed=fields.get("refreshed") or None,
        key=fields.get("key", ""),
        announced=fields.get("announced", ""),
    )


def same_but_time(one: Status, other: Status) -> bool:
    """Say whether two statuses differ in nothing but the time, so that none need be written."""
    return replace(one, refreshed=None) == replace(other, refreshed=None)


def _agent(cells: Sequence[str]) -> AgentRow:
    types = tuple(name for name in (part.strip() for part in cells[4].split(",")) if name)
    queue = int(cells[5]) if cells[5].isascii() and cells[5].isdigit() and len(cells[5]) < 10 else 0
    return AgentRow(cells[0], cells[1], cells[2], cells[3], types, queue)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield _row(head)
    yield "|" + "---|" * len(head)
    for row in rows:
        yield _row(row)


def _row(cells: Sequence[str]) -> str:
    texts = [_inline(cell).replace("\\", "\\\\").replace("|", "\\|") for cell in cells]
    return "|" + "".join(f" {text} |" if text else " |" for text in texts)


def _cells(line: str) -> list[str]:
    line = line.strip()
    parts: list[str] = []
    at = 1
    for match in _BAR.finditer(line, 1):
        if match[0] == "|":
            parts.append(line[at : match.start()])
            at = match.end()
    if at < len(line):
        parts.append(line[at:])
    return [re.sub(r"\\(.)", r"\1", part.strip()) for part in parts]


def _inline(text: str) -> str:
    """Give a value as part of a line: no line ends, no control characters, and never a boundary."""
    return " ".join(re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029]", " ", text).split())
