"""An agent that is an HTTP service of its own."""

from __future__ import annotations

import asyncio
import email.utils
import functools
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gitsync import clock
from gitsync.agents.answer import Heard, reply_of
from gitsync.agents.base import Delivery, Outcome
from gitsync.agents.spec import AgentSpec

if TYPE_CHECKING:
    import ssl

    import httpx

_CONNECT = 10.0
_LATER = {429, 503}


class HttpAgent:
    """Post each message as JSON; a 2xx body is the reply."""

    kind = "http"

    def __init__(self, spec: AgentSpec) -> None:
        self.spec = spec
        self.url = spec.url
        """Where the service is now; whoever runs it may have given it another port."""
        self._client: httpx.AsyncClient | None = None

    @property
    def name(self) -> str:
        return self.spec.name

    async def deliver(self, delivery: Delivery) -> Outcome:
        """Post and read the answer; redirects, which would carry it elsewhere, are not followed."""
        import httpx

        heard = Heard(self.spec.max_output)
        url = _joined(self.url, self.spec.deliver)
        try:
            async with (
                asyncio.timeout(self.spec.timeout),
                self._connection().stream(
                    "POST", url, json=delivery.json(), headers={"Idempotency-Key": delivery.key}
                ) as response,
            ):
                async for chunk in response.aiter_bytes(65536):
                    heard.add(chunk)
                    if heard.flooded:
                        return Outcome(kind="failed", reason=f"flood: given up after {heard.total} bytes")
                return _judge(response, heard)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            return Outcome(kind="failed", started=False, reason=f"cannot reach {_place(url)}: {_said(error)}")
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            return Outcome(kind="failed", started=False, reason=f"bad url {self.url!r}: {_said(error)}")
        except TimeoutError:
            words = heard.last_words()
            told = f": {words}" if words else ""
            return Outcome(kind="failed", reason=f"time-out after {self.spec.timeout:g} s{told}")
        except httpx.HTTPError as error:
            # The request was on its way and no whole answer came: the service may have done the work.
            return Outcome(kind="uncertain", reason=f"connection to {_place(url)} broke: {_said(error)}")

    async def health(self) -> tuple[str, str]:
        """Ask the health address, or without one see whether anybody listens."""
        import httpx

        limit = min(self.spec.health_timeout, self.spec.timeout)
        try:
            async with asyncio.timeout(limit):
                if not self.spec.health:
                    return await self._listening()
                url = _joined(self.url, self.spec.health)
                async with self._connection().stream("GET", url) as response:
                    if response.is_success:
                        return "online", ""
                    return "error", f"health answers {response.status_code}"
        except TimeoutError:
            return "timeout", f"no answer within {limit:g} s"
        except httpx.ConnectTimeout:
            return "timeout", f"no answer within {limit:g} s"
        except httpx.ConnectError as error:
            return "offline", _said(error)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return "error", _said(error)

    async def close(self) -> None:
        """Let go of the client."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _listening(self) -> tuple[str, str]:
        parts = urlsplit(self.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            _, writer = await asyncio.open_connection(parts.hostname, port)
        except OSError as error:
            return "offline", _said(error)
        writer.close()
        return "online", ""

    def _connection(self) -> httpx.AsyncClient:
        import httpx

        if self._client is None:
            # No kept-alive connections: one that the service closes just as it is used again looks like work
            # that was begun, and would be uncertain for nothing. A loopback connect costs 0.1 ms.
            self._client = httpx.AsyncClient(
                timeout=httpx.Timeout(None, connect=min(_CONNECT, self.spec.timeout)),
                limits=httpx.Limits(max_keepalive_connections=0),
                follow_redirects=False,
                trust_env=False,
                verify=_trust(tls=self.url.startswith("https:")),
            )
        return self._client


@functools.cache
def _trust(*, tls: bool) -> ssl.SSLContext:
    """Make one context for all agents: reading certificates takes 20 ms and half a megabyte, plain HTTP needs none."""
    import httpx

    return httpx.create_ssl_context(trust_env=False) if tls else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _judge(response: httpx.Response, heard: Heard) -> Outcome:
    if response.is_success:
        return Outcome(kind="done", reply=reply_of(heard.text()))
    words = heard.last_words()
    reason = f"HTTP {response.status_code}" + (f": {words}" if words else "")
    if response.is_redirect:
        return Outcome(kind="failed", reason=f"HTTP {response.status_code}: redirects are not followed")
    after = _retry_after(response.headers.get("retry-after"))
    if response.status_code in _LATER and after is not None:
        return Outcome(kind="failed", started=False, retry_after=after, reason=reason, blameless=True)
    return Outcome(kind="failed", reason=reason, blameless=response.is_client_error)


def _retry_after(value: str | None) -> float | None:
    """Read a Retry-After header, seconds or a date (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - clock.unix())
    except (ValueError, TypeError):
        return None


def _joined(url: str, path: str) -> str:
    return url.rstrip("/") + "/" + path.lstrip("/")


def _place(url: str) -> str:
    """Return host and port, without a password that the address may hold."""
    return url.partition("://")[2].partition("/")[0].rpartition("@")[2]


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__
