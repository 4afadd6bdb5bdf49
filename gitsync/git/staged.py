"""What a person's next commit in the mailbox folder would change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gitsync.git.index import ForeignIndexError, parse, read
from gitsync.git.objects import to_text
from gitsync.git.repo import Mailbox
from gitsync.git.values import REGULAR


def staged(mailbox: Mailbox, index: Path) -> Iterator[tuple[str, bytes | None, bytes]]:
    """Give path, last committed bytes and staged bytes of each file that ``index`` adds or changes."""
    head = mailbox.head().commit
    before = mailbox.files(mailbox.commit(head).tree) if head is not None else {}
    try:
        _, items = parse(read(index))
    except ForeignIndexError:
        return  # only git itself can read it; a hook that cannot look lets the commit through
    for (name, _stage), item in sorted(items.items()):
        path, mode, sha = to_text(name), item.mode, item.sha.hex()
        old = before.get(path)
        if mode & 0o170000 == REGULAR & 0o170000 and (old is None or old.sha != sha):
            yield path, mailbox.blob(old.sha) if old is not None else None, mailbox.blob(sha)
