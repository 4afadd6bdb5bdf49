"""Agents that are Claude models, reached through one worker process for all of them.

The SDK alone takes more memory than the rest of the process, so it lives in a child that is started when it is needed
and ended when it is idle (`gitsync.agents.claude.child`). What decides is here: which model, with what money, what it
may look at; the child asks before it spends, and before it looks.
"""
