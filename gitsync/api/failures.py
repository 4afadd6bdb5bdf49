"""Failures on the wire: one JSON shape, written by the process and read by its clients."""

from __future__ import annotations

from typing import Any

from gitsync import errors
from gitsync.secrets.redact import redact

Json = dict[str, Any]

_STATUS: tuple[tuple[type[errors.GitsyncError], int, str], ...] = (
    (errors.NotFound, 404, "not_found"),
    (errors.Conflict, 409, "conflict"),
    (errors.Busy, 429, "busy"),
    (errors.UsageError, 422, "usage"),
    (errors.SecretFound, 422, "secret"),
    (errors.Refused, 403, "refused"),
    (errors.TryLater, 503, "try_later"),
)
"""The first that fits is taken; what none names is 500."""

_BY_EXIT: dict[object, type[errors.GitsyncError]] = {
    errors.EXIT_USAGE: errors.UsageError,
    errors.EXIT_REFUSED: errors.Refused,
    errors.EXIT_TRY_LATER: errors.TryLater,
}
_BY_STATUS: dict[int, type[errors.GitsyncError]] = {
    400: errors.UsageError,
    409: errors.Conflict,
    413: errors.UsageError,
    415: errors.UsageError,
    422: errors.UsageError,
    503: errors.TryLater,
}


def error_document(code: str, message: str, **more: Any) -> Json:
    """Return the one shape that every error has; what is None is left out, and no secret gets in."""
    rest = {
        name: redact(value) if isinstance(value, str) else value for name, value in more.items() if value is not None
    }
    return {"error": {"code": code, "message": redact(message), **rest}}


def told(error: errors.GitsyncError) -> tuple[int, Json, dict[str, str]]:
    """Return status, document and headers for a failure that has words."""
    status, code = next(((status, code) for kind, status, code in _STATUS if isinstance(error, kind)), (500, "error"))
    near = list(error.near) if isinstance(error, errors.NotFound) else None
    document = error_document(
        code, error.what, why=error.why, remedy=error.remedy, exit=error.exit_code, near=near or None
    )
    if isinstance(error, errors.SecretFound):
        document["error"] |= {"held": error.held, "line": error.line, "rule": error.rule}
    headers = {}
    if isinstance(error, errors.Busy):
        headers["Retry-After"] = str(max(1, round(error.retry_after)))
    return status, document, headers


def heard(status: int, value: Any, retry_after: str | None = None) -> errors.GitsyncError:
    """Return the failure that an answer tells of, as the class it was on the other side."""
    error = value.get("error", {}) if isinstance(value, dict) else {}
    if not isinstance(error, dict):
        error = {"message": str(error)}
    what = str(error.get("message") or f"the process answered with status {status}")
    why, remedy = str(error.get("why") or ""), str(error.get("remedy") or "")
    if status == 404:
        near = error.get("near")
        return errors.NotFound(what, why, remedy, near=[str(one) for one in near] if isinstance(near, list) else ())
    if status == 429:
        wait = retry_after or ""
        return errors.Busy(what, why, remedy, retry_after=float(wait) if wait.isascii() and wait.isdigit() else 1.0)
    kind = _BY_EXIT.get(error.get("exit")) or _BY_STATUS.get(status, errors.GitsyncError)
    return kind(what, why, remedy)
