"""What the settings may say about programs, checks and who is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitsync.config.read import parse_settings, read_agent
from gitsync.config.settings import Settings
from gitsync.errors import ConfigError

HTTP = '[[agents]]\nname = "a"\nkind = "http"\n'


def read(text: str) -> Settings:
    return parse_settings(f'[machine]\nid = "1"\n{text}'.encode(), Path("config.toml"), Path("/"))


def test_everything_about_a_program() -> None:
    settings = read(
        '[supervise]\nnotify = ["2", "jesse"]\nhealth_every = "5s"\nbackoff = "2s"\nlongest_backoff = "1m"\n'
        'stable = "20m"\nfailures = 5\n'
        + HTTP
        + 'url = "http://127.0.0.1:8004"\nstart = ["run", "{port}"]\nports = [8004, 8014]\ncwd = "a"\ngrace = "3s"\n'
        'env = { A = "b" }\nhealth_every = "1m"\nhealth_timeout = "1s"\nhealth_command = ["true"]\n'
    )
    (spec,) = settings.agents
    assert (spec.ports, spec.start, spec.health_every, spec.health_timeout) == ((8004, 8014), ("run", "{port}"), 60, 1)
    found = settings.supervise
    assert (found.notify, found.health_every, found.failures, found.stable) == (("2", "jesse"), 5, 5, 1200)


def test_an_inbox_with_a_program() -> None:
    (spec,) = read('[[agents]]\nname = "a"\nkind = "inbox"\nstart = ["run"]\nhealth_every = "1m"\n').agents
    assert spec.start == ("run",)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (HTTP + 'url = "http://127.0.0.1:1"\nports = [8004]', 7, "agents.ports does nothing without start"),
        (HTTP + 'url = "http://127.0.0.1:1"\ngrace = "1s"', 7, "agents.grace does nothing without start"),
        (HTTP + 'url = "http://127.0.0.1:1"\nstart = ["x"]\nport = "any"', 8, "agents.url must hold {port}"),
        (HTTP + 'url = "http://127.0.0.1:{port}"\nstart = ["x"]', 6, "no port is to be chosen"),
        (HTTP + 'url = "http://127.0.0.1:{port}"\nstart = ["x"]\nport = "any"\nports = [1]', 9, "exclude each other"),
        (HTTP + 'url = "http://127.0.0.1:1"\nstart = ["x"]\nports = [0]', 8, "must be a list of ports"),
        (HTTP + 'url = "http://127.0.0.1:1"\nstart = ["x"]\nports = [8, 8]', 8, "each only once"),
        ('[[agents]]\nname = "a"\nkind = "inbox"\nhealth_every = "1m"', 6, "does nothing without start"),
        (
            HTTP + 'url = "http://127.0.0.1:8004"\nstart = ["x"]\n[[agents]]\nname = "b"\nkind = "http"\n'
            'url = "http://127.0.0.1:8004"\nstart = ["y"]',
            11,
            "agents 'a' and 'b' are both started on port 8004",
        ),
        ("[supervise]\nfailures = 0", 4, "supervise.failures must be"),
    ],
)
def test_mistakes_are_named_with_their_line(text: str, line: int, words: str) -> None:
    with pytest.raises(ConfigError, match=rf"config.toml:{line}: .*{words.replace('{', '[{]')}"):
        read(text)


def test_an_agent_that_is_described_outside_the_file() -> None:
    assert read_agent({"name": "a", "kind": "http", "url": "http://127.0.0.1:1", "timeout": "5s"}).timeout == 5
    with pytest.raises(ConfigError, match=r"^unknown key 'urk'\n.*did you mean 'url'"):
        read_agent({"name": "a", "kind": "http", "urk": 1})
