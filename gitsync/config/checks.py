"""What a value of the settings may be: each check takes what TOML gave and returns what a room takes.

A check raises ValueError with what it expects, worded to follow "must be".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from gitsync.agents.prices import Price, dollars, money
from gitsync.agents.spec import TOOLS, ModelRule
from gitsync.config.units import parse_duration, parse_rate, parse_size
from gitsync.protocol.message import PRIORITIES

Check = Callable[[object], object]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
RESERVED_NAMES = frozenset({"self", "all", "any"})


def text(*, empty: bool = True) -> Check:
    """Take one line of text."""

    def check(value: object) -> str:
        if not isinstance(value, str):
            raise ValueError("text in quotes")
        if any(ord(char) < 32 or ord(char) == 127 for char in value):
            raise ValueError("one line without control characters")
        if not empty and not value.strip():
            raise ValueError("text that is not empty")
        return value

    return check


def one_of(*choices: str) -> Check:
    """Take one of a few words."""

    def check(value: object) -> str:
        if value not in choices:
            raise ValueError("one of " + ", ".join(choices))
        return str(value)

    return check


def boolean(value: object) -> bool:
    """Take true or false."""
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def integer(low: int, high: int) -> Check:
    """Take a whole number within bounds."""

    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return value

    return check


def number(low: float, high: float) -> Check:
    """Take a number within bounds."""

    def check(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(f"a number from {low:g} to {high:g}")
        return float(value)

    return check


def duration(low: float = 0.0, high: float = 366 * 86400.0) -> Check:
    """Take a duration; return seconds."""

    def check(value: object) -> float:
        if not isinstance(value, str):
            raise ValueError('a duration in quotes, such as "250ms", "5s", "5m", "2h" or "1d"')
        try:
            seconds = parse_duration(value)
        except ValueError:
            raise ValueError('a duration such as "250ms", "5s", "5m", "2h" or "1d"') from None
        if not low <= seconds <= high:
            raise ValueError(f"a duration from {low:g}s to {high:g}s")
        return seconds

    return check


def rate(value: object) -> tuple[int, float]:
    """Take a rate such as "60/h"; return count and seconds."""
    expected = 'a rate such as "60/h", "5/m" or "100/1d", at most of a day'
    if not isinstance(value, str):
        raise ValueError(expected + ", in quotes")
    try:
        count, seconds = parse_rate(value)
    except ValueError:
        raise ValueError(expected) from None
    if not (1 <= count <= 100_000 and 1 <= seconds <= 86400):
        raise ValueError(expected)
    return count, seconds


def size(low: int, high: int) -> Check:
    """Take a size such as "64KB"; return bytes."""

    def check(value: object) -> int:
        expected = 'a size such as "64KB" or "8MB"'
        if not isinstance(value, str):
            raise ValueError(expected + ", in quotes")
        try:
            count = parse_size(value)
        except ValueError:
            raise ValueError(expected) from None
        if not low <= count <= high:
            raise ValueError(f"a size from {low} to {high} bytes")
        return count

    return check


def texts(*, empty: bool = True) -> Check:
    """Take a list of texts; return a tuple."""

    def check(value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ValueError('a list of texts, such as ["a", "b"]')
        if not empty and not value:
            raise ValueError("a list that is not empty")
        return tuple(value)

    return check


def fingerprints(value: object) -> tuple[str, ...]:
    """Take a list of fingerprints of secrets that are none."""
    if not isinstance(value, list) or not all(isinstance(one, str) and _FINGERPRINT.fullmatch(one) for one in value):
        raise ValueError("a list of fingerprints, 16 hex digits each, as `gitsync quarantine` shows them")
    return tuple(value)


_FINGERPRINT = re.compile(r"[0-9a-f]{16}")


def text_map(value: object) -> Mapping[str, str]:
    """Take a table of texts."""
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise ValueError('a table of texts, such as { NAME = "value" }')
    return dict(value)


def http_url(value: object) -> str:
    """Take an http or https address without credentials in it."""
    from urllib.parse import urlsplit

    expected = 'an address such as "http://127.0.0.1:8004"'
    if not isinstance(value, str):
        raise ValueError(expected)
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018  raises ValueError for a port that is none
    except ValueError:
        raise ValueError(expected) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(expected)
    return value


def service_url(value: object) -> str:
    """Take an http or https address; ``{port}`` in it stands for a port that is chosen later."""
    if isinstance(value, str) and "{port}" in value:
        http_url(value.replace("{port}", "1"))
        return value
    return http_url(value)


def port_numbers(value: object) -> tuple[int, ...]:
    """Take a list of ports, each once."""
    if not isinstance(value, list) or not value or not all(_is_port(item) for item in value):
        raise ValueError("a list of ports, such as [8004, 8014]")
    if len(set(value)) < len(value):
        raise ValueError("a list of ports, each only once")
    return tuple(value)


def _is_port(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535


def url_or_empty(value: object) -> str:
    """Take an address or nothing."""
    return "" if value == "" else http_url(value)


def url_path(value: object) -> str:
    """Take the path part of an address."""
    if not isinstance(value, str) or not (value == "" or value.startswith("/")):
        raise ValueError('a path that starts with "/"')
    return value


def agent_name(value: object) -> str:
    """Take a name that can stand in an address after the machine."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError("a name of letters, digits, '.', '_' and '-', that starts with a letter or digit")
    if value.lower() in RESERVED_NAMES:
        raise ValueError("another name: " + ", ".join(sorted(RESERVED_NAMES)) + " are taken")
    return value


