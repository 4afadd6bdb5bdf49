"""Our hooks in the settings of coding agents: in once, out again, and all else as it was."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsync.errors import Refused
from gitsync.hooks.programs import (
    CLAUDE_CODE,
    GEMINI,
    has_notify,
    installed,
    with_hooks,
    with_notify,
    without_hooks,
    without_notify,
)
from gitsync.hooks.section import TEXT, with_section, without_section

CALL = ["/opt/my python", "-P", "-m", "gitsync", "--dir", "/home/o'neil/code"]

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
their_hooks = st.dictionaries(
    st.sampled_from(["SessionStart", "Stop", "PreToolUse"]),
    st.lists(
        st.fixed_dictionaries(
            {
                "hooks": st.lists(
                    st.fixed_dictionaries({"type": st.just("command"), "command": st.text(max_size=9)}), min_size=1
                )
            },
            optional={"matcher": st.text(max_size=4)},
        ),
        min_size=1,
        max_size=2,
    ),
    min_size=1,
    max_size=3,
)


@given(
    st.dictionaries(st.text(max_size=6).filter(lambda key: key != "hooks"), values, max_size=4), st.none() | their_hooks
)
def test_all_that_is_there_stays(settings: dict[str, Any], hooks: dict[str, Any] | None) -> None:
    if hooks is not None:
        settings["hooks"] = hooks
    old = json.dumps(settings, ensure_ascii=False).encode("utf-8", "surrogatepass")
    new = with_hooks(old, CLAUDE_CODE, CALL)
    assert installed(new, CLAUDE_CODE) == ["SessionStart", "UserPromptSubmit", "Stop"]
    assert with_hooks(new, CLAUDE_CODE, CALL) == new
    assert json.loads(without_hooks(new, CLAUDE_CODE)) == settings
    told = json.loads(new)
    for event, groups in (hooks or {}).items():
        assert told["hooks"][event][: len(groups)] == groups
    assert {key: value for key, value in told.items() if key != "hooks"} == {
        key: value for key, value in settings.items() if key != "hooks"
    }


def test_an_older_call_is_replaced_and_a_command_beside_it_stays() -> None:
    ours = {"type": "command", "command": "/old/python -m gitsync hook claude-stop"}
    theirs = {"type": "command", "command": "say done"}
    old = json.dumps({"hooks": {"Stop": [{"matcher": "", "hooks": [ours, theirs]}]}}).encode()
    new = json.loads(with_hooks(old, CLAUDE_CODE, CALL))
    assert new["hooks"]["Stop"][0] == {"matcher": "", "hooks": [theirs]}
    [ours_now] = new["hooks"]["Stop"][1]["hooks"]
    assert ours_now["command"] == """'/opt/my python' -P -m gitsync --dir '/home/o'"'"'neil/code' hook claude-stop"""
    assert "/old/python" not in json.dumps(new)


def test_gemini_has_its_own_events_and_milliseconds() -> None:
    new = json.loads(with_hooks(None, GEMINI, CALL))
    assert list(new["hooks"]) == ["SessionStart", "BeforeAgent", "AfterAgent"]
    assert new["hooks"]["AfterAgent"][0]["hooks"][0]["timeout"] == 10_000


@pytest.mark.parametrize(
    "data", [b'{"a": 1, // why\n}', b"[]", b'{"hooks": []}', b'{"hooks": {"Stop": {}}}', b'{"a": 1, "a": 2}', b"\xff"]
)
def test_what_is_not_understood_is_refused(data: bytes) -> None:
    with pytest.raises(Refused):
        with_hooks(data, CLAUDE_CODE, CALL)


@pytest.mark.parametrize("data", [None, b"", b'# mine\nmodel = "x"\n', b"[tui]\r\nnotifications = true\r\n"])
def test_the_line_of_codex(data: bytes | None) -> None:
    new = with_notify(data, CALL)
    assert tomllib.loads(new.decode()) == {
        **tomllib.loads((data or b"").decode()),
        "notify": [*CALL, "hook", "codex-notify"],
    }
    assert with_notify(new, CALL) == new
    assert has_notify(new)
    assert without_notify(new) == (data or b"")
    other = with_notify(new, ["/other/python"])
    assert tomllib.loads(other.decode())["notify"][0] == "/other/python"


def test_codex_has_one_place_only() -> None:
    for data in (b'notify = ["say"]\n', b"notify = [\n", b"\xff"):
        with pytest.raises(Refused):
            with_notify(data, CALL)


@pytest.mark.parametrize("old", [None, b"# Mine\n\nText.\n", b"# Mine\r\n\r\nText.\r\n", b"no end of line", b"\n"])
def test_the_section(old: bytes | None) -> None:
    new = with_section(old)
    assert TEXT.splitlines()[0].encode() in new
    assert with_section(new) == new
    # In the middle, where a person moved it, it stays; an older text of it is renewed.
    moved = b"before\n\n" + new.replace(b"`gitsync status`", b"`gitsync frobnicate`") + b"after\n"
    again = with_section(moved)
    assert again.startswith(b"before\n\n")
    assert again.endswith(b"after\n")
    assert b"frobnicate" not in again
    left = without_section(new)
    assert left.rstrip() == (old or b"").rstrip()
    assert b"\n\n\n" not in left.replace(b"\r", b"")


def test_a_section_that_is_torn_is_left_alone() -> None:
    new = with_section(b"text\n")
    for torn in (
        new + new,
        new.replace(b"<!-- gitsync: end -->", b""),
        b"<!-- gitsync: end --> <!-- gitsync: begin -->",
    ):
        with pytest.raises(Refused):
            with_section(torn)
