"""Which model answers, what it is told, what is kept: choice, definitions, skills, prompt cache, response cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitsync.agents.base import Turn
from gitsync.agents.claude.choice import choose_model, measure
from gitsync.agents.claude.conversation import marked, system_text
from gitsync.agents.claude.definitions import Skill, Unreadable, front_matter, read_definition
from gitsync.agents.claude.responses import Responses, response_key
from gitsync.agents.claude.surroundings import Surroundings
from gitsync.agents.spec import AgentSpec, ModelRule
from tests.agents.benches import parcel
from tests.agents.conftest import Office

RULES = (
    ModelRule(name="great", priorities=("urgent",)),
    ModelRule(name="good", types=("review",), above=10),
    ModelRule(name="cheap", below=20),
)


@pytest.mark.parametrize(
    ("changes", "model", "why"),
    [
        ({"priority": "urgent"}, "great", "rule 1: priority urgent"),
        ({}, "cheap", "rule 3: complexity below 20; complexity 0 ("),
        ({"type": "review"}, "cheap", "rule 3"),
        ({"type": "review", "body": "x" * 4000}, "good", "rule 2: type review, complexity above 10"),
        ({"body": "x" * 9000}, "usual", "no rule holds; complexity 36 (9006 characters"),
    ],
)
def test_the_first_rule_that_holds_decides_and_says_why(changes: dict[str, str], model: str, why: str) -> None:
    chosen = choose_model("usual", RULES, parcel(**changes))
    assert chosen.model == model
    assert chosen.why.startswith(why)


def test_complexity_counts_length_code_turns_and_points() -> None:
    body = "Do:\n- one\n- two\nWhy? Because.\n```py\nx = 1\ny = 2\n```\n"
    history = (Turn(own=False, sender="1", text="a" * 500), Turn(own=True, sender="2", text="~~~\ncode\n~~~"))
    found = measure(parcel(body=body, subject="", history=history))
    assert (found.blocks, found.lines, found.turns, found.points) == (2, 3, 2, 3)
    assert found.score == 2 + 10 + 4 + 3
    huge = parcel(body="```\n" + "x = 1\n" * 9000 + "```\n" + "- point?\n" * 100, history=history * 50)
    assert measure(huge).score == 40 + 25 + 20 + 15


def test_front_matter_is_read_strictly() -> None:
    said, body = front_matter(
        "---\nname: 'a b'\ntools: [thread, fleet]\nskills:\n  - x.md\n  - y.md\n---\n\nBe kind.\n"
    )
    assert said == {"name": "a b", "tools": ("thread", "fleet"), "skills": ("x.md", "y.md")}
    assert body == "Be kind."
    assert front_matter("plain") == ({}, "plain")
    for wrong, words in (("---\nname: a\n", "no end"), ("---\nname\n---", "line 2"), ("---\na: 1\na: 2\n---", "twice")):
        with pytest.raises(Unreadable, match=words):
            front_matter(wrong)


def agent(**more: object) -> AgentSpec:
    return AgentSpec(name="reviewer", kind="claude", **more)  # type: ignore[arg-type]


def test_a_definition_gives_what_the_settings_leave_open(tmp_path: Path) -> None:
    (tmp_path / "skills").mkdir()
    (tmp_path / "skills" / "sql.md").write_text(
        "---\ndescription: How we write SQL\ntypes: [migration]\n---\nUse CTEs.\n"
    )
    (tmp_path / "a.md").write_text(
        "---\nname: reviewer\nmodel: claude-opus-5-5\ntools: [thread]\nskills: [skills]\nmax_tokens: 99\n---\nReview.\n"
    )
    (tmp_path / "s.md").write_text("Be brief.\n")
    found = read_definition(agent(definition="a.md", system="s.md"), tmp_path)
    assert (found.model, found.system, found.max_tokens) == ("claude-opus-5-5", "Review.\n\nBe brief.", 99)
    assert (found.tools, [skill.name for skill in found.skills]) == (("thread",), ["sql"])
    mine = read_definition(agent(definition="a.md", model="mine", tools=(), max_tokens=5), tmp_path)
    assert (mine.model, mine.tools, mine.max_tokens) == ("mine", (), 5)
    assert "Use CTEs" not in system_text("S", found.skills, "other")
    assert "- sql: How we write SQL" in system_text("S", found.skills, "other")
    assert "Use CTEs" in system_text("S", found.skills, "migration")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("---\ntools: [shell]\n---\n", "no tool 'shell'"),
        ("---\ncolour: red\n---\n", "unknown 'colour'"),
        ("---\nmax_tokens: many\n---\n", "whole number"),
        ("---\nskills: [no.md]\n---\n", "no.md: No such file"),
    ],
)
def test_a_definition_that_cannot_be_used_says_why(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "a.md").write_text(text)
    with pytest.raises(Unreadable, match=words):
        read_definition(agent(definition="a.md"), tmp_path)


def test_only_beginnings_that_are_long_enough_are_marked() -> None:
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    short = marked("system", [], turns)
    assert short == {"system": "system", "messages": turns}
    long = marked("s" * 5000, [{"name": "t"}], turns)
    assert long["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert long["messages"][1]["content"][-1]["cache_control"] == {"type": "ephemeral"}
    assert long["messages"][2] == turns[2]


def test_the_thread_is_read_from_the_prompt_cache_and_costs_less(office: Office, tmp_path: Path) -> None:
    (tmp_path / "s.md").write_text("Rules. " * 1000)
    first = Turn(own=False, sender="1", text="w " * 4000)
    second = Turn(own=True, sender="2/mechanic", text="answer " * 300)
    told, _ = office.ask(
        tmp_path,
        parcel(history=(first, second)),
        parcel(history=(first, second), body="And now?"),
        system="s.md",
    )
    before, after = (one.usage for one in told)
    assert before is not None
    assert after is not None
    assert before["tokens_cache_write"] > 3000
    assert before["tokens_cached"] == 0
    assert after["tokens_cached"] == before["tokens_cache_write"]
    assert after["tokens_in"] < 100
    assert after["cost_micros"] < before["cost_micros"] / 3
    plain, server = office.ask(tmp_path, parcel(history=(first, second)), system="s.md", prompt_cache=False)
    assert "cache_control" not in str(server.requests)
    assert (plain[0].usage or {})["tokens_cache_write"] == 0


def test_the_same_question_is_answered_from_the_response_cache_until_anything_differs(
    office: Office, tmp_path: Path
) -> None:
    around = Surroundings(responses=Responses(tmp_path / "kept"))
    (tmp_path / "s.md").write_text("One.")
    asked = parcel()

    responses = around.responses
    assert responses is not None
    told, server = office.ask(tmp_path, asked, asked, around=around, response_cache=60.0, system="s.md")
    assert told[0].reply == told[1].reply
    assert (told[1].usage or {})["cost_micros"] == 0
    assert len(server.requests) == 1
    assert responses.hits == 1
    other = parcel(body="Something else.")
    told, server = office.ask(
        tmp_path,
        asked,
        other,
        parcel(type="fresh"),
        parcel(type="fresh"),
        around=around,
        response_cache=60.0,
        response_cache_except=("fresh",),
    )
    assert len(server.requests) == 4
    told, server = office.ask(tmp_path, asked, asked, around=around)  # off, as it is by default
    assert len(server.requests) == 2


def test_kept_answers_have_an_end_in_time_and_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Responses(tmp_path, largest=2000)
    kept.put("a", "x" * 500, "m")
    assert (kept.get("a", 60.0) or {})["reply"] == "x" * 500
    assert kept.get("a", 0.0) is None
    (tmp_path / "b.json").write_text("{broken")
    assert kept.get("b", 60.0) is None
    for name in "cdefgh":
        kept.put(name, "x" * 500, "m")
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 2000
    assert kept.get("h", 60.0) is not None
    kept.put("big", "x" * 5000, "m")
    assert kept.get("big", 60.0) is None
    assert oct((tmp_path / "h.json").stat().st_mode & 0o777) == "0o600"


def test_the_key_changes_with_everything_that_goes_into_it() -> None:
    skill = Skill(name="a", description="b", text="c")
    question = {"definition": {"system": "s", "skills": [skill.text]}, "model": ["m"], "messages": [{"content": "c"}]}
    keys = {
        response_key(question),
        response_key({**question, "model": ["n"]}),
        response_key({**question, "messages": [{"content": "d"}]}),
        response_key({**question, "definition": {"system": "s", "skills": ["d"]}}),
    }
    assert len(keys) == 4
    assert response_key(dict(reversed(question.items()))) in keys
