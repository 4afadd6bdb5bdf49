# ruff: noqa: E501 - lines of data
"""What is fuzzed: each target takes any bytes, and raises where a promise about them is broken."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from random import Random

from gitsync.cli.terminal import clean, clean_line
from gitsync.config.read import parse_settings
from gitsync.errors import ConfigError
from gitsync.git import objects
from gitsync.hooks import claude
from gitsync.hooks.precommit import Staged, complaints
from gitsync.inbox.header import hear
from gitsync.protocol import (
    address,
    blocks,
    commits,
    dates,
    edit,
    fields,
    follow_up,
    ids,
    machine_name,
    message,
    names,
    paths,
    phrases,
    plain,
    receipts,
    report,
    status,
    templates,
    wrap,
)  # fmt: skip
from gitsync.protocol.blocks import Block
from gitsync.protocol.ids import base_id
from gitsync.protocol.lint import lint
from gitsync.protocol.merge import merge, merge_path
from gitsync.protocol.reader import read_file, unwrapped
from gitsync.sync.ignore import ignored, parse_rules
from tests.fuzz import grammar
from tests.fuzz.grammar import CUT

Target = Callable[[bytes], None]
PATHS = ("messages/1_TO_2.md", "COMPUTER_1.md", "notes.md", "archive/2026-11/1_TO_2.md", "receipts/2/2026-11.md")


def _three(data: bytes) -> tuple[bytes, bytes, bytes]:
    base, one, two = [*data.split(CUT), b"", b"", b""][:3]
    return base, one, two


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def split(data: bytes) -> None:
    """Any bytes are split without a loss, and every block is what its bytes say."""
    segments = blocks.parse(data)
    assert blocks.render(segments) == data
    for before, after in pairwise(segments):
        assert isinstance(before, Block) or isinstance(after, Block), "two pieces of free text in a row"
    for segment in segments:
        assert segment.raw
        if isinstance(segment, Block):
            assert ids.canonical(segment.id) == segment.id
            assert segment.inner in segment.raw
            (again,) = blocks.parse(segment.raw)
            assert isinstance(again, Block)
            assert (again.id, again.inner) == (segment.id, segment.inner)
    blocks.open_fence(data)
    assert blocks.content_hash(data) == blocks.content_hash(data.replace(b"\n", b"\r\n") + b"\n")


def reader(data: bytes) -> None:
    """The reader stops at nothing; what it finds lies in the file, in order; a wrap changes no other byte."""
    for path in PATHS[:3]:
        reading = read_file(data, path)
        at = 0
        for found in reading.messages:
            assert 0 <= found.start <= found.end <= len(data)
            assert 1 <= found.line <= found.end_line <= max(1, len(data.splitlines()))
            if found.date_utc is not None:
                assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found.date_utc, re.ASCII)
            assert found.start >= at or found.wrapped
            at = max(at, found.end)
        json.dumps(report.as_json(path, reading)).encode()
        _wrapped(data, path)


def _wrapped(data: bytes, path: str) -> None:
    found = unwrapped(data, path)
    new = [f"01JZZZZZZZZZZZZZZZZZZZZ{number:03d}" for number in range(len(found))][:999]
    out = wrap.wrap(data, [(each.start, each.end) for each in found][:999], new)
    before = Counter(segment.raw for segment in blocks.parse(data) if isinstance(segment, Block))
    after = Counter(segment.raw for segment in blocks.parse(out) if isinstance(segment, Block))
    assert not before - after, "a wrap has changed another block"
    for name in new:
        for line in (f"<!-- msg {name} -->\n", f"<!-- msg {name} -->\r\n"):
            out = out.replace(line.encode(), b"")
    kept = [line for line in out.split(b"\n") if not blocks.is_end_line(line)]
    told = Counter(line.rstrip(b"\r") for line in data.split(b"\n") if line.strip() and not blocks.is_end_line(line))
    assert not told - Counter(line.rstrip(b"\r") for line in kept), "a wrap has lost a line"


def hearing(data: bytes) -> None:
    """What stands in a block becomes a message with a regular header, or is passed over with a reason."""
    for path in ("messages/1_TO_2.md", "COMPUTER_1.md"):
        place = paths.classify(path)
        for segment in blocks.parse(data):
            if not isinstance(segment, Block):
                continue
            try:
                heard = hear(segment, base_id(segment.id), path, place, "2026-11-20T06:45:00Z", {"1", "2", "9"})
            except ValueError:
                continue
            assert heard.message.sender.partition("/")[0] == "1"
            if not heard.quarantined:
                assert message.read(message.write(heard.message)) == heard.message


def merging(data: bytes) -> None:
    """PROTOCOL 5: deterministic, commutative, one-sided changes win, nothing added is lost, merging again adds nothing."""
    base, one, two = _three(data)
    for start in (base, None):
        merged = merge(start, one, two)
        assert merged == merge(start, one, two)
        assert merged.data == merge(start, two, one).data
        out = merged.data or b""
        assert blocks.render(blocks.parse(out)) == out
        have = _versions(out)
        for side in (one, two):
            lost = set() if _swallows(side) else _versions(side) - _versions(start or b"") - have
            # Where both have wrapped the same text, the smaller id stays for both.
            lost = {(name, content) for name, content in lost if content not in {other for _, other in have}}
            # What is only a wrap around text of the base is no change of it: the other side's edit of that text wins.
            assert not {each for each in lost if not _only_wrapped(side, each, start)}, f"versions are lost: {lost}"
            again = merge(side, out, side)
            assert again.data == out, "merging the result with one of its sides changes it"
        _no_line_lost(start or b"", (one, two), out)
    for side in (one, two):
        assert merge(base, side, base).data == side
        assert merge(base, base, side).data == side


def _versions(data: bytes) -> set[tuple[str, str]]:
    return {(base_id(s.id), blocks.content_hash(s.inner)) for s in blocks.parse(data) if isinstance(s, Block)}


def _swallows(side: bytes) -> bool:
    """Say whether a message is open in which a fence is open: to be followed by anything it needs a line more."""
    return any(
        isinstance(segment, Block) and not segment.closed and blocks.open_fence(segment.raw)
        for segment in blocks.parse(side)
    )


def _only_wrapped(side: bytes, version: tuple[str, str], base: bytes | None) -> bool:
    name, content = version
    inner = [
        segment.inner
        for segment in blocks.parse(side)
        if isinstance(segment, Block) and (base_id(segment.id), blocks.content_hash(segment.inner)) == (name, content)
    ]
    return all(_lines(each) <= _lines(base or b"") for each in inner)


def _lines(data: bytes) -> set[bytes]:
    return {b"", *(line.replace(blocks.BOM, b"").rstrip(b" \t\r\x0b\x0c") for line in data.split(b"\n"))}


def _no_line_lost(base: bytes, sides: tuple[bytes, ...], out: bytes) -> None:
    old, new = _lines(base), _lines(out)
    for side in sides:
        gone = {line for line in _lines(side) - old - new if line and b"<!--" not in line}
        assert not gone, f"lines are lost: {sorted(gone)[:3]}"


def merging_files(data: bytes) -> None:
    """Receipts, status pages and other files merge without a loss, the same from either side."""
    base, one, two = _three(data)
    for path in ("receipts/2/2026-11.md", "COMPUTER_1.md", "notes.md"):
        for start in (base, None):
            merged = merge_path(path, start, one, two)
            assert merged.data == merge_path(path, start, two, one).data
            if path.startswith("receipts"):
                have = set(receipts.parse_file(merged.data or b""))
                both = {*receipts.parse_file(one), *receipts.parse_file(two)}
                assert start is not None or both <= have
            if path == "notes.md" and b"\0" not in one + two:
                _no_line_lost(start or b"", (one, two), merged.data or b"")


def receipt_lines(data: bytes) -> None:
    """Any bytes are read; what is read is written as a line that reads the same; any values survive a line."""
    for receipt in receipts.parse_file(data):
        line = receipts.line(receipt)
        assert "\n" not in line
        assert receipts.parse_line(line) == receipt
        assert receipts.parse_file(receipts.lines([receipt])) == (receipt,)
    sender, agent, reason = (_text(part) for part in _three(data))
    receipt = receipts.Receipt("2026-11-20T06:45:12Z", grammar.IDS[0], sender or "1", agent, "done", reason=reason)
    assert receipts.parse_file(receipts.lines([receipt])) == (receipt,)
    page = edit.append_receipts(data, "2", [receipt])
    assert receipt in receipts.parse_file(page)
    assert edit.append_receipts(page, "2", [receipt]) == page


def status_page(data: bytes) -> None:
    """A page is read or not; what gitsync writes into it reads the same, and what people wrote stays."""
    read = status.read_status(data)
    if read is not None:
        written = status.write_block(read)
        again = status.read_status(written)
        assert again is not None
        assert status.write_block(again) == written
    mine = status.Status("1", "x", "ACTIVE", agents=(status.AgentRow("a|b", "http", "online", "\\", ("t",), 3),))
    out = status.set_block(data, mine)
    told = status.read_status(out)
    assert told is not None
    assert (told.state, told.agents) == (mine.state, mine.agents)
    outside = data if (found := status.locate(data)) is None else data[: found[0]] + data[found[1] :]
    assert {line for line in _lines(outside) if line} <= _lines(out), "free text is lost"
    assert status.set_block(out, mine) == out


def moments(data: bytes) -> None:
    """A date is found where it stands, and is a moment or nothing."""
    text = _text(data)
    stamp = dates.find(text)
    if stamp is not None:
        assert 0 <= stamp.start < stamp.end <= len(text)
    for value in (dates.to_utc(text), stamp.utc() if stamp else None):
        if value is not None:
            datetime.fromisoformat(value)
    dates.find_time(text)
    dates.has_time(text)


def header_line(data: bytes) -> None:
    """Fields, names, priorities and phrases are read out of any line."""
    text = _text(data)
    for line in text.split("\n"):
        for top in (False, True):
            for each in fields.split_line(line, top=top):
                fields.may_name(each.value)
                templates.is_choice(each)
                templates.is_placeholder(each.value)
        names.sender(line)
        assert all(names.recipients(line))
        level, _ = names.priority(line)
        assert level in (None, "low", "normal", "high", "urgent")
        plain.plain(line)
        phrases.said(line)
        phrases.said_inside(line)
        phrases.entry_date(line)
        phrases.entry_sender(line)
        phrases.pair_in_title(line)
        templates.in_heading(line)
        templates.is_empty_body(line)


def addresses(data: bytes) -> None:
    """An address, an id, a path or a machine's name is understood the one way or not at all."""
    text = _text(data)
    try:
        parsed = address.parse_address(text)
    except ValueError:
        pass
    else:
        assert address.parse_address(str(parsed)) == parsed
        assert parsed.machine in (None, "ALL", "ANY") or paths.valid_id(parsed.machine or "")
    try:
        name = ids.canonical(text)
    except ValueError:
        pass
    else:
        assert ids.canonical(name) == name
    place = paths.classify(text)
    if place.kind != "other":
        assert objects.inside(text)
        assert place.owner is not None
        assert paths.valid_id(place.owner)
    machine_name.machine_of(text)
    machine_name.other_machine(text, "1", {"2"})
    objects.inside(text)


