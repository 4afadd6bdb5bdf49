"""Programs get an environment that is built: every place that starts one says which, and none goes by a shell."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import gitsync
from gitsync.agents.environment import BASICS, built

PACKAGE = Path(gitsync.__file__).parent
STARTING = {"Popen", "run", "call", "check_call", "check_output", "create_subprocess_exec"}
NEVER = {"system", "popen", "create_subprocess_shell", "spawnv", "spawnve", "spawnl", "getoutput", "getstatusoutput"}


def starts() -> Iterator[tuple[str, ast.Call]]:
    """Give every call that starts a program, with its place; the demo, a program of its own, is left out."""
    for file in sorted(PACKAGE.rglob("*.py")):
        if file.is_relative_to(PACKAGE / "demo"):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            whole = ast.unparse(node.func)
            assert not (node.func.attr in NEVER and whole.startswith(("os.", "subprocess.", "asyncio."))), (file, whole)
            if node.func.attr in STARTING and whole.startswith(("subprocess.", "asyncio.create_subprocess")):
                yield f"{file.relative_to(PACKAGE)}:{node.lineno}", node


def test_every_start_names_its_environment_and_no_shell() -> None:
    found = list(starts())
    assert len(found) >= 5
    for place, call in found:
        names = {keyword.arg for keyword in call.keywords}
        assert "env" in names, f"{place} inherits the environment"
        assert "shell" not in names, f"{place} goes by a shell"
        assert "preexec_fn" not in names, f"{place} runs Python between fork and exec, in a process with threads"


def test_what_is_built_holds_what_is_named_and_nothing_else() -> None:
    person = {
        "PATH": "/bin",
        "HOME": "/h",
        "ANTHROPIC_API_KEY": "k",
        "SSH_AUTH_SOCK": "s",
        "LD_PRELOAD": "x",
        "PYTHONPATH": "p",
    }
    assert built(person, BASICS, {"MINE": "a\0b"}) == {"PATH": "/bin", "HOME": "/h", "MINE": "ab"}
    assert "PATH" in built({}, BASICS, {})
