"""The port of a service that gitsync runs: which it may have, which is free, who has it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from gitsync.agents.spec import AgentSpec
from gitsync.supervisor import pids


@dataclass(frozen=True, slots=True)
class Found:
    """A port that nobody listens on, or None and who has those that the agent may use."""

    port: int | None
    taken: str = ""


def find(spec: AgentSpec) -> Found:
    """Choose a port for a service; call it on a thread, since it tries to connect."""
    if spec.kind != "http":
        return Found(None)
    host = _host(spec)
    if spec.port == "any":
        return Found(pids.free_port(host))
    ports = spec.ports or (port_of(spec) or 80,)
    held = []
    for port in ports:
        if not pids.listening(host, port):
            return Found(port)
        held.append(f"port {port} is taken by {pids.holder(port)}")
    more = "" if len(ports) > 1 else "; end that program, or give this agent others: ports = […]"
    return Found(None, ", ".join(held) + more)


def taken(spec: AgentSpec, port: int | None) -> bool:
    """Say whether somebody listens on the port of a service that does not run."""
    return spec.kind == "http" and port is not None and pids.listening(_host(spec), port)


def port_of(spec: AgentSpec) -> int | None:
    """Return the port that a service has first; None where it has none, or it is chosen at each start."""
    if spec.kind != "http" or spec.port == "any":
        return None
    return spec.ports[0] if spec.ports else urlsplit(spec.url).port or 80


def placed(text: str, port: int | None) -> str:
    """Put a port where ``{port}`` stands."""
    return text if port is None else text.replace("{port}", str(port))


def url_at(spec: AgentSpec, port: int | None) -> str:
    """Return the address of a service that has this port."""
    if port is None or "{port}" in spec.url:
        return placed(spec.url, port)
    parts = urlsplit(spec.url)
    name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return parts._replace(netloc=f"{name}:{port}").geturl()


def _host(spec: AgentSpec) -> str:
    return urlsplit(placed(spec.url, 1)).hostname or "127.0.0.1"
