"""What is found, what is not, at what cost; detect-secrets is the yardstick."""

from __future__ import annotations

import string
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitsync.secrets.redact import know, redact
from gitsync.secrets.scan import MOST, Secrets, fingerprint, mask, named, scan
from tests.secrets.samples import BENIGN, TOKENS, URLS, assigned, private_key


def reference(text: str) -> set[str]:
    """Return what detect-secrets finds in a text, without what it takes for a secret by entropy alone."""
    from detect_secrets.core.scan import scan_line
    from detect_secrets.settings import default_settings

    with default_settings():
        found = {secret.type for line in text.splitlines() for secret in scan_line(line)}
    return found - {"Base64 High Entropy String", "Hex High Entropy String", "Public IP (ipv4)"}


@pytest.mark.parametrize("name", sorted(TOKENS))
def test_finds_each_kind_of_token(name: str) -> None:
    token = TOKENS[name]
    (found,) = scan(f"first line\nplease use {token} for it.\n")
    assert found.line == 2
    assert found.rule == name.partition("/")[0]
    assert token not in str(found)
    assert sum(char not in "…·" for char in found.masked) <= 4


@pytest.mark.parametrize("name", sorted(TOKENS))
@pytest.mark.parametrize(
    "shape",
    [
        "{}",
        "in the middle {} of a line",
        "```sh\nexport A={}\n```\n",
        "first\r\nsecond {}\r\nthird\r\n",
        "> quoted: `{}`",
        '{{"key": "{}"}}',
        "({})",
        "- **Subject:** {}",
        "ümläut {} ✓",
    ],
)
def test_finds_it_wherever_it_stands(name: str, shape: str) -> None:
    token = TOKENS[name]
    text = shape.format(token)
    found = scan(text)
    assert found, text
    assert found[0].line == text[: text.index(token[:12])].count("\n") + 1


@pytest.mark.parametrize("name", sorted(TOKENS))
def test_finds_what_the_reference_finds(name: str) -> None:
    text = f"please use {TOKENS[name]} for it"
    if reference(text):
        assert scan(text)


def test_the_reference_knows_most_kinds() -> None:
    known = [name for name, token in TOKENS.items() if reference(f"please use {token} for it")]
    assert len(known) >= 14, known  # else the comparison above compares nothing


@pytest.mark.parametrize("text", assigned())
def test_finds_assignments(text: str) -> None:
    assert scan(f"before\n{text}\nafter")[0].line == 2


@pytest.mark.parametrize("text", URLS)
def test_finds_passwords_in_addresses(text: str) -> None:
    assert [one.rule for one in scan(f"clone {text} first")] == ["password in an address"]


@pytest.mark.parametrize("kind", ["RSA ", "EC ", "OPENSSH ", "ENCRYPTED ", "", "PGP"])
def test_finds_private_keys(kind: str) -> None:
    for text in (private_key(kind), private_key(kind).replace("\n", "\r\n"), private_key(kind).replace("\n", "\\n")):
        assert [one.rule for one in scan(f"here:\n{text}\n")] == ["private key"]
    assert scan("a file that begins with -----BEGIN PRIVATE KEY----- is no secret by its name") == []


@pytest.mark.parametrize("text", BENIGN)
def test_takes_nothing_else_for_a_secret(text: str) -> None:
    assert scan(text) == []
    if "@" not in text:  # of an address even a placeholder is taken out
        assert redact(text) == text


def test_two_keys_that_begin_alike_are_two() -> None:
    first, second = private_key("RSA "), private_key("RSA ", seed=2)
    assert scan(first)[0].fingerprint != scan(second)[0].fingerprint


def test_lets_pass_what_is_known_and_what_is_allowed() -> None:
    token = TOKENS["GitHub token"]
    text = f"a {token} b"
    (found,) = Secrets().find(text)
    assert found.fingerprint == fingerprint(token.encode())
    assert Secrets().find(text, known=[b"was here: " + token.encode()]) == []
    assert Secrets().find(text, known=[None, b"something else"]) == [found]
    assert Secrets(allow=(found.fingerprint,)).find(text) == []
    assert Secrets().find(text, passed={found.fingerprint}) == []
    assert Secrets(scan=False).find(text) == []


