"""Budgets, prices, and models by rule, as the settings say them."""

from __future__ import annotations

import pytest

from gitsync.agents.prices import Price
from gitsync.agents.spec import ModelRule
from gitsync.errors import ConfigError
from tests.config.test_read import read

HEAD = '[machine]\nid = "1"\n'
AGENT = '[[agents]]\nname = "a"\nkind = "claude"\n'


def test_money_is_read_exactly() -> None:
    settings = read(
        HEAD
        + '[budget]\ndaily = "$2"\nweekly = "$9.99"\n[prices.mine]\ninput = "$3"\noutput = "$15"\n'
        + '[claude]\nconcurrency = 3\nresponse_cache_size = "2MB"\n'
        + AGENT
        + 'model = "m"\ndaily_budget = "$0.000001"\nweekly_budget = "1"\nresponse_cache = "1h"\ntools = ["thread"]\n'
        + 'models = [{ name = "cheap", below = 20 }, { name = "dear", types = ["x"], priorities = ["urgent"] }]\n'
    )
    assert (settings.budget.daily, settings.budget.weekly) == (2_000_000, 9_990_000)
    assert settings.prices == {"mine": Price(3_000_000, 15_000_000, 3_750_000, 6_000_000, 300_000)}
    assert (settings.claude.concurrency, settings.claude.response_cache_size) == (3, 2 << 20)
    (agent,) = settings.agents
    assert (agent.daily_budget, agent.weekly_budget, agent.response_cache) == (1, 1_000_000, 3600.0)
    assert agent.tools == ("thread",)
    assert agent.models == (
        ModelRule(name="cheap", below=20),
        ModelRule(name="dear", types=("x",), priorities=("urgent",)),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[budget]\ndaily = "much"\n', "budget.daily must be an amount of dollars"),
        ("[budget]\ndaily = 2\n", "in quotes"),
        ('[budget]\nmonthly = "$2"\n', "unknown key 'monthly'"),
        ('[prices.m]\ninput = "$3"\n', "prices.m must be a table such as"),
        (AGENT, "agents.model is missing"),
        ('[[agents]]\nname = "a"\nkind = "command"\nargv = ["x"]\ndaily_budget = "$1"\n', "needs run_budget"),
        (AGENT + 'model = "m"\ntools = ["shell"]\n', "a list of some of thread, fleet, search"),
        (AGENT + 'model = "m"\nmodels = [{ types = ["x"] }]\n', "a list of rules"),
        (AGENT + 'model = "m"\nmodels = [{ name = "x", priorities = ["soon"] }]\n', "no 'soon'"),
        (AGENT + 'model = "m"\nmodels = [{ name = "x", below = 101 }]\n', "a whole number from 0 to 100"),
    ],
)
def test_what_cannot_be_is_said_with_its_place(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(HEAD + text)
    assert words in str(caught.value)


def test_a_definition_may_name_the_model() -> None:
    (agent,) = read(HEAD + AGENT + 'definition = "agents/reviewer.md"\nskills = ["skills"]\n').agents
    assert (agent.model, agent.definition, agent.skills) == ("", "agents/reviewer.md", ("skills",))
