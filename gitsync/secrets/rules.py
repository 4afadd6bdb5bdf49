"""What secrets look like: prefixes and shapes that the makers of tokens have published, and `password = …`.

Each rule begins with an anchor, a few bytes that are searched for as they stand, and only where one is found does the
pattern look at what follows. Every repetition is bounded, so a text costs its length and no more. The yardstick in the
tests is detect-secrets.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

Check = Callable[[bytes], bool]

_WORD = rb"A-Za-z0-9_"


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of secret. `pattern` is matched where an anchor begins; its group `v`, else all of it, is the secret."""

    name: str
    anchors: tuple[bytes, ...]
    pattern: bytes
    check: Check | None = None
    back: int = 0
    """Bytes before the anchor at which the pattern begins."""

    def match(self, data: bytes, at: int) -> re.Match[bytes] | None:
        """Look at one place where an anchor stands."""
        found = _compiled(self.pattern).match(data, at - self.back) if at >= self.back else None
        return found if found is not None and (self.check is None or self.check(secret_of(found))) else None


@cache
def _compiled(pattern: bytes) -> re.Pattern[bytes]:
    """Compile at the first need: all of them at once would cost every start of the program some milliseconds."""
    return re.compile(pattern)


def secret_of(found: re.Match[bytes]) -> bytes:
    """Give the secret itself out of a match."""
    return found["v"] if "v" in found.re.groupindex else found[0]


def span_of(found: re.Match[bytes]) -> tuple[int, int]:
    """Give where the secret itself stands."""
    return found.span("v") if "v" in found.re.groupindex else found.span()


def entropy(value: bytes) -> float:
    """Measure Shannon's entropy in bits per byte."""
    size = len(value)
    return -sum(n / size * math.log2(n / size) for n in Counter(value).values()) if size else 0.0


_PLACEHOLDER = (
    rb"(?i)example|placeholder|changeme|change[_-]me|redacted|your[_-]|my[_-]?(?:secret|token|pass|key)|dummy|xxxx|\.\.\."
    rb"|\*\*\*|\xe2\x80\xa6|<|>|\$\{|\{\{|%\(|^\$|^%|^\{|^\.{0,2}/|^~/|0123456789|abcdefgh|12345678"
)
_NO_VALUE = (
    rb"(?i)(?:pass(?:word|wd|phrase)?|secret|token|key|user(?:name)?|none|null|true|false|undefined|empty|required"
    rb"|optional|string|str|bytes|value|default|hidden|env|test(?:ing)?)[0-9]{0,3}"
)
_CALL = rb"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*[(\[].*|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+"
_PUBLIC = (
    rb"[0-9A-HJKMNP-TV-Z]{26}(?:~[0-9a-z]{1,16})?"  # an id of ours
    rb"|(?i:sha(?:1|256|512)[:-].*)|SHA256:.*"  # a hash that says so, a fingerprint of ssh
    rb"|[0-9]{4}-[0-9]{2}-[0-9]{2}.*"
    rb"|[A-Za-z][A-Za-z0-9+.-]{1,20}://.*"  # an address; one with a password has its own rule
)


def random_enough(value: bytes) -> bool:
    """Say whether a token of a known shape is one, and no example made of one letter."""
    return not _compiled(_PLACEHOLDER).search(value) and len(set(value[-24:])) >= 8


def is_value(value: bytes) -> bool:
    """Say whether what is assigned to a password is a value of its own, not a name, a call or a placeholder."""
    if len(set(value)) < 6 or not (_compiled(_DIGIT).search(value) and _compiled(_LETTER).search(value)):
        return False  # first what is cheap: hostile text is full of such places
    if (
        _compiled(_PLACEHOLDER).search(value)
        or _compiled(_NO_VALUE).fullmatch(value)
        or _compiled(_CALL).fullmatch(value)
        or _compiled(_PUBLIC).fullmatch(value)
    ):
        return False
    return entropy(value) >= 2.5


_DIGIT, _LETTER = rb"[0-9]", rb"[A-Za-z]"


def is_long_value(value: bytes) -> bool:
    """Say the same of what is called a token or a key, words that prose is full of."""
    return len(set(value)) >= 10 and is_value(value) and entropy(value) >= 3.0 and not _compiled(_UUID).fullmatch(value)


_UUID = rb"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


def is_password(value: bytes) -> bool:
    """Say whether the password in an address is one."""
    return (
        not _compiled(_PLACEHOLDER).search(value) and not _compiled(_NO_VALUE).fullmatch(value) and not value.isdigit()
    )


