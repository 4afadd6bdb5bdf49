"""Decode bodies and queries once, at the border, and name the field that is wrong.

A `Field` says what a value may be. The same words decode a request and describe it in the OpenAPI document, so that
the two cannot come apart.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)


class BadRequest(Exception):
    """A request that cannot be understood: 400 for its form, 415 for its type, 422 for a field."""

    def __init__(self, status: int, code: str, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One value of a body or a query. Null means absent, where the field need not be there."""

    name: str
    kind: str = "string"
    """string, integer, number, boolean, strings or object."""
    about: str = ""
    required: bool = False
    blank: bool = True
    """Whether a text may be empty, or of white space alone."""
    pattern: str = ""
    """What a text must match as a whole, in words that Python and JSON Schema share."""
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    above: float | None = None
    default: Any = None

    def schema(self) -> Json:
        """Describe the value in JSON Schema."""
        kind: Any = {"strings": "array"}.get(self.kind, self.kind)
        found: Json = {"type": kind if self.required else [kind, "null"]}
        if self.kind == "strings":
            found["items"] = {"type": "string"}
        if self.choices:
            found["enum"] = [*self.choices, *([] if self.required else [None])]
        if self.pattern or not self.blank:
            found["pattern"] = f"^({self.pattern})$" if self.pattern else r"\S"
        for word, bound in (("minimum", self.low), ("maximum", self.high), ("exclusiveMinimum", self.above)):
            if bound is not None:
                found[word] = bound
        if self.default is not None:
            found["default"] = self.default
        if self.about:
            found["description"] = self.about
        return found

    def read(self, value: Any) -> Any:
        """Return the value as it is meant; raise `BadRequest` where it cannot be."""
        if value is None:
            if self.required:
                raise self._wrong("missing_field", "is missing")
            return self.default
        return _READ[self.kind](self, value)

    def _wrong(self, code: str, what: str) -> BadRequest:
        return BadRequest(422, code, f"field '{self.name}' {what}", field=self.name)

    def _text(self, value: Any) -> str:
        if not isinstance(value, str):
            raise self._wrong("wrong_type", "must be a string")
        if not self.blank and not value.strip():
            raise self._wrong("empty_field", "is empty")
        if self.choices and value not in self.choices:
            raise self._wrong("bad_value", f"must be one of {', '.join(self.choices)}")
        if self.pattern and not re.fullmatch(self.pattern, value):
            raise self._wrong("bad_value", f"must be {self.about or 'of another form'}")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise self._wrong("bad_text", "holds a lone surrogate") from error
        return value

    def _number(self, value: Any) -> float | int:
        whole = self.kind == "integer"
        what = "must be a whole number" if whole else "must be a number"
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self._wrong("wrong_type", what)
        if whole and value != int(value):
            raise self._wrong("wrong_type", what)
        number = int(value) if whole else value
        if self.low is not None and number < self.low:
            raise self._wrong("bad_value", f"must be at least {self.low:g}")
        if self.high is not None and number > self.high:
            raise self._wrong("bad_value", f"must be at most {self.high:g}")
        if self.above is not None and number <= self.above:
            raise self._wrong("bad_value", f"must be more than {self.above:g}")
        return number

    def _flag(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise self._wrong("wrong_type", "must be true or false")
        return value

    def _strings(self, value: Any) -> list[str]:
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise self._wrong("wrong_type", "must be a list of strings")
        for one in value:
            self._text(one)
        return value

    def _object(self, value: Any) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise self._wrong("wrong_type", "must be an object")
        return value


_READ = {
    "string": Field._text,
    "integer": Field._number,
    "number": Field._number,
    "boolean": Field._flag,
    "strings": Field._strings,
    "object": Field._object,
}


@dataclass(frozen=True, slots=True)
class Shape:
    """The JSON object of a body. ``several`` is the field that holds up to ``most`` of the same, instead of one."""

    name: str
    fields: tuple[Field, ...]
    optional: bool = False
    """Whether the body may be empty."""
    whole: bool = False
    """Whether fields that are not listed are passed on: their reader is further inside."""
    several: str = ""
    most: int = 0
    more: tuple[Json, ...] = ()
    """What else holds, in JSON Schema: conditions over several fields, that are checked further inside."""

    def one(self) -> Json:
        """Describe one object in JSON Schema."""
        found: Json = {"type": "object", "properties": {field.name: field.schema() for field in self.fields}}
        if required := [field.name for field in self.fields if field.required]:
            found["required"] = required
        if self.more:
            found["allOf"] = list(self.more)
        if self.several:
            found["not"] = {"required": [self.several]}
        return found

    def schema(self) -> Json:
        """Describe the body in JSON Schema."""
        if not self.several:
            return self.one()
        items = {**self.one()}
        items.pop("not")
        many = {
            "type": "object",
            "properties": {self.several: {"type": "array", "items": items, "minItems": 1, "maxItems": self.most}},
            "required": [self.several],
        }
        return {"oneOf": [self.one(), many]}

    def read(self, data: bytes) -> Json:
        """Decode a body; with ``several``, the values are in a list below that name."""
        fields = json_object(data, may_be_empty=self.optional)
        if not self.several or self.several not in fields:
            return self._values(fields)
        rows = fields[self.several]
        if not isinstance(rows, list) or not 1 <= len(rows) <= self.most:
            raise BadRequest(
                422, "bad_value", f"field '{self.several}' must be a list of 1 to {self.most}", field=self.several
            )
        return {self.several: [self._nth(number, row) for number, row in enumerate(rows)]}

    def _nth(self, number: int, row: Any) -> Json:
        place = f"{self.several}[{number}]"
        if not isinstance(row, dict):
            raise BadRequest(422, "wrong_type", f"field '{place}' must be an object", field=place)
        try:
            return self._values(row)
        except BadRequest as error:
            field = f"{place}.{error.field}"
            message = error.message.replace(f"'{error.field}'", f"'{field}'", 1)
            raise BadRequest(error.status, error.code, message, field=field) from error

    def _values(self, fields: Mapping[str, Any]) -> Json:
        known = {field.name: field.read(fields.get(field.name)) for field in self.fields}
        return (
            {**fields, **{name: value for name, value in known.items() if value is not None}} if self.whole else known
        )


def json_object(data: bytes, *, may_be_empty: bool = False) -> Mapping[str, Any]:
    """Return the JSON object in a body.

    Raises `BadRequest` (400) when the bytes are not one.
    """
    if not data.strip() and may_be_empty:
        return {}
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadRequest(400, "bad_json", "the body is not JSON") from error
    if not isinstance(value, dict):
        raise BadRequest(400, "bad_json", "the body must be a JSON object")
    return value


def query_values(fields: Sequence[Field], query: Mapping[str, str]) -> Json:
    """Decode a query: everything there is text."""
    values: Json = {}
    for field in fields:
        try:
            values[field.name] = field.read(_from_text(field, query.get(field.name)))
        except BadRequest as error:
            message = error.message.replace("field", "query", 1)
            raise BadRequest(422, error.code, message, field=field.name) from error
    return values


def _from_text(field: Field, raw: str | None) -> Any:
    if raw is None or field.kind == "string":
        return raw
    if field.kind == "boolean":
        return {"true": True, "1": True, "false": False, "0": False}.get(raw, raw)
    return int(raw) if _NUMBER.fullmatch(raw) else raw
