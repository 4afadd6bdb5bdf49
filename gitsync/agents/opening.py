"""Make the agents that the settings name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gitsync.agents.base import Agent
from gitsync.agents.environment import process_environment
from gitsync.agents.spec import AgentSpec

if TYPE_CHECKING:
    from gitsync.agents.claude import Worker


def open_agents(
    specs: Sequence[AgentSpec], root: Path, *, environ: Mapping[str, str] | None = None
) -> dict[str, Agent]:
    """Make the agents of a machine; all Claude agents among them share one worker process."""
    from gitsync.agents.claude import Worker  # here, so that a machine without agents does not pay for it

    environ = process_environment() if environ is None else environ
    worker = Worker(environ, [spec for spec in specs if spec.kind == "claude"])
    return {spec.name: _open(spec, root, environ, worker) for spec in specs}


def open_agent(spec: AgentSpec, root: Path, *, environ: Mapping[str, str] | None = None) -> Agent:
    """Make one agent; `environ` is where PATH, HOME and API keys come from (default: this process)."""
    return open_agents([spec], root, environ=environ)[spec.name]


def _open(spec: AgentSpec, root: Path, environ: Mapping[str, str], worker: Worker) -> Agent:
    # Imported here, so that a machine without HTTP or Claude agents does not pay for them.
    from gitsync.agents.claude import ClaudeAgent
    from gitsync.agents.command import CommandAgent
    from gitsync.agents.http import HttpAgent
    from gitsync.agents.inbox import InboxAgent

    match spec.kind:
        case "http":
            return HttpAgent(spec)
        case "command":
            return CommandAgent(spec, root, environ)
        case "claude":
            return ClaudeAgent(spec, root, environ, worker)
        case _:
            return InboxAgent(spec)
