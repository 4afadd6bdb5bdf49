"""What an endpoint is, as a value: who answers it, what it reads, what it says."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Scope

from gitsync.api.answers import Answer
from gitsync.api.control import Control
from gitsync.api.fields import Field, Shape
from gitsync.api.sessions import Sessions

Json = dict[str, Any]

_HOLE = re.compile(r"\{([a-z_]+)\}")


@dataclass(slots=True)
class Asked:
    """One request, decoded."""

    control: Control
    sessions: Sessions
    scope: Scope
    path: Mapping[str, str]
    query: Json
    body: Json
    raw: bytes
    """The body as it came, where the operation wants it so."""
    operations: Sequence[Operation]
    """The whole table, for those who tell of it."""


Handler = Callable[[Asked], Awaitable[ASGIApp | Mapping[str, Any] | Sequence[Mapping[str, Any]]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    about: str
    call: Handler
    answer: Json
    """The schema of what a success says."""
    also: Mapping[int, Json] = field(default_factory=dict)
    """Other statuses that are no failure in the one shape, with their schemas."""
    media: str = "application/json"
    body: Shape | None = None
    raw: bool = False
    """Whether the body is passed on as it came; what is in it is described elsewhere."""
    query: tuple[Field, ...] = ()
    fails: tuple[int, ...] = ()
    """Statuses of failures that are this endpoint's own; those that all have are added where it is described."""
    open: bool = False
    """Whether it may be called without token and session although it changes something."""


class Table:
    """Find the operation for a request."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self.operations = tuple(operations)
        self._plain: dict[str, dict[str, Operation]] = {}
        self._patterns: dict[str, tuple[re.Pattern[str], dict[str, Operation]]] = {}
        for one in self.operations:
            if "{" in one.path:
                pattern = re.compile(_HOLE.sub(r"(?P<\1>[^/]+)", one.path.replace(".", r"\.")), re.DOTALL)
                self._patterns.setdefault(one.path, (pattern, {}))[1][one.method] = one
            else:
                self._plain.setdefault(one.path, {})[one.method] = one

    def find(self, path: str) -> tuple[Mapping[str, Operation], Mapping[str, str]]:
        """Return the operations of a path by method, none where it is unknown, and what stands in its holes."""
        plain = self._plain.get(path)
        if plain is not None:
            return plain, {}
        for pattern, methods in self._patterns.values():
            if match := pattern.fullmatch(path):
                return methods, match.groupdict()
        return {}, {}

    def paths(self) -> list[str]:
        """Return all paths, each once."""
        return list(dict.fromkeys(one.path for one in self.operations))


def answered(value: Any) -> ASGIApp:
    """Turn what a handler returned into what is sent."""
    return Answer(value) if isinstance(value, dict | list | tuple) else value
