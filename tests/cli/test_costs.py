"""What gitsync costs shows: exact, by model, day or agent, and never nothing where a price is not known."""

from __future__ import annotations

from gitsync import clock
from gitsync.ledger.journal import Journal
from gitsync.ledger.runs import Run
from tests.cli.conftest import Computer


def test_costs_are_summed_up_and_budgets_shown(one: Computer) -> None:
    assert "no runs of models" in one.ok("costs")
    one.settings(
        '[budget]\nweekly = "$10"\n[[agents]]\nname = "a"\nkind = "claude"\nmodel = "m"\ndaily_budget = "$4"\n'
    )
    now = clock.unix()
    with Journal(one.mailbox / ".git" / "gitsync" / "journal.sqlite3") as journal:
        million = Run(at=now, agent="a", kind="claude", model="m", tokens_in=1_000_000, outcome="done")
        for run in (
            {"cost_micros": 3_000_000},
            {"cost_micros": None, "model": "x"},
            {"cost_micros": 500, "agent": "b", "outcome": "failed", "error_type": "overloaded"},
            {"cost_micros": 7, "at": now - 40 * 86400},
        ):
            journal.add_run(Run(**{**{name: getattr(million, name) for name in Run.__slots__}, **run}))  # type: ignore[arg-type]
    document = one.ask("costs", "--runs", "5")
    assert [(row["name"], row["cost_micros"], row["unknown"]) for row in document["sums"]] == [
        ("m", 3_000_500, 0),
        ("x", 0, 1),
    ]
    assert document["total"]["runs"] == 3
    assert [(row["agent"], row["name"], row["used_micros"], row["share"]) for row in document["budgets"]] == [
        (None, "weekly", 3_000_500, 0.3),
        ("a", "daily", 3_000_000, 0.75),
    ]
    assert [run["outcome"] for run in document["runs"]] == ["done", "done", "failed"]
    text = one.ok("costs", "--runs", "5")
    assert "m\t2\t2000000\t0\t0\t0\t$3.0005\t1" in text
    assert "x\t1\t1000000\t0\t0\t0\tunknown\t0" in text
    assert "$3.0005 and 1 of unknown price" in text
    assert "failed (overloaded)" in text
    assert "daily budget of a: $3.0000 of $4.00, begins anew" in text
    assert one.ask("costs", "--agent", "b", "--by", "agent")["total"]["cost_micros"] == 500
    assert one.ask("costs", "--since", "60d")["total"]["runs"] == 4
    assert len(one.ask("costs", "--by", "day", "--since", "60d")["sums"]) == 2
