"""Let AI agents on several computers talk through a git repository."""

__version__ = "0.1.0"
