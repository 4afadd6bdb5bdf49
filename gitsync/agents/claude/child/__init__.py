"""The child process that holds the Anthropic SDK; nothing else may import from here."""
