"""What lives here: the background process, its port, and the agents."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from gitsync import __version__
from gitsync.agents.claude.definitions import Unreadable, read_definition
from gitsync.agents.environment import process_environment
from gitsync.agents.opening import open_agent
from gitsync.agents.spec import AgentSpec
from gitsync.config.settings import Settings
from gitsync.doctor.ground import Ground, Running
from gitsync.doctor.values import Check, Fix, first_line, ok
from gitsync.supervisor import pids, ports
from gitsync.supervisor.checks import look
from gitsync.sync.lock import holder


def process(ground: Ground) -> Iterator[Check]:
    """Examine the background process, or what a killed one left."""
    own = ground.settings
    if own is None:
        return
    live = ground.running
    if live is None:
        yield from _left(own)
        if own.api.port:
            yield port(own)
        return
    if live.health is None:
        yield Check(
            name="process",
            state="fail",
            what=f"the background process {live.pid} does not answer on port {live.port}",
            why=f"it runs since {live.since}; it may be stopped, or hang",
            remedy=f"look into {own.log_file}; then: gitsync restart",
        )
        return
    if live.version not in (None, __version__):
        yield Check(
            name="process",
            state="warn",
            what=f"the process that runs is gitsync {live.version}, installed is {__version__}",
            why="it was started before the upgrade",
            remedy="gitsync restart",
        )
    else:
        yield ok("process", f"pid {live.pid}, port {live.port}, since {live.since}")
    yield health(live)


def health(live: Running) -> Check:
    """Pass on why a process says that it is not well."""
    said = live.health or {}
    reasons = [first_line(str(reason)) for reason in said.get("reasons") or ()]
    if reasons:
        return Check(
            name="health",
            state="warn",
            what=f"the process says it is not well: {reasons[0]}",
            remedy="gitsync status",
            more=tuple(reasons),
        )
    return ok("health", "the process says it is well")


def _left(own: Settings) -> Iterator[Check]:
    owner = holder(own.clone_lock_file)
    if own.daemon_file.exists():
        try:
            pid = json.loads(own.daemon_file.read_bytes() if own.daemon_file.is_file() else b"{}").get("pid")
        except (OSError, ValueError, AttributeError):
            pid = None
        yield Check(
            name="process",
            state="warn",
            what=f"no process runs; {own.daemon_file.name} of one that was killed (pid {pid}) is left",
            why="it is ignored: only the lock that the system keeps counts",
            remedy="gitsync up --detach",
            fix=Fix(says=f"take {own.daemon_file} away", aside=(own.daemon_file,), lock=True),
        )
    elif owner is not None:
        yield ok(
            "process", f"no background process; a command (pid {owner.pid}) works in the clone since {owner.since}"
        )
    else:
        yield Check(
            name="process",
            state="warn",
            what="the background process does not run",
            why="nothing is fetched and nothing handed over until a command syncs",
            remedy="gitsync up --detach",
        )


def port(own: Settings) -> Check:
    """Say whether the port is free for the process."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(own.api.host, own.api.host)
    if not pids.listening(host, own.api.port):
        return ok("port", f"port {own.api.port} is free")
    return Check(
        name="port",
        state="fail",
        what=f"port {own.api.port} is taken by {pids.holder(own.api.port)}",
        why="the background process cannot start there",
        remedy=f"end that program, or set another one in {own.file}: [api] port = 0 takes a free one",
    )


def agents(ground: Ground) -> Iterator[Check]:
    """Examine each agent: what it needs, and whether it answers."""
    own = ground.settings
    if own is None:
        return
    environ = process_environment()
    known = {str(one.get("name")): one for one in ground.running.instances} if ground.running is not None else {}
    open_ones = [spec for spec in own.agents if known.get(spec.name) is None]
    heard = asyncio.run(_ask(own.root, open_ones, environ, ground.seconds)) if open_ones else {}
    for spec in own.agents:
        wrong = needs(spec, own.root, environ)
        if wrong is not None:
            yield wrong
        elif spec.name in known:
            yield as_known(spec, known[spec.name])
        else:
            yield as_heard(own, spec, *heard.get(spec.name, ("", "")))


