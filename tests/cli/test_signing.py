"""Row 21: a person who signs everything, with a key that is not there; gitsync neither signs nor asks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Computer
from tests.remotes import Remote, run_git

GIT = """[user]
\tname = Signer
\temail = signer@example.invalid
\tsigningKey = 0123456789ABCDEF
[gpg]
\tprogram = {program}
[commit]
\tgpgSign = {signs}
[push]
\tgpgSign = {signs}
[tag]
\tgpgSign = {signs}
[log]
\tshowSignature = {signs}
"""


def test_21_nothing_is_signed_and_nobody_is_asked(
    bare: Remote,
    make_computer: Callable[[Remote | str, str], Computer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = tmp_path / "asked"
    program = tmp_path / "gpg"
    program.write_text(f'#!/bin/sh\necho "$@" >> "{asked}"\nexit 2\n')
    program.chmod(0o755)
    settings = tmp_path / "gitconfig"
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    settings.write_text(GIT.format(program=program, signs="false"))
    one, two = make_computer(bare, "1"), make_computer(bare, "2")
    settings.write_text(GIT.format(program=program, signs="true"))
    one.init()
    two.init()
    ident = one.ask("send", "2", "Unsigned", "-m", "text")["id"]
    (one.mailbox / "notes.md").write_text("by hand\n")
    assert one.ask("sync")["state"] == "ok"
    assert two.ask("sync")["received"] == 1
    assert two.ask("show", ident)["subject"] == "Unsigned"
    assert "Unsigned" in one.ok("inbox") + two.ok("inbox")
    assert one.ask("log")
    assert not asked.exists(), asked.read_text()
    settings.write_text(GIT.format(program=program, signs="false"))
    for sha in run_git("rev-list", "coordination", cwd=Path(bare.url)).split():
        assert "gpgsig" not in run_git("cat-file", "commit", sha, cwd=Path(bare.url))


def test_21_the_setting_does_bite_plain_git(bare: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold the test above against git itself, so that it cannot pass for want of a trap."""
    asked = tmp_path / "asked"
    program = tmp_path / "gpg"
    program.write_text(f'#!/bin/sh\necho "$@" >> "{asked}"\nexit 2\n')
    program.chmod(0o755)
    settings = tmp_path / "gitconfig"
    settings.write_text(GIT.format(program=program, signs="true"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    run_git("init", "-q", tmp_path / "plain")
    with pytest.raises(Exception, match=r"gpg|sign|exit status|commit"):
        run_git("commit", "-q", "--allow-empty", "-m", "signed", cwd=tmp_path / "plain")
    assert asked.exists()