@given(st.binary(max_size=400))
@settings(max_examples=150, deadline=None)
def test_any_bytes_can_be_scanned(data: bytes) -> None:
    for found in scan(data):
        assert 0 <= found.start < found.end <= len(data)
        assert found.line == data.count(b"\n", 0, found.start) + 1
        assert found.masked == mask(data[found.start : found.end]) or found.rule


@given(st.text(max_size=60), st.sampled_from(sorted(TOKENS)), st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_a_token_between_any_two_texts_is_gone_when_redacted(before: str, name: str, after: str) -> None:
    token = TOKENS[name]
    assert token not in redact(f"{before} {token} {after}")


HOSTILE = (
    b"password=", b"password=a1b2c3d4e5f6g7 ", b"eyJ", b"eyJaaaaaaaaaa.", b"sk-", b"://a:", b"SKAC", b"-us", b"0" * 32,
    b"-----BEGIN PRIVATE KEY-----\n", b"Bearer ", b"token: ", b"secret:::::", b"a://:", b"xoxb-", b"SG.", b"AIza",
)  # fmt: skip


def test_what_is_known_hides_nothing_that_is_new_behind_it() -> None:
    token = next(iter(TOKENS.values()))
    known = "".join(f"password = '{number:05d}xQ7wE9rT'\n" for number in range(2 * MOST)).encode()
    after = known + f"and {token}\n".encode()
    (found,) = Secrets().find(after, known=(known,))
    assert found.line == 2 * MOST + 1
    marks = [one.fingerprint for one in scan(known, most=None)]
    assert len(marks) == 2 * MOST
    assert Secrets().find(after, passed=marks) == [found]
    assert Secrets(allow=tuple(marks)).find(after) == [found]
    assert len(Secrets().find(after)) == MOST


@pytest.mark.parametrize("unit", HOSTILE, ids=repr)
def test_the_time_goes_with_the_length(unit: bytes) -> None:
    def cost(size: int) -> float:
        data = (unit * (size // len(unit) + 1))[:size]
        times = []
        for _ in range(3):
            begun = time.process_time()
            scan(data)
            times.append(time.process_time() - begun)
        return min(times)

    small, large = cost(1 << 14), cost(1 << 17)
    assert large < 0.25 + 8 * 4 * small


def test_an_ordinary_message_costs_little() -> None:
    text = ("The review of the parser is done; the next step waits for a machine with more room.\n" * 13).encode()
    assert 1000 < len(text) < 1200
    scan(text)
    times = []
    for _ in range(50):
        begun = time.process_time()
        scan(text)
        times.append(time.process_time() - begun)
    assert min(times) < 0.0003, f"{min(times) * 1e6:.0f} µs"


def test_samples_are_no_placeholders() -> None:
    assert all(set(token) - set(string.whitespace) for token in TOKENS.values())


@pytest.mark.parametrize("before", ["", "x", "é", "乡"])
@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32-le"])
def test_finds_it_in_every_coding(coding: str, before: str) -> None:
    token = TOKENS["GitHub token"]
    data = before.encode() + f"乡 key\n乡{token}\n".encode(coding)
    (found,) = Secrets().find(data)
    assert found.rule == "GitHub token"
    assert (found.start, found.end) == (0, 0)
    assert Secrets().find(data, known=(data,)) == []
    assert Secrets().find(data, passed=(found.fingerprint,)) == []


def test_a_name_is_shown_without_its_secret() -> None:
    token = TOKENS["GitHub token"]
    assert named("notes/a.md") == "notes/a.md"
    assert token not in named(f"notes/{token}/{token}.md")
    assert named(f"notes/{token}/b.md").endswith("…/b.md")
    assert [one.place for one in Secrets().find_in_name(f"notes/{token}/a.md")] == ["the name"]
    assert Secrets().find_in_name(f"notes/{token}/a.md", known=f"notes/{token}") == []


def test_what_is_known_here_is_found_by_what_it_is() -> None:
    ours = "hq7-Zw2_kT9plain0mv"
    assert scan(ours) == []
    know("scan", {"API_KEY": ours, "EDITOR_MODEL": "model-4o-mini-large", "NO_PROXY": "127.0.0.1,localhost"})
    try:
        (found,) = scan(f"a line\nit is {ours}.")
        assert (found.line, found.rule) == (2, "secret of this computer")
        assert ours not in str(found)
        assert scan("model-4o-mini-large 127.0.0.1,localhost") == [], "only what is certain holds a text back"
        know("scan", "short-1")
        assert scan("short-1") == []
    finally:
        know("scan", None)
