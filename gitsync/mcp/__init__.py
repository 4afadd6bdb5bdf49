"""The tools of an MCP client: what its agent may do with messages and tasks, in words short enough for its context.

A process of its own (`gitsync mcp`, or the child behind `/mcp`): the SDK takes more memory than all the rest. Only
`server`, `stdio` and `worker` import it.
"""
