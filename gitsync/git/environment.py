"""What every git that we start gets to see: an environment made fresh, and settings that make it quiet."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path

OPTIONS: tuple[str, ...] = tuple(
    part
    for setting in (
        "core.hooksPath=/dev/null",  # no hook of a person runs, and none can hang us
        "gc.auto=0",
        "maintenance.auto=false",
        "core.fsync=committed,loose-object,reference",
        "protocol.ext.allow=never",  # an ext:: URL is a command
        "core.quotePath=false",
        "core.fsmonitor=false",
        "core.logAllRefUpdates=false",  # a reflog that grows with every cycle; rescue refs do that work
        "submodule.recurse=false",
        "fetch.recurseSubmodules=false",
        "fetch.pruneTags=false",
        "fetch.writeCommitGraph=false",
        "push.recurseSubmodules=no",
        "push.followTags=false",
        "commit.gpgSign=false",  # ours are unsigned by design, and a key may ask for its passphrase (row 21)
        "push.gpgSign=false",  # most hosts refuse a signed push
        "credential.interactive=false",
    )
    for part in ("-c", setting)
)

# Of what is inherited, this is never passed on. The rest is: credential helpers are programs of all kinds and
# need what their makers thought of (GH_TOKEN, DBUS_SESSION_BUS_ADDRESS, GNUPGHOME, XDG_*, proxies, ...).
_DROPPED_PREFIXES = ("GIT_", "GITSYNC_", "ANTHROPIC_", "LC_", "PYTHON")
_DROPPED = frozenset({"LANG", "LANGUAGE", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "EDITOR", "VISUAL", "PAGER"})

_FIXED = {
    "LC_ALL": "C",  # messages are read (failures.py)
    "LANGUAGE": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GCM_INTERACTIVE": "never",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_EDITOR": "false",
    "GIT_PAGER": "cat",
    "SSH_ASKPASS_REQUIRE": "never",
}

_SSH_ALWAYS = "-o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15 -o ServerAliveCountMax=2"
_CONTROL_SOCKET = 40 + 1 + 17  # '%C' is 40 hex digits; ssh binds a name with 17 more characters first
_LONGEST_SOCKET = 103  # macOS; Linux allows 107


def environment(ssh_command: str | None = None, inherited: Mapping[str, str] | None = None) -> dict[str, str]:
    """Build the environment of one git process; ``ssh_command`` None leaves ssh to git's own settings."""
    source = os.environ if inherited is None else inherited  # noqa: TID251 - this is where programs are started
    env = {
        name: value for name, value in source.items() if name not in _DROPPED and not name.startswith(_DROPPED_PREFIXES)
    }
    env.update(_FIXED)
    if ssh_command is not None:
        env["GIT_SSH_COMMAND"] = ssh_command
    return env


def ssh_command(configured: str | None, sockets: Path | None) -> str | None:
    """Return the ssh command that never asks, or None when the configured program is not OpenSSH.

    ``configured`` is ``core.sshCommand``: a person who set it knows their network, so only the batch mode is
    added. Otherwise one connection is shared for 60 s by all commands (``sockets`` None: it is not): a fetch
    over a shared connection takes 0.1 s instead of a whole handshake.
    """
    if configured:
        try:
            program = Path(shlex.split(configured)[0]).name
        except (ValueError, IndexError):
            return None
        return f"{configured} {_SSH_ALWAYS}" if program in ("ssh", "ssh.exe") else None
    shared = ""
    if sockets is not None:
        shared = f" -o ControlMaster=auto -o ControlPersist=60 -o ControlPath={shlex.quote(str(sockets))}/%C"
    return f"ssh {_SSH_ALWAYS}{shared}"


def socket_folder() -> Path | None:
    """Return a folder of mode 0700 for shared ssh connections, short enough for a socket; None if there is none."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")  # noqa: TID251 - a fact of the system, not a setting
    for parent, name in ((runtime, "gitsync-ssh"), ("/tmp", f"gitsync-ssh-{os.getuid()}")):
        if not parent or len(f"{parent}/{name}/") + _CONTROL_SOCKET > _LONGEST_SOCKET:
            continue
        folder = Path(parent, name)
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            found = folder.lstat()
        except OSError:
            continue
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
            return folder
    return None
