"""Real git remotes on this machine, by path, over smart HTTP and over SSH, and a person who uses them."""

from __future__ import annotations

import base64
import gzip
import itertools
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest

KINDS = ("file", "http", "ssh")


def run_git(*args: str | Path, cwd: Path | None = None, check: bool = True, **kwargs: Any) -> str:
    """Run git as a person would, in the environment of the test; return what it printed."""
    done: subprocess.CompletedProcess[str] = subprocess.run(
        ["git", *map(str, args)],
        cwd=cwd,
        text=True,
        errors="surrogateescape",
        capture_output=True,
        check=False,
        **kwargs,
    )
    if check and done.returncode:
        raise AssertionError(f"git {' '.join(map(str, args))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


@dataclass(frozen=True)
class Remote:
    """A bare repository: ``url`` is how clients reach it, ``path`` is where it lies on this machine."""

    kind: str
    url: str
    path: Path

    def git(self, *args: str, check: bool = True) -> str:
        """Run git inside the bare repository, behind the protocol's back."""
        return run_git(*args, cwd=self.path, check=check)

    def tip(self, branch: str = "coordination") -> str | None:
        """Return where a branch stands."""
        return self.refs().get(f"refs/heads/{branch}")

    def refs(self) -> dict[str, str]:
        """Return every ref there is."""
        lines = self.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        return {name: sha for name, _, sha in (line.partition(" ") for line in lines)}

    def files(self, branch: str = "coordination") -> dict[str, bytes]:
        """Return every file of a branch with its bytes."""
        names = self.git("ls-tree", "-r", "-z", "--name-only", branch).split("\0")[:-1]
        return {name: self.read(name, branch) for name in names}

    def read(self, path: str, branch: str = "coordination") -> bytes:
        """Return the bytes of one file of a branch."""
        return subprocess.run(
            ["git", "cat-file", "blob", f"{branch}:{path}"], cwd=self.path, capture_output=True, check=True
        ).stdout

    def hook(self, name: str, script: str) -> None:
        """Install a server-side hook."""
        file = self.path / "hooks" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("#!/bin/sh\n" + script)
        file.chmod(0o755)


@dataclass(frozen=True)
class Person:
    """A plain clone, used with plain git commands."""

    path: Path

    @classmethod
    def clone(cls, url: str, path: Path, *options: str) -> Person:
        """Clone ``url`` as a person would."""
        run_git("clone", "-q", *options, url, path)
        return cls(path)

    def git(self, *args: str, check: bool = True) -> str:
        """Run any git command in the clone."""
        return run_git(*args, cwd=self.path, check=check)

    def write(self, files: dict[str, str | bytes | None]) -> None:
        """Write files to the work tree; None deletes one."""
        for name, content in files.items():
            file = self.path / name
            if content is None:
                file.unlink()
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, files: dict[str, str | bytes | None] | None = None, message: str = "by hand") -> str:
        """Write files, commit everything, return the commit."""
        self.write(files or {})
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD").strip()

    def switch(self, branch: str) -> None:
        """Go to a branch; make it without history when there is none."""
        if self.git("branch", "-a", "--list", branch, f"*/{branch}").strip():
            self.git("switch", "-q", branch)
        else:
            self.git("switch", "-q", "--orphan", branch)

    def push(self, *options: str) -> None:
        """Push the current branch under its own name."""
        self.git("push", "-q", "-u", *options, "origin", "HEAD")

    def pull(self) -> None:
        """Fetch and rebase."""
        self.git("pull", "-q", "--rebase")


class Remotes:
    """Make bare repositories, and the servers that serve them when they are first needed."""

    def __init__(self, root: Path, home: Path, sockets: Path) -> None:
        self.root = root
        self.home = home
        self.sockets = sockets
        self._numbers = itertools.count(1)
        self._http: GitHttpServer | None = None
        self._ssh: SshServer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for server in (self._http, self._ssh):
            if server is not None:
                server.close()

    def __call__(self, kind: str = "file", name: str = "") -> Remote:
        """Make an empty bare repository and return how to reach it."""
        name = name or f"remote{next(self._numbers)}.git"
        path = self.root / name
        init_bare(path)
        if kind == "file":
            return Remote(kind, str(path), path)
        if kind == "http":
            return Remote(kind, f"{self.http.url}/{name}", path)
        if kind == "ssh":
            return Remote(kind, f"{self.ssh.url}{path}", path)
        raise ValueError(kind)

    @property
    def http(self) -> GitHttpServer:
        """The HTTP server of the session."""
        if self._http is None:
            self._http = GitHttpServer(self.root)
        return self._http

    @property
    def ssh(self) -> SshServer:
        """The SSH server of the session; where sshd is not installed, CI fails and other places say so."""
        if self._ssh is None:
            if not SshServer.available():
                reason = "OpenSSH's sshd and ssh are not installed"
                if os.environ.get("CI", "").lower() in ("true", "1"):
                    pytest.fail(reason)
                pytest.skip(reason)
            self._ssh = SshServer(self.root / "sshd", self.home, self.sockets)
        return self._ssh


def init_bare(path: Path) -> None:
    """Make an empty bare repository that takes pushes over HTTP too."""
    run_git("init", "-q", "--bare", "--template=", "-b", "main", path)
    with (path / "config").open("a") as config:
        config.write("[http]\n\treceivepack = true\n[gc]\n\tauto = 0\n[receive]\n\tautogc = false\n")