def _token(name: str, anchors: str, rest: bytes, check: Check | None = random_enough) -> Rule:
    """Make a rule for a token that begins with one of the anchors, and not in the middle of a word."""
    words = tuple(word.encode() for word in anchors.split())
    heads = b"|".join(re.escape(word) for word in words)
    return Rule(name, words, rb"(?<![" + _WORD + rb"])(?:" + heads + rb")" + rest, check)


_END = rb"(?![A-Za-z0-9_])"
_B64 = rb"[A-Za-z0-9_-]"

RULES: tuple[Rule, ...] = (
    Rule(
        "private key",
        (b"-----BEGIN ",),
        rb"-----BEGIN (?:[A-Z0-9]{1,12} ){0,4}PRIVATE KEY(?: BLOCK)?-----"
        rb"(?=[\s\S]{0,400}?[A-Za-z0-9+/]{16})[\s\S]{0,256}",
    ),
    Rule("private key", (b"PuTTY-User-Key-File-",), rb"PuTTY-User-Key-File-[0-9]:[\s\S]{16,256}"),
    _token("AWS access key", "AKIA ASIA ABIA ACCA A3T", rb"[A-Z0-9]{12,17}" + _END),
    _token("GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", rb"[A-Za-z0-9]{36,255}" + _END),
    _token("GitHub token", "github_pat_", rb"[A-Za-z0-9]{20,30}_[A-Za-z0-9]{40,80}" + _END),
    _token(
        "GitLab token",
        "glpat- gldt- glft- glsoat- glrt- glcbt- glimt- glptt- glagent- gloas-",
        _B64 + rb"{20,255}(?!" + _B64 + rb")",
    ),
    _token("GitLab token", "GR1348941", _B64 + rb"{20,50}(?!" + _B64 + rb")"),
    _token("Slack token", "xoxb- xoxa- xoxp- xoxr- xoxs- xoxe- xoxe. xapp-", rb"[A-Za-z0-9-]{10,250}"),
    Rule(
        "Slack webhook",
        (b"hooks.slack.com/services/",),
        rb"hooks\.slack\.com/services/(?P<v>T[A-Za-z0-9_]{6,20}/B[A-Za-z0-9_]{6,20}/[A-Za-z0-9_]{20,30})",
    ),
    _token("Stripe key", "sk_live_ rk_live_ sk_test_ rk_test_", rb"[A-Za-z0-9]{16,247}" + _END),
    _token("Stripe secret", "whsec_", rb"[A-Za-z0-9+/]{24,100}"),
    _token("Google API key", "AIza", _B64 + rb"{35}(?!" + _B64 + rb")"),
    _token("Google OAuth secret", "GOCSPX-", _B64 + rb"{28}(?!" + _B64 + rb")"),
    _token("Google access token", "ya29.", _B64 + rb"{20,1000}"),
    _token("Anthropic key", "sk-ant-", rb"[a-z0-9]{3,12}-" + _B64 + rb"{20,200}"),
    _token("OpenAI key", "sk-proj- sk-svcacct- sk-admin- sk-None-", _B64 + rb"{20,300}"),
    _token("OpenAI key", "sk-", _B64 + rb"{0,120}T3BlbkFJ" + _B64 + rb"{20,120}"),
    _token("API key", "sk-or-v1- sk-", rb"[A-Za-z0-9]{32,64}" + rb"(?!" + _B64 + rb")"),
    _token("Hugging Face token", "hf_", rb"[A-Za-z]{34,40}" + _END),
    _token("npm token", "npm_", rb"[A-Za-z0-9]{36}" + _END),
    Rule("npm token", (b"_authToken",), rb"_authToken\s{0,3}=\s{0,3}(?P<v>[A-Za-z0-9_-]{16,200})", random_enough),
    _token("PyPI token", "pypi-AgEIcHlwaS5vcmc pypi-AgENdGVzdC5weXBpLm9yZw", _B64 + rb"{50,1000}"),
    _token("SendGrid key", "SG.", rb"[A-Za-z0-9_-]{20,24}\.[A-Za-z0-9_-]{39,50}"),
    _token("Twilio key", "SK AC", rb"[0-9a-f]{32}" + _END),
    _token("DigitalOcean token", "dop_v1_ doo_v1_ dor_v1_", rb"[a-f0-9]{64}" + _END),
    _token("HashiCorp Vault token", "hvs. hvb.", _B64 + rb"{24,300}"),
    _token("Databricks token", "dapi", rb"[a-f0-9]{32}(?:-[0-9])?" + _END),
    _token("Shopify token", "shpat_ shpca_ shppa_ shpss_", rb"[a-fA-F0-9]{32}" + _END),
    _token("Linear key", "lin_api_ lin_oauth_", rb"[A-Za-z0-9]{32,64}" + _END),
    _token("Square secret", "sq0csp- sq0atp-", _B64 + rb"{22,60}"),
    _token("Tailscale key", "tskey-", rb"[A-Za-z0-9]{3,12}-[A-Za-z0-9-]{16,80}"),
    _token("age secret key", "AGE-SECRET-KEY-1", rb"[A-Z0-9]{58}" + _END, None),
    _token("JSON web token", "eyJ", _B64 + rb"{8,4000}\.eyJ" + _B64 + rb"{8,4000}\." + _B64 + rb"{8,2000}"),
    Rule(
        "Artifactory token",
        (b"AKC", b"cmVmdGtuO"),
        rb"(?<![A-Za-z0-9])(?:AKC[a-zA-Z0-9]{50,90}|cmVmdGtuO[\w+/=]{40,90})",
    ),
    Rule("Mailchimp key", (b"-us",), rb"(?<![A-Za-z0-9])[0-9a-f]{32}-us[0-9]{1,2}" + _END, random_enough, back=32),
    Rule(
        "Azure key",
        (b"AccountKey=", b"SharedAccessKey="),
        rb"[A-Za-z]{10,15}=(?P<v>[A-Za-z0-9+/]{42,90}={0,2})",
        random_enough,
    ),
    Rule("Azure signature", (b"sig=",), rb"(?<=[?&;])sig=(?P<v>[A-Za-z0-9%+/]{40,90}(?:%3[dD]|=)?)", random_enough),
    Rule("Discord webhook", (b"/api/webhooks/",), rb"/api/webhooks/(?P<v>[0-9]{17,20}/[A-Za-z0-9_-]{60,80})"),
    Rule("Telegram token", (b":AA",), rb"[0-9]{8}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])", random_enough, back=8),
    Rule(
        "password in an address",
        (b"://",),
        rb"(?<=[A-Za-z0-9])://[^\s/@:'\"<>`]{0,200}:(?P<v>[^\s/@'\"<>`]{3,300})@(?=[A-Za-z0-9\[])",
        is_password,
    ),
    Rule(
        "Authorization header",
        (b"uthorization", b"UTHORIZATION"),
        rb"[Uu](?:thorization|THORIZATION)[\"']?\s{0,3}[:=,]\s{0,3}[\"']?"
        rb"(?:[Bb]earer|[Bb]asic|[Tt]oken|BEARER|BASIC|TOKEN)\s{1,3}(?P<v>[A-Za-z0-9._~+/=-]{12,4000})",
        random_enough,
    ),
    Rule(
        "Authorization header",
        (b"Bearer ", b"bearer "),
        rb"[Bb]earer (?P<v>[A-Za-z0-9._~+/=-]{20,4000})",
        is_long_value,
    ),
)

