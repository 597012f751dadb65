"""Keys of SNMPv3 users: from a password to a key that fits one engine.

Pure. A password becomes a *user key* by one slow hash (RFC 3414 section A.2: one mebibyte), which is done once per user;
the user key becomes a *localised key* for each engine by two fast ones, so that thousands of engines stay cheap.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

_EXPANDED = 1_048_576
"""Octets of repeated password that are hashed (RFC 3414 section A.2)."""


class Auth(StrEnum):
    """How a user's messages are authenticated."""

    NONE = "none"
    MD5 = "md5"
    SHA1 = "sha1"
    SHA224 = "sha224"
    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"


class Priv(StrEnum):
    """How a user's messages are encrypted."""

    NONE = "none"
    DES = "des"
    TDES = "3des"
    AES128 = "aes128"
    AES192 = "aes192"
    AES256 = "aes256"


class Localisation(StrEnum):
    """How a privacy key longer than the digest is made; equal where the digest is long enough."""

    REEDER = "reeder"
    """draft-reeder-snmpv3-usm-3desede: hash again as if the key were a password (Cisco and most vendors)."""
    BLUMENTHAL = "blumenthal"
    """draft-blumenthal-aes-usm-04: append the digest of the key (net-snmp)."""


MAC_OCTETS = {
    Auth.NONE: 0,
    Auth.MD5: 12,
    Auth.SHA1: 12,
    Auth.SHA224: 16,
    Auth.SHA256: 24,
    Auth.SHA384: 32,
    Auth.SHA512: 48,
}
"""Length of ``msgAuthenticationParameters`` (RFC 3414 sections 6 and 7, RFC 7860 section 4)."""

PRIV_OCTETS = {Priv.NONE: 0, Priv.DES: 16, Priv.TDES: 32, Priv.AES128: 16, Priv.AES192: 24, Priv.AES256: 32}
"""Length of a localised privacy key; for DES and 3DES its last 8 octets are the pre-IV (RFC 3414 section 8.1.1.1)."""


def user_key(auth: Auth, password: bytes) -> bytes:
    """Hash a password into a user key (RFC 3414 section A.2); takes milliseconds, so keep the result.

    Raises:
        ValueError: the password is empty.
    """
    if not password:
        raise ValueError("a password cannot be empty")
    repeated = password * (_EXPANDED // len(password) + 1)
    return hashlib.new(auth.value, repeated[:_EXPANDED]).digest()


def localise(auth: Auth, key: bytes, engine_id: bytes) -> bytes:
    """Bind a user key to one engine (RFC 3414 section 2.6)."""
    return hashlib.new(auth.value, key + engine_id + key).digest()


def extend(auth: Auth, key: bytes, engine_id: bytes, *, octets: int, how: Localisation) -> bytes:
    """Make a localised key ``octets`` long, lengthening it in the way ``how`` if the digest was too short.

    With `Localisation.REEDER` a short key costs one slow hash, as `user_key` does.
    """
    while len(key) < octets:
        if how is Localisation.REEDER:
            key += localise(auth, user_key(auth, key), engine_id)
        else:
            key += hashlib.new(auth.value, key).digest()
    return key[:octets]


def ambiguous(auth: Auth, priv: Priv) -> bool:
    """Whether the two ways of lengthening give different keys for this pair."""
    digest = 0 if auth is Auth.NONE else hashlib.new(auth.value).digest_size
    return priv in {Priv.AES192, Priv.AES256} and digest < PRIV_OCTETS[priv]


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One user of the security model, with the keys that the slow hash gave."""

    name: bytes
    auth: Auth
    priv: Priv
    auth_key: bytes = b""
    """User key for authentication, not localised."""
    priv_key: bytes = b""
    """User key for privacy, not localised."""
    localisations: tuple[Localisation, ...] = tuple(Localisation)
    """Ways to try, in order, where `ambiguous`."""
    least: int = 0
    """Least security level accepted: 0 noAuthNoPriv, 1 authNoPriv, 3 authPriv."""
    strict: bool = True
    """Refuse what is outside the time window (else accept and mark it)."""
    engine_id: bytes = b""
    """The only engine that this user may speak for; empty for any."""

    @property
    def most(self) -> int:
        """Highest security level that the protocols allow, counted as `least` is."""
        return (self.auth is not Auth.NONE) + 2 * (self.priv is not Priv.NONE)

    def __repr__(self) -> str:
        """Say who, never the keys."""
        return f"User({self.name!r}, {self.auth}, {self.priv})"