def messages(data: bytes) -> None:
    """`read(write(m)) == m` for every message; appended to any file it is there, taken out again it is gone."""
    first, second, third = _three(data)
    try:
        made = message.Message(
            id=grammar.IDS[7], sender="1", to=("2",), subject=_text(second), body=_text(first), date="2026-11-20T06:45:00Z",
            type=_text(third), fields=(("Auto", _text(third)),),
        )  # fmt: skip
    except ValueError:
        return
    block = message.write(made)
    assert message.read(block) == made
    if grammar.IDS[7].encode() in data.upper():
        return
    grown = edit.append(data, block, path=PATHS[0])
    assert grown.startswith(data.rstrip(b"\n")) or not data.removeprefix(blocks.BOM).strip()
    held = blocks.find(grown, made.id)
    assert held is not None
    assert message.read(held.raw) == made
    assert edit.append(grown, block, path=PATHS[0]) == grown
    assert blocks.find(edit.withdraw(grown, made.id), made.id) is None
    parts = edit.rotate(grown, lambda _: True, limit=len(grown) // 2)
    if parts is not None:
        assert _versions(grown) <= _versions(parts[0]) | _versions(parts[1])


def linting(data: bytes) -> None:
    """Lint, the hook before a commit and the follow-ups take any file."""
    for path in PATHS:
        lines = data.count(b"\n") + len(data.splitlines()) + 1
        for problem in lint(data, path):
            assert 1 <= problem.line <= lines
            assert problem.text
        complaints([Staged(path, None, data)])
    known = follow_up.followed(data)
    if known:
        out, moved = follow_up.extended(data, PATHS[0], set(known))
        assert set(moved) <= set(known)
        assert [s.id for s in blocks.parse(out) if isinstance(s, Block)] == [
            s.id for s in blocks.parse(data) if isinstance(s, Block)
        ]


def commit_notes(data: bytes) -> None:
    """A commit's text is read, whatever it says; a commit object gives values that can be shown and stored."""
    note = commits.read(_text(data))
    for name in (*note.messages, *note.withdrawn):
        assert ids.canonical(name) == name
    if b"tree " not in data[:5]:
        data = b"tree " + objects.EMPTY_TREE.encode() + b"\n" + data
    try:
        commit = objects.parse_commit("0" * 40, data)
    except UnicodeDecodeError:
        return  # tree and parents are names of objects; git itself takes no other
    for text in (commit.message, commit.author.name, commit.author.email, commit.committer.name):
        text.encode("utf-8", "surrogateescape")
    again = objects.parse_commit(
        "0" * 40, objects.compose_commit(commit.tree, (), commit.author, commit.committer, commit.message)
    )
    assert again.tree == commit.tree
    commits.read(commit.message)


def trees(data: bytes) -> None:
    """Both ways to read a tree that git has let through agree on which entry a name stands for."""
    old, new, _ = _three(data)
    try:
        before, after = objects.parse_tree(old), objects.parse_tree(new)
    except ValueError:
        return
    if not all(re.fullmatch(rb"(?:[0-7]{1,7} [^\0]+\0.{20})*", side, re.DOTALL) for side in (old, new)):
        return
    changed = {name: now for name, _, now in objects.differences(old, new)}
    for name in before.keys() | after.keys():
        was, now = before.get(name), after.get(name)
        if (was and was.sha) != (now and now.sha):
            assert name in changed
            assert (changed[name] and changed[name].sha) == (now and now.sha)  # type: ignore[union-attr]


def settings(data: bytes) -> None:
    """Settings are understood or refused with a reason, never anything else."""
    with suppress(ConfigError):
        parse_settings(data, Path("config.toml"), Path("/tmp"))


def ignoring(data: bytes) -> None:
    """Patterns of a `.gitignore` come from the branch: any is read, and none takes long."""
    rules, path, _ = _three(data)
    ignored(_text(path), parse_rules(_text(rules)[:2000]))


def shown(data: bytes) -> None:
    """Nothing that others wrote reaches a terminal as more than text, or leaves its fence in an agent's context."""
    text = _text(data)
    out = clean(text)
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200c\u200e\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff]", out
    )
    assert "\n" not in clean_line(text)
    first, second, third = (_text(part) for part in _three(data))
    news = [
        claude.News(key="k", id=grammar.IDS[0], sender=second, to="1", subject=third, body=first, date="", priority="")
    ]
    told, keys = claude.context(news, nonce="0123456789abcdef")
    assert keys == ("k",)
    assert told.count("0123456789abcdef") == 3 or "0123456789abcdef" in text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ud800-\udfff]", told)
    json.loads(claude.answer("claude-stop", told))


