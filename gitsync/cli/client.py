"""Talk to the running process of this machine over its HTTP surface."""

from __future__ import annotations

import errno
import http.client
import json
import os
from dataclasses import dataclass
from typing import Any

from gitsync import clock
from gitsync.api.failures import heard
from gitsync.config.settings import Settings
from gitsync.errors import GitsyncError

QUICK = 2.0
"""Seconds a reading request may take; the answer is in memory."""

DYING = 2.0
"""Seconds for which a process that was killed may still look alive to others."""


@dataclass(frozen=True)
class Running:
    """The process as ``.gitsync/daemon.json`` tells it."""

    pid: int
    port: int
    since: str


class NoAnswer(GitsyncError):
    """The process is there and does not answer."""


def running(settings: Settings) -> Running | None:
    """Return the running process, None where there is none; a file left behind by a killed one counts as none."""
    try:
        data = json.loads(settings.daemon_file.read_bytes())
        found = Running(int(data["pid"]), int(data["port"]), str(data["since"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if alive(found.pid) and _holds_lock(settings, found.pid) else None


def alive(pid: int) -> bool:
    """Say whether a process of this user has this id."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except OSError as error:
        return error.errno == errno.EPERM
    return not _ended(pid)


def _ended(pid: int) -> bool:
    """Say whether a process is over and only waits to be buried: in a container nobody may ever do that."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # "pid (name) state …"; the name may hold spaces and parentheses.
            return file.read().rpartition(b")")[2].split()[0] in (b"Z", b"X")
    except (OSError, IndexError):
        return False


def _holds_lock(settings: Settings, pid: int) -> bool:
    """Say whether the process is the one that works on the clone: pids and ports are used again after a crash."""
    from gitsync.sync.lock import holder

    owner = holder(settings.clone_lock_file)
    return owner is not None and owner.pid == pid


class Client:
    """One connection per call, on loopback; proxies do not come into it."""

    def __init__(self, settings: Settings, process: Running) -> None:
        host = settings.api.host
        self._host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        self._token = settings.token_file
        self.process = process

    def get(self, path: str, *, timeout: float = QUICK, also: int = 200) -> Any:
        """Return the JSON of a reading request; ``also`` is a second status that is fine."""
        return self._call("GET", path, None, timeout, also)

    def post(self, path: str, body: dict[str, Any] | None = None, *, timeout: float = QUICK) -> Any:
        """Return the JSON of a request that changes something."""
        return self._call("POST", path, body if body is not None else {}, timeout, 200)

    def wake(self) -> None:
        """Tell the process that there is something to push; one that does not answer finds out by itself."""
        try:
            self.post("/wake")
        except GitsyncError:
            return

    def _call(self, method: str, path: str, body: dict[str, Any] | None, timeout: float, also: int) -> Any:
        headers = {"Accept": "application/json"}
        if body is None and os.access(self._token, os.R_OK):  # reading may need none
            headers["Authorization"] = f"Bearer {self._secret()}"
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
            headers["Authorization"] = f"Bearer {self._secret()}"
        connection = http.client.HTTPConnection(self._host, self.process.port, timeout=timeout)
        try:
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            value = json.loads(answer.read() or b"null")
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise NoAnswer(
                f"the process {self.process.pid} does not answer on port {self.process.port}",
                f"{method} {path}: {str(error) or type(error).__name__}",
                "look into .gitsync/gitsync.log; then: gitsync restart",
            ) from error
        finally:
            connection.close()
        if answer.status < 300 or answer.status == also:
            return value
        raise heard(answer.status, value, answer.getheader("Retry-After"))

    def _secret(self) -> str:
        try:
            token = self._token.read_text().strip()
        except OSError as error:
            raise GitsyncError(
                "the token of the running process cannot be read",
                f"{self._token}: {error.strerror}",
                "run: gitsync init   (it writes a new one), then gitsync restart",
            ) from error
        from gitsync.secrets.redact import know

        know("token", token)
        return token


def ended(settings: Settings, process: Running) -> bool:
    """Say whether a process that did not answer is over: one that was just killed takes a moment to go."""
    deadline = clock.monotonic() + DYING
    while running(settings) == process:
        if clock.monotonic() > deadline:
            return False
        clock.sleep(0.02)
    return True


def connect(settings: Settings) -> Client | None:
    """Return a client for the running process, None where there is none."""
    found = running(settings)
    return Client(settings, found) if found is not None else None
