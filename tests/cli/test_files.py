"""Files, without a process: parse, lint, the merge driver, import."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Computer, gitsync
from tests.remotes import Person, Remote, run_git

OLD = """\
# COMMUNICATION LOG

## Deploy the page

**From:** Computer 2 (Laptop)
**To:** Computer 1
**Date:** 2025-10-29 12:25 PM PST
**Priority:** HIGH

Please deploy it.

## Thanks

**From:** Computer 1
**To:** Computer 2
**Date:** 2025-10-30 09:00 UTC

It is up.
"""


def test_parse(tmp_path: Path) -> None:
    (tmp_path / "log.md").write_text(OLD)
    (report,) = gitsync("parse", "log.md", "--json", cwd=tmp_path).json
    assert report["file"] == "log.md"
    first = report["messages"][0]
    assert (first["subject"], first["date_utc"], first["priority"]) == (
        "Deploy the page",
        "2025-10-29T20:25:00Z",
        "high",
    )
    assert (first["line"], first["end_line"], first["id"], first["wrapped"]) == (3, 10, None, False)
    said = gitsync("parse", "log.md", cwd=tmp_path)
    assert "Deploy the page" in said.out
    assert gitsync("parse", "-", "--json", cwd=tmp_path, stdin=OLD).json[0]["messages"] == report["messages"]
    assert gitsync("parse", "missing.md", cwd=tmp_path).code == 1


def test_lint(tmp_path: Path, one: Computer) -> None:
    assert one("lint").code == 0
    folder = tmp_path / "messages"
    folder.mkdir()
    (folder / "1_TO_2.md").write_text(
        "<!-- msg 01JD3WQ8Z6T4K9V2M5N7P0R3S8 -->\n## Open\n\n- **From:** 1\n- **To:** 2\n\nx\n"
    )
    result = gitsync("lint", "messages/1_TO_2.md", "--json", cwd=tmp_path)
    assert result.code == 1
    assert result.json
    assert set(result.json[0]) == {"file", "line", "rule", "text"}
    assert gitsync("lint", "messages/1_TO_2.md", cwd=tmp_path).out.startswith("messages/1_TO_2.md:")


def test_git_merges_with_the_driver(bare: Remote, one: Computer, tmp_path: Path) -> None:
    """Two people append to the same file; plain git merges it with the driver that init configured."""
    head = "- **From:** 2\n- **To:** 1\n- **Date:** 2026-11-20T06:45:00Z\n"
    block = "<!-- msg {id} -->\n## {what}\n\n" + head + "\n{what}\n<!-- /msg -->\n"
    base, ours, theirs = (
        block.format(id=f"01JD3WQ8Z6T4K9V2M5N7P0R3S{n}", what=what)
        for n, what in (("A", "base"), ("B", "ours"), ("C", "theirs"))
    )
    person = Person.clone(bare.url, tmp_path / "person")
    person.switch("coordination")
    person.git("config", "merge.gitsync.driver", run_git("config", "merge.gitsync.driver", cwd=one.mailbox).strip())
    person.commit({"messages/2_TO_1.md": base})
    person.git("branch", "other")
    person.commit({"messages/2_TO_1.md": base + ours})
    person.git("switch", "-q", "other")
    person.commit({"messages/2_TO_1.md": base + theirs})
    person.git("merge", "-q", "-m", "merged", "coordination")
    merged = (person.path / "messages" / "2_TO_1.md").read_text()
    assert "<<<<" not in merged
    for text in (base, ours, theirs):
        assert text in merged


def test_the_driver_itself(tmp_path: Path) -> None:
    for name, text in (("base", "a\nb\n"), ("ours", "a\nb\nours\n"), ("theirs", "theirs\na\nb\n")):
        (tmp_path / name).write_text(text)
    assert gitsync("merge-driver", "base", "ours", "theirs", "notes.md", cwd=tmp_path).code == 0
    assert (tmp_path / "ours").read_text() == "theirs\na\nb\nours\n"
    assert (tmp_path / "theirs").read_text() == "theirs\na\nb\n"


def test_old_files_become_history(bare: Remote, one: Computer, tmp_path: Path) -> None:
    (tmp_path / "log.md").write_text(OLD)
    (report,) = one.ask("import", tmp_path / "log.md")
    assert (report["messages"], report["imported"]) == (2, 2)
    (again,) = one.ask("import", tmp_path / "log.md")
    assert again["imported"] == 0
    one.ok("sync")
    assert {"archive/2025-10/1_TO_2.md", "archive/2025-10/2_TO_1.md"} <= set(bare.files())
    (later,) = one.ask("import", tmp_path / "log.md")
    assert later["imported"] == 0
    (entry,) = one.ask("inbox")
    assert (entry["subject"], entry["from"], entry["state"]) == ("Deploy the page", "2", "history")
    assert one.ask("inbox", "--unread") == []
    assert [entry["subject"] for entry in one.ask("search", "deploy")] == ["Deploy the page"]
    assert one.ask("status")["sync"]["pending"] == 0
