"""What the settings say about one agent, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gitsync.balancing import FAILURES, PAUSE

KINDS = ("http", "command", "claude", "inbox")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSpec:
    """Describe one agent of this machine; times in seconds, sizes in bytes."""

    name: str
    kind: str
    url: str = ""
    health: str = ""
    deliver: str = "/"
    types: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    """The command that runs the service; empty: somebody else runs it. `{port}` in it stands for the port."""
    ports: tuple[int, ...] = ()
    """The ports that a service with `start` may use, best first; empty: the one of its url."""
    port: str = ""
    """`any`: a free port is chosen at each start, and `{port}` in the url stands for it."""
    health_command: tuple[str, ...] = ()
    """A program that ends with 0 while the agent is well."""
    health_every: float | None = None
    """Seconds between two checks; None: as the machine's settings say."""
    health_timeout: float = 5.0
    timeout: float = 300.0
    idempotent: bool = False
    argv: tuple[str, ...] = ()
    concurrency: int = 1
    model: str = ""
    system: str = ""
    """Path of the file with the system prompt, relative to the root."""
    max_tokens: int = 4096
    api_key_env: str = "ANTHROPIC_API_KEY"
    base_url: str = ""
    default: bool = False
    weight: float = 1.0
    """How much of the work it gets among agents that can do the same."""
    backup: bool = False
    """Whether it gets work only when no other that can do the same takes any."""
    breaker_failures: int = FAILURES
    breaker_pause: float = PAUSE
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = ""
    """Where a program runs, relative to the root; empty: the root itself."""
    amendments: bool = False
    verify: str = "off"
    """What is asked of a message before this agent gets it: one of `gitsync.verifying.LEVELS`."""
    specialty: str = ""
    max_output: int = 1 << 20
    """How much of an answer is kept; a flood beyond it is drained, far beyond it ended."""
    attempts: int = 5
    daily: int = 0
    """How many hand-overs it gets a day (UTC) at most; 0: as many as come."""
    memory: int = 0
    """How much memory its program may take, all of its processes together; 0: as much as there is."""
    processes: int = 0
    """How many processes its program may be at a time; 0: `PROCESSES` for a command, no bound for a service."""
    grace: float = 2.0
    """How long an agent that was told to end (SIGTERM) may take before it is killed."""
    worker_idle: float = 60.0
    """How long the Claude worker stays without work before it ends."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"agent {self.name}: kind is {self.kind!r}, not one of {', '.join(KINDS)}")
        if self.timeout <= 0 or self.concurrency < 1 or self.attempts < 1 or self.max_output < 1:
            raise ValueError(f"agent {self.name}: timeout, concurrency, attempts and max_output must be > 0")
        if self.weight <= 0 or self.breaker_failures < 1 or self.breaker_pause < 0:
            raise ValueError(f"agent {self.name}: weight and breaker_failures must be > 0, breaker_pause not below 0")
