"""What the settings say about one agent, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gitsync.balancing import FAILURES, PAUSE

KINDS = ("http", "command", "claude", "inbox")
RECIPES = ("claude", "codex", "gemini", "opencode")
"""Those of `gitsync.agents.recipes`, which would take longer to load."""

TOOLS = ("thread", "fleet", "search")
"""What a model may look at: the rest of the thread, the computers, messages on the branch. None of them writes."""

ANSWER = 4096
"""Tokens of the longest answer, where nothing else is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRule:
    """Say when a model is used: all that is given must hold. Complexity is 0 to 100."""

    name: str
    types: tuple[str, ...] = ()
    priorities: tuple[str, ...] = ()
    above: int = -1
    """The message's complexity is more than this."""
    below: int = 101
    """The message's complexity is less than this."""


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
    recipe: str = ""
    """The coding agent that a command is (`gitsync.agents.recipes`); `argv` is then its program and what is added."""
    pass_env: tuple[str, ...] = ()
    """Names of variables that a command inherits besides `BASICS`."""
    concurrency: int = 1
    model: str = ""
    models: tuple[ModelRule, ...] = ()
    """Other models for some messages: the first rule that holds decides, `model` where none does."""
    fallback: tuple[str, ...] = ()
    """Models to go on with, in this order, while the one before does not serve."""
    system: str = ""
    """Path of the file with the system prompt, relative to the root."""
    definition: str = ""
    """Path of a Markdown file that describes the agent: front matter and system prompt; relative to the root."""
    skills: tuple[str, ...] = ()
    """Paths of Markdown files that the model is told of in a line each and loads when it needs them."""
    tools: tuple[str, ...] | None = None
    """What the model may look at, of `TOOLS`; None: as the definition says, else all."""
    tool_rounds: int = 8
    """How often in one run the model may ask for something before it has to answer."""
    max_tokens: int = 0
    """The longest answer; 0: as the definition says, else `ANSWER`."""
    prompt_cache: bool = True
    response_cache: float = 0.0
    """How long an answer is given again to the same question (s); 0: never."""
    response_cache_except: tuple[str, ...] = ()
    """The types of messages that are always asked anew."""
    daily_budget: int = 0
    """What its runs of a day (UTC) may cost (millionths of a dollar); 0: no bound."""
    run_budget: int = 0
    """What one run of its program may cost at most: so much is set aside before it begins; 0: nothing is."""
    weekly_budget: int = 0
    """What its runs of a week (from Monday, UTC) may cost; 0: no bound."""
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
