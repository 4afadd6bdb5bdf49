"""What others wrote is text, wherever it is shown and whatever it looks like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gitsync.protocol.edit import append
from gitsync.protocol.ids import make_ulid
from gitsync.protocol.message import Message, write
from gitsync.protocol.paths import messages_path, status_path
from gitsync.protocol.status import AgentRow, Status, write_block
from tests.browser.conftest import Open, Watch
from tests.browser.station import Station, eventually
from tests.remotes import Person

pytestmark = pytest.mark.browser

CORPUS = [
    "<script>pwned('script')</script>",
    "<img src=x onerror=pwned('img')>",
    "<svg onload=pwned('svg')>",
    "<svg><script>pwned('svg script')</script></svg>",
    "<iframe srcdoc=\"<script>parent.pwned('frame')</script>\"></iframe>",
    "<a href=\"javascript:pwned('link')\">click</a>",
    "javascript:pwned('url')",
    "data:text/html,<script>pwned('data')</script>",
    "[click](javascript:pwned('markdown'))",
    "![image](https://example.invalid/track.png)",
    "https://example.invalid/<script>pwned('in url')</script>",
    "\"><script>pwned('attribute')</script>",
    "' onmouseover='pwned(1)' x='",
    "</textarea></title></style><script>pwned('closer')</script>",
    "<style>*{background:url(https://example.invalid/css)}</style>",
    "<link rel=stylesheet href=https://example.invalid/a.css>",
    "<meta http-equiv=refresh content='0;url=https://example.invalid/'>",
    "<base href=https://example.invalid/>",
    "<form action=https://example.invalid/><input name=token></form>",
    "<dialog open><p id=machine>clobbered</p></dialog>",
    "{{constructor.constructor('pwned(1)')()}} ${pwned(1)} #{pwned(1)}",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=pwned('mutation')>",
    "__proto__",
    "constructor",
    "&lt;b&gt;not bold&lt;/b&gt; &#x3c;script&#x3e;",
]

HARMLESS = Path(__file__).with_name("harmless.js").read_text()


def harmless(page: Any) -> None:
    """Fail where anything that others wrote became more than text."""
    found = page.evaluate(HARMLESS)
    assert found == {"pwned": [], "strange": [], "heads": 9, "handlers": [], "machines": 1}


def test_the_corpus_is_shown_as_text(one: Station, show: Open, tmp_path: Path) -> None:
    hostile = Status(
        id="9",
        name=CORPUS[1],
        state="ACTIVE",
        role=CORPUS[0],
        agents=tuple(AgentRow(text, "http", "online", text, (text,), 1) for text in (CORPUS[1], CORPUS[5])),
        blockers=(CORPUS[2], CORPUS[11]),
    )
    person = Person.clone(one.remote, tmp_path / "person")
    person.switch("coordination")
    letters: bytes | None = None
    for number, text in enumerate(CORPUS):
        ident = make_ulid((1_790_000_000 + number) * 1000, bytes(10))
        date = "2026-11-20T06:45:00Z"
        letter = Message(
            id=ident,
            sender="9",
            to=("1",),
            subject=f"S {text}",
            body=f"B {text}\n\nsecond {text}",
            date=date,
            type=text,
        )
        letters = append(letters, write(letter))
    assert letters is not None
    page_of_nine = f"# Computer 9: {CORPUS[1]}\n\n".encode() + write_block(hostile)
    person.commit({status_path("9"): page_of_nine, messages_path("9", "1"): letters})
    person.push()
    one.post("/sync", {})
    eventually(lambda: len(one.http("GET", "/messages?limit=200")[1]) >= len(CORPUS))

    page = show(one)
    page.evaluate("() => { window.hits = []; window.pwned = (what) => hits.push(String(what)); }")
    page.locator("#computers", has_text="9").get_by_text("svg onload=pwned").wait_for()
    page.locator("#computers button", has_text="<img src=x onerror=pwned('img')>").wait_for()
    shown = page.inner_text("#thread-rows")
    for text in CORPUS:
        assert " ".join(f"S {text}".split()) in " ".join(shown.split()), text
        one.post("/task", {"type": "review", "content": text})
    page.locator("#task-rows", has_text=CORPUS[-1]).wait_for()
    harmless(page)
    for text in CORPUS:
        page.locator("#thread-rows .link", has_text=f"S {text}").first.click()
        page.locator("#said-there .body", has_text=f"second {text}").wait_for()
        page.locator("#thread-title", has_text=f"S {text}").wait_for()
        harmless(page)
        page.keyboard.press("Escape")
    # As an address to write to, and back in a message of our own about the failure.
    page.locator("#computers button", has_text="<img src=x").first.click()
    assert page.input_value("#to") == f"9/{CORPUS[1]}"
    harmless(page)


def test_controls_and_directions_become_visible(one: Station, show: Open) -> None:
    one.send("self/jesse", "invoice\u202etxt.exe", "a\u0007b\u2066c", type="review")
    page = show(one)
    page.locator("#thread-rows .link", has_text="invoice\\u202etxt.exe").click()
    page.locator("#said-there .body", has_text="a\\u0007b\\u2066c").wait_for()


def test_names_are_one_piece_of_an_address(one: Station, show: Open, watch: Watch) -> None:
    watch.expect("status of 404")
    page = show(one)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate(
        "import('/dashboard/api.js').then(({path, post}) =>"
        " post(path`/instances/${'../sync?x=#y/..'}/stop`).catch(() => {}))"
    )
    eventually(lambda: any("/instances/" in url and "..%2Fsync%3Fx%3D%23y%2F.." in url for url in asked))
