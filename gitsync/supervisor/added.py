"""The agents that were added while gitsync runs, and are there again when it starts anew."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from gitsync.agents.spec import AgentSpec
from gitsync.errors import Conflict, Refused, UsageError
from gitsync.ledger.journal import Journal
from gitsync.supervisor.records import read_added, write_added

log = logging.getLogger(__name__)


class Added:
    """Keep their descriptions in the journal.

    Only kinds http and inbox, and nothing that starts a program: what may be started on this computer is said in its
    settings, by whoever may write them, never over the network.
    """

    def __init__(self, journal: Journal, parse: Callable[[Mapping[str, Any]], AgentSpec]) -> None:
        """Take what is needed; `parse` reads a description or raises ConfigError, which names the field."""
        self._journal = journal
        self._parse = parse
        self._rows = {str(row.get("name")): row for row in read_added(journal)}
        self._here: frozenset[str] = frozenset()

    def __contains__(self, name: object) -> bool:
        """Say whether an agent is one of these, and not one of the settings that has its name."""
        return name in self._here

    def behind(self, settled: Sequence[AgentSpec]) -> list[AgentSpec]:
        """Return the agents of the settings and behind them those that were added; the settings win a name."""
        found = list(settled)
        names = {spec.name.lower() for spec in settled}
        for name, row in self._rows.items():
            if name.lower() in names:
                continue
            try:
                found.append(self._parse(row))
            except UsageError as error:
                log.error("agent %s, added at run time, is left out: %s", name, error)
        self._here = frozenset(spec.name for spec in found[len(settled) :])
        return found

    async def put(self, document: Mapping[str, Any], others: Iterable[AgentSpec]) -> AgentSpec:
        """Keep one more; raise Conflict for a name that is taken, Refused or UsageError for what cannot be added."""
        spec = self._parse(document)
        if spec.kind not in ("http", "inbox") or spec.start or spec.health_command:
            raise Refused(
                f"agent {spec.name} cannot be added while gitsync runs",
                "only kinds http and inbox can, without start and health_command: programs are for the settings",
                "add it to .gitsync/config.toml, then: gitsync restart",
            )
        for other in others:
            if other.name.lower() == spec.name.lower():
                raise Conflict(f"there is an agent {other.name} already", "", "remove it first, or use another name")
            if other.default and spec.default:
                raise UsageError(f"agent {other.name} is the default already", "field 'default'", "leave it out")
        await self._write({**self._rows, spec.name: dict(document)})
        return spec

    async def drop(self, name: str) -> None:
        """Forget one; raise Refused for one of the settings."""
        if name not in self._here:
            raise Refused(
                f"agent {name} is in the settings of this computer",
                "only agents that were added at run time can be removed so",
                "take it out of .gitsync/config.toml, then: gitsync restart",
            )
        await self._write({key: row for key, row in self._rows.items() if key != name})

    async def _write(self, rows: dict[str, dict[str, Any]]) -> None:
        """Put rows into force once they are on disk; raise StoreFailed, and then nothing has changed."""
        await asyncio.to_thread(write_added, self._journal, list(rows.values()))
        self._rows = rows
