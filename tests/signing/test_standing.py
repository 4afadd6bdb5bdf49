"""What a signature is worth: payloads, allowed signers, and the one rule of standing."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsync.inbox.evidence import of_block, of_commit, of_receipt
from gitsync.inbox.trust import standing as judged
from gitsync.protocol.blocks import Block, content_hash, parse
from gitsync.protocol.edit import append, append_receipts, rotate
from gitsync.protocol.message import Message, read, write
from gitsync.protocol.receipts import Receipt, line, parse_line, signed_line
from gitsync.signing import sshsig
from gitsync.signing.commits import sign_commit, split_commit
from gitsync.signing.keys import PrivateKey
from gitsync.signing.payload import message_payload
from gitsync.signing.signer import Signer
from gitsync.signing.signers import (
    MACHINE,
    PERSON,
    AllowedSigners,
    new_line,
    valid_principal,
)
from gitsync.signing.signers import (
    parse_line as parse_signer,
)
from gitsync.signing.store import KeyStore
from gitsync.verifying import ALTERED, FORGED, REVOKED, UNKNOWN_KEY, UNSIGNED, VERIFIED

A = "01JD3WQ8Z6T4K9V2M5N7P0R3S8"
PROTOCOL = Path(__file__).resolve().parents[2] / "coordination" / "PROTOCOL.md"
ONE, TWO, OTHER = (PrivateKey.of_seed(bytes([number]) * 32) for number in (1, 2, 3))
SIGNERS = AllowedSigners([new_line("1", ONE.public, MACHINE), new_line("2", TWO.public, MACHINE)])


def message(body: str = "The body.", **more: str) -> bytes:
    fields = {"sender": "1/mechanic", "date": "2026-11-20T06:45:00Z", "subject": "Hi", **more}
    return write(Message(id=A, to=("2/builder",), body=body, **fields))


def signer(folder: Path, key: PrivateKey, machine: str = "1") -> Signer:
    folder.mkdir(mode=0o700)
    file = folder / "id_ed25519"
    file.touch(0o600)
    file.write_bytes(key.to_openssh("x", b"1234"))
    return Signer(KeyStore(folder, machine))


@pytest.fixture
def one(tmp_path: Path) -> Signer:
    return signer(tmp_path / "one", ONE)


def block(raw: bytes) -> Block:
    (found,) = parse(raw)
    assert isinstance(found, Block)
    return found


def standing(raw: bytes, from_: str = "1", to: str = "2", signers: AllowedSigners = SIGNERS) -> str:
    return judged(from_, of_block(block(raw), from_, to), signers)


def of_line(machine: str, text: str) -> str:
    return judged(machine, of_receipt(machine, text), SIGNERS)


def of_object(data: bytes, name: str, signers: AllowedSigners = SIGNERS) -> str:
    return judged(name, of_commit(data), signers)


def test_a_message_that_was_signed_is_verified_and_nothing_else_about_it_changes(one: Signer) -> None:
    raw = message()
    signed = one.message(raw, "2")
    assert signed != raw
    assert signed.startswith(raw.removesuffix(b" -->\n"))
    assert read(signed) == read(raw)
    assert content_hash(block(signed).inner) == content_hash(block(raw).inner)
    assert standing(signed) == VERIFIED
    assert standing(raw) == UNSIGNED
    assert one.message(signed, "2") == signed


def test_place_id_and_text_are_part_of_what_is_signed(one: Signer) -> None:
    signed = one.message(message(), "2")
    assert standing(signed, to="3") == ALTERED
    assert standing(signed, from_="2") == ALTERED
    assert standing(signed.replace(A.encode(), b"01JD3WQ8Z6T4K9V2M5N7P0R3S9", 1)) == ALTERED
    assert standing(signed.replace(b"body", b"Body")) == ALTERED
    assert standing(signed.replace(b"high", b"low").replace(b"normal", b"urgent")) == ALTERED
    assert standing(signed.replace(b"sshsig=U1", b"sshsig=V1")) == ALTERED
    assert standing(signed.replace(b"sshsig=", b"sshsig=AAAA more=")) == ALTERED
    assert standing(signed[:-5] + b" more=1 -->\n") == VERIFIED


def test_what_the_content_hash_does_not_see_the_signature_does_not_see(one: Signer) -> None:
    signed = one.message(message("one  \n\ttwo\n\n"), "2")
    assert standing(signed) == VERIFIED
    assert standing(signed.replace(b"\n", b"\r\n")) == VERIFIED
    assert standing(signed.replace(b"one  \n", b"one\n")) == VERIFIED
    assert standing(signed.replace(b"\ttwo", b"two")) == ALTERED
    assert standing(signed.replace(A.encode(), A.encode() + b"~12ab34cd", 1)) == VERIFIED


@given(st.text(), st.text())
def test_a_signature_fits_exactly_while_it_is_the_same_message(body: str, other: str) -> None:
    try:
        raw, changed = block(message(body)), block(message(other))
    except ValueError:
        return
    same = content_hash(raw.inner) == content_hash(changed.inner)
    assert (message_payload("1", "2", A, raw.inner) == message_payload("1", "2", A, changed.inner)) == same


def test_whose_key_it_is_decides(tmp_path: Path) -> None:
    raw = message()
    by_two = signer(tmp_path / "two", TWO).message(raw, "2")
    assert standing(by_two) == FORGED
    unknown = signer(tmp_path / "other", OTHER).message(raw, "2")
    assert standing(unknown) == UNKNOWN_KEY
    assert of_block(block(unknown), "1", "2") == f"{sshsig.MESSAGE} {OTHER.public}"
    revoked = AllowedSigners(SIGNERS.entries, [ONE.public, OTHER.public])
    assert standing(signer(tmp_path / "one", ONE).message(raw, "2"), signers=revoked) == REVOKED
    assert standing(unknown, signers=revoked) == REVOKED


def test_moving_and_archiving_keep_the_signature(one: Signer) -> None:
    signed = one.message(message("x" * 2000), "2")
    data = append(b"# Messages\n\nfree text\n", signed)
    assert read(block(signed).raw) == read(signed)
    kept_and_moved = rotate(data, lambda _id: True, 1000)
    assert kept_and_moved is not None
    assert kept_and_moved[1] == signed


def test_a_receipt_is_signed_as_its_line_in_its_machines_file(one: Signer) -> None:
    receipt = Receipt("2026-11-20T06:45:12Z", A, "2", "builder", "done", reason="sign here: <!-- sshsig=QUJD -->")
    bare = line(receipt)
    assert parse_line(bare) == receipt
    assert of_line("1", bare) == UNSIGNED
    text = signed_line(bare, one.receipt(bare))
    assert parse_line(text) == receipt
    assert of_line("1", text) == VERIFIED
    assert of_line("1", text + "\r\n") == VERIFIED
    assert of_line("2", text) == ALTERED
    assert of_line("1", text.replace(" done ", " failed ")) == ALTERED


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_value_of_a_receipt_passes_for_a_signature(agent: str, reason: str) -> None:
    for tail in ("", " <!-- sshsig=QUJD -->", "<!-- sshsig=QUJD -->"):
        try:
            receipt = Receipt("2026-11-20T06:45:12Z", A, "2", agent, "done", reason=reason + tail)
            text = line(receipt).encode("utf-8").decode("utf-8")
        except ValueError:
            return
        assert parse_line(text) == receipt
        assert of_line("1", text) == UNSIGNED
        assert parse_line(signed_line(text, "REVG")) == receipt


def test_the_recipe_of_the_protocol_checks_a_message_with_ssh_keygen_alone(tmp_path: Path, one: Signer) -> None:
    recipe = re.search(r"```sh\n(.*?ssh-keygen -Y verify.*?)```", PROTOCOL.read_text(encoding="utf-8"), re.S)
    assert recipe is not None
    (tmp_path / "messages").mkdir()
    raw = one.message(message("caf\u00e9  \n\n```\n<!-- /msg -->\n```\n- x \t\n\n\n"), "2")
    file = tmp_path / "messages" / "1_TO_2.md"
    (tmp_path / "allowed_signers").write_text(SIGNERS.render())

    call = ["sh", "-eu", "-c", recipe[1]]

    def check(data: bytes) -> int:
        file.write_bytes(append(append(b"# Messages\n\ntext\n", data), message().replace(b"8 -->", b"9 -->", 1)))
        return subprocess.run(call, cwd=tmp_path, capture_output=True, timeout=60, check=False).returncode

    assert check(raw) == 0
    assert check(raw.replace(b"\n", b"\r\n")) == 0
    assert check(raw.replace(b"caf", b"Caf")) != 0


def test_a_commit_is_signed_as_git_does(tmp_path: Path) -> None:
    def git(*args: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        settings = ("-c", "gpg.format=ssh", "-c", f"gpg.ssh.allowedSignersFile={tmp_path / 'allowed_signers'}")
        call = ["git", *settings, *args]
        return subprocess.run(call, cwd=tmp_path, input=given, capture_output=True, timeout=60, check=False)

    (tmp_path / "allowed_signers").write_text(SIGNERS.render())
    assert git("init", "-q").returncode == 0
    tree = git("mktree").stdout.strip()
    person = b"Computer 1 <1@gitsync.invalid> 1700000000 +0000"
    data = b"tree " + tree + b"\nauthor " + person + b"\ncommitter " + person + b"\n\nclaim x\n\nMachine: 1\n"
    signed = sign_commit(ONE, data)
    sha = git("hash-object", "-w", "-t", "commit", "--stdin", given=signed).stdout.strip().decode()
    assert git("verify-commit", sha).returncode == 0
    assert split_commit(signed) == (data, sshsig.sign(ONE, sshsig.GIT, data))
    assert of_object(signed, "1") == VERIFIED
    assert of_object(signed, "2") == FORGED
    assert of_object(signed.replace(b"claim x", b"claim y"), "1") == ALTERED
    assert of_object(data, "1") == UNSIGNED


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_a_commit_that_git_signed_is_checked_here(tmp_path: Path, kind: str) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", key], check=True, timeout=60)
    settings = ["-c", "gpg.format=ssh", "-c", f"user.signingKey={key}", "-c", "user.name=Jesse", "-c", "user.email=j@x"]
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True, timeout=60)
    call = ["git", *settings, "commit", "-q", "-S", "--allow-empty", "-m", "caf\u00e9\n\nbody"]
    subprocess.run(call, cwd=tmp_path, check=True, timeout=60)
    data = subprocess.run(["git", "cat-file", "commit", "HEAD"], cwd=tmp_path, capture_output=True, check=True).stdout
    public = parse_signer(f'jesse,j@x namespaces="{PERSON}" {key.with_suffix(".pub").read_text()}')
    signers = AllowedSigners([public])
    assert of_object(data, "jesse", signers) == VERIFIED
    assert of_object(data, "j@x", signers) == VERIFIED
    assert of_object(data, "jesse", AllowedSigners()) == UNKNOWN_KEY
    assert of_object(data + b"x", "jesse", signers) == ALTERED


def test_a_commit_of_openpgp_counts_as_unsigned() -> None:
    data = b"tree x\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n abc\n -----END PGP SIGNATURE-----\n\nhi\n"
    assert split_commit(data) == (b"tree x\n\nhi\n", b"")
    assert of_object(data, "1") == UNSIGNED


def test_allowed_signers_are_read_as_openssh_reads_them() -> None:
    key = str(ONE.public)
    text = (
        "# people\n\n"
        f'jesse,j@x namespaces="git" {key} laptop of Jesse\n'
        f'*@example.org,!bad@example.org valid-after="20260101Z",valid-before="20270101Z" {key}\n'
        f'"two words" {key}\n'
        f"ca@x cert-authority {TWO.public}\n"
        "nonsense\n"
    )
    signers = AllowedSigners.parse(text)
    assert signers.render() == text
    assert signers.trusted("jesse", ONE.public, "git")
    assert not signers.trusted("jesse", ONE.public, sshsig.MESSAGE)
    assert not signers.trusted("jess", ONE.public, "git")
    assert signers.trusted("a@example.org", ONE.public, "git")
    assert not signers.trusted("bad@example.org", ONE.public, "git")
    assert signers.trusted("a@example.org", ONE.public, "git", at=1_780_000_000)
    assert not signers.trusted("a@example.org", ONE.public, "git", at=1_700_000_000)
    assert not signers.trusted("a@example.org", ONE.public, "git", at=1_900_000_000)
    assert signers.trusted("two words", ONE.public, "git")
    assert not signers.trusted("ca@x", TWO.public, "git")
    assert signers.lines[0].comment == "laptop of Jesse"
    assert AllowedSigners.parse(text, f"{key}\n").revoked == {ONE.public}
    assert not AllowedSigners.parse(text, f"{key}\n").trusted("jesse", ONE.public, "git")


@given(st.text())
def test_any_file_of_signers_is_kept_as_it_is(text: str) -> None:
    signers = AllowedSigners.parse(text)
    assert signers.render().splitlines() == text.splitlines()


def test_a_name_that_would_mean_more_than_itself_is_no_name() -> None:
    for bad in ("", "a b", "*", "a,b", "!a", '"a"', "a\nb", "#a"):
        assert not valid_principal(bad)
        with pytest.raises(ValueError, match="signer"):
            new_line(bad, ONE.public, MACHINE)


def test_a_receipt_is_appended_once_whether_it_stands_there_signed_or_not(one: Signer) -> None:
    receipt = Receipt("2026-11-20T06:45:12Z", A, "2", "builder", "done", reason="because")
    longer = Receipt("2026-11-20T06:45:12Z", A, "2", "builder", "done", reason="because of that")
    bare = line(receipt)
    signature = one.receipt(bare)
    signed = append_receipts(None, "1", [receipt], [signature])
    assert signed.endswith(f"{signed_line(bare, signature)}\n".encode())
    assert append_receipts(signed, "1", [receipt], [signature]) == signed
    assert append_receipts(signed, "1", [receipt]) == signed
    unsigned = append_receipts(None, "1", [longer])
    assert append_receipts(unsigned, "1", [longer], [signature]) == unsigned
    both = append_receipts(unsigned, "1", [receipt, longer], [signature])
    assert both == unsigned + f"{signed_line(bare, signature)}\n".encode()
    assert append_receipts(both.replace(b"\n", b"\r\n"), "1", [receipt]) == both.replace(b"\n", b"\r\n")
