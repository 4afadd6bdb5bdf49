"""Who may change something: the token, sessions of browsers, one-time codes; and what pages of others get."""

from __future__ import annotations

import http.client

import httpx
import pytest

from gitsync.api.static import POLICY
from tests.api.live.conftest import Machine


def _origin(machine: Machine) -> dict[str, str]:
    return {"Origin": machine.url}


def test_a_session_lets_a_page_act_until_it_is_ended(machine: Machine, raw: httpx.Client) -> None:
    assert raw.get("/session").json() == {"authenticated": False}
    began = raw.post("/session", headers=machine.bearer)
    assert began.status_code == 200
    given = began.headers["set-cookie"]
    assert "HttpOnly" in given
    assert "SameSite=Strict" in given
    assert machine.token not in given
    assert raw.get("/session").json() == {"authenticated": True}
    assert raw.post("/wake", headers=_origin(machine)).status_code == 200
    assert raw.post("/wake").status_code == 401, "a session without an Origin may come from another port"
    stolen = dict(raw.cookies)
    assert raw.delete("/session", headers=_origin(machine)).status_code == 200
    assert raw.post("/wake", headers=_origin(machine)).status_code == 401
    with httpx.Client(base_url=machine.url, trust_env=False, cookies=stolen) as thief:
        assert thief.post("/wake", headers=_origin(machine)).status_code == 401


def test_a_code_is_good_once(machine: Machine, raw: httpx.Client) -> None:
    assert raw.post("/session/code").status_code == 401
    code = raw.post("/session/code", headers=machine.bearer).json()["code"]
    assert raw.post("/session", json={"code": "0" * len(code)}).status_code == 401
    assert raw.post("/session", json={"code": code}, headers=_origin(machine)).status_code == 200
    assert raw.get("/session").json() == {"authenticated": True}
    with httpx.Client(base_url=machine.url, trust_env=False) as other:
        assert other.post("/session", json={"code": code}).status_code == 401
        assert other.post("/session").status_code == 401


def test_a_session_survives_the_process_but_not_a_new_token(machine: Machine, raw: httpx.Client) -> None:
    raw.post("/session", headers=machine.bearer)
    cookies = dict(raw.cookies)
    old = machine.url
    machine.down()
    machine.up()
    port = machine.url.rpartition(":")[2]
    moved = {f"gitsync_session_{port}": next(iter(cookies.values()))}  # the free port of the tests is another now
    assert old != machine.url or moved == cookies
    with httpx.Client(base_url=machine.url, trust_env=False, cookies=moved) as client:
        assert client.get("/session").json() == {"authenticated": True}
        token = machine.root / ".gitsync" / "token"
        former = token.read_text()
        token.write_text("another-token-for-a-moment\n")
        try:
            assert client.get("/session").json() == {"authenticated": False}
        finally:
            token.write_text(former)
        assert client.get("/session").json() == {"authenticated": True}


@pytest.mark.parametrize("path", ["/session", "/wake", "/send", "/instances", "/task", "/session/code"])
def test_pages_of_others_get_nothing_even_with_the_token(machine: Machine, path: str, raw: httpx.Client) -> None:
    answer = raw.post(path, headers={**machine.bearer, "Origin": "http://127.0.0.1:1"}, json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "foreign_origin")
    answer = raw.post(path, headers={**machine.bearer, "Host": "evil.example"}, json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "foreign_host")


def test_the_dashboard_has_a_strict_policy_and_nothing_else_of_the_disk(machine: Machine, raw: httpx.Client) -> None:
    page = raw.get("/dashboard")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"] == POLICY
    assert raw.get("/dashboard/app.js").headers["content-type"].startswith("text/javascript")
    names = ("../app.py", "%2e%2e/app.py", "..%2fapp.py", "app.py", ".hidden", "a%00.css", "/etc/passwd", "none.css")
    for path in (f"/dashboard/{name}" for name in names):
        line = http.client.HTTPConnection("127.0.0.1", int(machine.url.rpartition(":")[2]), timeout=10)
        line.request("GET", path)  # as it stands: other clients resolve the dots themselves
        assert line.getresponse().status == 404, path
        line.close()
