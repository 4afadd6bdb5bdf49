"""What lets coding agents call gitsync: put into their settings, and heard by the real Claude Code."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Computer, gitsync
from tests.model import claude_environment, program, said, serving


def events(file: Path) -> list[str]:
    return list(json.loads(file.read_bytes())["hooks"])


def test_settings_of_claude_code(one: Computer) -> None:
    file = one.root / ".claude" / "settings.local.json"
    assert one("hooks", "install", "claude-code").code == 2, "nobody can be asked"
    assert not file.parent.exists()
    shown = one.ok("hooks", "install", "claude-code", "--yes")
    assert "+++" in shown
    assert "claude-session-start" in shown
    assert events(file) == ["SessionStart", "UserPromptSubmit", "Stop"]
    first = file.read_bytes()
    assert "already" in one.ok("hooks", "install", "claude-code")
    assert file.read_bytes() == first
    assert "installed" in one.ok("hooks", "status", "claude-code")
    one.ok("hooks", "install", "claude-code", "--undo", "--yes")
    assert not file.parent.exists()
    assert "nothing" in one.ok("hooks", "install", "claude-code", "--undo", "--yes")


def test_what_a_person_wrote_comes_back_byte_by_byte(
    one: Computer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "somebody"
    real = home / "dotfiles" / "settings.json"
    real.parent.mkdir(parents=True)
    (home / ".claude").mkdir()
    (home / ".claude" / "settings.json").symlink_to(real)
    monkeypatch.setenv("HOME", str(home))
    old = (
        b'{"model":"x",   "env": {"A": "\\u00e9"},\n"hooks":{"Stop":[{"hooks":[{"type":"command","command":"say"}]}]}}'
    )
    real.write_bytes(old)
    real.chmod(0o600)
    one.ok("hooks", "install", "claude-code", "--user", "--yes")
    told = json.loads(real.read_bytes())
    assert told["env"] == {"A": "é"}
    assert [len(groups) for groups in told["hooks"].values()] == [2, 1, 1]
    assert real.stat().st_mode & 0o777 == 0o600
    assert (home / ".claude" / "settings.json").is_symlink()
    command = told["hooks"]["SessionStart"][0]["hooks"][0]["command"]
    assert shlex.split(command)[:4] == [sys.executable, "-P", "-m", "gitsync"]
    one.ok("hooks", "install", "claude-code", "--user", "--undo", "--yes")
    assert real.read_bytes() == old
    one.ok("hooks", "install", "claude-code", "--user", "--yes")
    real.write_bytes(real.read_bytes() + b"\n")
    assert one("hooks", "install", "claude-code", "--user", "--undo", "--yes").code == 3
    one.ok("hooks", "uninstall", "claude-code", "--user", "--yes")
    assert json.loads(real.read_bytes()) == json.loads(old)


def test_settings_that_lead_elsewhere_or_are_no_json_are_left_alone(one: Computer, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text("{}")
    (one.root / ".claude").mkdir()
    file = one.root / ".claude" / "settings.local.json"
    file.symlink_to(elsewhere)
    assert one("hooks", "install", "claude-code", "--yes").code == 3
    assert elsewhere.read_text() == "{}"
    file.unlink()
    file.write_text('{"a": 1} // mine\n')
    refused = one("hooks", "install", "claude-code", "--yes")
    assert refused.code == 3
    assert "JSON" in refused.err
    assert file.read_text() == '{"a": 1} // mine\n'


def test_gemini_and_codex(one: Computer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "codex"))
    one.ok("hooks", "install", "gemini", "--yes")
    assert events(one.root / ".gemini" / "settings.json") == ["SessionStart", "BeforeAgent", "AfterAgent"]
    (tmp_path / "codex").mkdir()
    config = tmp_path / "codex" / "config.toml"
    config.write_text('[projects."/x"]\ntrust_level = "trusted"\n')
    one.ok("hooks", "install", "codex", "--yes")
    assert config.read_text().startswith("notify = [")
    turned = json.dumps({"type": "agent-turn-complete", "cwd": str(one.root), "last-assistant-message": "x"})
    assert one("hook", "codex-notify", turned).code == 0
    one.ok("hooks", "uninstall", "codex", "--yes")
    assert config.read_text() == '[projects."/x"]\ntrust_level = "trusted"\n'
    one.ok("hooks", "uninstall", "gemini", "--yes")
    assert not (one.root / ".gemini" / "settings.json").exists()


def test_a_section_in_agents_md(one: Computer, tmp_path: Path) -> None:
    file = one.root / "AGENTS.md"
    assert not file.exists(), "init writes into nobody's repository by itself"
    file.write_text("# Rules\n")
    shown = one.ok("init", "--agents-md")
    assert "+## Other computers (gitsync)" in shown
    first = file.read_bytes()
    one.ok("init", "--agents-md")
    one.ok("hooks", "install", "agents-md")
    assert file.read_bytes() == first
    one.ok("hooks", "uninstall", "agents-md", "--yes")
    assert file.read_text() == "# Rules\n"
    one.ok("hooks", "install", "agents-md", "--file", "CLAUDE.md", "--yes")
    assert "gitsync inbox" in (one.root / "CLAUDE.md").read_text()
    assert one("hooks", "install", "agents-md", "--file", str(tmp_path / "x.md"), "--yes").code == 3


def test_a_session_is_told_who_it_is_and_what_is_open(one: Computer, two: Computer) -> None:
    one.ok("task", "submit", "bug_fix", "Mend ```the``` roof\x1b[2J")
    two.ok("send", "1", "Urgent thing", "--priority", "urgent")
    two.ok("sync")
    one.ok("sync")
    asked = json.dumps({"cwd": str(one.root), "source": "startup"})
    text = json.loads(one("hook", "claude-session-start", stdin=asked).out)["hookSpecificOutput"]["additionalContext"]
    assert "this is computer 1" in text
    assert "the others: 2" in text
    assert "1 of them urgent" in text
    assert "Open tasks: 1" in text
    assert "Mend" in text
    assert "\x1b" not in text
    assert "Urgent thing" in text
    again = json.loads(one("hook", "gemini-session-start", stdin=asked).out)["hookSpecificOutput"]["additionalContext"]
    assert "this is computer 1" in again
    assert "Urgent thing" not in again, "each message once"
    stop = json.loads(one("hook", "gemini-after-agent", stdin=asked).out)
    assert stop["decision"] == "deny"
    assert len(text) < 10_000


def test_hooks_leave_other_projects_and_gitsyncs_own_runs_alone(
    one: Computer, two: Computer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two.ok("send", "1", "Thing")
    two.ok("sync")
    one.ok("sync")
    asked = json.dumps({"cwd": str(tmp_path)})
    elsewhere = gitsync("hook", "claude-session-start", cwd=tmp_path, stdin=asked)
    assert (elsewhere.code, elsewhere.out, elsewhere.err) == (0, "", "")
    assert not (Path(os.environ["XDG_STATE_HOME"]) / "gitsync" / "gitsync.log").exists()
    monkeypatch.setenv("GITSYNC_KEY", "k")
    assert one("hook", "claude-user-prompt", stdin=json.dumps({"cwd": str(one.root)})).out == ""
    monkeypatch.delenv("GITSYNC_KEY")
    assert "Thing" in one("hook", "claude-user-prompt", stdin=json.dumps({"cwd": str(one.root)})).out


def test_recipes_are_printed_ready_for_the_settings(one: Computer) -> None:
    listed = one.ok("agents", "recipes")
    for name in ("claude", "codex", "gemini", "opencode"):
        assert name in listed
        block = one.ok("agents", "recipes", name)
        plain = re.sub(r"\n# (?=[a-z])", "\n", block)
        one.settings(block)
        one.ok("agents", "--json")
        one.settings(plain.replace('"..."', '"m"'))
        assert one.ask("agents")[0]["kind"] == "command"
    assert one("agents", "recipes", "frobnicate").code == 2


def test_the_real_claude_code_is_told(one: Computer, two: Computer, tmp_path: Path) -> None:
    claude = program("claude")
    one.ok("hooks", "install", "claude-code", "--yes")
    # Whatever lies in the project: it is not what runs when the hook does.
    (one.root / "gitsync.py").write_text("raise SystemExit(7)\n")
    (one.root / "json.py").write_text("raise SystemExit(7)\n")
    two.ok("send", "1", "Normal thing", "-m", "when you have time")
    two.ok("sync")
    one.ok("sync")

    def run(prompt: str, *more: str) -> str:
        done = subprocess.run(
            [claude, "-p", "--output-format", "json", *more],
            input=prompt,
            cwd=one.root,
            env={"PATH": os.environ["PATH"], **keep, **claude_environment(model, tmp_path / "claude-home")},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, done
        return str(json.loads(done.stdout)["session_id"])

    keep = {name: os.environ[name] for name in ("PYTHONPATH", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "GIT_CONFIG_GLOBAL")}
    with serving("First.", "I will see to it.", "Last.") as model:
        session = run("Hello")
        [asked] = model.asked
        told = said(asked)
        assert "this is computer 1" in told
        assert told.count("when you have time") == 1
        two.ok("send", "1", "Urgent thing", "-m", "it burns", "--priority", "urgent")
        two.ok("sync")
        one.ok("sync")
        model.requests.clear()
        run("Go on", "--resume", session)
        prompted, stopped = model.asked
        assert said(prompted).count("it burns") == 1
        # Before it stops it is reminded, once; then it may stop.
        assert "Urgent thing" in json.dumps(stopped["messages"][-1])
        model.requests.clear()
        run("And on", "--resume", session)
        assert len(model.asked) == 1


def test_a_hook_that_has_nothing_to_say_loads_next_to_nothing(one: Computer, two: Computer) -> None:
    def loaded(hook: str) -> tuple[str, str]:
        call = [sys.executable, "-X", "importtime", "-P", "-m", "gitsync", "--dir", str(one.root), "hook", hook]
        asked = json.dumps({"cwd": str(one.root)}).encode()
        done = subprocess.run(call, input=asked, capture_output=True, cwd=one.root, check=True)
        return done.stdout.decode(), done.stderr.decode()

    two.ok("send", "1", "Normal thing")
    two.ok("sync")
    one.ok("sync")
    out, modules = loaded("claude-user-prompt")
    assert "Normal thing" in out
    assert "gitsync.ledger.journal" in modules
    for hook in ("claude-user-prompt", "claude-stop"):
        out, modules = loaded(hook)
        assert out == ""
        assert "gitsync.ledger.glance" in modules
        for heavy in ("gitsync.ledger.journal", "gitsync.config", "dataclasses", "argparse"):
            assert heavy not in modules
    # What stays on this machine, and what is urgent, is not overlooked.
    two.ok("send", "1", "Urgent thing", "--priority", "urgent")
    two.ok("sync")
    one.ok("sync")
    assert "Urgent thing" in loaded("claude-stop")[0]
    assert "Urgent thing" in loaded("claude-user-prompt")[0]
    one.settings('[[agents]]\nname = "desk"\nkind = "inbox"\n')
    one.ok("send", "1/desk", "Own thing")
    assert "Own thing" in loaded("claude-user-prompt")[0]
    assert loaded("claude-user-prompt")[0] == ""
