"""The boundary of the HTTP surface, line by line as docs/http.md lists it: raw sockets against the real process."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.api.live.conftest import Machine

NOBODY = 65534

AS_NOBODY = """
import encodings.idna, email.parser, os, sys, json, urllib.request, urllib.error
os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})
def read(path):
    try:
        return "read" if os.listdir(path) is not None else ""
    except NotADirectoryError:
        pass
    except OSError as error:
        return type(error).__name__
    try:
        with open(path, "rb") as file:
            file.read(1)
        return "read"
    except OSError as error:
        return type(error).__name__
def ask(path, data=None):
    request = urllib.request.Request({url!r} + path, data, {{"Content-Type": "application/json"}})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
    try:
        return opener.open(request, timeout=20).status
    except urllib.error.HTTPError as error:
        return error.code
print(json.dumps({{
    "files": {{path: read(path) for path in {files!r}}},
    "get": {{path: ask(path) for path in {gets!r}}},
    "post": {{path: ask(path, b"{{}}") for path in {posts!r}}},
}}))
"""


class Wire:
    """One connection on which a test writes what it likes."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host = f"{parts.hostname}:{parts.port}"
        self.socket = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20)

    def say(self, *lines: str | bytes, body: bytes = b"", end: bytes = b"\r\n") -> None:
        """Write a head of these lines, and a body."""
        head = b"".join((line.encode("latin-1") if isinstance(line, str) else line) + end for line in lines)
        self.socket.sendall(head + end + body)

    def hear(self) -> bytes:
        """Read until the other side ends the connection, or answers nothing more."""
        heard = b""
        try:
            while data := self.socket.recv(65536):
                heard += data
        except (ConnectionError, TimeoutError):
            pass
        self.socket.close()
        return heard


def ask(machine: Machine, *lines: str | bytes, body: bytes = b"", end: bytes = b"\r\n") -> list[int]:
    """Send one head, then say no more; return the statuses of all answers that come."""
    wire = Wire(machine.url)
    lines = tuple(line.replace("HOST", wire.host) if isinstance(line, str) else line for line in lines)
    wire.say(*lines, body=body, end=end)
    heard = wire.hear()
    assert machine.token.encode() not in heard
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", heard)]


def post(machine: Machine, *fields: str | bytes, body: bytes = b"{}") -> list[int]:
    """Send a POST with the token and these fields."""
    bearer = f"Authorization: Bearer {machine.token}"
    return ask(machine, "POST /wake HTTP/1.1", "Host: HOST", bearer, *fields, body=body)


def wakes(machine: Machine) -> None:
    """See that the process answers as ever."""
    assert httpx.get(f"{machine.url}/health", trust_env=False).status_code in (200, 503)


# -- B1 to B6: other pages in the user's browser -------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:80", "localhost.evil", "127.1", "[::ffff:7f00:1]", ""]
)
def test_b1_a_foreign_host_is_refused(machine: Machine, host: str) -> None:
    assert ask(machine, "GET /status HTTP/1.1", f"Host: {host}") == [403]
    bearer = f"Authorization: Bearer {machine.token}"
    assert ask(machine, "POST /wake HTTP/1.1", f"Host: {host}", bearer, "Content-Length: 0") == [403]


def test_b1_one_host_must_be_named_once(machine: Machine) -> None:
    assert ask(machine, "GET /status HTTP/1.1") == [403]
    assert ask(machine, "GET /status HTTP/1.1", "Host: HOST", "Host: HOST") == [403]
    assert ask(machine, "GET /status HTTP/1.1", "Host: HOST", "Host: evil.example") == [403]


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:1", "http://HOST@evil.example", "file://"]
)
def test_b2_a_foreign_origin_is_refused_even_with_the_token(machine: Machine, origin: str) -> None:
    assert post(machine, f"Origin: {origin}", "Content-Length: 2") == [403]
    assert ask(machine, "GET /messages HTTP/1.1", "Host: HOST", f"Origin: {origin}") == [403]


