"""Understand what the SDK raises: is it worth another try, was it served, may it have been charged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import anthropic
from tenacity import RetryCallState

from gitsync import clock

Json = dict[str, Any]

_OVERLOADED = 529
_BUSY = frozenset({429, 503, _OVERLOADED})
_BY_STATUS = {400: "invalid_request", 401: "authentication", 403: "permission", 404: "not_found", 413: "too_large"}


class Broken(Exception):
    """An answer that broke off in its middle: what came may have been charged."""

    def __init__(self, error: Exception, counts: Mapping[str, int]) -> None:
        """Take what broke it off, and what the API had counted of the prompt (its names)."""
        super().__init__(str(error))
        self.error = error
        self.counts = counts


def told(error: Exception) -> Json:
    """Turn a failure into a document; `unserved` says that another model may be asked instead."""
    if isinstance(error, Broken):
        return {**told(error.error), "started": True}
    if isinstance(error, anthropic.APITimeoutError):
        return {"kind": "failed", "reason": "time-out of the API", "error": "timeout"}
    if isinstance(error, anthropic.APIStatusError):
        return _of_status(error)
    if isinstance(error, anthropic.APIConnectionError):
        if never_connected(error):
            reason = f"cannot reach the API: {deepest(error)}"
            return {"kind": "failed", "started": False, "reason": reason, "error": "connection", "unserved": True}
        return {"kind": "uncertain", "reason": f"connection to the API broke: {deepest(error)}", "error": "connection"}
    # What the transport itself raises in the middle of a stream the SDK hands on as it is.
    if isinstance(error, anthropic.AnthropicError):
        return {"kind": "failed", "reason": f"{type(error).__name__}: {error}", "error": type(error).__name__}
    return {"kind": "uncertain", "reason": f"connection to the API broke: {deepest(error)}", "error": "connection"}


def _of_status(error: anthropic.APIStatusError) -> Json:
    status = _status(error)
    reason = f"API {status}: {_message(error)}"
    if status == 429:
        kind = "rate_limit"
    elif status in _BUSY:
        kind = "overloaded"
    else:
        kind = _BY_STATUS.get(status, "api_error" if status >= 500 else "invalid_request")
    found: Json = {"kind": "failed", "reason": reason, "error": kind}
    if status in _BUSY:
        found |= {"started": False, "retry_after": retry_after(error)}
    if status in (401, 403):
        found["reason"] += "; check the key that api_key_env names"
    found["unserved"] = status >= 500 or status in (403, 404, 429)
    return found


def _status(error: anthropic.APIStatusError) -> int:
    """Give the status, also of an error that came inside a stream, whose own status was 200."""
    if error.status_code != 200:
        return error.status_code
    body = error.body if isinstance(error.body, dict) else {}
    inner = body.get("error")
    kind = inner.get("type") if isinstance(inner, dict) else None
    return {"overloaded_error": _OVERLOADED, "rate_limit_error": 429, "invalid_request_error": 400}.get(str(kind), 500)


def _message(error: anthropic.APIStatusError) -> str:
    body = error.body
    inner = body.get("error") if isinstance(body, dict) else None
    said = inner.get("message") if isinstance(inner, dict) else None
    return str(said or error.message)[:500]


def again(error: BaseException) -> bool:
    """Say whether it is worth another try with the same model."""
    if isinstance(error, Broken):
        error = error.error
    if isinstance(error, anthropic.APIStatusError):
        status = _status(error)
        return status == 429 or status >= 500
    return isinstance(error, anthropic.APIConnectionError) and never_connected(error)


def free(error: BaseException) -> bool:
    """Say whether it cannot have been charged: refused as a whole, or never sent."""
    if isinstance(error, anthropic.APIStatusError):
        return error.status_code != 200
    return isinstance(error, anthropic.APIConnectionError) and never_connected(error)


def wait(state: RetryCallState) -> float:
    """Wait as long as the server says, else 1, 2, 4 … seconds; and up to a quarter more, out of step."""
    error = state.outcome.exception() if state.outcome is not None else None
    wish = retry_after(error) if isinstance(error, anthropic.APIStatusError) else None
    base = wish if wish is not None else min(30.0, 2.0 ** (state.attempt_number - 1))
    return base + clock.jitter(0.0, base / 4)


def retry_after(error: anthropic.APIStatusError) -> float | None:
    """Read how long the server wants to be left alone (s)."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = error.response.headers.get(name)
        try:
            if value is not None:
                return max(0.0, float(value) / unit)
        except ValueError:
            continue
    return None


def never_connected(error: BaseException) -> bool:
    """Say whether the connection failed before anything was sent, by the transport's own word."""
    names = ("ConnectError", "ConnectTimeout", "ConnectionRefusedError", "gaierror")
    return any(type(cause).__name__ in names for cause in _causes(error))


def deepest(error: BaseException) -> str:
    """Give the words of the first cause."""
    seen: set[int] = set()
    while error.__cause__ is not None and id(error) not in seen:
        seen.add(id(error))
        error = error.__cause__
    return str(error) or type(error).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Give an error and what it came from, each once: contexts may run in a circle."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__
