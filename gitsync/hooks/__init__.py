"""What git and coding agents call: scripts in a clone, news for an agent, a check before a commit."""
