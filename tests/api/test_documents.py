"""docs/http.md names every endpoint, and the client has a way to each."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from gitsync import client
from gitsync.api.routes import OPERATIONS

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "http.md"
FOR_OTHERS = ("/session", "/dashboard", "/openapi.json", "/mcp")


def test_the_document_names_every_endpoint() -> None:
    named = set(re.findall(r"`(GET|POST|DELETE) (/[^`?\s]*)", DOCUMENT.read_text()))
    assert named == {(one.method, one.path) for one in OPERATIONS}


def test_the_client_calls_every_endpoint() -> None:
    source = inspect.getsource(client)
    called = set(re.findall(r'"(/[a-z/]*)["{]', source.replace("{_part(ident)}", "").replace("{_part(name)}", "")))
    for one in OPERATIONS:
        path = re.sub(r"\{[a-z]+\}", "", one.path)
        verb = path.rpartition("/")[2]
        known = path in called or f'_act(name, "{verb}")' in source
        assert known or path.startswith(FOR_OTHERS), one.path


def test_every_attack_in_the_document_has_a_test_and_the_other_way_round() -> None:
    listed = re.findall(r"^\| (B\d+) \|", DOCUMENT.read_text(), re.M)
    tests = (Path(__file__).parent / "live" / "test_boundary.py").read_text()
    assert listed == [f"B{number}" for number in range(1, len(listed) + 1)]
    assert {f"b{number}" for number in range(1, len(listed) + 1)} == set(re.findall(r"^def test_(b\d+)_", tests, re.M))