class GitHttpServer:
    """Serve the bare repositories below a folder by git's own ``http-backend``, on loopback.

    ``auth`` asks for these credentials. ``answer`` makes every request end with that status; ``hang`` makes
    every request wait until it is cleared (a half-open connection).
    """

    def __init__(self, root: Path, auth: tuple[str, str] | None = None) -> None:
        self.root = root
        self.auth = auth
        self.answer: int | None = None
        self.requests: list[str] = []
        self._go = threading.Event()
        self._go.set()
        outer = self

        class Handler(_GitHandler):
            served = outer

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="git-http", daemon=True)
        self._thread.start()

    @property
    def hang(self) -> bool:
        """Say whether requests are kept waiting."""
        return not self._go.is_set()

    @hang.setter
    def hang(self, value: bool) -> None:
        if value:
            self._go.clear()
        else:
            self._go.set()

    def wait(self) -> None:
        """Hold a request back while ``hang`` is set."""
        self._go.wait(30)

    def close(self) -> None:
        """Stop serving."""
        self._go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class _GitHandler(BaseHTTPRequestHandler):
    served: GitHttpServer
    protocol_version = "HTTP/1.1"
    timeout = 30
    disable_nagle_algorithm = True
    wbufsize = 65536

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        self.served.requests.append(format % args)

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _simple(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _serve(self) -> None:
        served = self.served
        with suppress(ConnectionError, TimeoutError):
            body = self._body()
            served.wait()
            if served.answer is not None:
                self._simple(served.answer)
                return
            if served.auth is not None:
                wanted = "Basic " + base64.b64encode(":".join(served.auth).encode()).decode()
                if self.headers.get("Authorization") != wanted:
                    self._simple(401, WWW_Authenticate='Basic realm="git"')
                    return
            self._backend(body)

    def _backend(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.served.root),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_PROJECT_ROOT": str(self.served.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "REMOTE_USER": "tester",
            "REMOTE_ADDR": "127.0.0.1",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(
            ["git", "http-backend"], input=body, capture_output=True, env=env, timeout=60, check=False
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        lines = [line.split(": ", 1) for line in head.decode("latin-1").split("\r\n") if ": " in line]
        status = next((int(value.split()[0]) for name, value in lines if name.lower() == "status"), 200)
        self.send_response(status if head else 500)
        for name, value in lines:
            if name.lower() not in ("status", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class SshServer:
    """Run sshd on loopback for the current user, with keys of its own.

    ssh reads ``~/.ssh`` of the password file, not of ``$HOME``: so the tests' ``PATH`` starts with a folder in
    which ``ssh`` is a one-line script that adds ``-F`` and the settings made here.
    """

    def __init__(self, folder: Path, home: Path, sockets: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        for name in ("host", "user"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True, capture_output=True
            )
        shutil.copy(folder / "user.pub", folder / "authorized_keys")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        (folder / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder / 'host'}\nPidFile {folder / 'pid'}\n"
            f"AuthorizedKeysFile {folder / 'authorized_keys'}\nStrictModes no\nUsePAM no\nUseDNS no\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n"
            f"SetEnv HOME={folder} GIT_CONFIG_NOSYSTEM=1\nAcceptEnv GIT_PROTOCOL\nMaxStartups 100\n"
        )
        known = folder / "known_hosts"
        known.write_text(f"[127.0.0.1]:{self.port} {(folder / 'host.pub').read_text()}")
        self.client_config = folder / "ssh_config"
        self.client_config.write_text(
            f"Host *\n  IdentityFile {folder / 'user'}\n  IdentitiesOnly yes\n  UserKnownHostsFile {known}\n"
            "  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n"
            f"  ControlMaster auto\n  ControlPersist 60\n  ControlPath {sockets}/%C\n"
        )
        self.program = shutil.which("ssh")
        wrapper = home / "bin" / "ssh"
        wrapper.parent.mkdir(exist_ok=True)
        wrapper.write_text(f'#!/bin/sh\nexec {self.program} -F {self.client_config} "$@"\n')
        wrapper.chmod(0o755)
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # where sshd, as root, insists on locking itself up
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            [_sshd(), "-D", "-e", "-f", folder / "sshd_config"], stderr=self._log, stdin=subprocess.DEVNULL
        )
        self._wait_until_it_listens()
        self.url = f"ssh://{_user()}@127.0.0.1:{self.port}"

    @staticmethod
    def available() -> bool:
        """Say whether the programs are there."""
        return bool(_sshd() and shutil.which("ssh") and shutil.which("ssh-keygen"))

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.2):
                return
            time.sleep(0.02)
        self.close()
        raise AssertionError("sshd does not listen: " + (self.folder / "log").read_text(errors="replace"))

    def close(self) -> None:
        """Stop listening and end the sessions that are still open."""
        for pid in _descendants(self._process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, 15)
        self._process.terminate()
        self._process.wait(10)
        self._log.close()


def _sshd() -> str:
    return shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin") or ""


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def command_lines() -> list[str]:
    """Return the command line of every process, to see that none is left."""
    if not Path("/proc/self/cmdline").exists():
        return subprocess.run(
            ["ps", "-A", "-o", "args="], capture_output=True, text=True, check=True
        ).stdout.splitlines()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


def _descendants(pid: int) -> Iterator[int]:
    """Find the processes below one: by /proc, or by ``ps`` where there is none."""
    pairs: list[tuple[int, int]] = []
    if Path("/proc/self/stat").exists():
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                with suppress(OSError):
                    after_name = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
                    pairs.append((int(folder.name), int(after_name[1])))
    else:
        listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
        pairs = [(int(child), int(parent)) for child, parent in map(str.split, listing.splitlines())]
    waiting = [pid]
    while waiting:
        above = waiting.pop()
        for child, parent in pairs:
            if parent == above:
                yield child
                waiting.append(child)
