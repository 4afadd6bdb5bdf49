"""Read config.toml strictly: what is not understood is an error with file, line and the nearest valid name."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gitsync.agents.prices import Price
from gitsync.agents.spec import KINDS, AgentSpec
from gitsync.config import checks, tables
from gitsync.config.lines import Path as KeyPath
from gitsync.config.lines import line_of, locate
from gitsync.config.settings import (
    ApiSettings,
    ClaudeSettings,
    DispatchOptions,
    LogSettings,
    McpSettings,
    Settings,
)
from gitsync.config.tables import Table
from gitsync.dispatch.budget import Budget
from gitsync.dispatch.quota import Limits
from gitsync.errors import ConfigError
from gitsync.protocol.identity import Machine
from gitsync.protocol.paths import valid_id
from gitsync.routing import INBOX, Policy
from gitsync.secrets.scan import Secrets
from gitsync.supervisor.settings import SuperviseSettings
from gitsync.sync.settings import SyncSettings
from gitsync.tasks.values import TaskSettings
from gitsync.verifying import Demand

DEFAULT_MAILBOX = "coordination"


def read_settings(path: Path, root: Path | None = None) -> Settings:
    """Read a settings file; raise ConfigError for the first mistake in it.

    ``root`` is where relative paths start; by default the folder that holds ``.gitsync``.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"cannot read the settings {path}", error.strerror or str(error), "gitsync init writes new ones"
        ) from error
    return parse_settings(data, path, root or path.absolute().parent.parent)


def parse_settings(data: bytes, file: Path, root: Path) -> Settings:
    """Understand the bytes of a settings file; ``file`` is only named in errors."""
    return _Reader(data, file).settings(root)


def read_agent(document: Mapping[str, Any]) -> AgentSpec:
    """Understand one agent that is described outside the file, with the same keys as there; raise ConfigError."""
    reader = _Reader(b"", Path())
    reader.top = {"agents": [dict(document)]}
    return reader.agents()[0]


