"""What others are told about one agent."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

from gitsync import clock
from gitsync.agents.spec import AgentSpec
from gitsync.balancing import Load
from gitsync.supervisor.health import Window

Json = dict[str, Any]


class Running(Protocol):
    """One message that an agent works on, since when (Unix time)."""

    @property
    def message_id(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def since(self) -> float: ...


def document(
    spec: AgentSpec,
    load: Load | None,
    running: Sequence[Running],
    times: Json,
    *,
    state: str,
    word: str,
    draining: bool,
    restarts: int,
    pid: int | None,
    port: int | None,
    last_check: float | None,
    since: float,
    managed: bool,
    origin: str,
) -> Json:
    """Return the document of one instance; moments as text in UTC, `times` as `response_times` gives them."""
    return {
        "name": spec.name,
        "kind": spec.kind,
        "state": state,
        "word": word,
        "types": list(spec.types),
        "specialty": spec.specialty,
        "response_ms": times,
        "queue": load.queued if load is not None else 0,
        "running": load.running if load is not None else 0,
        "concurrency": spec.concurrency,
        "weight": load.weight if load is not None else 1.0,
        "backup": load.backup if load is not None else False,
        "draining": draining,
        "breaker": load.breaker if load is not None else "closed",
        "restarts": restarts,
        "pid": pid,
        "port": port if port is not None else _port(spec.url),
        "current": [{"id": one.message_id, "subject": one.subject, "since": clock.stamp(one.since)} for one in running],
        "last_check": clock.stamp(last_check) if last_check is not None else None,
        "since": clock.stamp(since),
        "managed": managed,
        "origin": origin,
    }


def response_times(window: Window) -> Json:
    """Return the response times of an agent in milliseconds, oldest first, None for a failed check.

    Made once for each check, read often.
    """
    return {
        "last": _ms(window.last),
        "p50": _ms(window.percentile(0.5)),
        "p95": _ms(window.percentile(0.95)),
        "history": [_ms(seconds) for seconds in window.history],
    }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)


@functools.lru_cache(1024)
def _port(url: str) -> int | None:
    try:
        parts = urlsplit(url)
        return parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:  # {port}, not yet chosen
        return None