def branch_name(value: object) -> str:
    """Take a branch name that git accepts (git-check-ref-format, its rules for one branch)."""
    expected = "a branch name that git accepts"
    if not isinstance(value, str) or not value or value.startswith(("-", "/", ".")):
        raise ValueError(expected)
    if value.endswith(("/", ".", ".lock")) or re.search(r"\.\.|//|/\.|@\{|\.lock/|[\x00-\x20\x7f~^:?*\[\\]", value):
        raise ValueError(expected)
    if value in ("@", "HEAD"):
        raise ValueError(expected)
    return value


def remote_name(value: object) -> str:
    """Take the name of a remote; git would read one that begins with a dash as an option."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/-]*", value) or ".." in value:
        raise ValueError('the name of a remote, such as "origin"')
    return value


def host(value: object) -> str:
    """Take the address to listen on."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9.:-]+", value):
        raise ValueError('an address to listen on, such as "127.0.0.1"')
    return value


def amount(low: int, high: int) -> Check:
    """Take an amount of dollars such as "$2" or "0.50"; return micros."""

    def check(value: object) -> int:
        expected = 'an amount of dollars such as "$2" or "$0.50"'
        if not isinstance(value, str):
            raise ValueError(expected + ", in quotes")
        try:
            micros = money(value)
        except ValueError:
            raise ValueError(expected) from None
        if not low <= micros <= high:
            raise ValueError(f"an amount from {dollars(low, 6)} to {dollars(high, 2)}")
        return micros

    return check


def prices(value: object) -> Price:
    """Take what a model costs: dollars for a million tokens."""
    expected = (
        'a table such as { input = "$3", output = "$15" }; cache_write, cache_write_hour, cache_read may be there'
    )
    keys = {"input", "output", "cache_write", "cache_write_hour", "cache_read"}
    if not isinstance(value, dict) or not {"input", "output"} <= set(value) <= keys:
        raise ValueError(expected)
    try:
        found = {name: money(one) if isinstance(one, str) else money("") for name, one in value.items()}
    except ValueError:
        raise ValueError(expected) from None
    fresh = found["input"]
    # As the API's own: a write costs 1.25 times the input, for an hour twice, a read a tenth; rounded up.
    write = found.get("cache_write", -(-fresh * 5 // 4))
    hour = found.get("cache_write_hour", fresh * 2)
    return Price(fresh, found["output"], write, hour, found.get("cache_read", -(-fresh // 10)))


_RULE_KEYS = frozenset({"name", "types", "priorities", "above", "below"})


def model_rules(value: object) -> tuple[ModelRule, ...]:
    """Take a list of rules that say when which model is used."""
    expected = 'a list of rules such as { name = "claude-haiku-5-5", below = 20 }, with types, priorities, above, below'
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ValueError(expected)
    found = []
    for one in value:
        if not one.get("name") or not isinstance(one["name"], str) or not set(one) <= _RULE_KEYS:
            raise ValueError(expected)
        lists = {key: texts()(one[key]) for key in ("types", "priorities") if key in one}
        if wrong := [word for word in lists.get("priorities", ()) if word not in PRIORITIES]:  # type: ignore[attr-defined]
            raise ValueError(f"one of {', '.join(PRIORITIES)} where a rule says priorities: no {wrong[0]!r}")
        bounds = {key: integer(0, 100)(one[key]) for key in ("above", "below") if key in one}
        found.append(ModelRule(name=one["name"], **lists, **bounds))  # type: ignore[arg-type]
    return tuple(found)


def tool_names(value: object) -> tuple[str, ...]:
    """Take the names of what a model may look at."""
    if not isinstance(value, list) or not all(one in TOOLS for one in value):
        raise ValueError(f"a list of some of {', '.join(TOOLS)}")
    return tuple(value)
