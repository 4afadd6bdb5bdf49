"""What the parser makes of words in an order that people write."""

from __future__ import annotations

import pytest

from gitsync.cli.parser import build


@pytest.mark.parametrize(
    "words",
    [
        ["task", "submit", "bug_fix", "the door", "--wait", "5m", "--to", "coder"],
        ["task", "submit", "bug_fix", "--wait", "5m", "--to", "coder", "the door"],
        ["task", "submit", "--wait", "5m", "bug_fix", "--to", "coder", "the door"],
    ],
)
def test_content_may_stand_behind_options(words: list[str]) -> None:
    args = build().parse_args(words)
    assert (args.type, args.content, args.wait, args.to) == ("bug_fix", "the door", "5m", "coder")


def test_name_and_folder_may_stand_behind_options() -> None:
    parser = build()
    args = parser.parse_args(["agents", "stop", "--json", "builder"])
    assert (args.action, args.name, args.json) == ("stop", "builder", True)
    assert str(parser.parse_args(["init", "url", "--id", "1", "folder"]).folder) == "folder"
    assert parser.parse_args(["send", "2", "subject", "--as", "coder", "-"]).source == "-"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["task", "submit", "bug_fix", "--wait", "5m", "one", "two"], "unrecognized arguments: two"),
        (["task", "submit", "bug_fix", "-f", "a.md", "the door"], "the door"),
        (["task", "submit", "bug_fix", "--frob", "x"], "unrecognized arguments: --frob"),
        (["send", "2", "subject", "-m", "text", "-"], "-"),
        (["send", "2", "subject", "--as", "coder", "words"], "invalid choice: 'words'"),
    ],
)
def test_what_is_too_much_is_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        build().parse_args(words)
    assert left.value.code == 2
    assert said in capsys.readouterr().err.splitlines()[0]
