"""The agents of a machine while it runs: who they are, how they are, what may be done with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Json = dict[str, Any]


class Registry:
    """Hold one instance for each agent. Lives on the event loop; only `blockers` may be called from another thread."""

    revision: int
    """Grows with each change of what `instances` says about health, processes and membership (not of queues)."""
    changes: Callable[[Json], None]
    """Called with the instance's document whenever state, word, process or membership has changed."""

    def instances(self) -> list[Json]:
        """Return the document of each instance, in the order of the settings, then those added at run time.

        {"name","kind","state","word","types","specialty","response_ms":{"last","p50","p95","history":[<=60]},"queue",
        "running","concurrency","weight","backup","draining","breaker","restarts","pid","port",
        "current":[{"id","subject","since"}],"last_check","since","managed","origin"}; times as text in UTC,
        origin "settings" or "run time".
        """
        raise NotImplementedError

    def instance(self, name: str) -> Json:
        """Return one document; raise NotFound with near names."""
        raise NotImplementedError

    async def start(self, name: str) -> Json:
        """Run an agent's program: a person says go, whatever went wrong before. Fine where it runs already.

        Raise NotFound, or UsageError where the agent has no `start`: gitsync does not run it.
        """
        raise NotImplementedError

    async def stop(self, name: str) -> Json:
        """End an agent's program, gracefully first, and leave it ended until somebody starts it."""
        raise NotImplementedError

    async def restart(self, name: str) -> Json:
        """End an agent's program and start it."""
        raise NotImplementedError

    def drain(self, name: str) -> Json:
        """Give an agent nothing new; what it has begun ends."""
        raise NotImplementedError

    def resume(self, name: str) -> Json:
        """Give an agent work again."""
        raise NotImplementedError

    async def add(self, document: Mapping[str, Any]) -> Json:
        """Add an agent at run time, kept across restarts; raise Conflict for a name that is taken, ConfigError (a
        UsageError that names the field) for what is wrong with it.

        Only kinds http and inbox, without `start`: what may start programs on this computer is said in its settings,
        by whoever may write them, never over the network.
        """
        raise NotImplementedError

    async def remove(self, name: str) -> None:
        """Remove an agent that was added at run time; raise NotFound, or Refused for one of the settings."""
        raise NotImplementedError

    def failed(self, name: str) -> None:
        """Be told that a hand-over failed: the agent is looked at right away."""
        raise NotImplementedError

    def blockers(self) -> tuple[str, ...]:
        """Say what waits for a person: agents that were given up, ports that others hold. Safe from any thread."""
        raise NotImplementedError
