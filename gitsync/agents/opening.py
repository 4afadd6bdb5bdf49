"""Make the agents that the settings name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gitsync.agents.base import Agent
from gitsync.agents.environment import process_environment
from gitsync.agents.spec import AgentSpec

if TYPE_CHECKING:
    from gitsync.agents.claude.surroundings import Surroundings
    from gitsync.agents.claude.worker import Worker
    from gitsync.agents.recipes.agent import Sessions


def open_agents(
    specs: Sequence[AgentSpec],
    root: Path,
    *,
    environ: Mapping[str, str] | None = None,
    around: Surroundings | None = None,
    sessions: Sessions | None = None,
) -> dict[str, Agent]:
    """Make the agents of a machine; all Claude agents among them share one worker process, and what is around them.

    ``sessions`` remembers where conversations with coding agents go on; without it each message begins a new one.
    """
    # Here, so that a machine without agents does not pay for it.
    from gitsync.agents.claude.surroundings import Surroundings
    from gitsync.agents.claude.worker import Worker

    environ = process_environment() if environ is None else environ
    around = around or Surroundings()
    worker = Worker(environ, [spec for spec in specs if spec.kind == "claude"], around.concurrency)
    return {spec.name: _metered(_open(spec, root, environ, worker, around, sessions), around) for spec in specs}


def open_agent(
    spec: AgentSpec,
    root: Path,
    *,
    environ: Mapping[str, str] | None = None,
    around: Surroundings | None = None,
    sessions: Sessions | None = None,
) -> Agent:
    """Make one agent; `environ` is where PATH, HOME and API keys come from (default: this process)."""
    return open_agents([spec], root, environ=environ, around=around, sessions=sessions)[spec.name]


def _metered(agent: Agent, around: Surroundings) -> Agent:
    if not agent.spec.run_budget or around.purse is None:
        return agent
    from gitsync.agents.metered import Metered

    return Metered(agent, around.purse)


def _open(
    spec: AgentSpec,
    root: Path,
    environ: Mapping[str, str],
    worker: Worker,
    around: Surroundings,
    sessions: Sessions | None,
) -> Agent:
    # Imported here, so that a machine without HTTP or Claude agents does not pay for them.
    from gitsync.agents.claude.agent import ClaudeAgent
    from gitsync.agents.command import CommandAgent
    from gitsync.agents.http import HttpAgent
    from gitsync.agents.inbox import InboxAgent

    match spec.kind:
        case "http":
            return HttpAgent(spec)
        case "command" if spec.recipe:
            from gitsync.agents.recipes.agent import RecipeAgent

            return RecipeAgent(spec, root, environ, sessions)
        case "command":
            return CommandAgent(spec, root, environ)
        case "claude":
            return ClaudeAgent(spec, root, environ, worker, around)
        case _:
            return InboxAgent(spec)
