"""The keys of a machine on its disk: modes, the book of keys that were seen, trust, revocation, rotation."""

from __future__ import annotations

import json
import logging
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gitsync.errors import GitsyncError, NotFound, Refused
from gitsync.signing import sshsig, told
from gitsync.signing.keys import PrivateKey, PublicKey
from gitsync.signing.payload import key_payload
from gitsync.signing.signer import Signer
from gitsync.signing.signers import MACHINE, new_line
from gitsync.signing.store import BOOK, UNTRUSTED, KeyStore, Row

NOW, LATER = "2026-11-20T06:45:00Z", "2026-11-21T06:45:00Z"
OTHER, THIRD = PrivateKey.of_seed(b"o" * 32), PrivateKey.of_seed(b"t" * 32)


def made(store: KeyStore) -> PublicKey:
    return store.create(os.urandom(36), NOW)


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "git" / "keys", "1")


def states(store: KeyStore) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in store.rows():
        found.setdefault(row.machine, []).append(row.state)
    return found


def shows(store: KeyStore, key: PrivateKey, *, machine: str = "2", announced: str = "", now: str = NOW) -> Row | None:
    return store.note(machine, f"{key.public} {key.public.fingerprint}", announced, now)


def test_a_key_is_made_once_and_is_for_its_owner_alone(store: KeyStore) -> None:
    before = os.umask(0)
    try:
        key = made(store)
    finally:
        os.umask(before)
    assert made(store) == key
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in store.folder.iterdir()} == {0o600}
    public = store.folder / "id_ed25519.pub"
    said = subprocess.run(["ssh-keygen", "-l", "-f", public], capture_output=True, text=True, timeout=60, check=True)
    assert said.stdout.split()[1] == key.fingerprint
    assert [(row.machine, row.state, row.since) for row in store.rows()] == [("1", "own", NOW)]
    assert store.signers().trusted("1", key, sshsig.MESSAGE)
    assert not store.signers().trusted("2", key, sshsig.MESSAGE)