@pytest.mark.parametrize("site", ["cross-site", "same-site", "same-origin, cross-site", "x"])
@pytest.mark.parametrize("path", ["/messages", "/events", "/dashboard/app.js"])
def test_b3_what_a_foreign_page_embeds_is_refused_also_without_an_origin(
    machine: Machine, site: str, path: str
) -> None:
    fields = (f"Sec-Fetch-Site: {site}", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: script")
    assert ask(machine, f"GET {path} HTTP/1.1", "Host: HOST", *fields) == [403]
    assert post(machine, f"Sec-Fetch-Site: {site}", "Content-Length: 2") == [403]


def test_b3_a_link_leads_to_the_page_and_to_nothing_else(machine: Machine) -> None:
    link = ("Host: HOST", "Connection: close", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate")
    assert ask(machine, "GET /dashboard HTTP/1.1", *link, "Sec-Fetch-Dest: document") == [200]
    assert ask(machine, "GET /dashboard HTTP/1.1", *link, "Sec-Fetch-Dest: iframe") == [403]
    assert ask(machine, "GET /messages HTTP/1.1", *link, "Sec-Fetch-Dest: document") == [403]


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_b4_what_a_form_can_send_is_never_taken(machine: Machine, kind: str, raw: httpx.Client) -> None:
    body = b'{"to": "desk", "message": "forged"}'
    fields = {"Content-Type": kind} if kind else {}
    assert raw.post("/send", content=body, headers=fields).status_code == 401
    assert raw.post("/send", content=body, headers={**machine.bearer, **fields}).status_code == 415


@pytest.mark.parametrize("method", ["OPTIONS", "GET", "POST", "HEAD"])
def test_b5_no_answer_lets_another_origin_read_it(machine: Machine, method: str) -> None:
    fields = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    for origin in ({}, {"Origin": "http://evil.example"}):
        answer = httpx.request(method, f"{machine.url}/send", headers={**fields, **origin}, trust_env=False)
        assert answer.status_code in (401, 403, 405)
        assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_b6_every_answer_says_how_it_may_be_used(machine: Machine, raw: httpx.Client) -> None:
    for path in ("/", "/health", "/messages", "/dashboard", "/dashboard/app.js", "/openapi.json", "/none", "/metrics"):
        answer = raw.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers
    assert "html" not in raw.get("/messages").headers["content-type"]


# -- B7 to B10: the token ------------------------------------------------------------------------------


def test_b7_only_the_whole_token_counts_in_its_one_place(machine: Machine, raw: httpx.Client) -> None:
    token = machine.token
    for wrong in (token[:-1], token + "x", token.upper(), "x", token[:32] + " " + token[32:], "\u00e9" * 64):
        headers = [(b"authorization", b"Bearer " + wrong.encode())]
        assert raw.post("/wake", headers=headers).status_code == 401
    for fields in (
        {"Authorization": token},
        {"Authorization": f"Basic {token}"},
        {"X-Token": token},
        {"Cookie": f"token={token}"},
    ):
        assert raw.post("/wake", headers=fields).status_code == 401
    two = [("Authorization", f"Bearer {token}"), ("Authorization", "Bearer x")]
    assert raw.post("/wake", headers=two).status_code == 401
    assert raw.post("/wake", headers={"Authorization": f"bearer  {token}"}).status_code == 200


def test_b8_a_token_in_the_address_is_refused_and_nowhere_written(machine: Machine, raw: httpx.Client) -> None:
    token = machine.token
    escaped = "".join(f"%{ord(char):02x}" for char in token)
    for path in (
        f"/status?token={token}",
        f"/messages?before={token}",
        f"/messages/{token}",
        f"/wake?x={escaped}",
        "/?access_token=x",
    ):
        for method in ("GET", "POST"):
            answer = raw.request(method, path, headers=machine.bearer)
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "token_in_url")
            assert token not in answer.text
    assert token not in machine.log


def test_b9_comparing_tells_no_time(machine: Machine) -> None:
    """The rule that makes it so is in the source: a clock on a busy machine could not tell."""
    source = (Path(__file__).parents[3] / "gitsync" / "api" / "guard.py").read_text()
    assert "hmac.compare_digest(token" in source
    assert "== ours" not in source
    assert "ours ==" not in source


@pytest.mark.parametrize("field", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_b10_no_field_changes_the_method_or_the_caller(machine: Machine, field: str, raw: httpx.Client) -> None:
    assert raw.get("/wake", headers={**machine.bearer, field: "POST"}).status_code == 405
    assert raw.get("/?_method=POST", headers=machine.bearer).status_code == 200
    forwarded = {"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1", "X-Real-IP": "127.0.0.1"}
    assert raw.post("/wake", headers=forwarded).status_code == 401
    assert raw.get("/status", headers={"X-Forwarded-Host": "evil.example"}).status_code == 200


# -- B11 to B16: what is no request --------------------------------------------------------------------

CHUNKS = b"2\r\n{}\r\n0\r\n\r\n"
SECOND = b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        (("Content-Length: 2", "Transfer-Encoding: chunked"), CHUNKS),
        (("Transfer-Encoding: chunked", "Content-Length: 40"), CHUNKS),
        (("Content-Length: 2", "Content-Length: 2"), b"{}"),
        (("Content-Length: 2", "Content-Length: 3"), b"{}"),
        (("Content-Length: 2, 2",), b"{}"),
        (("Content-Length: +2",), b"{}"),
        (("Content-Length: -2",), b"{}"),
        (("Content-Length: 0x2",), b"{}"),
        (("Content-Length: 99999999999999999999999",), b"{}"),
        (("Content-Length : 2",), b"{}"),
        (("Transfer-Encoding: chunked, chunked",), CHUNKS),
        (("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), CHUNKS),
        (("Transfer-Encoding: identity",), b"{}"),
        (("Transfer-Encoding: xchunked",), CHUNKS),
        (("Transfer-Encoding: gzip, chunked",), CHUNKS),
        (("Transfer-Encoding : chunked",), CHUNKS),
        (("Transfer-Encoding:\x0bchunked",), CHUNKS),
        (("X-A: b\r\n folded", "Content-Length: 2"), b"{}"),
        (("X-A: b\r\n\tContent-Length: 7", "Content-Length: 2"), b"{}"),
        (("X-A: b\rContent-Length: 7", "Content-Length: 2"), b"{}"),
        (("X-A: b\x00c", "Content-Length: 2"), b"{}"),
        (("X\x00A: b", "Content-Length: 2"), b"{}"),
        ((": nothing", "Content-Length: 2"), b"{}"),
        (("no colon", "Content-Length: 2"), b"{}"),
        (("Transfer-Encoding: chunked",), b"2;\n{}\r\n0\r\n\r\n"),
        (("Transfer-Encoding: chunked",), b"2\n{}\n0\n\n"),
        (("Transfer-Encoding: chunked",), b"0x2\r\n{}\r\n0\r\n\r\n"),
        (("Transfer-Encoding: chunked",), b"-2\r\n{}\r\n0\r\n\r\n"),
        (("Transfer-Encoding: chunked",), b"2\r\n{}0\r\n\r\n"),
        (("Transfer-Encoding: chunked",), b"ffffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
    ],
)
def test_b11_a_length_that_two_readers_could_take_differently(
    machine: Machine, fields: tuple[str, ...], body: bytes
) -> None:
    """There is one answer, and what could pass for a second request is answered by nobody."""
    told = post(machine, *fields, "Content-Type: application/json", body=body + SECOND)
    assert told in ([400], [431]), told
    wakes(machine)


@pytest.mark.parametrize("body", [b"0x2\r\n{}\r\n0\r\n\r\n", b"-2\r\n{}\r\n0\r\n\r\n", b"0;a=\n\r\n"])
def test_b11_odd_sizes_of_chunks_are_told_so(machine: Machine, body: bytes) -> None:
    assert post(machine, "Transfer-Encoding: chunked", "Content-Type: application/json", body=body) == [400]
    wakes(machine)


def test_b11_bad_chunks_behind_an_answer_bring_no_second_one(machine: Machine) -> None:
    fields = ("Host: HOST", "Transfer-Encoding: chunked", "Content-Type: application/json")
    told = ask(machine, "POST /wake HTTP/1.1", *fields, body=b"1\r\n{\r\n" + b"0x2\r\n")
    assert told in ([400], [401]), told
    wakes(machine)


def test_b11_a_plain_and_a_chunked_body_are_fine(machine: Machine) -> None:
    assert post(machine, "Content-Length: 2", "Connection: close") == [200]
    assert post(machine, "Transfer-Encoding: chunked", "Connection: close", body=CHUNKS) == [200]
    two = SECOND.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert post(machine, "Content-Length: 2", body=b"{}" + two) == [200, 200]


@pytest.mark.parametrize(
    "line",
    [
        "GET http://evil.example/status HTTP/1.1",
        "GET http://localhost/status HTTP/1.1",
        "CONNECT evil.example:443 HTTP/1.1",
        "GET status HTTP/1.1",
        "GET /sta\ttus HTTP/1.1",
        "GET /sta\x00tus HTTP/1.1",
        "GET /st\xe4tus HTTP/1.1",
        "GET /status HTTP/2.0",
        "GET /status HTTP/1.2",
        "GET /status http/1.1",
        "GET /status",
        "get /status HTTP/1.1",
        "BREW /status HTTP/1.1",
        "PRI * HTTP/2.0",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_b12_a_first_line_that_is_none(machine: Machine, line: str) -> None:
    assert ask(machine, line, "Host: HOST") in ([400], [505])
    wakes(machine)


def test_b12_lines_end_as_they_must(machine: Machine) -> None:
    for end in (b"\n", b"\r", b"\n\r", b"\r\r\n"):
        assert ask(machine, "GET /status HTTP/1.1", "Host: HOST", end=end) == [400]
    assert ask(machine, "GET /status HTTP/1.1", "Host: HOST", b"X-A: b\nX-C: d") == [400]


def test_b13_old_and_other_ways_to_ask(machine: Machine) -> None:
    assert ask(machine, "GET /health HTTP/1.0", "Host: HOST") in ([200], [503])
    assert ask(machine, "GET /health HTTP/1.0", "Host: HOST", "Connection: keep-alive") in ([200], [503])
    assert ask(machine, "GET /status HTTP/1.0") == [403]
    assert ask(machine, "HEAD /status HTTP/1.1", "Host: HOST", "Connection: close") == [200]
    for method in ("TRACE", "OPTIONS", "PUT", "PATCH", "PROPFIND"):
        assert ask(machine, f"{method} /status HTTP/1.1", "Host: HOST", "Content-Length: 0", "Connection: close") in (
            [405],
            [401],
        )
    assert ask(machine, "OPTIONS * HTTP/1.1", "Host: HOST", "Connection: close") == [404]


@pytest.mark.parametrize("what", ["websocket", "h2c", "TLS/1.0"])
def test_b14_nobody_is_led_to_another_protocol(machine: Machine, what: str) -> None:
    fields = ("Connection: Upgrade", f"Upgrade: {what}", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: eA==")
    assert ask(machine, "GET /events HTTP/1.1", "Host: HOST", *fields) == [400]
    assert post(machine, *fields, "Content-Length: 2") == [400]


@pytest.mark.parametrize(
    "path",
    [
        "/dashboard/../../pyproject.toml", "/dashboard/..%2f..%2fapp.py", "/dashboard/%2e%2e/app.py",
        "/dashboard/..\\app.py",
        "/dashboard//etc/passwd", "/dashboard/%2fetc%2fpasswd", "/dashboard/app.js%00.html", "/dashboard/.hidden.js",
        "/dashboard/app.py", "/dashboard/", "/dashboard/a/b.js", "//status", "/status/",
        "/./status", "/messages/../status",
        "/messages/%2e%2e%2fstatus", "/messages/%00", "/tasks/..%2f..%2f..%2fetc%2fpasswd", "/instances/..%2f",
        "/%", "/%zz",
        "/.gitsync/token", "/..;/status", "/status%20", "/STATUS", "/" + "a" * 9000,
    ],
)  # fmt: skip
def test_b15_no_path_leads_out_of_the_table(machine: Machine, path: str) -> None:
    told = ask(machine, f"GET {path} HTTP/1.1", "Host: HOST", "Connection: close")
    assert told in ([404], [400], [422]), told


def test_b16_too_much_of_anything(machine: Machine) -> None:
    assert ask(machine, f"GET /{'a' * 40_000} HTTP/1.1", "Host: HOST") == [431]
    assert ask(machine, "GET /status HTTP/1.1", "Host: HOST", f"X-A: {'a' * 40_000}") == [431]
    assert ask(machine, "GET /status HTTP/1.1", "Host: HOST", *(f"X-{n}: a" for n in range(120))) == [431]
    assert ask(machine, "GET /status HTTP/1.1", "Host: HOST", *["X: a"] * 90, "Connection: close") == [200]
    assert post(machine, "Content-Length: 2000000", "Content-Type: application/json", body=b" " * 2_000_000) == [413]
    trailers = b"2\r\n{}\r\n0\r\n" + b"".join(b"X-%d: a\r\n" % number for number in range(200)) + b"\r\n"
    assert post(machine, "Transfer-Encoding: chunked", "Connection: close", body=trailers) in ([431], [])
    deep = b"[" * 500_000 + b"]" * 500_000
    fields = ("Content-Type: application/json", "Connection: close")
    assert post(machine, f"Content-Length: {len(deep)}", *fields, body=deep) == [200]  # what is not read is not parsed
    wakes(machine)


def test_b16_a_head_without_end_takes_no_memory(machine: Machine) -> None:
    wire = Wire(machine.url)
    wire.socket.sendall(b"GET /status HTTP/1.1\r\nX-A: ")
    sent = 0
    try:
        while sent < 64 << 20:
            wire.socket.sendall(b"a" * 65536)
            sent += 65536
    except OSError:
        pass
    wire.socket.close()
    assert sent < 16 << 20  # what fits between two programs, and no more
    wakes(machine)


# -- B17: slow clients; the times are tested in tests/api/test_connections.py ---------------------------


def test_b17_three_hundred_slow_connections_hold_up_nobody(machine: Machine) -> None:
    slow = [Wire(machine.url) for _ in range(300)]
    try:
        for number, wire in enumerate(slow):
            wire.socket.sendall((b"GET /status HT", b"POST /send HTTP/1.1\r\nHost: lo", b"")[number % 3])
        begun = time.monotonic()
        for _ in range(20):
            wakes(machine)
        assert time.monotonic() - begun < 10
    finally:
        for wire in slow:
            wire.socket.close()


# -- B18 to B20: other users of the computer ------------------------------------------------------------


def _private(machine: Machine) -> list[Path]:
    state, clone = machine.root / ".gitsync", machine.root / "coordination"
    return [path for folder in (state, clone / ".git" / "gitsync") for path in (folder, *folder.rglob("*"))]


def test_b18_nothing_that_gitsync_writes_is_for_others(machine: Machine) -> None:
    found = _private(machine)
    names = {path.name for path in found}
    assert {"token", "config.toml", "daemon.json", "gitsync.log", "journal.sqlite3", "ledger.sqlite3"} <= names
    loose = {
        str(path): oct(path.lstat().st_mode) for path in found if path.lstat().st_mode & 0o077 and not path.is_symlink()
    }
    assert loose == {}
    assert (machine.root / "coordination").stat().st_mode & 0o077 == 0


def _as_nobody(machine: Machine) -> dict[str, dict[str, object]]:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    root = machine.root
    for folder in (root, *root.parents):
        if not folder.stat().st_mode & 0o001 and folder.stat().st_uid == 0 and "pytest" in str(folder):
            folder.chmod(folder.stat().st_mode | 0o011)  # what pytest keeps for itself must not do gitsync's work
    files = [".gitsync", ".gitsync/token", ".gitsync/config.toml", ".gitsync/daemon.json", ".gitsync/gitsync.log",
             "coordination", "coordination/.git/gitsync/journal.sqlite3"]  # fmt: skip
    code = AS_NOBODY.format(
        nobody=NOBODY,
        url=machine.url,
        files=[str(root / name) for name in files],
        gets=["/", "/health", "/status", "/messages", "/inbox", "/events", "/metrics", "/instances", "/tasks",
              "/blockers", "/computers", "/none", "/dashboard", "/openapi.json", "/session"],
        posts=["/wake", "/send", "/shutdown", "/session/code", "/reload"],
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60, cwd="/", check=False
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, dict[str, object]] = json.loads(done.stdout)
    return told


def test_b19_another_user_reads_no_file_and_changes_nothing(machine: Machine) -> None:
    told = _as_nobody(machine)
    assert set(told["files"].values()) == {"PermissionError"}
    assert set(told["post"].values()) == {401}


def test_b20_another_user_is_told_nothing_of_this_machine(machine: Machine) -> None:
    told = _as_nobody(machine)["get"]
    assert {path for path, status in told.items() if status == 200} == {"/dashboard", "/openapi.json", "/session"}
    assert {status for status in told.values() if status != 200} == {401}
    wakes(machine)


# -- B21, B22: what answers and logs give away -----------------------------------------------------------


def test_b21_failures_show_nothing_of_the_inside(machine: Machine, raw: httpx.Client) -> None:
    for path in ("/none", "/messages/zz", "/tasks/01ZZZZZZ", "/instances/x", "/messages?limit=x", "/dashboard/x.js"):
        text = raw.get(path).text
        assert str(machine.root) not in text
        assert "Traceback" not in text
        assert ".py" not in text


def test_b22_the_log_keeps_no_secret_and_no_line_of_a_stranger(machine: Machine, raw: httpx.Client) -> None:
    raw.get("/none%0aERROR forged line", headers={"User-Agent": "forged\tagent", "X-A": "forged"})
    raw.post("/wake", headers={"Authorization": "Bearer forged-secret"})
    assert ask(machine, "forged", "forged") == [400]
    assert "forged" not in machine.log
    assert "Invalid HTTP" not in machine.log
    assert machine.token not in machine.log