def needs(spec: AgentSpec, root: Path, environ: Mapping[str, str]) -> Check | None:
    """Say what an agent lacks to work at all; the value of a key is never looked at."""
    name = f"agent {spec.name}"
    for argv in (spec.argv, spec.start, spec.health_command):
        if argv and not _program(argv[0], root / spec.cwd, environ):
            return Check(
                name=name,
                state="fail",
                what=f"agent {spec.name}: there is no program {argv[0]!r}",
                why="it is looked for in the search path of the background process, or below the agent's folder",
                remedy="install it, or give its full path in config.toml",
            )
    if spec.cwd and not (root / spec.cwd).is_dir():
        return Check(
            name=name,
            state="fail",
            what=f"agent {spec.name}: its folder {root / spec.cwd} is not there",
            remedy="make it, or correct cwd in config.toml",
        )
    if spec.kind == "claude":
        if spec.api_key_env and not environ.get(spec.api_key_env):
            return Check(
                name=name,
                state="warn",
                what=f"agent {spec.name}: {spec.api_key_env} is not set here",
                why="the background process needs it in the environment that it is started in",
                remedy=f"export {spec.api_key_env}=… ; then: gitsync restart",
            )
        if spec.system and not (root / spec.system).is_file():
            return Check(
                name=name,
                state="fail",
                what=f"agent {spec.name}: its instructions {root / spec.system} are not there",
                remedy="write the file, or correct system in config.toml",
            )
        try:
            read_definition(spec, root)
        except Unreadable as error:
            return Check(
                name=name,
                state="fail",
                what=f"agent {spec.name}: {error}",
                remedy="write the file, or correct definition and skills in config.toml",
            )
    return None


def _program(word: str, folder: Path, environ: Mapping[str, str]) -> bool:
    if os.sep in word:
        path = folder / Path(word).expanduser()
        return path.is_file() and os.access(path, os.X_OK)
    return shutil.which(word, path=environ.get("PATH", os.defpath)) is not None


def as_known(spec: AgentSpec, known: Mapping[str, object]) -> Check:
    """Pass on what the running process knows of an agent."""
    state, word = str(known.get("state")), first_line(str(known.get("word") or ""))
    if state in ("online", "busy", "starting"):
        return ok(f"agent {spec.name}", state)
    return Check(
        name=f"agent {spec.name}",
        state="fail" if state in ("crashed", "error") else "warn",
        what=f"agent {spec.name} is {state}" + (f": {word}" if word else ""),
        why="messages for it wait, or go to another that can do the same",
        remedy=f"see .gitsync/ for its log; then: gitsync agents restart {spec.name}" if spec.start else "start it",
    )


def as_heard(own: Settings, spec: AgentSpec, state: str, word: str) -> Check:
    """Judge an agent that was asked just now, without the process that would look after it."""
    name = f"agent {spec.name}"
    if spec.kind == "http" and spec.start:
        place = ports.port_of(spec)
        if state == "online" and (spec.health or spec.health_command):
            return ok(name, "answers already")
        if place is not None and ports.taken(spec, place):
            return Check(
                name=name,
                state="warn",
                what=f"agent {spec.name}: port {place} is taken by {pids.holder(place)}",
                why="gitsync will not be able to start the service there",
                remedy=f"end that program, or give the agent others in {own.file.name}: ports = […]",
            )
        return ok(name, "will be started by the background process")
    if state in ("", "online"):
        return ok(name, "answers" if spec.kind == "http" else "ready")
    where = urlsplit(spec.url)
    return Check(
        name=name,
        state="warn",
        what=f"agent {spec.name} does not answer"
        + (f" at {where.hostname}:{where.port or 80}" if where.hostname else ""),
        why=first_line(word),
        remedy="start it; messages for it wait meanwhile",
    )


async def _ask(
    root: Path, specs: list[AgentSpec], environ: Mapping[str, str], seconds: float
) -> dict[str, tuple[str, str]]:
    """Check services over HTTP; programs and models are not started for the sake of a look."""
    asked = [spec for spec in specs if spec.kind == "http" and "{port}" not in spec.url]

    async def one(spec: AgentSpec) -> tuple[str, str]:
        agent = open_agent(spec, root, environ=environ)
        try:
            async with asyncio.timeout(seconds):
                if spec.health_command:
                    seen = await agent.health()
                    return seen[0], seen[1]
                found = await look(agent, root, environ)
                return found.state, found.word
        except TimeoutError:
            return "timeout", f"no answer within {seconds:g} s"
        finally:
            await agent.close()

    answers = await asyncio.gather(*(one(spec) for spec in asked), return_exceptions=True)
    return {
        spec.name: answer if not isinstance(answer, BaseException) else ("error", str(answer))
        for spec, answer in zip(asked, answers, strict=True)
    }
