"""A report for whoever helps: what is wrong, versions, sizes; no message, no subject, no secret.

What may be in it is listed here, and everything else stays out: a filter that only takes out what looks secret would
let through what nobody thought of. What is let through goes through the one door for redaction besides.
"""

from __future__ import annotations

import io
import json
import os
import re
import stat
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gitsync import clock
from gitsync.agents.environment import process_environment
from gitsync.doctor import host
from gitsync.doctor.ground import Ground
from gitsync.doctor.values import Check
from gitsync.errors import GitsyncError, UsageError
from gitsync.git import looking
from gitsync.git.repo import Mailbox
from gitsync.ledger.health import counts
from gitsync.secrets.redact import know, know_url, redact

OUT = "(left out)"
LINES = 300
"""Lines of each log, from its end."""
COMMITS = 50

# The keys of the settings whose values say how the machine is set up, and nothing of what it is told.
_PLAIN = frozenset(
    word
    for words in (
        "id remote branch fastest slowest hot settle network_timeout push_budget port host kind name types",
        "agents routes mode timeout concurrency idempotent default weight backup health deliver ports",
        "max_tokens max_output attempts grace worker_idle turn_budget drain level max_size keep verify",
        "amendments breaker_failures breaker_pause health_every health_timeout retries retry_backoff deadline",
        "ageing queue_limit from models fallback tool_rounds tools prompt_cache response_cache response_cache_size",
        "daily weekly run_budget daily_budget weekly_budget",
    )
    for word in words.split()
)
_PROGRAMS = frozenset({"argv", "start", "health_command"})
_URLS = frozenset({"url", "base_url"})

_GIT_PLAIN = re.compile(
    r"^(core\.(?!sshcommand|askpass|gitproxy|hookspath)|branch\.|extensions\.|gc\.|maintenance\.|merge\.gitsync\.name"
    r"|pack\.|fetch\.|push\.|remote\..*\.(fetch|tagopt|promisor)$)",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"\b([a-z][a-z0-9+.-]{1,20}://[^\s/\"']{1,255})/[^\s\"',;]*", re.IGNORECASE)
_LOG_LINE = re.compile(
    r"^(?P<head>\S+(?: [\d:,]+)? +(?:DEBUG|INFO|WARNING|ERROR|CRITICAL) +(?P<room>[\w.]+)): (?P<said>.*)$"
)
_FRAME = re.compile(r'^\s*(File ".*", line \d+, in \S+|Traceback \(most recent call last\):)$')
_RAISED = re.compile(r"^\s*([A-Za-z_][\w.]*(?:Error|Exception|Failed|Refused|Away|Held|Broken|Newer|Exit|Halted))\b")
_STARTED = re.compile(r"^(\S+ gitsync [\w.+]+ [\w-]*)$")
# Rooms whose log lines tell of files, refs and the network; the others may repeat what an agent or a message said.
_OPEN_ROOMS = ("gitsync.git", "gitsync.sync", "gitsync.daemon", "gitsync.config", "gitsync.ledger", "gitsync.api")


@dataclass(frozen=True, slots=True)
class Item:
    """One file of the report."""

    name: str
    data: bytes


def write(ground: Ground, checks: Sequence[Check], file: Path) -> list[Item]:
    """Write the report to a new .tar.gz, .tgz or .zip, readable by its owner only; return what is in it."""
    if not file.name.endswith((".tar.gz", ".tgz", ".zip")):
        raise UsageError(f"{file} has no name of an archive", "", "name it report.tar.gz or report.zip")
    found = items(ground, checks)
    data = _zipped(found) if file.name.endswith(".zip") else _tarred(found)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.write(data)
    except FileExistsError as error:
        raise UsageError(f"{file} is there already", "", "name another file") from error
    except OSError as error:
        raise GitsyncError(f"cannot write {file}", error.strerror or str(error)) from error
    return found


def items(ground: Ground, checks: Sequence[Check]) -> list[Item]:
    """Make the files of the report."""
    learn(ground)
    parts: list[tuple[str, str]] = [
        ("doctor.json", _json([_brief(check) for check in checks])),
        ("versions.json", _json(host.versions())),
        ("environment.json", _json(names(process_environment()))),
    ]
    own = ground.settings
    if own is not None:
        parts.append(("settings.json", _json(settings_of(own.file))))
        parts.append(("sizes.json", _json(sizes(own.state_dir, own.private_dir))))
        rows = {"journal": counts(own.journal_file, 2.0), "ledger": counts(own.ledger_file, 2.0)}
        parts.append(("rows.json", _json(rows)))
        logs = (own.log_file, own.log_file.with_name(f"{own.log_file.name}.1"), own.state_dir / "start.log")
        parts += [(f"logs/{log.name}", "\n".join(tail(log)) + "\n") for log in logs if log.is_file()]
    if ground.clone is not None:
        parts += _clone(ground)
    return [Item(name, _addresses(redact(text)).encode("utf-8", "backslashreplace")) for name, text in parts]


def _addresses(text: str) -> str:
    """Leave the host of an address, and take its path: that may name a customer."""
    return _ADDRESS.sub(rf"\1/{OUT}", text)


def learn(ground: Ground) -> None:
    """Tell the redaction what is secret here, so that it is found also where nobody expects it."""
    environ = process_environment()
    wanted = re.compile(r"(?i)pass|secret|token|key|credential|auth|pwd|cookie|session")
    know("environment", {name: value for name, value in environ.items() if wanted.search(name)})
    own = ground.settings
    if own is None:
        return
    try:
        know("token", own.token_file.read_text().strip() if own.token_file.is_file() else None)
    except (OSError, UnicodeDecodeError):
        know("token", None)
    for spec in own.agents:
        know(f"agent {spec.name}", spec.env)
    if ground.clone is not None:
        try:
            for key, value in looking.settings_of(ground.clone):
                if "://" in value:
                    know_url(f"git {key}", value)
        except GitsyncError:
            return  # what cannot be read does not get into the report either