@pytest.mark.parametrize("name", ["id_ed25519", "."])
def test_a_key_that_others_may_read_is_not_used_until_that_is_mended(
    store: KeyStore, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    made(store)
    file = (store.folder / name).resolve()
    mode = stat.S_IMODE(file.stat().st_mode)
    file.chmod(mode | 0o044)
    fresh = KeyStore(store.folder, "1")
    with pytest.raises(Refused, match="mode") as refused:
        fresh.private()
    assert refused.value.remedy.startswith("chmod ")
    signer = Signer(fresh)
    with caplog.at_level(logging.WARNING):
        assert signer.receipt("- a line") == signer.receipt("- a line") == ""
    assert len([one for one in caplog.records if "chmod" in one.getMessage()]) == 1
    assert "chmod" in str(told.document(fresh)["trouble"])
    subprocess.run(refused.value.remedy, shell=True, check=True, timeout=60)
    assert signer.receipt("- a line") != ""


def test_a_link_and_a_list_that_others_may_write_are_refused(store: KeyStore) -> None:
    key = made(store)
    store.trust(new_line("2", OTHER.public, MACHINE), NOW)
    (store.folder / "allowed_signers").chmod(0o622)
    with pytest.raises(Refused, match="allowed_signers"):
        store.signers()
    (store.folder / "allowed_signers").chmod(0o600)
    assert store.signers().trusted("2", OTHER.public, sshsig.MESSAGE)
    real = store.folder / "id_ed25519"
    real.rename(store.folder / "elsewhere")
    real.symlink_to(store.folder / "elsewhere")
    with pytest.raises(Refused, match="not used"):
        store.own()
    assert key is not None


def test_a_damaged_key_is_said_to_be_one(store: KeyStore) -> None:
    made(store)
    (store.folder / "id_ed25519").write_text("no key\n")
    with pytest.raises(GitsyncError, match="cannot be read"):
        store.private()


def test_a_key_on_a_page_is_news_once_and_trusted_never(store: KeyStore) -> None:
    made(store)
    row = shows(store, OTHER)
    assert row is not None
    assert (row.state, row.fingerprint, row.since) == ("new", OTHER.public.fingerprint, NOW)
    assert shows(store, OTHER, now=LATER) is None
    assert not store.signers().trusted("2", OTHER.public, sshsig.MESSAGE)
    changed = shows(store, THIRD, now=LATER)
    assert changed is not None
    assert (changed.state, changed.announced) == ("changed", "")
    assert states(store) == {"1": ["own"], "2": ["new", "changed"]}
    store.trust(new_line("2", OTHER.public, MACHINE), LATER)
    assert states(store) == {"1": ["own"], "2": ["trusted", "changed"]}
    assert [row.since for row in store.rows() if row.machine == "2"] == [NOW, LATER]
    assert shows(store, OTHER, machine="3") is not None
    assert states(store)["3"] == ["new"]


@pytest.mark.parametrize(
    "text", ["", "nonsense", "ssh-ed25519 AAAA", "ssh-ed25519 \x00", "ssh-ed25519 " + "A" * 100_000]
)
def test_what_is_no_key_on_a_page_is_passed_over(store: KeyStore, text: str) -> None:
    assert store.note("2", text, "", NOW) is None
    told.note_pages(store, [("2", {"key": text, "announced": 7}), ("3", {}), ("4", {"key": 5})], NOW)
    assert store.rows() == []


def test_a_flood_of_keys_fills_no_disk_and_pushes_out_no_trusted_one(store: KeyStore) -> None:
    made(store)
    store.trust(new_line("2", OTHER.public, MACHINE), NOW)
    for number in range(3 * UNTRUSTED):
        shows(store, PrivateKey.of_seed(number.to_bytes(32, "big")))
    assert states(store)["2"].count("changed") == UNTRUSTED
    assert states(store)["2"].count("trusted") == 1
    assert len(store.seen()) <= UNTRUSTED + 2 < BOOK


def test_a_revoked_key_stays_revoked(store: KeyStore) -> None:
    made(store)
    store.trust(new_line("2", OTHER.public, MACHINE), NOW)
    shows(store, THIRD)
    assert store.revoke(OTHER.public.fingerprint) == (OTHER.public,)
    assert not store.signers().trusted("2", OTHER.public, sshsig.MESSAGE)
    assert states(store)["2"] == ["revoked", "changed"]
    with pytest.raises(Refused, match="revoked"):
        store.trust(new_line("2", OTHER.public, MACHINE), LATER)
    assert set(store.revoke("2")) == {OTHER.public, THIRD.public}
    assert states(store)["2"] == ["revoked", "revoked"]
    assert (store.folder / "revoked").read_text().count("\n") == 2
    with pytest.raises(NotFound):
        store.revoke("nobody")
    with pytest.raises(Refused, match="own key"):
        store.revoke("1")


def test_the_next_key_is_announced_by_the_former_one_and_waits_for_a_word(store: KeyStore, tmp_path: Path) -> None:
    two = KeyStore(tmp_path / "two", "2")
    signer = Signer(two)
    first = made(two)
    assert two.announcement() == ""
    shows(store, two.private() or OTHER)
    store.trust(new_line("2", first, MACHINE), NOW)
    before = signer.receipt("- a line")
    old, new = two.rotate(os.urandom(36), LATER)
    assert (old, two.own()) == (first, new)
    assert signer.receipt("- a line") != before
    assert states(two) == {"2": ["trusted", "own"]}
    assert two.signers().trusted("2", old, sshsig.MESSAGE)
    row = store.note("2", f"{new} {new.fingerprint}", two.announcement(), LATER)
    assert row is not None
    assert (row.state, row.announced) == ("changed", old.fingerprint)
    assert old.fingerprint in told.said_of(row.machine, row.fingerprint, row.state, row.announced)
    assert not store.signers().trusted("2", new, sshsig.MESSAGE)
    store.revoke(old.fingerprint)
    assert [row.announced for row in store.rows() if row.key == str(new)] == [""]


def test_an_announcement_by_somebody_else_counts_for_nothing(store: KeyStore) -> None:
    store.trust(new_line("2", OTHER.public, MACHINE), NOW)
    blob = sshsig.sign(THIRD, sshsig.KEY, key_payload("2", str(THIRD.public)))
    row = shows(store, THIRD, announced=sshsig.to_text(blob))
    assert row is not None
    assert row.announced == ""
    fourth = PrivateKey.of_seed(b"4" * 32)
    for_another = sshsig.sign(OTHER, sshsig.KEY, key_payload("3", str(fourth.public)))
    row = shows(store, fourth, announced=sshsig.to_text(for_another))
    assert row is not None
    assert row.announced == ""


def test_a_book_that_cannot_be_read_is_not_taken_for_an_empty_one(store: KeyStore) -> None:
    made(store)
    (store.folder / "seen").write_text("{")
    with pytest.raises(GitsyncError, match="seen"):
        store.rows()
    assert "seen" in str(told.document(store)["trouble"])
    json.dumps(told.document(store))


def test_a_key_is_made_by_one_of_many_at_once(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, sys; from gitsync.signing.store import KeyStore;"
        "print(KeyStore(pathlib.Path(sys.argv[1]), '1').create(os.urandom(36), 'now'))"
    )
    call = [sys.executable, "-c", program, str(tmp_path / "keys")]
    running = [subprocess.Popen(call, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) for _ in range(4)]
    assert len({process.communicate(timeout=60)[0] for process in running}) == 1
