"""The keys of one machine: its own, those it trusts, those it revoked, and the book of those it has seen.

They lie in the clone's `.git/gitsync/keys/`, where no git ever takes anything from, so that nothing in the mailbox can
change whom this machine trusts. As with ssh, a key that others may read is not used.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from gitsync.errors import GitsyncError, NotFound, Refused
from gitsync.signing import sshsig
from gitsync.signing.keys import PrivateKey, PublicKey, parse_public
from gitsync.signing.payload import key_payload
from gitsync.signing.signers import MACHINE, AllowedSigners, Line, new_line

State = Literal["own", "trusted", "new", "changed", "revoked"]

OWN = "id_ed25519"
SIGNERS = "allowed_signers"
REVOKED = "revoked"
SEEN = "seen"
ANNOUNCED = "announced"

UNTRUSTED = 8
"""Keys that one machine's page may show before the oldest of them that nobody trusts is forgotten."""
BOOK = 4096
"""Keys in the book; whoever can push could fill it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A key that a machine's page has shown: when first, and the signature of a former key that announces it."""

    machine: str
    key: str
    since: str
    announced: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One key as people are told of it; `announced` is the fingerprint of the trusted key that announces it."""

    machine: str
    key: str
    fingerprint: str
    state: State
    since: str
    announced: str = ""


class KeyStore:
    """Read and write the folder of keys; every writing method is one step that others see as a whole.

    Raise Refused where files are open to others, GitsyncError where they cannot be read.
    """

    def __init__(self, folder: Path, machine: str) -> None:
        self.folder = folder
        self.machine = machine
        self._key: tuple[tuple[int, ...], PrivateKey] | None = None
        self._signers: tuple[tuple[tuple[int, ...], ...], AllowedSigners] | None = None

    # -- the key of this machine -----------------------------------------------------------------------------------

    def private(self) -> PrivateKey | None:
        """Give this machine's key, None where it has none; read again when the file has changed."""
        file = self.folder / OWN
        try:
            info = file.lstat()
        except FileNotFoundError:
            self._key = None
            return None
        stamp = _stamp(info)
        if self._key is not None and self._key[0] == stamp:
            return self._key[1]
        _check(self.folder, self.folder.lstat(), 0o077)
        _check(file, info, 0o077)
        try:
            key = PrivateKey.from_openssh(file.read_bytes())
        except (OSError, ValueError) as error:
            raise GitsyncError(
                "the key of this machine cannot be read", f"{file}: {error}", "move it away, then: gitsync keys init"
            ) from error
        self._key = (stamp, key)
        return key

    def own(self) -> PublicKey | None:
        """Give the public half of this machine's key."""
        key = self.private()
        return key.public if key is not None else None

    def create(self, entropy: bytes, now: str) -> PublicKey:
        """Make this machine's key from 36 random bytes, or give the one that is there."""
        with self._locked():
            if (key := self.private()) is None:
                key = PrivateKey.of_seed(entropy[:32])
                self._write_key(key, entropy[32:36], now)
            return key.public

    def rotate(self, entropy: bytes, now: str) -> tuple[PublicKey, PublicKey]:
        """Replace this machine's key; give the old and the new one.

        The old one announces the new one. Its private half is removed, its public half stays trusted here: what it
        signed remains this machine's own.
        """
        with self._locked():
            old = self.private()
            if old is None:
                raise NotFound("this machine has no key", remedy="gitsync keys init")
            new = PrivateKey.of_seed(entropy[:32])
            self._trust(new_line(self.machine, old.public, MACHINE, f"former key, until {now}"))
            announced = sshsig.sign(old, sshsig.KEY, key_payload(self.machine, str(new.public)))
            note = {"key": str(new.public), "sshsig": sshsig.to_text(announced)}
            self._write(ANNOUNCED, json.dumps(note).encode())
            self._write_key(new, entropy[32:36], now)
            return old.public, new.public

    def announcement(self) -> str:
        """Give the signature by which the former key announces the present one; empty where there is none."""
        try:
            note = json.loads((self.folder / ANNOUNCED).read_bytes())
            own = self.own()
            return str(note["sshsig"]) if own is not None and note["key"] == str(own) else ""
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    # -- whose keys count ------------------------------------------------------------------------------------------

    def signers(self) -> AllowedSigners:
        """Give the keys that count here, this machine's own among them; read again when a file has changed."""
        files = [self.folder / name for name in (SIGNERS, REVOKED, OWN)]
        stamps = tuple(_stamp(_lstat(file)) for file in files)
        if self._signers is not None and self._signers[0] == stamps:
            return self._signers[1]
        found = AllowedSigners.parse(self._read(SIGNERS), self._read(REVOKED))
        own = self.own()
        if own is not None:
            found = found.adding(new_line(self.machine, own, MACHINE))
        self._signers = (stamps, found)
        return found

    def trust(self, line: Line, now: str) -> None:
        """Let a key count; one that was revoked is refused."""
        with self._locked():
            if line.key in self.signers().revoked:
                raise Refused(
                    f"the key {line.key.fingerprint} was revoked on this machine",
                    f"it stands in {self.folder / REVOKED}",
                    "if that was a mistake, remove its line there first",
                )
            self._trust(line)
            machine = line.principals.split(",")[0]
            book = self.seen()
            if not any(seen.machine == machine and seen.key == str(line.key) for seen in book):
                self._write_book([*book, Seen(machine, str(line.key), now)])

    def revoke(self, name: str) -> tuple[PublicKey, ...]:
        """Let the keys of a machine or person, or the one with a fingerprint, never count again; give them."""
        with self._locked():
            signers = self.signers()
            known = [(line.principals, line.key) for line in signers.lines]
            known += [(seen.machine, parse_public(seen.key)) for seen in self.seen()]
            keys = dict.fromkeys(key for names, key in known if key.fingerprint == name or name in names.split(","))
            if not keys:
                raise NotFound(f"no key of {name!r} is known here", remedy="see: gitsync keys list")
            if self.own() in keys:
                raise Refused(
                    "this machine's own key cannot be revoked here",
                    "it would go on signing with a key that it does not believe itself",
                    "replace it first: gitsync keys rotate; then revoke the old one by its fingerprint, everywhere",
                )
            fresh = [key for key in keys if key not in signers.revoked]
            text = self._read(REVOKED) + "".join(f"{key}\n" for key in fresh)
            self._write(REVOKED, text.encode())
            return tuple(keys)

    # -- the book of keys that were seen

    def seen(self) -> list[Seen]:
        """Give the book, oldest first; one that cannot be read is an error, because an empty one would forget."""
        text = self._read(SEEN)
        if not text:
            return []
        try:
            return [Seen(**row) for row in json.loads(text)]
        except (ValueError, TypeError) as error:
            file = self.folder / SEEN
            raise GitsyncError(f"{file} cannot be read", str(error), "move it away: keys will show as new") from error

    def note(self, machine: str, shown: str, announced: str, now: str) -> Row | None:
        """Note the key that a machine's page shows; give it where it was not seen there before and is not trusted."""
        try:
            key = parse_public(shown)
        except ValueError:
            return None
        if machine == self.machine and key == self.own():
            return None
        with self._locked():
            book = self.seen()
            if any(each.machine == machine and each.key == str(key) for each in book):
                return None
            blob = sshsig.from_text(announced) if len(announced) <= sshsig.LONGEST else None
            if blob is None or sshsig.verify(blob, sshsig.KEY, key_payload(machine, str(key))) is None:
                announced = ""
            book.append(Seen(machine, str(key), now, announced))
            signers = self.signers()
            loose = [
                each
                for each in book
                if each.machine == machine and not signers.trusted(machine, parse_public(each.key), sshsig.MESSAGE)
            ]
            forgotten = set(loose[:-UNTRUSTED])
            self._write_book([each for each in book if each not in forgotten][-BOOK:])
        row = next(row for row in self.rows() if row.machine == machine and row.key == str(key))
        return row if row.state in ("new", "changed") else None

    def rows(self) -> list[Row]:
        """Give every key that is known here with what it counts for, by machine, oldest first."""
        signers = self.signers()
        book = self.seen()
        own = self.own()
        when = {(each.machine, each.key): each for each in book}
        pairs: dict[tuple[str, str], PublicKey] = {}
        for line in signers.lines:
            for name in line.principals.split(","):
                pairs.setdefault((name, str(line.key)), line.key)
        for each in book:
            pairs.setdefault((each.machine, each.key), parse_public(each.key))
        rows = []
        for (machine, text), key in pairs.items():
            noted = when.get((machine, text)) or Seen(machine, text, "")
            state: State
            if machine == self.machine and key == own:
                state = "own"
            elif key in signers.revoked:
                state = "revoked"
            elif any(line.key == key and line.names(machine) for line in signers.lines):
                state = "trusted"
            else:
                state = "changed" if self._had_another(machine, key, signers, book) else "new"
            announced = self._announced_by(noted, signers) if state in ("new", "changed") else ""
            rows.append(Row(machine, text, key.fingerprint, state, noted.since, announced))
        order = {key: number for number, key in enumerate(when)}
        return sorted(rows, key=lambda row: (row.machine, order.get((row.machine, row.key), -1)))

    def _had_another(self, machine: str, key: PublicKey, signers: AllowedSigners, book: list[Seen]) -> bool:
        """Say whether a machine was known by another key before this one."""
        if any(line.names(machine) and line.key != key for line in signers.lines):
            return True
        first = next((each.key for each in book if each.machine == machine), str(key))
        return first != str(key)

    def _announced_by(self, noted: Seen, signers: AllowedSigners) -> str:
        blob = sshsig.from_text(noted.announced) if noted.announced else None
        old = sshsig.verify(blob, sshsig.KEY, key_payload(noted.machine, noted.key)) if blob else None
        return old.fingerprint if old is not None and signers.trusted(noted.machine, old, sshsig.KEY) else ""

    # -- files -----------------------------------------------------------------------------------------------------

    def _trust(self, line: Line) -> None:
        present = AllowedSigners.parse(self._read(SIGNERS))
        if not any(each.key == line.key and each.principals == line.principals for each in present.lines):
            self._write(SIGNERS, present.adding(line).render().encode())

    def _write_key(self, key: PrivateKey, check: bytes, now: str) -> None:
        comment = f"gitsync {self.machine}"
        self._write(OWN, key.to_openssh(comment, check))
        self._write(f"{OWN}.pub", f"{key.public} {comment}\n".encode())
        self._write_book([*self.seen(), Seen(self.machine, str(key.public), now)])

    def _write_book(self, book: list[Seen]) -> None:
        self._write(SEEN, json.dumps([asdict(each) for each in book], indent=1).encode())

    def _read(self, name: str) -> str:
        file = self.folder / name
        info = _lstat(file)
        if info is None:
            return ""
        _check(self.folder, self.folder.lstat(), 0o022)
        _check(file, info, 0o022)
        try:
            return file.read_text("utf-8", "surrogateescape")
        except OSError as error:
            raise GitsyncError(f"cannot read {file}", error.strerror or str(error)) from error

    def _write(self, name: str, data: bytes) -> None:
        file = self.folder / name
        temporary = self.folder / f".{name}.new"
        try:
            temporary.unlink(missing_ok=True)
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as out:
                os.fchmod(out.fileno(), 0o600)
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            temporary.replace(file)
        except OSError as error:
            raise GitsyncError(f"cannot write {file}", error.strerror or str(error)) from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes of this machine from writing at the same time."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check(self.folder, self.folder.lstat(), 0o022)
            handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise GitsyncError(f"cannot write in {self.folder}", error.strerror or str(error)) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _lstat(file: Path) -> os.stat_result | None:
    try:
        return file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _stamp(info: os.stat_result | None) -> tuple[int, ...]:
    if info is None:
        return ()
    return (info.st_ino, info.st_mtime_ns, info.st_ctime_ns, info.st_size, info.st_mode, info.st_uid)


def _check(path: Path, info: os.stat_result, closed: int) -> None:
    """Refuse a file or folder that is a link, another's, or open to others by these bits of its mode."""
    folder = stat.S_ISDIR(info.st_mode)
    if stat.S_ISLNK(info.st_mode) or not (folder or stat.S_ISREG(info.st_mode)):
        raise Refused(f"{path} is not used", "it is a link, or no plain file", "replace it by the file itself")
    if info.st_uid != os.geteuid():
        raise Refused(f"{path} is not used", "it belongs to another user", f"make it yours: chown $USER {path}")
    if info.st_mode & closed:
        what = "others may write it" if info.st_mode & 0o022 else "others may read it"
        mode = "700" if folder else "600"
        raise Refused(f"{path} is not used: its mode is {stat.S_IMODE(info.st_mode):04o}", what, f"chmod {mode} {path}")