def names(environ: Mapping[str, str]) -> list[str]:
    """Return the names of what is set and matters to git, ssh, proxies and gitsync; no value."""
    wanted = re.compile(r"^(GIT|GITSYNC|SSH|XDG|LC|PYTHON)_|^(PATH|HOME|LANG|TZ|USER)$|proxy$", re.IGNORECASE)
    return sorted(name for name in environ if wanted.search(name))


def settings_of(file: Path) -> Any:
    """Return the settings with every value left out that is not known to be harmless."""
    try:
        data = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return {"unreadable": type(error).__name__}
    return _filtered(data)


def _filtered(value: Any, key: str = "") -> Any:
    if key == "env" and isinstance(value, dict):
        return dict.fromkeys(value, OUT)
    if key == "routes" and isinstance(value, dict):
        return f"{len(value)} routes"
    if isinstance(value, dict):
        return {name: _filtered(item, name) for name, item in value.items()}
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return [_filtered(item, key) for item in value]
    if key in _PROGRAMS and isinstance(value, list) and value:
        return [Path(str(value[0])).name, f"and {len(value) - 1} arguments"]
    if key in _URLS and isinstance(value, str):
        parts = urlsplit(value)
        return f"{parts.scheme}://{parts.hostname}:{parts.port}" if parts.hostname else OUT
    if isinstance(value, bool | int | float) or key in _PLAIN:
        return value
    return OUT


def tail(log: Path) -> Iterator[str]:
    """Return the end of a log: whole lines of some rooms, of the others when and where; of tracebacks no values."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 512 * 1024))
            lines = file.read().decode("utf-8", "replace").splitlines()[-LINES:]
    except OSError as error:
        yield f"(cannot be read: {error.strerror})"
        return
    for line in lines:
        yield _log_line(line)


def _log_line(line: str) -> str:
    if found := _LOG_LINE.match(line):
        open_room = found["room"].startswith(_OPEN_ROOMS)
        return f"{found['head']}: {found['said']}" if open_room else f"{found['head']}: {OUT}"
    if _FRAME.match(line) or _STARTED.match(line):
        return line
    if found := _RAISED.match(line):
        return f"{found[1]}: {OUT}"
    return OUT


def sizes(*folders: Path) -> dict[str, Any]:
    """Return size and mode of what lies in folders; not what is below them."""
    found: dict[str, Any] = {}
    for folder in folders:
        try:
            entries = sorted(os.scandir(folder), key=lambda item: item.name)
        except OSError as error:
            found[folder.name] = error.strerror
            continue
        for entry in entries:
            try:
                info = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            found[f"{folder.name}/{entry.name}"] = {
                "size": info.st_size,
                "mode": stat.filemode(info.st_mode),
                "changed": clock.stamp(info.st_mtime),
            }
    return found


def _clone(ground: Ground) -> Iterator[tuple[str, str]]:
    own, clone = ground.settings, ground.clone
    assert own is not None
    assert clone is not None
    try:
        lines = []
        for key, value in looking.settings_of(clone):
            if key.endswith((".url", ".pushurl")):
                value = _where(value)
            elif not _GIT_PLAIN.match(key):
                value = OUT
                key = key if "://" not in key else f"{key.partition('.')[0]}.{OUT}"
            lines.append(f"{key}={value}")
        yield "git/config.txt", "\n".join(lines) + "\n"
        yield "git/objects.json", _json(asdict(looking.loose(clone)))
        with Mailbox(clone, own.sync.branch, own.sync.remote) as mailbox:
            refs = mailbox.refs("refs/")
            tracking = mailbox.tracking_ref
        shown = {name: sha for name, sha in refs.items() if name.startswith(("refs/gitsync/", "refs/remotes/"))}
        shown |= {name: sha for name, sha in refs.items() if name == f"refs/heads/{own.sync.branch}"}
        yield "git/refs.txt", "".join(f"{sha} {name}\n" for name, sha in shown.items())
        if tracking in refs:
            yield "git/commits.txt", "\n".join(looking.recent(clone, tracking, COMMITS)) + "\n"
    except GitsyncError as error:
        yield "git/failed.txt", f"{error.what}\n"


def _where(url: str) -> str:
    """Tell of an address how and to which host; its path may name a customer."""
    from gitsync.git.remote import locate

    place = locate(url)
    return f"{place.scheme}://{place.host}/{OUT}"


def _brief(check: Check) -> dict[str, Any]:
    """Tell of a check what its kind of finding is; details name messages and files of people, so they stay out."""
    document = check.document()
    document["details"] = len(check.more)
    if check.name in ("parked", "displaced", "lint", "paused", "cycle", "health") or check.name.startswith("agent "):
        document["what"] = document["why"] = OUT if check.state != "ok" else document["what"]
    return document


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=True, default=str) + "\n"


def _tarred(found: Sequence[Item]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for item in found:
            info = tarfile.TarInfo(f"gitsync-report/{item.name}")
            info.size, info.mode, info.mtime = len(item.data), 0o600, int(clock.unix())
            archive.addfile(info, io.BytesIO(item.data))
    return out.getvalue()


def _zipped(found: Sequence[Item]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for item in found:
            archive.writestr(f"gitsync-report/{item.name}", item.data)
    return out.getvalue()
