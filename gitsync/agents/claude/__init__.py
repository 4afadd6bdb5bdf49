"""Agents that are Claude models, reached through one worker process for all of them.

The SDK alone takes more memory than the rest of the process, so it lives in a child that is started when it is needed
and ended when it is idle (`gitsync.agents.claude.child`). What decides is here: which model, with what money, what it
may look at; the child asks before it spends, and before it looks.
"""

from gitsync.agents.claude.agent import ClaudeAgent
from gitsync.agents.claude.conversation import turns
from gitsync.agents.claude.surroundings import Surroundings
from gitsync.agents.claude.worker import Worker, WorkerDied

__all__ = ["ClaudeAgent", "Surroundings", "Worker", "WorkerDied", "turns"]
