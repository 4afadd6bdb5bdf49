"""Merge a mailbox file three ways. A message is kept or dropped as a whole, free text line by line.

Which version of a message stays, by its content in the base, here and there:

1. the same on both sides: once;
2. changed on one side, also where the other deleted it: the changed one;
3. changed on both: both, the smaller hash keeps the id, the other becomes the variant `<id>~<hash>`;
4. deleted on one side, unchanged on the other: deleted, unless it is protected;
5. only on one side, and not in the base: it stays.

Then the file is cut at the messages that are in all three versions and in the same order, and each stretch
between two cuts is woven (`weave`). The laws, each a property test: deterministic; commutative; a one-sided change
wins; nothing that either side added is lost; merging the result with either side changes nothing; the set of ids and
contents is associative over a shared base.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from gitsync.protocol.align import align, longest_growing
from gitsync.protocol.blocks import BOM
from gitsync.protocol.carry import carry_wraps
from gitsync.protocol.paths import classify
from gitsync.protocol.receipts import parse_line, split_signature
from gitsync.protocol.status import locate, split_block
from gitsync.protocol.version import FileVersion, Letter, free_name, load, render
from gitsync.protocol.weave import Element, Key, weave


@dataclass(frozen=True, slots=True)
class Merged:
    """The merged file, None where it is deleted; and what happened on the way.

    `variants` are the ids that versions got which lost a clash, `restored` the messages that one side had deleted and
    that are back, `clashes` how often both sides had changed the same place or message.
    """

    data: bytes | None
    variants: tuple[str, ...] = ()
    restored: tuple[str, ...] = ()
    clashes: int = 0


def merge_path(
    path: str,
    base: bytes | None,
    ours: bytes | None,
    theirs: bytes | None,
    *,
    protect: frozenset[str] = frozenset(),
) -> Merged:
    """Merge a file as its path says: messages by block, receipts by union, a status around its block, else by line."""
    kind = classify(path).kind
    if kind in ("messages", "archive"):
        return merge(base, ours, theirs, protect=protect)
    if kind == "receipts":
        return merge_receipts(base, ours, theirs)
    return merge_status(base, ours, theirs) if kind == "status" else merge_text(base, ours, theirs)


def merge(
    base: bytes | None, ours: bytes | None, theirs: bytes | None, *, protect: frozenset[str] = frozenset()
) -> Merged:
    """Merge a file of messages; None is a file that is not there.

    Messages in `protect` stay though one side lacks them: nobody has said yet what became of them.
    """
    if ours == theirs:
        return Merged(ours)
    if base is None and (ours is None or theirs is None):
        return Merged(theirs if ours is None else ours)
    for changed, other in ((ours, theirs), (theirs, ours)):
        if other == base and not _lacks(changed, other, protect):
            return Merged(changed)
    one, two = sorted((ours or b"", theirs or b""))
    known: dict[bytes, Letter] = {}
    before, first, second = (load(data, known) for data in (base or b"", one, two))
    return _Merge(before, first, second, protect).run(gone=ours is None or theirs is None)


@dataclass(slots=True)
class _Merge:
    """A merge at work: the base and both sides, which it changes as it goes."""

    base: FileVersion
    one: FileVersion
    two: FileVersion
    protect: frozenset[str]
    final: dict[str, Letter] = field(default_factory=dict)
    variant_of: dict[str, list[str]] = field(default_factory=dict)
    restored: list[str] = field(default_factory=list)
    clashes: int = 0

    def run(self, *, gone: bool) -> Merged:
        carry_wraps(self.base, self.one, self.two, self.protect)
        self._choose_letters()
        merged = FileVersion(self._weave(), self.final, self._bom())
        data: bytes | None = render(merged)
        if gone and not (data or b"").removeprefix(BOM).strip():
            data = None
        variants = tuple(sorted(name for names in self.variant_of.values() for name in names))
        return Merged(data, variants, tuple(self.restored), self.clashes)

    def _choose_letters(self) -> None:
        """Decide by id; what stays though a side deleted it is put back into that side."""
        lost: list[tuple[str, Letter]] = []
        back: tuple[list[str], list[str]] = ([], [])
        names = [*self.base.letters, *self.one.letters, *self.two.letters]
        for name in dict.fromkeys(names):
            base = self.base.letters.get(name)
            one, two = self.one.letters.get(name), self.two.letters.get(name)
            if one is None or two is None:
                here = one or two
                if here is None:
                    continue
                if base is not None:
                    if here.content == base.content and name not in self.protect:
                        continue
                    back[0 if one is None else 1].append(name)
                    self.restored.append(name)
                self.final[name] = here
            elif one.content == two.content:
                self.final[name] = _same(base, one, two)
            elif base is not None and base.content in (one.content, two.content):
                self.final[name] = two if one.content == base.content else one
            else:
                self.final[name], loser = sorted((one, two), key=lambda letter: letter.content)
                lost.append((name, loser))
                self.clashes += 1
        for name, letter in lost:
            variant = free_name(name, letter, self.final)
            if variant is not None:
                self.final[variant] = letter.named(variant)
                self.variant_of.setdefault(name, []).append(variant)
        for side, missing in zip((self.one, self.two), back, strict=True):
            _put_back(self.base, side, missing)

    def _weave(self) -> list[Element]:
        cuts = _cuts(self.base, self.one, self.two)
        stretches = [_cut(version.elements, cuts) for version in (self.base, self.one, self.two)]
        _settle_moves(*stretches)
        elements: list[Element] = []
        for number, (base, one, two) in enumerate(zip(*stretches, strict=True)):
            woven = weave(base, one, two)
            elements += woven.elements
            self.clashes += woven.clashes
            if number < len(cuts):
                elements.append(Element(cuts[number], b""))
        return self._placed(elements)

    def _placed(self, elements: Iterable[Element]) -> list[Element]:
        """Leave out messages that do not stay and second places of those that do; put variants where they belong."""
        placed: list[Element] = []
        left = dict.fromkeys(self.final)
        for element in elements:
            if isinstance(element.key, bytes):
                placed.append(element)
                continue
            for name in (element.key, *self.variant_of.get(element.key, ())):
                if name in left:
                    del left[name]
                    placed.append(Element(name, b""))
        return placed + [Element(name, b"") for name in left]

    def _bom(self) -> bool:
        changed = [side.bom for side in (self.one, self.two) if side.bom != self.base.bom]
        return changed[0] if changed else self.base.bom


def merge_text(base: bytes | None, ours: bytes | None, theirs: bytes | None) -> Merged:
    """Merge a file without meaning by line; where both changed the same lines, both stay, in byte order.

    A change beats a deletion. Of two binary files the one with the smaller hash stays, the other is in the history.
    """
    if ours == theirs or theirs == base:
        return Merged(ours)
    if ours == base:
        return Merged(theirs)
    if ours is None or theirs is None:
        return Merged(theirs if ours is None else ours, clashes=1)
    one, two = sorted((ours, theirs))
    if b"\0" in one + two:
        return Merged(min(one, two, key=lambda data: hashlib.sha256(data).digest()), clashes=1)
    woven = weave(_line_elements(base or b""), _line_elements(one), _line_elements(two))
    return Merged(_joined(woven.elements), clashes=woven.clashes)


def merge_receipts(base: bytes | None, ours: bytes | None, theirs: bytes | None) -> Merged:
    """Merge a file of receipts: nothing that either side has is left out, and no receipt stands there twice."""
    if ours == theirs or theirs == base:
        return Merged(ours)
    if ours == base:
        return Merged(theirs)
    if ours is None or theirs is None:
        return Merged(theirs if ours is None else ours)
    one, two = sorted((ours, theirs))
    lines_one, lines_two = _line_elements(one), _line_elements(two)
    if b"sshsig=" in one or b"sshsig=" in two:
        lines_one, lines_two = _as_signed(lines_one, lines_two), _as_signed(lines_two, lines_one)
        one, two = _joined(lines_one), _joined(lines_two)
    keys_one, keys_two = {e.key for e in lines_one}, {e.key for e in lines_two}
    if keys_one >= keys_two or keys_two >= keys_one:
        return Merged(one if keys_one >= keys_two else two)
    # Without the base's lines nothing is ever deleted: what both have keeps its place.
    shared = [lines_one[i] for i, there in enumerate(align(_keys(lines_one), _keys(lines_two))) if there >= 0]
    woven = weave(shared, lines_one, lines_two)
    seen: set[Key] = set()
    merged: list[Element] = []
    for element in woven.elements:
        if element.key not in seen or not _is_receipt(element):
            merged.append(element)
        seen.add(element.key)
    return Merged(_joined(merged))


def _as_signed(side: list[Element], other: list[Element]) -> list[Element]:
    """Give a side's lines, those that either side has signed as they are signed: the same receipt stands there once."""
    signed: dict[bytes, Element] = {}
    for element in (*side, *other):
        bare = _without_signature(element.key)
        if bare != element.key and (bare not in signed or element.raw < signed[bare].raw):
            signed[bare] = element
    found: list[Element] = []
    seen: set[Key] = set()
    for element in side:
        element = signed.get(_bytes(element.key), element)
        if element.key not in seen or not _is_receipt(element):
            found.append(element)
        seen.add(element.key)
    return found


