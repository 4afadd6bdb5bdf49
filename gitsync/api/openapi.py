"""Describe the endpoints in OpenAPI 3.1, out of the same table that answers them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from gitsync.api.guard import OPEN
from gitsync.api.operations import Operation
from gitsync.api.shapes import ID, SCHEMAS, ref

Json = dict[str, Any]

_WORDS = {
    202: "Taken; there is nothing to say",
    400: "The body is not JSON",
    401: "Neither the token nor a session, nor a user who may do without",
    403: "A foreign Host or Origin, or a policy says no",
    404: "There is nothing of that name; `near` has what was perhaps meant",
    406: "Accept must name application/json and text/event-stream",
    408: "The body did not arrive in time",
    409: "It is there already, or has ended",
    413: "More than 1 MiB",
    415: "The body is not application/json",
    422: "A field is wrong; `field` names it",
    429: "Full; come again after Retry-After seconds",
    500: "A failure, with a remedy where there is one",
    503: "Not now: the remote is away",
}
_HOLE = re.compile(r"\{([a-z_]+)\}")
_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def document(operations: Sequence[Operation], version: str) -> Json:
    """Return the whole description."""
    paths: dict[str, Json] = {}
    for one in operations:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "gitsync",
            "version": version,
            "description": "The background process of one machine. Loopback only unless its settings say otherwise.",
        },
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "in .gitsync/token"}},
        },
    }


def _operation(one: Operation) -> Json:
    found: Json = {
        "operationId": _name(one),
        "summary": one.about,
        "parameters": [*_path_parameters(one), *_query_parameters(one)],
        "responses": _responses(one),
    }
    if one.body is not None:
        content = {"application/json": {"schema": one.body.schema()}}
        found["requestBody"] = {"required": not one.body.optional, "content": content}
    elif one.raw:
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
    if one.method in _CHANGING:
        found["security"] = [{"token": []}, *([{}] if one.open else [])]
    elif not one.path.startswith(OPEN):
        found["security"] = [{}, {"token": []}]  # which of them, the settings say
    return found


def _path_parameters(one: Operation) -> list[Json]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", **({"pattern": f"^{ID}$"} if name == "id" else {"minLength": 1})},
        }
        for name in _HOLE.findall(one.path)
    ]


def _query_parameters(one: Operation) -> list[Json]:
    found = []
    for field in one.query:
        schema = field.schema()
        schema["type"] = field.kind  # a query has no null
        if field.choices:
            schema["enum"] = list(field.choices)
        found.append({"name": field.name, "in": "query", "required": field.required, "schema": schema})
    return found


def _responses(one: Operation) -> Json:
    success = {"description": "As asked", "content": {one.media: {"schema": one.answer}}}
    found: Json = {"200": success}
    for status in sorted(_failures(one)):
        found[str(status)] = _failure(status, ref("Error"))
    for status, schema in one.also.items():
        found[str(status)] = _failure(status, schema)
    return found


def _failures(one: Operation) -> set[int]:
    found = {400, 403, 500, 503, *one.fails}
    if "{" in one.path:
        found.add(404)
    if one.method in _CHANGING or not one.path.startswith(OPEN):
        found.add(401)
    if one.method in _CHANGING:
        found |= {408, 413}
    if one.body is not None or one.raw:
        found |= {415, 422}
    return found


def _failure(status: int, schema: Json) -> Json:
    return {"description": _WORDS[status], "content": {"application/json": {"schema": schema}}}


def _name(one: Operation) -> str:
    """Name an operation for programs that make clients of this: `post_instances_name_restart`."""
    words = re.sub(r"[^a-z0-9]+", "_", one.path.lower()).strip("_")
    return f"{one.method.lower()}_{words or 'about'}"
