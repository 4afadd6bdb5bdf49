"""An agent that is an HTTP service of its own."""

from __future__ import annotations

import asyncio
import email.utils
import json
from urllib.parse import urlsplit

from gitsync import clock
from gitsync.agents.answer import Heard, reply_of
from gitsync.agents.base import Delivery, Outcome
from gitsync.agents.spec import AgentSpec
from gitsync.agents.wire import Answer, BadUrl, Broken, CannotReach, Enough, Garbled, TooLate, exchange, unreached

_CONNECT = 10.0
_LATER = {429, 503}


class HttpAgent:
    """Post each message as JSON; a 2xx body is the reply."""

    kind = "http"

    def __init__(self, spec: AgentSpec) -> None:
        self.spec = spec
        self.url = spec.url
        """Where the service is now: whoever runs it may have given it another port. Empty while it does not run: what
        listens at its usual place may then be somebody else, who must not be given anybody's messages."""

    @property
    def name(self) -> str:
        return self.spec.name

    async def deliver(self, delivery: Delivery) -> Outcome:
        """Post and read the answer; redirects, which would carry it elsewhere, are not followed."""
        heard = Heard(self.spec.max_output)

        def hear(piece: bytes) -> None:
            heard.add(piece)
            if heard.flooded:
                raise Enough

        url = _joined(self.url, self.spec.deliver)
        body = json.dumps(delivery.json(), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        header = {"Content-Type": "application/json", "Idempotency-Key": delivery.key}
        connect = min(_CONNECT, self.spec.timeout)
        try:
            async with asyncio.timeout(self.spec.timeout):
                answer = await exchange(url, "POST", header=header, body=body, hear=hear, connect=connect)
            return _judge(answer, heard)
        except Enough:
            return Outcome(kind="failed", reason=f"flood: given up after {heard.total} bytes")
        except CannotReach as error:
            return Outcome(kind="failed", started=False, reason=f"cannot reach {_place(url)}: {error}")
        except BadUrl as error:
            return Outcome(kind="failed", started=False, reason=f"bad url {self.url!r}: {error}")
        except TimeoutError:
            words = heard.last_words()
            told = f": {words}" if words else ""
            return Outcome(kind="failed", reason=f"time-out after {self.spec.timeout:g} s{told}")
        except Garbled as error:
            # Like a 500: it has answered, and said nothing that could be a result.
            return Outcome(kind="failed", reason=f"no whole answer from {_place(url)}: {error}")
        except Broken as error:
            # The request was on its way and no word came back: the service may have done the work.
            return Outcome(kind="uncertain", reason=f"connection to {_place(url)} broke: {error}")

    async def health(self) -> tuple[str, str]:
        """Ask the health address, or without one see whether anybody listens."""
        limit = min(self.spec.health_timeout, self.spec.timeout)
        try:
            async with asyncio.timeout(limit):
                if not self.spec.health:
                    return await self._listening()
                answer = await exchange(_joined(self.url, self.spec.health), "GET", hear=None, connect=limit)
            if 200 <= answer.status < 300:
                return "online", ""
            return "error", f"health answers {answer.status}"
        except TimeoutError:
            return "timeout", f"no answer within {limit:g} s"
        except TooLate as error:
            return "timeout", str(error)
        except CannotReach as error:
            return "offline", str(error)
        except (Broken, BadUrl, OSError, ValueError) as error:
            return "error", _said(error)

    async def close(self) -> None:
        """Hold nothing between messages."""

    async def _listening(self) -> tuple[str, str]:
        parts = urlsplit(self.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            _, writer = await asyncio.open_connection(parts.hostname, port)
        except OSError as error:
            return "offline", unreached(error, parts.hostname, port)
        writer.close()
        return "online", ""


def _judge(answer: Answer, heard: Heard) -> Outcome:
    if 200 <= answer.status < 300:
        return Outcome(kind="done", reply=reply_of(heard.text()))
    words = heard.last_words()
    reason = f"HTTP {answer.status}" + (f": {words}" if words else "")
    if 300 <= answer.status < 400 and "location" in answer.header:
        return Outcome(kind="failed", reason=f"HTTP {answer.status}: redirects are not followed")
    after = _retry_after(answer.header.get("retry-after"))
    if answer.status in _LATER and after is not None:
        return Outcome(kind="failed", started=False, retry_after=after, reason=reason, blameless=True)
    return Outcome(kind="failed", reason=reason, blameless=400 <= answer.status < 500)


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
