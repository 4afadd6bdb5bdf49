"""The settings of one machine: where they are, whether they may be trusted, and what they say.

Besides the command line this is the only room that reads the environment.
"""

from gitsync.config.load import find, load
from gitsync.config.read import read_settings
from gitsync.config.settings import ApiSettings, DispatchOptions, LogSettings, Settings

__all__ = ["ApiSettings", "DispatchOptions", "LogSettings", "Settings", "find", "load", "read_settings"]
