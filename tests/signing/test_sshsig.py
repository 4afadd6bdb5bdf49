"""Signatures in OpenSSH's format: what ssh-keygen makes is checked here, and what is made here ssh-keygen checks."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsync.signing import sshsig
from gitsync.signing.keys import PrivateKey, PublicKey, parse_public
from gitsync.signing.wire import string

KINDS = [("ed25519", ""), ("rsa", "2048"), ("ecdsa", "256"), ("ecdsa", "384"), ("ecdsa", "521")]
MESSAGE = b"a message\nof two lines\n"
KEY = PrivateKey.of_seed(bytes(range(32)))


def keygen(*args: str | Path, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["ssh-keygen", *map(str, args)], input=given, capture_output=True, timeout=60, check=False)


def make(folder: Path, kind: str, bits: str = "") -> Path:
    file = folder / f"{kind}{bits}"
    done = keygen("-q", "-t", kind, *(["-b", bits] if bits else []), "-N", "", "-C", "somebody", "-f", file)
    assert done.returncode == 0, done.stderr
    return file


@pytest.mark.parametrize(("kind", "bits"), KINDS, ids=str)
def test_what_ssh_keygen_signs_is_checked_here(tmp_path: Path, kind: str, bits: str) -> None:
    file = make(tmp_path, kind, bits)
    public = parse_public(file.with_suffix(".pub").read_text())
    done = keygen("-Y", "sign", "-f", file, "-n", sshsig.MESSAGE, given=MESSAGE)
    blob = sshsig.dearmor(done.stdout.decode())
    assert blob is not None
    assert sshsig.verify(blob, sshsig.MESSAGE, MESSAGE) == public
    assert sshsig.verify(blob, sshsig.GIT, MESSAGE) is None
    assert sshsig.verify(blob, sshsig.MESSAGE, MESSAGE + b"\n") is None
    assert sshsig.armor(blob).split() == done.stdout.decode().split()
    said = keygen("-l", "-f", file.with_suffix(".pub")).stdout.decode()
    assert said.split()[1] == public.fingerprint


def test_the_shorter_hash_of_ssh_keygen_is_checked_too(tmp_path: Path) -> None:
    file = make(tmp_path, "rsa", "2048")
    done = keygen("-Y", "sign", "-f", file, "-n", "git", "-O", "hashalg=sha256", given=MESSAGE)
    blob = sshsig.dearmor(done.stdout.decode())
    assert blob is not None
    assert sshsig.verify(blob, "git", MESSAGE) is not None


def test_a_short_rsa_key_counts_for_nothing(tmp_path: Path) -> None:
    file = make(tmp_path, "rsa", "1024")
    done = keygen("-Y", "sign", "-f", file, "-n", "git", given=MESSAGE)
    blob = sshsig.dearmor(done.stdout.decode())
    assert blob is not None
    assert sshsig.verify(blob, "git", MESSAGE) is None


def test_what_is_signed_here_ssh_keygen_checks(tmp_path: Path) -> None:
    signature, signers = tmp_path / "sig", tmp_path / "allowed_signers"
    signature.write_text(sshsig.armor(sshsig.sign(KEY, sshsig.MESSAGE, MESSAGE)))
    signers.write_text(f'1 namespaces="gitsync-*,git" {KEY.public}\n')

    def verify(who: str, namespace: str, message: bytes, *more: str | Path) -> int:
        call = ("-Y", "verify", "-f", signers, "-I", who, "-n", namespace, "-s", signature, *more)
        return keygen(*call, given=message).returncode

    assert verify("1", sshsig.MESSAGE, MESSAGE) == 0
    assert verify("2", sshsig.MESSAGE, MESSAGE) != 0
    assert verify("1", sshsig.RECEIPT, MESSAGE) != 0
    assert verify("1", sshsig.MESSAGE, MESSAGE[1:]) != 0
    check = ("-Y", "check-novalidate", "-n", sshsig.MESSAGE, "-s", signature)
    assert keygen(*check, given=MESSAGE).returncode == 0
    revoked = tmp_path / "revoked"
    revoked.write_text(f"{KEY.public}\n")
    assert verify("1", sshsig.MESSAGE, MESSAGE, "-r", revoked) != 0


def test_ssh_keygen_signs_with_a_key_that_was_made_here(tmp_path: Path) -> None:
    file = tmp_path / "id_ed25519"
    file.touch(0o600)
    file.write_bytes(KEY.to_openssh("gitsync 1", b"1234"))
    done = keygen("-Y", "sign", "-f", file, "-n", sshsig.MESSAGE, given=MESSAGE)
    assert done.returncode == 0, done.stderr
    assert sshsig.dearmor(done.stdout.decode()) == sshsig.sign(KEY, sshsig.MESSAGE, MESSAGE)
    assert keygen("-y", "-f", file).stdout.decode().split()[:2] == str(KEY.public).split()


def test_a_key_that_ssh_keygen_made_signs_here(tmp_path: Path) -> None:
    file = make(tmp_path, "ed25519")
    key = PrivateKey.from_openssh(file.read_bytes())
    assert key.public == parse_public(file.with_suffix(".pub").read_text())
    assert sshsig.verify(sshsig.sign(key, "git", MESSAGE), "git", MESSAGE) == key.public


def test_a_key_of_another_kind_or_with_a_passphrase_is_refused(tmp_path: Path) -> None:
    for file in (make(tmp_path, "rsa", "2048"), make(tmp_path, "ecdsa", "256")):
        with pytest.raises(ValueError, match="ed25519"):
            PrivateKey.from_openssh(file.read_bytes())
    guarded = tmp_path / "guarded"
    keygen("-q", "-t", "ed25519", "-N", "secret words", "-f", guarded)
    with pytest.raises(ValueError, match="passphrase"):
        PrivateKey.from_openssh(guarded.read_bytes())


@given(st.binary(min_size=32, max_size=32), st.binary(), st.binary())
def test_only_the_message_that_was_signed_fits(seed: bytes, message: bytes, other: bytes) -> None:
    key = PrivateKey.of_seed(seed)
    blob = sshsig.sign(key, sshsig.MESSAGE, message)
    assert sshsig.verify(blob, sshsig.MESSAGE, message) == key.public
    assert (sshsig.verify(blob, sshsig.MESSAGE, other) is not None) == (message == other)
    assert sshsig.from_text(sshsig.to_text(blob)) == blob
    assert sshsig.dearmor(sshsig.armor(blob)) == blob
    assert PrivateKey.from_openssh(key.to_openssh("x", b"1234")).public == key.public


@given(st.integers(0, 184), st.integers(1, 255))
def test_a_byte_that_changed_is_noticed(at: int, by: int) -> None:
    blob = bytearray(sshsig.sign(KEY, sshsig.MESSAGE, MESSAGE))
    blob[at] ^= by
    assert sshsig.verify(bytes(blob), sshsig.MESSAGE, MESSAGE) is None


@given(st.binary())
def test_whatever_comes_is_judged_without_failing(data: bytes) -> None:
    good = sshsig.sign(KEY, sshsig.MESSAGE, MESSAGE)
    for blob in (data, good[: len(data)], good + data, b"SSHSIG\0\0\0\1" + data, b"SSHSIG\0\0\0\1" + string(data)):
        assert sshsig.verify(blob, sshsig.MESSAGE, MESSAGE) in ((KEY.public,) if blob == good else (None,))
        sshsig.claimed_key(blob)
    for kind in (b"ssh-rsa", b"ecdsa-sha2-nistp256", b"ssh-ed25519"):
        key = PublicKey(string(kind) + data)
        inner = (
            string(key.blob) + string(b"git") + string(b"") + string(b"sha512") + string(string(kind) + string(data))
        )
        assert sshsig.verify(b"SSHSIG\0\0\0\1" + inner, "git", b"") is None


@pytest.mark.parametrize(
    "text", ["", "ssh-ed25519", "ssh-ed25519 ???", "ssh-rsa " + str(KEY.public).split()[1], "x AAAA"]
)
def test_what_is_no_public_key_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ValueError, match="public key"):
        parse_public(text)