class _Reader:
    """The file being read: its values and where each of them stands."""

    def __init__(self, data: bytes, file: Path) -> None:
        self.file = file
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise self._at(line, "the settings are not UTF-8 text", "", "save the file as UTF-8") from None
        # TOML ends lines with LF or CRLF only; a lone CR would put the count of lines out of step.
        try:
            self.top: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            found = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
            line = int(found[1]) if found else text.count("\n") + 1
            why = re.sub(r"\s*\(at .*\)$", "", str(error))
            raise self._at(line, "this is not TOML", why, "see https://toml.io") from None
        self.places = locate(text)

    def settings(self, root: Path) -> Settings:
        self._known(self.top, tables.TOP, (), "table")
        machine = self._machine()
        sync = self._table("sync", tables.SYNC)
        mailbox = Path(str(sync.pop("mailbox", DEFAULT_MAILBOX))).expanduser()
        if "fastest" in sync or "slowest" in sync:
            plain = SyncSettings()
            if sync.get("fastest", plain.fastest) > sync.get("slowest", plain.slowest):
                at = ("sync", "fastest" if "fastest" in sync else "slowest")
                raise self._error(at, "sync.fastest is longer than sync.slowest", "", "swap or change them")
        agents = self.agents()
        routes, route_all = self._routes(agents)
        policies, demands = self._policies(agents)
        return Settings(
            root=root,
            mailbox=root / mailbox,
            machine=machine,
            sync=SyncSettings(**sync),
            api=ApiSettings(**self._table("api", tables.API)),
            agents=agents,
            routes=routes,
            route_all=route_all,
            policies=policies,
            demands=demands,
            limits=Limits(**self._table("limits", tables.LIMITS)),
            dispatch=DispatchOptions(**self._table("dispatch", tables.DISPATCH)),
            tasks=TaskSettings(**self._table("tasks", tables.TASKS)),
            supervise=SuperviseSettings(**self._table("supervise", tables.SUPERVISE)),
            mcp=McpSettings(**self._table("mcp", tables.MCP)),
            log=LogSettings(**self._table("log", tables.LOG)),
            secrets=Secrets(**self._table("secrets", tables.SECRETS)),
            budget=Budget(**self._table("budget", tables.BUDGET)),
            prices=self._prices(),
            claude=ClaudeSettings(**self._table("claude", tables.CLAUDE)),
        )

    def _prices(self) -> Mapping[str, Price]:
        given = self.top.get("prices", {})
        if not isinstance(given, dict):
            raise self._error(
                ("prices",), "[prices] must be a table", "", 'write [prices."the-model"] and input = "$3"'
            )
        return self._values(given, dict.fromkeys(given, checks.prices), ("prices",), "prices")

    def _machine(self) -> Machine:
        values = self._table("machine", tables.MACHINE)
        if "id" not in values:
            raise self._error(
                ("machine",),
                "machine.id is missing",
                "every computer of a fleet has an id of its own",
                'add id = "1" under [machine]',
            )
        if not valid_id(values["id"]):
            raise self._error(
                ("machine", "id"),
                f"machine.id {values['id']!r} cannot be an id",
                "",
                "use a-z, 0-9 and '-', at most 31",
            )
        return Machine(**values)

    def agents(self) -> tuple[AgentSpec, ...]:
        rows = self._rows("agents", "[[agents]]")
        specs: list[AgentSpec] = []
        lines: dict[str, int] = {}
        for index, row in enumerate(rows):
            here: KeyPath = ("agents", index)
            kind = row.get("kind")
            if kind is None:
                raise self._error(here, "agents.kind is missing", "", "set it to one of " + ", ".join(KINDS))
            if kind not in KINDS:
                raise self._choice((*here, "kind"), "agents.kind", kind, KINDS)
            values = self._values(row, tables.AGENT[kind], here, f"agents ({kind})")
            need = None if "recipe" in values else tables.AGENT_NEEDS.get(kind)
            for key in ("name", *((need,) if need else ())):
                if key not in values:
                    raise self._error(
                        here, f"agents.{key} is missing", f"an agent of kind {kind} needs it", f"add {key} = …"
                    )
            if kind == "command" and "run_budget" not in values:
                for key in ("daily_budget", "weekly_budget"):
                    if key in values:
                        why = "what a run may cost must be known before it begins"
                        raise self._error((*here, key), f"agents.{key} needs run_budget", why, 'add run_budget = "$…"')
            if kind == "claude" and not any(key in values for key in ("model", "models", "definition")):
                why = f"an agent of kind {kind} needs it"
                raise self._error(here, "agents.model is missing", why, "add model = …, or a definition that names one")
            if "model" in values and kind == "command" and "recipe" not in values:
                raise self._error((*here, "model"), "agents.model does nothing without recipe", "", "add recipe = …")
            self._started(values, here)
            name = str(values["name"])
            if name.lower() == INBOX and kind != INBOX:
                raise self._error(
                    (*here, "name"),
                    f"agents.name {name!r} is taken",
                    "the inbox is where a message waits that no agent takes",
                    "use another name",
                )
            if name.lower() in lines:
                raise self._error(
                    (*here, "name"),
                    f"two agents are called {name!r}",
                    f"the other is on line {lines[name.lower()]}",
                    "rename one of them",
                )
            lines[name.lower()] = line_of(self.places, (*here, "name"))
            first = next((spec.name for spec in specs if spec.default), None)
            if values.get("default") and first is not None:
                raise self._error((*here, "default"), f"{first!r} is the default agent already", "", "keep one default")
            try:
                spec = AgentSpec(**values)
            except ValueError as error:
                raise self._error(here, str(error)) from None
            for other in specs:
                if _only_port(spec) is not None and _only_port(spec) == _only_port(other):
                    what = f"agents {other.name!r} and {spec.name!r} are both started on port {_only_port(spec)}"
                    raise self._error(
                        (*here, "url"), what, "", 'give one of them another, or ports = […], or port = "any"'
                    )
            specs.append(spec)
        return tuple(specs)

    def _started(self, values: Mapping[str, Any], here: KeyPath) -> None:
        """See that what is said about a program belongs to one that gitsync starts, and that its port is said once."""
        kind = values["kind"]
        idle = kind in ("http", "inbox") and "start" not in values
        for key in values if idle else ():
            checking = key in ("health_every", "health_timeout")
            if key not in tables.STARTED and not (kind == "inbox" and checking):
                continue
            if "health_command" in values and (checking or key in ("cwd", "env")):
                continue  # when and where that command runs
            why = "nothing is started for this agent"
            raise self._error((*here, key), f"agents.{key} does nothing without start", why, "add start = […]")
        if "port" in values and "ports" in values:
            raise self._error((*here, "ports"), "agents.ports and agents.port exclude each other", "", "keep one")
        placed = "{port}" in str(values.get("url", ""))
        if placed and not ("port" in values or "ports" in values):
            what = "agents.url holds {port}, and no port is to be chosen"
            raise self._error((*here, "url"), what, "", 'add ports = […] or port = "any"')
        if "port" in values and not placed:
            why = "a free port is chosen at each start"
            how = 'write url = "http://127.0.0.1:{port}"'
            raise self._error((*here, "port"), "agents.url must hold {port}", why, how)

    def _routes(self, agents: Sequence[AgentSpec]) -> tuple[Mapping[str, tuple[str, ...]], frozenset[str]]:
        """Read the routes: the agents of each type, and the types that each of their agents gets."""
        given = self.top.get("routes", {})
        if not isinstance(given, dict):
            raise self._error(
                ("routes",), "[routes] must be a table", "", 'write [routes] and lines like general = ["name"]'
            )
        routes: dict[str, tuple[str, ...]] = {}
        everybody: set[str] = set()
        for kind, value in given.items():
            here: KeyPath = ("routes", kind)
            if isinstance(value, dict):
                values = self._values(value, tables.ROUTE, here, f"routes.{kind}")
                if "agents" not in values:
                    raise self._error(
                        here, f"routes.{kind}.agents is missing", "a route names agents", 'add agents = ["name"]'
                    )
                if values.get("mode") == "all":
                    everybody.add(kind)
                here, value = (*here, "agents"), value["agents"]
            routes[kind] = self._agent_names(value, here, f"routes.{kind}", agents)
        return routes, frozenset(everybody)

    def _policies(self, agents: Sequence[AgentSpec]) -> tuple[tuple[Policy, ...], tuple[Demand, ...]]:
        policies: list[Policy] = []
        demands: list[Demand] = []
        for index, row in enumerate(self._rows("policy", "[[policy]]")):
            here: KeyPath = ("policy", index)
            values = self._values(row, tables.POLICY, here, "policy")
            if "from" not in values:
                raise self._error(
                    here, "policy.from is missing", "a rule says whom it is for", 'add from = "2" or from = "*"'
                )
            names = self._agent_names(row.get("agents", []), (*here, "agents"), "policy.agents", agents)
            types = tuple(values.get("types", ()))
            if "verify" in values:
                demands.append(Demand(str(values["from"]), str(values["verify"]), names, types))
            # A rule that only says how its sender is to be verified allows nothing, and so forbids nobody else.
            if "verify" not in values or "agents" in values or "types" in values:
                policies.append(Policy(str(values["from"]), names, types))
        return tuple(policies), tuple(demands)

    def _agent_names(self, value: object, at: KeyPath, label: str, agents: Sequence[AgentSpec]) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._error(at, f"{label} must be a list of agents, not {_shown(value)}")
        known = [*(spec.name for spec in agents), INBOX]
        for name in value:
            if name not in known and name != "*":
                raise self._choice(at, label, name, known)
        return tuple(value)

    # -- shapes ---------------------------------------------------------------------------------------------

    def _rows(self, key: str, header: str) -> list[dict[str, Any]]:
        rows = self.top.get(key, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise self._error((key,), f"{key} must be written as {header}", "there may be several of them")
        return rows

    def _table(self, key: str, table: Table) -> dict[str, Any]:
        given = self.top.get(key, {})
        if not isinstance(given, dict):
            raise self._error((key,), f"{key} must be a table, written as [{key}]")
        return self._values(given, table, (key,), key)

    def _values(self, given: Mapping[str, Any], table: Table, at: KeyPath, label: str) -> dict[str, Any]:
        self._known(given, table, at, "key")
        values: dict[str, Any] = {}
        for key, value in given.items():
            try:
                values[key] = table[key](value)
            except ValueError as error:
                plain = label.split(" ", maxsplit=1)[0]
                raise self._error((*at, key), f"{plain}.{key} must be {error}, not {_shown(value)}") from None
        return values

    def _known(self, given: Mapping[str, Any], valid: Iterable[str], at: KeyPath, what: str) -> None:
        names = list(valid)
        for key in given:
            if key not in names:
                raise self._error(
                    (*at, key),
                    f"unknown {what} {key!r}",
                    _nearest(key, names),
                    "known are: " + ", ".join(sorted(names)),
                )

    def _choice(self, at: KeyPath, label: str, value: object, valid: Iterable[str]) -> ConfigError:
        names = list(valid)
        return self._error(
            at, f"{label}: no {_shown(value)}", _nearest(str(value), names), "known are: " + ", ".join(sorted(names))
        )

    def _error(self, at: KeyPath, what: str, why: str = "", remedy: str = "") -> ConfigError:
        return self._at(line_of(self.places, at) or 1, what, why, remedy)

    def _at(self, line: int, what: str, why: str = "", remedy: str = "") -> ConfigError:
        return ConfigError(what, why, remedy, file=str(self.file) if self.file.name else "", line=line)


def _only_port(spec: AgentSpec) -> int | None:
    """Return the one port on which gitsync may start an agent; None where it starts none, or has a choice."""
    from urllib.parse import urlsplit

    if not spec.start or spec.kind != "http" or spec.port:
        return None
    if spec.ports:
        return spec.ports[0] if len(spec.ports) == 1 else None
    return urlsplit(spec.url).port or 80


def _nearest(name: str, valid: Sequence[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name.lower(), valid, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else ""


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