@dataclass(frozen=True)
class Fuzzed:
    """A target, how its inputs are made, and its share of all inputs."""

    target: Target
    make: Callable[[Random], bytes]
    share: int


def _files(rng: Random) -> bytes:
    return rng.choice((grammar.mailbox, grammar.mailbox, grammar.status, grammar.receipts))(rng)


def _any(rng: Random) -> bytes:
    return rng.choice((grammar.mailbox, grammar.header, grammar.paths, grammar.commit, grammar.receipts))(rng)


def _parts(rng: Random) -> bytes:
    return CUT.join(_any(rng) for _ in range(3))


TARGETS: Mapping[str, Fuzzed] = {
    "split": Fuzzed(split, grammar.mailbox, 14),
    "reader": Fuzzed(reader, _files, 8),
    "hearing": Fuzzed(hearing, grammar.mailbox, 6),
    "merging": Fuzzed(merging, lambda rng: grammar.three(rng, grammar.mailbox), 8),
    "merging_files": Fuzzed(merging_files, lambda rng: grammar.three(rng, _files), 7),
    "receipt_lines": Fuzzed(receipt_lines, lambda rng: _parts(rng) if rng.random() < 0.3 else grammar.receipts(rng), 9),
    "status_page": Fuzzed(status_page, grammar.status, 6),
    "moments": Fuzzed(moments, grammar.header, 6),
    "header_line": Fuzzed(header_line, grammar.header, 5),
    "addresses": Fuzzed(addresses, grammar.paths, 5),
    "messages": Fuzzed(messages, lambda rng: _parts(rng) if rng.random() < 0.5 else grammar.mailbox(rng), 6),
    "linting": Fuzzed(linting, _files, 4),
    "commit_notes": Fuzzed(commit_notes, grammar.commit, 5),
    "trees": Fuzzed(trees, lambda rng: CUT.join((grammar.tree(rng), grammar.tree(rng))), 3),
    "settings": Fuzzed(settings, grammar.config, 2),
    "ignoring": Fuzzed(ignoring, grammar.globs, 3),
    "shown": Fuzzed(shown, _parts, 3),
}