_SEPARATOR = rb"[\w.-]{0,30}[\"'`\]]{0,2}[ \t]{0,4}(?::=|=>|==|[:=](?![:=]))[ \t]{0,4}"
_QUOTED = rb"[bru]?(?P<q>[\"'`])(?P<v>[^\s\"'`]{%d,160})(?P=q)"
_BARE = rb"(?P<v>[^\s\"'`,;|()\[\]{}<>]{%d,160})"


def _assigned(least: int, value: bytes) -> bytes:
    return _SEPARATOR + value % least


ASSIGNED: tuple[tuple[str, tuple[bytes, ...], bytes, Check], ...] = tuple(
    (name, words, _assigned(least, value), check)
    for name, words, least, check in (
        ("password", (b"passw", b"passphrase", b"pwd", b"passcode"), 8, is_value),
        (
            "assigned secret",
            (b"secret", b"api_key", b"apikey", b"api-key", b"access_key", b"access-key", b"accesskey", b"private_key"),
            12,
            is_value,
        ),
        ("assigned token", (b"token", b"auth_key", b"credential"), 16, is_long_value),
    )
    for value in (_QUOTED, _BARE)
)
"""Name, words as they stand in lower case, what follows them, and what the value must be."""


def assigned(pattern: bytes, check: Check, data: bytes, at: int) -> re.Match[bytes] | None:
    """Look for a value behind a word such as `password` that ends before `at`."""
    found = _compiled(pattern).match(data, at)
    return found if found is not None and check(found["v"]) else None