def _without_signature(key: Key) -> bytes:
    line = _bytes(key)
    if b"sshsig=" not in line:
        return line
    bare, _ = split_signature(line.decode("utf-8", "surrogateescape"))
    return bare.encode("utf-8", "surrogateescape")


def _bytes(key: Key) -> bytes:
    assert isinstance(key, bytes)  # lines, not messages
    return key


def _is_receipt(element: Element) -> bool:
    return parse_line(element.raw.decode("utf-8", "replace")) is not None


# A line that no status file holds, because it is no UTF-8.
_BLOCK = b"\xff\xfe<status>\xff\n"


def merge_status(base: bytes | None, ours: bytes | None, theirs: bytes | None) -> Merged:
    """Merge a status file: free text by line, the generated block as a whole, changed by whoever changed it."""
    if ours == theirs or theirs == base:
        return Merged(ours)
    if ours == base:
        return Merged(theirs)
    if ours is None or theirs is None:
        return Merged(theirs if ours is None else ours, clashes=1)
    (text, old), (one_text, one), (two_text, two) = (_lift(data or b"") for data in (base, *sorted((ours, theirs))))
    if one == two or two == old:
        block = one
    elif one == old:
        block = two
    else:
        block = min(filter(None, (one, two)))
    merged = merge_text(text, one_text, two_text)
    data = merged.data or b""
    if block is not None and _BLOCK not in data:
        # One side deleted the block, the other changed it.
        data = (data if not data or data.endswith(b"\n") else data + b"\n") + _BLOCK
    head, found, tail = data.partition(_BLOCK)
    data = head + (block or b"" if found else b"") + tail.replace(_BLOCK, b"")
    return Merged(data, clashes=merged.clashes)


