"""Keys as OpenSSH writes them: public ones of every kind that people sign with, private ones of ed25519.

The package `cryptography` does the arithmetic. It is imported where a number is needed: that takes 8 to 20 ms and 8 MB.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from gitsync.signing.wire import Damaged, Reader, string

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ED25519 = "ssh-ed25519"
RSA = "ssh-rsa"
CURVES = {"ecdsa-sha2-nistp256": b"nistp256", "ecdsa-sha2-nistp384": b"nistp384", "ecdsa-sha2-nistp521": b"nistp521"}
KINDS = (ED25519, RSA, *CURVES)
"""The kinds of keys whose signatures can be checked."""

_MAGIC = b"openssh-key-v1\0"
_BEGIN = b"-----BEGIN OPENSSH PRIVATE KEY-----"
_END = b"-----END OPENSSH PRIVATE KEY-----"


@dataclass(frozen=True)
class PublicKey:
    """A public key; `blob` is its form on the wire, which alone decides whether two are the same."""

    blob: bytes

    @cached_property
    def kind(self) -> str:
        """What kind of key it is, such as `ssh-ed25519`; empty where the bytes are none."""
        try:
            return Reader(self.blob).string().decode("ascii")
        except ValueError:
            return ""

    @cached_property
    def fingerprint(self) -> str:
        """The name that people compare: `SHA256:` and 43 characters, as `ssh-keygen -l` prints it."""
        digest = hashlib.sha256(self.blob).digest()
        return "SHA256:" + base64.b64encode(digest).decode("ascii").rstrip("=")

    def __str__(self) -> str:
        return f"{self.kind} {base64.b64encode(self.blob).decode('ascii')}"


def parse_public(text: str) -> PublicKey:
    """Read `ssh-ed25519 AAAA… comment`; raise ValueError for what is no public key."""
    words = text.split(None, 2)
    if len(words) < 2:
        raise Damaged("not a public key")
    try:
        key = PublicKey(base64.b64decode(words[1], validate=True))
    except (binascii.Error, ValueError) as error:
        raise Damaged("not a public key: the second word is not base64") from error
    if not key.kind or key.kind != words[0]:
        raise Damaged(f"not a public key of the kind {words[0]!r}")
    return key


class PrivateKey:
    """An ed25519 key that signs."""

    def __init__(self, seed: bytes, public: PublicKey) -> None:
        self._seed = seed
        self.public = public
        self._key: Ed25519PrivateKey | None = None

    def __repr__(self) -> str:
        return f"PrivateKey({self.public.fingerprint})"

    def sign(self, data: bytes) -> bytes:
        """Give the 64 bytes of the signature over these bytes."""
        if self._key is None:
            self._key = _load(self._seed)
        return self._key.sign(data)

    @classmethod
    def of_seed(cls, seed: bytes) -> PrivateKey:
        """Make the key that 32 random bytes stand for."""
        if len(seed) != 32:
            raise ValueError(f"a key takes 32 random bytes, not {len(seed)}")
        public = _load(seed).public_key().public_bytes_raw()
        return cls(seed, PublicKey(string(ED25519.encode()) + string(public)))

    def to_openssh(self, comment: str, check: bytes) -> bytes:
        """Write the key without a passphrase, as `ssh-keygen` does; `check` is 4 random bytes."""
        public = self.public.blob[-32:]
        inner = check + check + string(ED25519.encode()) + string(public) + string(self._seed + public)
        inner += string(comment.encode("utf-8", "replace"))
        inner += bytes(range(1, 1 + -len(inner) % 8))
        data = _MAGIC + string(b"none") + string(b"none") + string(b"") + (1).to_bytes(4, "big")
        text = base64.b64encode(data + string(self.public.blob) + string(inner))
        lines = [text[at : at + 70] for at in range(0, len(text), 70)]
        return b"\n".join([_BEGIN, *lines, _END]) + b"\n"

    @classmethod
    def from_openssh(cls, data: bytes) -> PrivateKey:
        """Read what `to_openssh` or `ssh-keygen -t ed25519 -N ''` wrote; raise ValueError for anything else."""
        text = data.strip()
        if not (text.startswith(_BEGIN) and text.endswith(_END)):
            raise Damaged("not a private key in the format of OpenSSH")
        try:
            raw = base64.b64decode(b"".join(text[len(_BEGIN) : -len(_END)].split()), validate=True)
        except binascii.Error as error:
            raise Damaged("not a private key: not base64") from error
        if not raw.startswith(_MAGIC):
            raise Damaged("not a private key in the format of OpenSSH")
        outer = Reader(raw[len(_MAGIC) :])
        if outer.string() != b"none" or outer.string() != b"none" or outer.string() != b"":
            raise Damaged("the key is protected by a passphrase, and nobody is there to type it")
        if outer.number() != 1:
            raise Damaged("the file holds more than one key")
        public = PublicKey(outer.string())
        inner = Reader(outer.string())
        if inner.number() != inner.number() or inner.string() != ED25519.encode():
            raise Damaged("not an ed25519 key")
        point = inner.string()
        seed = inner.string()[:32]
        if len(seed) != 32 or public.blob != string(ED25519.encode()) + string(point):
            raise Damaged("the two halves of the key do not belong together")
        return cls(seed, public)


def verify(key: PublicKey, algorithm: bytes, signature: bytes, data: bytes) -> bool:
    """Say whether a signature of this algorithm over these bytes was made with the key; never fails."""
    try:
        if key.kind == ED25519 and algorithm == ED25519.encode():
            return _verify_ed25519(key, signature, data)
        if key.kind == RSA and algorithm in (b"rsa-sha2-256", b"rsa-sha2-512"):
            return _verify_rsa(key, algorithm, signature, data)
        if key.kind in CURVES and algorithm == key.kind.encode():
            return _verify_ecdsa(key, signature, data)
    except ValueError:  # Damaged, and what the numbers of a key cannot be
        return False
    return False


def _load(seed: bytes) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed)


def _verify_ed25519(key: PublicKey, signature: bytes, data: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    reader = Reader(key.blob)
    reader.string()
    point = reader.string()
    reader.end()
    try:
        Ed25519PublicKey.from_public_bytes(point).verify(signature, data)
    except InvalidSignature:
        return False
    return True


def _verify_rsa(key: PublicKey, algorithm: bytes, signature: bytes, data: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

    reader = Reader(key.blob)
    reader.string()
    exponent, modulus = reader.mpint(), reader.mpint()
    reader.end()
    size = modulus.bit_length()
    if not 2048 <= size <= 16384:  # shorter ones can be broken, longer ones cost the reader seconds
        return False
    digest = hashes.SHA512() if algorithm == b"rsa-sha2-512" else hashes.SHA256()
    signature = signature.rjust((size + 7) // 8, b"\0")
    try:
        RSAPublicNumbers(exponent, modulus).public_key().verify(signature, data, padding.PKCS1v15(), digest)
    except InvalidSignature:
        return False
    return True


def _verify_ecdsa(key: PublicKey, signature: bytes, data: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    reader = Reader(key.blob)
    reader.string()
    name, point = reader.string(), reader.string()
    reader.end()
    if name != CURVES[key.kind]:
        return False
    numbers = Reader(signature)
    r, s = numbers.mpint(), numbers.mpint()
    numbers.end()
    curve: ec.EllipticCurve
    digest: hashes.HashAlgorithm
    if name == b"nistp256":
        curve, digest = ec.SECP256R1(), hashes.SHA256()
    elif name == b"nistp384":
        curve, digest = ec.SECP384R1(), hashes.SHA384()
    else:
        curve, digest = ec.SECP521R1(), hashes.SHA512()
    try:
        public = ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
        public.verify(encode_dss_signature(r, s), data, ec.ECDSA(digest))
    except InvalidSignature:
        return False
    return True
