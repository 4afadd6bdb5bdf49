"""What a commit on the branch says: one line that reads like a journal, and trailers for programs.

[1] 2 messages to 2, 1 receipt

Gitsync-Machine: 1
Gitsync-Message: 01JD3WQ8Z6T4K9V2M5N7P0R3S8
Gitsync-Message: 01JD3WQ8Z6T4K9V2M5N7P0R3S9

Text that was kept back for a secret in it and released by a person is told of as `Gitsync-Override: RULE: REASON`.
A message that is taken back is named twice, the second time as `Gitsync-Withdrawn`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gitsync.protocol.ids import canonical

_TRAILER = re.compile(r"(Gitsync-Machine|Gitsync-Message|Gitsync-Withdrawn): (\S+)\s*")
_SUBJECT = re.compile(r"\[([^\]\s]+)\] (.*)")
_WITHDRAW = re.compile(r"(?:^|, )withdraw ([0-9A-Z]{26})(?: and \d+ more)?(?=, |$)")
_BY_SUMMARY: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("begin", re.compile(r"begin the mailbox\b")),
    ("messages", re.compile(r"\d+ messages? to ")),
    ("hand edit", re.compile(r"hand edit: ")),
    ("withdraw", re.compile(r"withdraw ")),
    ("adopt", re.compile(r"adopt \d+ messages?")),
    ("archive", re.compile(r"archive \d+ messages?")),
    ("receipts", re.compile(r"\d+ receipts?")),
    ("status", re.compile(r"status\b")),
    ("import", re.compile(r"import ")),
)


@dataclass(frozen=True, slots=True)
class CommitNote:
    """What a commit's message says; `machine` is None for a person's own commit."""

    machine: str | None
    kind: str
    summary: str
    messages: tuple[str, ...]
    withdrawn: tuple[str, ...] = ()
    """Those of the messages that it takes back."""


def compose(
    machine: str,
    *,
    messages: Sequence[tuple[str, str]] = (),
    hand_edits: Sequence[str] = (),
    withdrawn: Sequence[str] = (),
    adopted: Sequence[str] = (),
    archived: int = 0,
    receipts: int = 0,
    status: bool = False,
    imported: Sequence[str] = (),
    begins: bool = False,
    overrides: Sequence[tuple[str, str]] = (),
) -> str:
    """Write the message of a commit from what the commit does.

    `overrides` are pairs of what a text was kept back for and the reason that a person gave for letting it go.
    `messages` are pairs of an id and the machine it is for; `hand_edits` and `imported` are paths. The commit that
    `begins` the branch brings the files every mailbox has, which is said in one word.
    """
    parts: list[str] = ["begin the mailbox"] if begins else []
    body: list[str] = []
    counts: dict[str, int] = {}
    for _, to in messages:
        counts[to] = counts.get(to, 0) + 1
    parts += [f"{_count(number, 'message')} to {to}" for to, number in counts.items()]
    parts += _files("hand edit: ", hand_edits, body)
    parts += [f"withdraw {name}" for name in withdrawn[:1]]
    if len(withdrawn) > 1:
        parts[-1] += f" and {len(withdrawn) - 1} more"
    if adopted:
        parts.append(f"adopt {_count(len(adopted), 'message')}")
    if archived:
        parts.append(f"archive {_count(archived, 'message')}")
    if receipts:
        parts.append(_count(receipts, "receipt"))
    if status:
        parts.append("status")
    if not begins:
        parts += _files("import ", imported, body)
    if overrides and not parts:
        parts.append("release what was kept back")
    named = dict.fromkeys([*(name for name, _ in messages), *withdrawn, *adopted])
    trailers = [f"Gitsync-Machine: {machine}", *(f"Gitsync-Message: {name}" for name in named)]
    trailers += [f"Gitsync-Withdrawn: {name}" for name in dict.fromkeys(withdrawn)]
    trailers += [f"Gitsync-Override: {_one_line(what)}: {_one_line(why)}" for what, why in overrides]
    paragraphs = [f"[{machine}] {', '.join(parts) or 'no change'}", "\n".join(body), "\n".join(trailers)]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph) + "\n"


def read(message: str) -> CommitNote:
    """Read a commit's message: what `compose` wrote, or a person's own words. Never fails."""
    paragraphs = [part for part in re.split(r"\n[ \t]*\n", message.replace("\r\n", "\n").strip("\n")) if part]
    subject = " ".join(paragraphs[0].split("\n")).strip() if paragraphs else ""
    machine: str | None = None
    messages: list[str] = []
    withdrawn: list[str] = []
    for line in paragraphs[-1].split("\n") if len(paragraphs) > 1 else ():
        match = _TRAILER.fullmatch(line)
        if match is None:
            continue
        if match[1] == "Gitsync-Machine":
            machine = match[2]
            continue
        try:
            (messages if match[1] == "Gitsync-Message" else withdrawn).append(canonical(match[2]))
        except ValueError:
            continue
    if machine is None:
        return CommitNote(None, "person", subject, ())
    said = _SUBJECT.fullmatch(subject)
    summary = said[2] if said and said[1] == machine else subject
    if not withdrawn and (taken := _WITHDRAW.search(summary)) and taken[1] in messages:
        withdrawn = messages  # of a gitsync that did not name them apart
    kind = next((kind for kind, pattern in _BY_SUMMARY if pattern.match(summary)), "other")
    return CommitNote(machine, kind, summary, tuple(messages), tuple(withdrawn))


def _files(verb: str, paths: Sequence[str], body: list[str]) -> list[str]:
    """Name one file in the subject; count several, and list them in the body."""
    if len(paths) > 1:
        body += [f"- {_one_line(path)}" for path in paths]
        return [f"{verb}{len(paths)} files"]
    return [f"{verb}{_one_line(path)}" for path in paths]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _one_line(text: str) -> str:
    return " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", text).split())
