"""The settings of one machine as values; each room takes its own part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gitsync.dispatch.budget import Budget
from gitsync.dispatch.quota import Limits
from gitsync.secrets.scan import Secrets
from gitsync.supervisor.settings import SuperviseSettings
from gitsync.tasks.values import Rules, TaskSettings
from gitsync.verifying import Rules as Verification

if TYPE_CHECKING:
    from gitsync.agents.prices import Price
    from gitsync.agents.spec import AgentSpec
    from gitsync.protocol.identity import Machine
    from gitsync.routing import Policy
    from gitsync.sync.settings import SyncSettings
    from gitsync.verifying import Demand

STATE_DIR = ".gitsync"
SETTINGS_FILE = "config.toml"
DEFAULT_PORT = 8900


@dataclass(frozen=True, kw_only=True)
class ApiSettings:
    """Where the process listens; port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    reads: str = "user"
    """Who may read without the token: every program that reaches it (`open`), this user's (`user`), none (`token`)."""


@dataclass(frozen=True, kw_only=True)
class DispatchOptions:
    """Bounds on what agents may do with each other; times in seconds."""

    turn_budget: int = 6
    drain: float = 30.0


@dataclass(frozen=True, kw_only=True)
class McpSettings:
    """For whom the tools of MCP clients speak, and how long their process stays without a call (s)."""

    speaks_as: str = ""
    """An agent of kind inbox; empty: the person at this machine."""
    idle: float = 300.0


@dataclass(frozen=True, kw_only=True)
class ClaudeSettings:
    """What all Claude agents of this machine share; sizes in bytes."""

    concurrency: int = 8
    response_cache_size: int = 50 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class LogSettings:
    """How much the process writes to ``.gitsync/gitsync.log``; sizes in bytes."""

    level: str = "info"
    max_size: int = 5 * 1024 * 1024
    keep: int = 3


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that ``config.toml`` says, with the places it was found in.

    ``root`` is the folder that holds ``.gitsync``; relative paths in the file start there.
    """

    root: Path
    mailbox: Path
    machine: Machine
    sync: SyncSettings
    api: ApiSettings = ApiSettings()
    agents: tuple[AgentSpec, ...] = ()
    routes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    route_all: frozenset[str] = frozenset()
    """The types that each agent of their route gets, not one of them."""
    policies: tuple[Policy, ...] = ()
    demands: tuple[Demand, ...] = ()
    """How some senders are to be verified, beyond what `sync.verify` asks of all."""
    limits: Limits = field(default_factory=Limits)
    dispatch: DispatchOptions = DispatchOptions()
    tasks: TaskSettings = field(default_factory=TaskSettings)
    supervise: SuperviseSettings = field(default_factory=SuperviseSettings)
    mcp: McpSettings = McpSettings()
    log: LogSettings = LogSettings()
    secrets: Secrets = field(default_factory=Secrets)
    budget: Budget = field(default_factory=Budget)
    prices: Mapping[str, Price] = field(default_factory=dict)
    claude: ClaudeSettings = ClaudeSettings()
    restored: bool = False

    @property
    def rules(self) -> Rules:
        """Who takes what task on this machine."""
        return Rules(
            agents=self.agents,
            routes=self.routes,
            route_all=self.route_all,
            policies=self.policies,
            verification=self.verification,
        )

    @property
    def verification(self) -> Verification:
        """What is asked on this machine of what others sent, before it counts."""
        asked = {spec.name: spec.verify for spec in self.agents if spec.verify != "off"}
        return Verification(self.sync.verify, self.demands, asked)

    @property
    def state_dir(self) -> Path:
        """The folder of what belongs to this machine only."""
        return self.root / STATE_DIR

    @property
    def file(self) -> Path:
        """The settings file itself."""
        return self.state_dir / SETTINGS_FILE

    @property
    def private_dir(self) -> Path:
        """The durable part beside the clone's own git data; survives ``git clean -fdx`` in the code repository."""
        return self.mailbox / ".git" / "gitsync"

    @property
    def journal_file(self) -> Path:
        """The durable journal."""
        return self.private_dir / "journal.sqlite3"

    @property
    def responses_dir(self) -> Path:
        """Answers of models that may be given again; may be deleted at any time."""
        return self.state_dir / "responses"

    @property
    def ledger_file(self) -> Path:
        """The cache; may be deleted at any time."""
        return self.state_dir / "ledger.sqlite3"

    @property
    def keys_dir(self) -> Path:
        """The keys of this machine, and whose keys count here."""
        return self.private_dir / "keys"

    @property
    def clone_lock_file(self) -> Path:
        """The lock that says who works on the clone."""
        return self.private_dir / "lock"

    @property
    def token_file(self) -> Path:
        """The secret that a request to the process must bring."""
        return self.state_dir / "token"

    @property
    def daemon_file(self) -> Path:
        """Where the running process writes its pid and port."""
        return self.state_dir / "daemon.json"

    @property
    def log_file(self) -> Path:
        """The log of the process and the place of tracebacks."""
        return self.state_dir / "gitsync.log"
