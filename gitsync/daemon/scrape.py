"""Gather what /metrics shows: what was counted, and how things are at this moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gitsync import __version__, clock
from gitsync.daemon.metrics import Labels, Metrics, Page
from gitsync.dispatch.budget import every
from gitsync.supervisor.health import STATES

if TYPE_CHECKING:
    from gitsync.daemon.process import Process


def page(process: Process, instances: Sequence[Mapping[str, Any]], tasks: Mapping[str, int]) -> str:
    """Write the page; reads the stores, so on a thread."""
    out = Page()
    _process(out, process)
    _sync(out, process)
    _deliveries(out, process.metrics)
    _models(out, process)
    _agents(out, instances)
    out.family("tasks", "gauge", "Tasks by state.", ((_as(state=state), n) for state, n in sorted(tasks.items())))
    return out.text()


def _process(out: Page, process: Process) -> None:
    out.family("info", "gauge", "This program.", [(_as(version=__version__, machine=process.settings.machine.id), 1)])
    out.one("uptime_seconds", "gauge", "Since the process started.", clock.monotonic() - process.started)
    out.one("healthy", "gauge", "1 when syncing works (see /health).", int(not process.unhealthy()))
    out.one("event_readers", "gauge", "Open streams of /events.", process.feed.readers)
    out.one(
        "event_readers_dropped_total", "counter", "Streams ended because their reader was slow.", process.feed.dropped
    )


def _sync(out: Page, process: Process) -> None:
    metrics, facts = process.metrics, process.facts()
    out.one("sync_age_seconds", "gauge", "Since the last confirmed contact with the remote.", facts.contact_age)
    out.one("sync_oldest_pending_seconds", "gauge", "How long something has waited for a push.", facts.pending_age)
    out.one("sync_interval_seconds", "gauge", "Between two looks at the remote, as things are now.", facts.interval)
    out.one("sync_pending", "gauge", "Operations that wait for the branch.", process.opened.journal.pending_count())
    cycles = ((_as(state=state), count) for state, count in sorted(metrics.cycles.items()))
    out.family("cycles_total", "counter", "Sync cycles by how they ended.", cycles)
    out.one("pushes_total", "counter", "Commits that reached the remote.", metrics.commits_pushed)
    out.one("pulls_total", "counter", "Commits taken from the remote.", metrics.commits_pulled)
    out.one("races_total", "counter", "Pushes that came too late.", process.syncing.engine.races)
    out.one("messages_sent_total", "counter", "Messages of ours that reached the branch.", metrics.messages_sent)
    out.one("messages_received_total", "counter", "Messages of others that arrived.", metrics.messages_received)


def _deliveries(out: Page, metrics: Metrics) -> None:
    ended = (
        (_as(agent=agent, outcome=outcome), count) for (agent, outcome), count in sorted(metrics.deliveries.items())
    )
    out.family("deliveries_total", "counter", "Hand-overs by agent and outcome.", ended)
    retries = ((_as(agent=agent), count) for agent, count in sorted(metrics.retries.items()))
    out.family("delivery_retries_total", "counter", "Hand-overs that will be tried again.", retries)
    out.histograms("delivery_seconds", "How long agents took for a message.", "agent", metrics.seconds)


def _models(out: Page, process: Process) -> None:
    """Write what the journal knows of the runs of models: it counts through restarts."""
    journal = process.opened.journal
    sums = [
        (agent.name, one) for agent in journal.run_sums("agent") for one in journal.run_sums("model", agent=agent.name)
    ]
    tokens = [
        (_as(agent=agent, model=one.name, kind=kind), count)
        for agent, one in sums
        for kind, count in (
            ("input", one.tokens_in),
            ("output", one.tokens_out),
            ("cache_read", one.tokens_cached),
            ("cache_write", one.tokens_cache_write),
        )
    ]
    out.family("model_tokens_total", "counter", "Tokens of the runs that are kept.", tokens)
    costs = [(_as(agent=agent, model=one.name), one.cost_micros / 1_000_000) for agent, one in sums]
    out.family("model_cost_dollars_total", "counter", "What these runs cost, where a price is known.", costs)
    unknown = [(_as(agent=agent, model=one.name), one.unknown) for agent, one in sums]
    out.family("model_runs_without_price_total", "counter", "Runs of models whose price is not known.", unknown)
    runs = [(_as(agent=agent, model=one.name), one.runs) for agent, one in sums]
    out.family("model_runs_total", "counter", "Runs of models.", runs)
    hits = [(_as(agent=one.name), one.runs) for one in journal.run_sums("agent", kind="cached")]
    out.family("model_cached_runs_total", "counter", "Runs that were answered from the response cache.", hits)
    now = clock.unix()
    bounds = every(process.settings.agents, process.settings.budget, now)
    stands = [(bound, journal.spent(bound.since, bound.until, bound.agent)) for bound in bounds]
    shares = [(_as(agent=bound.agent, budget=bound.name), sum(used) / bound.micros) for bound, used in stands]
    out.family("budget_used_ratio", "gauge", "How much of a budget is spent or set aside.", shares)


def _agents(out: Page, instances: Sequence[Mapping[str, Any]]) -> None:
    def each(value: str) -> Iterable[tuple[Labels, float | None]]:
        return [(_as(agent=one["name"]), one[value]) for one in instances]

    states = [
        (_as(agent=one["name"], state=state), int(one["state"] == state)) for one in instances for state in STATES
    ]
    out.family("agent_state", "gauge", "1 for the state that an agent is in.", states)
    out.family("queue_depth", "gauge", "Messages that wait for an agent.", each("queue"))
    out.family("agent_running", "gauge", "Hand-overs under way.", each("running"))
    out.family("agent_restarts_total", "counter", "Restarts by gitsync.", each("restarts"))
    out.family(
        "agent_response_seconds",
        "gauge",
        "How long an agent takes to answer its health check.",
        [
            (_as(agent=one["name"], quantile=quantile), None if found is None else found / 1000)
            for one in instances
            for quantile, key in (("0.5", "p50"), ("0.95", "p95"))
            for found in (one["response_ms"].get(key),)
        ],
    )


def _as(**labels: str) -> Labels:
    return tuple(labels.items())
