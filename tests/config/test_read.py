"""config.toml is read strictly; every mistake has a file, a line and a way out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gitsync.cli.firstconfig import PRESETS, first_config
from gitsync.config.read import parse_settings
from gitsync.config.settings import Settings
from gitsync.errors import ConfigError

ROOT = Path("/somewhere/repo")
FILE = ROOT / ".gitsync" / "config.toml"

FULL = """\
[machine]
id = "1"
name = "The Mechanic"
role = "implementation, deployment"

[sync]
remote = "upstream"
branch = "fleet/mail"
fastest = "250ms"
slowest = "2h"
settle = "1d"
push_budget = 30
max_file = "4MB"

[api]
port = 0

[dispatch]
turn_budget = 3

[log]
level = "debug"

[[agents]]
name = "builder"
kind = "http"
url = "http://127.0.0.1:8004"
health = "/api/health"
deliver = "/api/build"
types = ["build_project"]
timeout = "5m"
idempotent = false

[[agents]]
name = "coder"
kind = "command"
argv = ["claude", "-p"]
concurrency = 2
env = { LANG = "C" }

[[agents]]
name = "mechanic"
kind = "claude"
model = "some-model"
system = "prompts/mechanic.md"
max_tokens = 4096
api_key_env = "ANTHROPIC_API_KEY"
base_url = ""
default = true

[[agents]]
name = "desk"
kind = "inbox"

[routes]
general = ["mechanic", "desk"]