def _lift(data: bytes) -> tuple[bytes, bytes | None]:
    found = locate(data)
    if found is None:
        return data, None
    start, end = found
    block, typed = split_block(data[start:end])  # what a person wrote there is merged as the text it is, below it
    return data[:start] + _BLOCK + typed + data[end:], block if block.endswith(b"\n") else block + b"\n"


def _lacks(side: bytes | None, other: bytes | None, protect: frozenset[str]) -> bool:
    """Say whether a side lacks a protected message that the other has."""
    if not protect or not other:
        return False
    return bool(protect & load(other).letters.keys() - load(side or b"").letters.keys())


def _same(base: Letter | None, one: Letter, two: Letter) -> Letter:
    """Choose between two ways to write the same content: closed, then signed, then as the side that changed it."""
    if one.closed != two.closed:
        return one if one.closed else two
    if one.signed != two.signed:
        return one if one.signed else two
    if base is not None and base.raw in (one.raw, two.raw):
        return two if one.raw == base.raw else one
    return min(one, two, key=lambda letter: letter.raw)


def _put_back(base: FileVersion, side: FileVersion, names: list[str]) -> None:
    """Give a side the messages that it had deleted again, where they stood, each with its blank line."""
    if not names:
        return
    missing = set(names)
    to_side = align(_keys(base.elements), _keys(side.elements))
    back: list[tuple[int, Element]] = []
    place, after_missing = 0, False
    for element, there in zip(base.elements, to_side, strict=True):
        is_missing = isinstance(element.key, str) and element.key in missing
        if there >= 0:
            place = there + 1
        elif is_missing or (after_missing and not element.key):
            back.append((place, element))
        after_missing = is_missing
    at: dict[int, list[Element]] = {}
    for where, element in back:
        at.setdefault(where, []).append(element)
    together: list[Element] = []
    for index in range(len(side.elements) + 1):
        together += at.get(index, ())
        together += side.elements[index : index + 1]
    side.elements[:] = together
    side.letters.update({name: base.letters[name] for name in missing})


