"""Tokens of the published shapes, drawn anew from a fixed seed: none is anybody's, and none stands here in full."""

from __future__ import annotations

import base64
import random
import string

_ALNUM = string.ascii_letters + string.digits
_HEX = "0123456789abcdef"
_URL = _ALNUM + "-_"


def _draw(count: int, letters: str = _ALNUM, seed: str = "") -> str:
    draw = random.Random(f"{count} {letters} {seed}")
    while True:
        text = "".join(draw.choice(letters) for _ in range(count))
        if len(set(text[-24:])) >= 8 and not text.startswith("-") and not text.endswith("-"):
            return text


def _jwt() -> str:
    def part(text: str) -> str:
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    return ".".join((part('{"alg":"HS256","typ":"JWT"}'), part('{"sub":"1234567","name":"A B"}'), _draw(43, _URL)))


def _openai() -> str:
    return "sk-" + _draw(20, seed="a") + "T3Blbk" + "FJ" + _draw(20, seed="b")


TOKENS = {
    "AWS access key": "AK" + "IA" + _draw(16, string.ascii_uppercase + "234567"),
    "AWS access key/temporary": "AS" + "IA" + _draw(16, string.ascii_uppercase + "234567", "t"),
    "GitHub token": "gh" + "p_" + _draw(36),
    "GitHub token/server": "gh" + "s_" + _draw(36, seed="s"),
    "GitHub token/fine": "github" + "_pat_" + _draw(22) + "_" + _draw(59),
    "GitLab token": "glp" + "at-" + _draw(20),
    "Slack token": "xo" + "xb-" + _draw(12, string.digits + "1234567890ab"[:10]) + "-" + _draw(24),
    "Slack webhook": "https://hooks.slack.com/ser" + "vices/T" + _draw(8, _ALNUM.upper()) + "/B"
    + _draw(8, _ALNUM.upper(), "b") + "/" + _draw(24),
    "Stripe key": "sk_" + "live_" + _draw(24),
    "Stripe key/restricted": "rk_" + "live_" + _draw(24, seed="r"),
    "Google API key": "AI" + "za" + _draw(35, _URL),
    "Google OAuth secret": "GOC" + "SPX-" + _draw(28, _URL),
    "Anthropic key": "sk-" + "ant-" + "api03-" + _draw(93, _URL) + "AA",
    "OpenAI key": _openai(),
    "OpenAI key/project": "sk-" + "proj-" + _draw(48),
    "npm token": "npm" + "_" + _draw(36),
    "npm token/rc": "//registry.npmjs.org/:_auth" + "Token=" + _draw(36, seed="rc"),
    "PyPI token": "pypi-" + "AgEIcHlwaS5vcmc" + _draw(80, _URL),
    "SendGrid key": "SG" + "." + _draw(22, _URL) + "." + _draw(43, _URL),
    "Twilio key": "S" + "K" + _draw(32, _HEX),
    "Hugging Face token": "hf" + "_" + _draw(34, string.ascii_letters),
    "DigitalOcean token": "dop" + "_v1_" + _draw(64, _HEX),
    "JSON web token": _jwt(),
    "Mailchimp key": _draw(32, _HEX, "mail") + "-us" + "12",
    "Square secret": "sq0" + "csp-" + _draw(43, _URL),
    "Telegram token": _draw(10, "123456789") + ":AA" + _draw(33, _URL),
    "Azure key": "Account" + "Key=" + base64.b64encode(random.Random(7).randbytes(64)).decode(),
    "Authorization header": "Authoriz" + "ation: Bearer " + _draw(40, seed="auth"),
    "Authorization header/basic": "authoriz" + "ation: Basic " + base64.b64encode(b"jesse:Tr0ub4dor&3x").decode(),
    "Artifactory token": "AK" + "C" + _draw(64),
    "Tailscale key": "tskey-" + "auth-" + _draw(11) + "-" + _draw(32),
}  # fmt: skip

URLS = [
    "https://jesse:" + "hunter2x@git.station.net/a/b.git",
    "postgres://app:" + "s3kr1t%21x@db:5432/shop",
    "redis://:" + "R3dis-Pa55@cache:6379/0",
]


def private_key(kind: str, seed: int = 1) -> str:
    """Return what looks like a private key, and opens nothing."""
    tail = " BLOCK" if kind == "PGP" else ""
    kind = "PGP " if kind == "PGP" else kind
    body = base64.encodebytes(random.Random(seed).randbytes(480)).decode()
    return f"-----BEGIN {kind}PRIVATE " + f"KEY{tail}-----\n{body}-----END {kind}PRIVATE KEY{tail}-----\n"


def assigned() -> list[str]:
    """Return lines that give a password to something."""
    value = _draw(20, seed="assigned")
    return [
        f"password = {value}",
        f'password: "{value}"',
        f"DB_PASSWORD='{value}'",
        f"export API_KEY={value}",
        f'"client_secret": "{value}",',
        f"  db.passwd: {value}",
        f"SECRET_KEY := `{value}`",
        f"access_token={value}",
        f"The password: {value}",
        f"AWS_SECRET_ACCESS_KEY={_draw(40)}",
    ]


_ID = "01JD3WQ8Z6T4K9V2M5N7P0R3S8"
BENIGN = [
    f"<!-- msg {_ID} -->",
    f"- **Thread:** {_ID}\n- **In-Reply-To:** {_ID}",
    f"token: {_ID}",
    "commit 4679ac1d87df70ea3ed0cd152522b1bd0307345a",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "<!-- /msg sshsig=U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAg" + _draw(180, _ALNUM + "+/") + " -->",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + _draw(43, _ALNUM + "+/") + " laptop",
    "- **Key:** ssh-ed25519 AAAA… SHA256:" + _draw(43, _ALNUM + "+/"),
    "3f2b8c1e-9d4a-4f6b-8a7c-1e2d3c4b5a69",
    "the token is in .gitsync/token, the password in the keyring",
    "password: (see the keyring)",
    "password = os.environ['DB_PASSWORD']",
    "password = settings.database.password",
    "password: ${DB_PASSWORD}",
    "PASSWORD=<your password>",
    'api_key = "YOUR_API_KEY"',
    "token = get_token(user)",
    "secret: changeme",
    "AK" + "IAIOSFODNN7EXAMPLE",
    "https://user:password@host/path",
    "https://github.com/a/b.git",
    "ssh://git@host:22/a.git and git@github.com:a/b.git",
    "see https://station.net/a?b=c:d@e",
    "Date: 2026-11-20T06:45:00Z",
    "the pass-through of tokens: 12345678 of them",
    "passwords: at least 12 characters",
    "tokens = 4096, max_tokens: 128000",
    "Authorization: Bearer <token>",
    "Authorization: Bearer $TOKEN",
    "class SecretKeyring: pass",
    "tests/test_rows.py::test_keeps_the_token::test_1234567890_and_more",
    'url = f"http://jesse:{PASSWORD_2}@127.0.0.1/"',
    "sk-learn, sk-image and pypi-publish are names of packages",
]