[[policy]]
from = "2"
agents = ["coder"]
types = ["bug_fix", "review"]
"""


def read(text: str) -> Settings:
    return parse_settings(text.encode(), FILE, ROOT)


def test_everything_is_understood() -> None:
    settings = read(FULL)
    assert settings.machine.id == "1"
    assert settings.machine.name == "The Mechanic"
    assert settings.mailbox == ROOT / "coordination"
    assert (settings.sync.remote, settings.sync.branch) == ("upstream", "fleet/mail")
    assert (settings.sync.fastest, settings.sync.slowest, settings.sync.settle) == (0.25, 7200.0, 86400.0)
    assert (settings.sync.push_budget, settings.sync.max_file) == (30.0, 4 * 1024 * 1024)
    assert (settings.api.host, settings.api.port) == ("127.0.0.1", 0)
    assert settings.dispatch.turn_budget == 3
    assert settings.log.level == "debug"
    assert [agent.name for agent in settings.agents] == ["builder", "coder", "mechanic", "desk"]
    assert settings.agents[0].timeout == 300.0
    assert settings.agents[1].argv == ("claude", "-p")
    assert dict(settings.agents[1].env) == {"LANG": "C"}
    assert settings.agents[2].default
    assert settings.routes == {"general": ("mechanic", "desk")}
    assert [(p.sender, p.agents, p.types) for p in settings.policies] == [("2", ("coder",), ("bug_fix", "review"))]


def test_the_least_is_an_id() -> None:
    settings = read('[machine]\nid = "laptop"\n')
    assert settings.api.port == 8900
    assert settings.agents == ()
    assert settings.sync.push_budget is None


def test_the_mailbox_may_be_elsewhere() -> None:
    assert read('[machine]\nid="1"\n[sync]\nmailbox = "/far/away"\n').mailbox == Path("/far/away")


AGENT = '[[agents]]\nname = "a"\nkind = "inbox"\n'
HEAD = '[machine]\nid = "1"\n'

MISTAKES = [
    pytest.param('[machine]\nidd = "1"\n', 2, "unknown key 'idd'", "'id'", id="unknown key"),
    pytest.param(HEAD + "[sink]\n", 3, "unknown table 'sink'", "'sync'", id="unknown table"),
    pytest.param(HEAD + '[api]\nport = "8900"\n', 4, "api.port must be a whole number", "", id="wrong type"),
    pytest.param(HEAD + "[api]\nport = true\n", 4, "not true", "", id="a truth value is no number"),
    pytest.param(HEAD + "[api]\nport = 70000\n", 4, "from 0 to 65535", "", id="impossible port"),
    pytest.param(HEAD + "[sync]\nfastest = 5\n", 4, "in quotes", "", id="duration without unit"),
    pytest.param(HEAD + '[sync]\nfastest = "5 minutes"\n', 4, "a duration such as", "", id="no duration"),
    pytest.param(HEAD + '[sync]\nfastest = "1h"\nslowest = "1s"\n', 4, "longer than", "", id="fastest beats slowest"),
    pytest.param(HEAD + '[sync]\nremote = "--upload-pack=x"\n', 4, "name of a remote", "", id="an option"),
    pytest.param(HEAD + '[sync]\nbranch = "a..b"\n', 4, "branch name", "", id="no branch name"),
    pytest.param("", 1, "machine.id is missing", "", id="empty"),
    pytest.param('[machine]\nid = "ALL"\n', 2, "cannot be an id", "", id="taken word"),
    pytest.param('[machine]\nid = "a b"\n', 2, "cannot be an id", "", id="no id"),
    pytest.param('[machine]\nid = "1"\nname = "a\\u001bb"\n', 3, "control characters", "", id="escape in a name"),
    pytest.param("[machine\n", 1, "not TOML", "", id="no TOML"),
    pytest.param('[machine]\nid = "1"\nid = "2"\n', 3, "not TOML", "", id="key twice"),
    pytest.param(HEAD + AGENT + AGENT, 7, "two agents are called 'a'", "line 4", id="agent twice"),
    pytest.param(HEAD + AGENT + AGENT.replace('"a"', '"A"'), 7, "two agents", "line 4", id="agent twice but for case"),
    pytest.param(HEAD + '[[agents]]\nname = "a"\nkind = "htp"\n', 5, "no 'htp'", "'http'", id="no such kind"),
    pytest.param(HEAD + '[[agents]]\nname = "a"\n', 3, "agents.kind is missing", "", id="no kind"),
    pytest.param(
        HEAD + '[[agents]]\nname = "a"\nkind = "http"\n', 3, "agents.url is missing", "http needs", id="no url"
    ),
    pytest.param(HEAD + AGENT + 'argv = ["x"]\n', 6, "unknown key 'argv'", "", id="key of another kind"),
    pytest.param(HEAD + '[[agents]]\nname = "self"\nkind = "inbox"\n', 4, "are taken", "", id="reserved name"),
    pytest.param(
        HEAD + '[[agents]]\nname = "a"\nkind = "command"\nargv = ["x"]\nconcurrency = 0\n',
        7,
        "from 1 to 64",
        "",
        id="zero",
    ),
    pytest.param(
        HEAD + '[[agents]]\nname = "a"\nkind = "command"\nargv = "claude -p"\n', 6, "a list of texts", "", id="argv"
    ),
    pytest.param(
        HEAD + '[[agents]]\nname = "a"\nkind = "http"\nurl = "ftp://x"\n', 6, "an address such as", "", id="url"
    ),
    pytest.param(
        HEAD + (AGENT + "default = true\n") + AGENT.replace('"a"', '"b"') + "default = true\n",
        10,
        "default agent already",
        "",
        id="two defaults",
    ),
    pytest.param(
        HEAD + AGENT + '[routes]\nx = { agents = ["a"], mode = "some" }\n', 7, "one of first, all", "", id="mode"
    ),
    pytest.param(HEAD + AGENT + '[routes]\nx = { mode = "all" }\n', 7, "agents is missing", "", id="route of nobody"),
    pytest.param(HEAD + AGENT + '[routes]\nx = { agents = ["b"] }\n', 7, "no 'b'", "", id="route table to nobody"),
    pytest.param(HEAD + "[tasks]\nqueue_limit = 0\n", 4, "a whole number from 1", "", id="no queue"),
    pytest.param(HEAD + AGENT + '[routes]\nx = ["b"]\n', 7, "no 'b'", "", id="route to nobody"),
    pytest.param(
        HEAD + AGENT + '[[policy]]\nfrom = "2"\nagents = ["aa"]\n', 8, "no 'aa'", "'a'", id="policy for nobody"
    ),
    pytest.param(HEAD + "[[policy]]\nagents = []\n", 3, "policy.from is missing", "", id="policy from nobody"),
    pytest.param(HEAD + '[limits]\nper_sender = "60"\n', 4, "a rate such as", "", id="rate"),
    pytest.param(HEAD + '[limits]\nper_sender = "60/2d"\n', 4, "at most of a day", "", id="rate of two days"),
    pytest.param(HEAD + "[limits]\ndaily = -1\n", 4, "a whole number from 0", "", id="daily"),
    pytest.param(HEAD + '[api]\nreads = "all"\n', 4, "one of open, user, token", "", id="reads"),
    pytest.param(HEAD + AGENT + 'memory = "1KB"\n', 6, "a size from 1048576", "", id="memory"),
    pytest.param(HEAD + '[agents]\nname = "a"\n', 3, "[[agents]]", "", id="table for a list"),
    pytest.param('machine = "1"\n', 1, "must be a table", "", id="text for a table"),
]


@pytest.mark.parametrize(("text", "line", "what", "why"), MISTAKES)
def test_a_mistake_has_file_line_and_way_out(text: str, line: int, what: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert caught.value.what.startswith(f"{FILE}:{line}: ")
    assert what in caught.value.what
    assert why in caught.value.why
    assert caught.value.exit_code == 2


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(ConfigError, match=r"config\.toml:2: .*not UTF-8"):
        parse_settings(b'[machine]\nid = "\xff"\n', FILE, ROOT)


def test_tasks_and_routes_for_each() -> None:
    text = HEAD + AGENT + '[routes]\nx = ["a"]\ny = { agents = ["a"], mode = "all" }\n[routes.z]\nagents = ["a"]\n'
    settings = read(text + '[tasks]\nretries = 2\ndeadline = "2h"\n')
    assert settings.routes == {"x": ("a",), "y": ("a",), "z": ("a",)}
    assert settings.route_all == {"y"}
    assert (settings.tasks.retries, settings.tasks.deadline, settings.tasks.queue_limit) == (2, 7200.0, 1000)


@pytest.mark.parametrize("preset", PRESETS)
def test_what_init_writes_is_valid_when_all_of_it_is_used(preset: str) -> None:
    data = first_config(
        ident="1", name="", role="", remote="origin", branch="b", mailbox=None, port=None, preset=preset
    ).decode()
    lines = [re.sub(r"^# (?=\[|[a-z_]+ = )", "", line) for line in data.splitlines()]
    settings = read("\n".join(lines))
    assert len(settings.agents) == 4
    assert settings.limits.daily > 0
    assert settings.limits.per_sender is not None
    assert settings.agents[1].memory == 2 << 30
    assert set(settings.routes) >= {"bug_fix", "deployment", "general"}
    assert settings.route_all == {"deployment"}
