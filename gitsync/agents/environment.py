"""Build the environment of agents; the one place of this room that looks at its process's."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

BASICS = ("PATH", "HOME", "LANG", "USER", "TMPDIR")
"""All that a command agent inherits: keys and tokens of the person stay out unless the settings name them."""

NETWORK = (
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
"""What a client of a public API needs besides."""


TOLD = ("GITSYNC_ID", "GITSYNC_KEY", "GITSYNC_THREAD", "GITSYNC_FROM", "GITSYNC_TYPE", "GITSYNC_ATTEMPT")
"""What a command is told of its message; `GITSYNC_KEY` is what it and its children are found by."""

MARK = "GITSYNC_INSTANCE"
"""The variable by which a service is recognised after its gitsync was killed."""


def process_environment() -> Mapping[str, str]:
    """Return the environment this process was started with."""
    return os.environ  # noqa: TID251 - see above


def built(environ: Mapping[str, str], names: Iterable[str], extra: Mapping[str, str]) -> dict[str, str]:
    """Take some names from an environment and add others; values cannot hold NUL."""
    env = {name: environ[name] for name in names if name in environ}
    env.setdefault("PATH", os.defpath)
    env.update(extra)
    return {name: value.replace("\x00", "") for name, value in env.items()}
