"""How each agent stands: its health, its breaker, how fast it was of late, what it has to do."""

from __future__ import annotations

from collections.abc import Mapping

from gitsync import clock
from gitsync.agents.base import Outcome
from gitsync.agents.spec import AgentSpec
from gitsync.balancing import UNABLE, Breaker, Load, smoothed
from gitsync.dispatch.lanes import Job, Lanes
from gitsync.dispatch.quota import Quota


class Readiness:
    """Keep what decides who gets the next message; time is the monotonic clock.

    An agent that is said to be down gets nothing new. A message that is bound to it is tried all the same once in its
    `breaker_pause`, and a try that was promised is made: so that its sender hears of it in the end, also where only
    the health check is wrong. What has crashed for good (a person must say go) or is draining is left alone.
    """

    def __init__(self, specs: Mapping[str, AgentSpec], lanes: Lanes, quota: Quota) -> None:
        self._specs = specs
        self._lanes = lanes
        self._quota = quota
        self._breakers = {
            name: Breaker(spec.breaker_failures, spec.breaker_pause)
            for name, spec in specs.items()
            if spec.kind != "inbox"
        }
        self._latency: dict[str, float] = {}
        self._down: dict[str, float] = {}
        self._failing: dict[str, tuple[str, float]] = {}
        self._kept: dict[str, tuple[tuple[object, ...], Load]] = {}
        self.health: dict[str, tuple[str, str]] = {}
        self.draining: set[str] = set()

    def load(self, name: str) -> Load:
        """Say how an agent stands now; asked for each of hundreds at each choice, so what has not changed is kept."""
        breaker = self._breakers.get(name)
        if breaker is not None and breaker.until is not None:
            return self._made(name, breaker)  # that goes with the time
        failing = self._failed_of_late(name)
        spent = self._quota.used_up(name, clock.unix()) if self._quota.bounds else ""
        mark = (
            self._lanes.changes(name),
            self.health.get(name),
            name in self.draining,
            self._latency.get(name),
            failing,
            spent,
        )
        kept = self._kept.get(name)
        if kept is None or kept[0] != mark:
            kept = self._kept[name] = mark, self._made(name, breaker)
        return kept[1]

    def _made(self, name: str, breaker: Breaker | None) -> Load:
        spec = self._specs[name]
        return Load(
            state=self._state(name),
            running=len(self._lanes.running(name)),
            queued=self._lanes.queued(name),
            concurrency=spec.concurrency,
            latency=self._latency.get(name),
            weight=spec.weight,
            # What is only put into an inbox is done by nobody yet: first those that work.
            backup=spec.backup or breaker is None,
            draining=name in self.draining,
            breaker="closed" if breaker is None or breaker.until is None else breaker.state(clock.monotonic()),
            trial=breaker is not None and breaker.trying,
            spent=self._quota.used_up(name, clock.unix()) if self._quota.bounds else "",
            failing=self._failed_of_late(name),
        )

    def _failed_of_late(self, name: str) -> str:
        failing = self._failing.get(name)
        return failing[0] if failing is not None and clock.monotonic() < failing[1] else ""

    def obstacle(self, name: str) -> str:
        """Say why an agent takes nothing now; empty when it does."""
        return self.load(name).obstacle

    def ready(self, job: Job, name: str, now: float) -> bool:
        """Say whether a message may be handed to an agent now, as far as its own pause and its sender's share go."""
        if not job.ready(name, now):
            return False
        return job.attempt > 1 or self._quota.share_used(job.envelope.sender, now) is None

    def insists(self, job: Job) -> bool:
        """Say whether a bound message is tried although its agent is said to be down."""
        name = job.agent
        if self._state(name) not in UNABLE or self._state(name) == "crashed" or name in self.draining:
            return False
        now = clock.monotonic()
        breaker = self._breakers.get(name)
        if self._lanes.running(name) or not (breaker is None or breaker.lets(now)):
            return False
        return job.attempt > 1 or now >= self._down.get(name, now) + self._specs[name].breaker_pause

    def look(self) -> None:
        """Note who went down and who came back; one that came back is tried at once, whatever its breaker says."""
        now = clock.monotonic()
        for name in self._specs:
            if self._state(name) in UNABLE:
                self._down.setdefault(name, now)
            elif self._down.pop(name, None) is not None and name in self._breakers:
                self._breakers[name].recover(now)

    def begin(self, job: Job) -> None:
        """Note that an agent is given a message."""
        now = clock.monotonic()
        if job.agent in self._breakers:
            job.trial = self._breakers[job.agent].begin(now)
        if job.agent in self._down:
            self._down[job.agent] = now

    def end(self, job: Job, outcome: Outcome | None, seconds: float = 0.0) -> bool:
        """Note what became of it, None where nothing is known of the agent; True where it failed, or does no more."""
        breaker = self._breakers.get(job.agent)
        if breaker is None:
            return False
        if outcome is None:
            breaker.left(job.trial)
            return False
        bad = outcome.kind in ("failed", "uncertain") and not outcome.blameless
        former = self._failing.pop(job.agent, None)
        if bad:
            now = clock.monotonic()
            breaker.failed(now, job.trial)
            self._failing[job.agent] = (outcome.reason or outcome.kind, now + self._specs[job.agent].breaker_pause)
        else:
            breaker.succeeded()
        # A quick failure must not make an agent look fast; a slow one is slow.
        if outcome.kind == "done" or seconds > self._latency.get(job.agent, 0.0):
            self._latency[job.agent] = smoothed(self._latency.get(job.agent), seconds)
        return bad or former is not None

    def hold(self, name: str, until: float, reason: str) -> None:
        """Give an agent nothing until a limit of its own yields (Unix time)."""
        self._quota.hold(name, until, reason)

    def next_wake(self) -> float | None:
        """Return when somebody with a queue may be tried again (monotonic), None when there is nothing to wait for."""
        now = clock.monotonic()
        due = [until for breaker in self._breakers.values() if (until := breaker.until) is not None and until > now]
        due += [
            later
            for name, since in self._down.items()
            if self._lanes.queued(name) and (later := since + self._specs[name].breaker_pause) > now
        ]
        return min(due, default=None)

    def _state(self, name: str) -> str:
        return self.health.get(name, ("online", ""))[0]
