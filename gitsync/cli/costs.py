"""Show what models cost, and how the budgets stand."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict

from gitsync import clock
from gitsync.agents.prices import READ_ON, SOURCE, dollars
from gitsync.cli.moments import moment
from gitsync.cli.stores import opened
from gitsync.cli.terminal import print_json, say, table
from gitsync.dispatch.budget import every, used
from gitsync.errors import EXIT_OK
from gitsync.ledger.runs import Sum

DAYS = 30


def costs(args: Namespace) -> int:
    """Sum up the runs since a moment, and say how much of each budget is used."""
    now = clock.unix()
    since = moment(args.since).timestamp() if args.since is not None else now - DAYS * 86400.0
    with opened(args, fresh=False) as stores:
        journal, settings = stores.journal, stores.settings
        sums = journal.run_sums(args.by, since=since, agent=args.agent)
        whole = journal.run_sums(since=since, agent=args.agent)
        bounds = [
            bound
            for bound in every(settings.agents, settings.budget, now)
            if args.agent is None or bound.agent in ("", args.agent)
        ]
        budgets = [used(bound, *journal.spent(bound.since, bound.until, bound.agent)) for bound in bounds]
        runs = journal.runs(since=since, agent=args.agent, newest=args.runs) if args.runs else []
    if args.json:
        document = {
            "since": clock.stamp(since),
            "by": args.by,
            "prices": {"read_on": READ_ON, "source": SOURCE},
            "sums": [asdict(one) for one in sums],
            "total": asdict(whole[0]) if whole else None,
            "budgets": budgets,
            "runs": [{**asdict(run), "at": clock.stamp(run.at)} for run in runs],
        }
        print_json(document)
        return EXIT_OK
    if not sums:
        say("no runs of models since " + clock.stamp(since))
    else:
        _show(args.by, [*sums, *([] if len(sums) == 1 else whole)])
    if runs:
        say("")
        rows = [
            (
                clock.stamp(run.at),
                run.agent,
                run.model,
                str(run.tokens_in + run.tokens_cached + run.tokens_cache_write),
                str(run.tokens_out),
                "unknown" if run.cost_micros is None else dollars(run.cost_micros, 6),
                run.outcome + (f" ({run.error_type})" if run.error_type not in ("", run.outcome) else ""),
            )
            for run in runs
        ]
        table(("date", "agent", "model", "in", "out", "cost", "outcome"), rows, wide="outcome")
    for budget in budgets:
        whose = budget["agent"] or "this computer"
        spent, limit = dollars(_int(budget["used_micros"])), dollars(_int(budget["limit_micros"]), 2)
        held = f", {dollars(_int(budget['reserved_micros']))} set aside" if budget["reserved_micros"] else ""
        say(f"{budget['name']} budget of {whose}: {spent} of {limit}{held}, begins anew {budget['resets']}")
    return EXIT_OK


def _show(by: str, sums: list[Sum]) -> None:
    table(
        (by, "runs", "in", "cached", "written", "out", "cost", "failed"),
        [
            (
                one.name or ("all" if one is sums[-1] and len(sums) > 1 else "unknown"),
                str(one.runs),
                str(one.tokens_in),
                str(one.tokens_cached),
                str(one.tokens_cache_write),
                str(one.tokens_out),
                _cost(one),
                str(one.failed),
            )
            for one in sums
        ],
        wide="cost",
    )


def _cost(one: Sum) -> str:
    """Say what is known; what is not is never shown as nothing."""
    known = dollars(one.cost_micros)
    if one.unknown == one.runs:
        known = "unknown"
    elif one.unknown:
        known += f" and {one.unknown} of unknown price"
    return known + (f" (up to {dollars(one.reserved_micros)} more)" if one.reserved_micros else "")


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0
