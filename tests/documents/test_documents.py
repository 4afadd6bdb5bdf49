"""What the documents say is what the program does."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from gitsync.config import tables
from gitsync.config.read import parse_settings
from tests.documents import help as page

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "coordination").glob("*.md")])


@pytest.mark.skipif(
    sys.version_info >= (3, 13), reason="argparse 3.13 words its help differently; 3.11 and 3.12 compare"
)
def test_cli_page_is_what_help_prints() -> None:
    assert page.DOCUMENT.read_text(encoding="utf-8") == page.document(), "run: python -m tests.documents.help"


def test_cli_page_names_every_option() -> None:
    text = page.DOCUMENT.read_text(encoding="utf-8")
    for name, parser in page.verbs().items():
        section = text.partition(f"## gitsync {name}\n")[2].partition("\n## ")[0]
        assert section, f"docs/cli.md says nothing of {name}"
        for option in re.findall(r"--[a-z][a-z-]+", parser.format_help()):
            assert option in section, f"docs/cli.md: {name} lacks {option}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", target):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


@pytest.mark.parametrize(
    ("heading", "keys"),
    [
        ("[machine]", tables.MACHINE),
        ("[sync]", tables.SYNC),
        ("[api]", tables.API),
        ("[[policy]]", tables.POLICY),
        ("[limits]", tables.LIMITS),
        ("[dispatch]", tables.DISPATCH),
        ("[supervise]", tables.SUPERVISE),
        ("[secrets]", tables.SECRETS),
        ("[mcp]", tables.MCP),
        ("[budget]", tables.BUDGET),
        ("[claude]", tables.CLAUDE),
        ("[log]", tables.LOG),
        ("[[agents]]", {key: None for kind in tables.AGENT.values() for key in kind}),
    ],
)
def test_config_page_has_every_key_and_no_other(heading: str, keys: dict[str, object]) -> None:
    text = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([a-z_]+)` \|", section, re.M)) == set(keys)


def test_config_page_has_every_table() -> None:
    text = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^## \[+(\w+)\]+$", text, re.M)) == set(tables.TOP)


def test_settings_in_the_documents_are_valid(tmp_path: Path) -> None:
    found = 0
    for document in (ROOT / "README.md", ROOT / "docs" / "config.md", ROOT / "docs" / "claude.md"):
        for example in re.findall(r"```toml\n(.*?)```", document.read_text(encoding="utf-8"), re.S):
            settings = '[machine]\nid = "1"\n\n' + example
            if "[routes]" in example:
                settings += '\n[[agents]]\nname = "coder"\nkind = "inbox"\n'
            parse_settings(settings.encode(), tmp_path / "config.toml", tmp_path)
            found += 1
    assert found >= 2


def test_commands_of_the_contributors_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    for document in ("README.md", "CONTRIBUTING.md"):
        named = set(re.findall(r"\bmake ([a-z]+)\b", (ROOT / document).read_text(encoding="utf-8")))
        code = {name for name in named if name in targets}
        assert {"run", "test"} <= code, document
    run = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "make lint" in run
    assert "make test" in run


def test_every_dependency_has_a_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").lower()
    needed = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["dev"]]
    for requirement in [*needed, *project["build-system"]["requires"]]:
        name = re.split(r"[<>=\[ ;]", requirement)[0].lower()
        assert re.search(rf"^\|.*\b{re.escape(name)}\b.*\|.+\|$", contributing, re.M), f"{name} has no reason"


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_locks_hold_hashes_and_no_private_place(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    pinned = re.findall(r"^([a-z0-9-]+)==\S+ \\$", text, re.M)
    assert len(pinned) > 20
    assert len(re.findall(r"^[a-z]", text, re.M)) == len(pinned), "a line without a hash"
    assert not re.search(r"https?:|file:|--(?:extra-)?index-url|--find-links|--trusted-host", text)


def test_wheel_brings_the_template_along(tmp_path: Path) -> None:
    call = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(call, cwd=ROOT, check=True, capture_output=True)
    import zipfile

    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("coordination", "hooks"):
        for path in (ROOT / folder).iterdir():
            assert f"gitsync/_template/{folder}/{path.name}" in names
    for path in (ROOT / "gitsync" / "api" / "dashboard").iterdir():
        assert f"gitsync/api/dashboard/{path.name}" in names
    assert "gitsync/py.typed" in names
    assert not any(name.startswith(("tests/", "benchmarks/")) for name in names)
