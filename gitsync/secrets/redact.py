"""The one door through which text goes before it is logged, shown, served or told to others."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gitsync.secrets import own
from gitsync.secrets.scan import scan

GONE = "[redacted]"
LEAST = 6
"""Characters of a value that is taken out wherever it stands; shorter ones would make holes in plain words."""

_NAMED = re.compile(r"(?i)pass|secret|token|key|credential|auth|pwd|cookie|session|dsn|sas\b")
_SECRET_VARIABLE = re.compile(
    r"(?i)(?:^|_)(?:tokens?|secrets?|pass|passwd|password|passphrase|(?:api|access|private|secret|account)_?key|key"
    r"|credentials?|pat|dsn)(?:_|$)|(?:apikey|_url|_uri|proxy)$"
)
_PLAIN = re.compile(
    r"[a-z]+|[A-Z][a-z]+|[0-9.]{1,12}|[~./].*|[A-Za-z]:\\.*|true|false|[a-z]{2}_[A-Z]{2}\.[\w-]+", re.ASCII
)

# Bounded, since it is run over whole tracebacks: a long word must not cost its length squared.
_USERINFO = re.compile(r"\b(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{1,20})://(?P<user>[^\s/@'\"]{1,4000})@")

_known: dict[str, frozenset[str]] = {}
_pattern: re.Pattern[str] | None = None


def know(place: str, values: Mapping[str, str] | str | None) -> None:
    """Take values out of all texts from now on; `place` is where they are from, and what it said before is forgotten.

    Of a table, such as an agent's environment, these are the values that are secret by their name, and all others that
    are no plain word, number or path.
    """
    global _pattern  # noqa: PLW0603 - what is secret is so for the whole process
    certain: set[str] = set()
    if values is None:
        found = set()
    elif isinstance(values, str):
        found = {values.strip()}
        certain = {value for value in found if "://" not in value}
    else:
        found = {value.strip() for name, value in values.items() if _secret(name, value.strip())}
        certain = {value.strip() for name, value in values.items() if _certain(name, value.strip())}
    for value in [value for value in found if "://" in value]:
        found |= _passwords(value)
        certain |= _passwords(value)
    own.know(place, _forms(certain))
    found = _forms(found)
    if found == _known.get(place, frozenset()):
        return
    _known[place] = frozenset(found)
    every = sorted({value for group in _known.values() for value in group}, key=len, reverse=True)
    _pattern = re.compile("|".join(map(re.escape, every))) if every else None


def know_environment(environ: Mapping[str, str]) -> None:
    """Take out of all texts what a process was started with and is secret by its name."""
    know("environment", {name: value for name, value in environ.items() if _SECRET_VARIABLE.search(name)})


def know_url(place: str, url: str) -> None:
    """Take the password of an address out of all texts, also where it stands without the address."""
    for number, value in enumerate(sorted(_passwords(url))):
        know(f"{place}/{number}", value)


def redact(text: str) -> str:
    """Take out of a text what is known to be secret here, the credentials of URLs, and all that looks like a token.

    The user name of an ssh URL is no credential.
    """
    if len(text) < LEAST:
        return text
    if _pattern is not None:
        text = _pattern.sub(GONE, text)
    if "://" in text:
        text = _USERINFO.sub(_without_user, text)
    found = scan(text, most=None)
    if not found:
        return text
    data, pieces, end = text.encode("utf-8", "surrogatepass"), [], 0
    for one in found:
        pieces += [data[end : one.start], f"[redacted {one.rule}]".encode()]
        end = one.end
    return b"".join([*pieces, data[end:]]).decode("utf-8", "surrogatepass")


def redact_bytes(data: bytes) -> bytes:
    """Do the same to what a program wrote; bytes that are no UTF-8 stay as they are."""
    return redact(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def _forms(values: set[str]) -> set[str]:
    """Give values of some length as they are, and as they stand in addresses."""
    from urllib.parse import quote, quote_plus

    long = [value for value in values if len(value) >= LEAST]
    return {form for value in long for form in (value, quote(value, safe=""), quote_plus(value))}


def _certain(name: str, value: str) -> bool:
    """Say whether a variable is a secret by its name and by its value: text is kept back for it."""
    by_name = _SECRET_VARIABLE.search(name) and _NAMED.search(name)
    return bool(by_name) and "://" not in value and not _PLAIN.fullmatch(value)


def _secret(name: str, value: str) -> bool:
    if "://" in value:
        return bool(_passwords(value))  # an address alone is no secret, and has its place in errors
    named = bool(_NAMED.search(name)) and not value.startswith(("/", "~", "./"))  # nor is where a key file lies
    return named or (len(value) >= LEAST + 2 and not _PLAIN.fullmatch(value))


def _passwords(url: str) -> set[str]:
    from urllib.parse import unquote

    found = set()
    for match in _USERINFO.finditer(url):
        user, _, password = match["user"].partition(":")
        secret = password or ("" if "ssh" in match["scheme"].lower() else user)
        found |= {secret, unquote(secret)} if len(secret) >= LEAST else set()
    return found


def _without_user(match: re.Match[str]) -> str:
    scheme, user = match["scheme"], match["user"]
    if scheme.lower() in ("ssh", "git+ssh", "ssh+git"):
        return f"{scheme}://{user.partition(':')[0]}@"
    return f"{scheme}://"