def _cuts(base: FileVersion, one: FileVersion, two: FileVersion) -> list[str]:
    """Give the messages that all three have, in the base's order, as far as both sides keep that order."""
    where_one, where_two = _where(one.elements), _where(two.elements)
    names = [e.key for e in base.elements if isinstance(e.key, str)]
    shared = [name for name in names if name in where_one and name in where_two]
    in_order = [
        {shared[index] for index in longest_growing([where[name] for name in shared])}
        for where in (where_one, where_two)
    ]
    return [name for name in shared if all(name in kept for kept in in_order)]


def _cut(elements: list[Element], cuts: list[str]) -> list[list[Element]]:
    stretches: list[list[Element]] = [[]]
    at = set(cuts)
    for element in elements:
        if isinstance(element.key, str) and element.key in at:
            stretches.append([])
        else:
            stretches[-1].append(element)
    return stretches


def _settle_moves(base: list[list[Element]], one: list[list[Element]], two: list[list[Element]]) -> None:
    """Leave a message that the sides have in different stretches only where it was moved to, or in the first."""
    in_base, in_one, in_two = _stretch_of(base), _stretch_of(one), _stretch_of(two)
    gone: dict[int, dict[int, set[str]]] = {id(version): {} for version in (base, one, two)}
    for name in in_one.keys() & in_two.keys():
        first, second, old = in_one[name], in_two[name], in_base.get(name)
        if first == second:
            continue
        stays = second if first == old else first if second == old else min(first, second)
        side, number = (two, second) if stays == first else (one, first)
        for version in (side, base) if old == number else (side,):
            gone[id(version)].setdefault(number, set()).add(name)
    for version in (base, one, two):
        for number, names in gone[id(version)].items():
            version[number] = [element for element in version[number] if element.key not in names]


def _stretch_of(stretches: list[list[Element]]) -> dict[str, int]:
    return {e.key: number for number, part in enumerate(stretches) for e in part if isinstance(e.key, str)}


def _where(elements: list[Element]) -> dict[str, int]:
    return {e.key: index for index, e in enumerate(elements) if isinstance(e.key, str)}


def _keys(elements: Iterable[Element]) -> list[Key]:
    return [element.key for element in elements]


def _line_elements(data: bytes) -> list[Element]:
    lines = data.split(b"\n")
    last = lines.pop()
    elements = [Element(line.rstrip(b" \t\r"), line + b"\n") for line in lines]
    return [*elements, Element(last.rstrip(b" \t\r"), last)] if last else elements


def _joined(elements: Iterable[Element]) -> bytes:
    raws = [element.raw for element in elements]
    return b"".join(raw if raw.endswith(b"\n") else raw + b"\n" for raw in raws[:-1]) + b"".join(raws[-1:])
