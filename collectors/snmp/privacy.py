"""Ciphers of SNMPv3 privacy: DES, 3DES and AES, each keyed once and used for many messages.

Pure. Single DES runs as 3DES with three equal keys, since `cryptography` has no single DES.
"""

from typing import Protocol

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB

from collectors.snmp.keys import Priv

SALT_OCTETS = 8
_BLOCK = 8
_AES_BLOCK = 16


class Privacy(Protocol):
    """Encrypts and decrypts scoped PDUs under one localised key."""

    def decrypt(self, data: bytes, *, boots: int, time: int, salt: bytes) -> bytes:
        """Recover the plain octets, which may end in padding.

        Raises:
            ValueError: ``data`` or ``salt`` has an impossible length.
        """
        ...

    def encrypt(self, data: bytes, *, boots: int, time: int, salt: int) -> tuple[bytes, bytes]:
        """Encrypt under a salt never used before; returns ciphertext and ``msgPrivacyParameters``."""
        ...


class AesCfb:
    """AES in CFB128 mode (RFC 3826 section 3.1); key of 16, 24 or 32 octets."""

    def __init__(self, key: bytes) -> None:
        self._algorithm = AES(key)
        self._blocks = Cipher(self._algorithm, ECB()).encryptor()  # noqa: S305 - CFB is made of it, see `decrypt`

    def decrypt(self, data: bytes, *, boots: int, time: int, salt: bytes) -> bytes:
        """See `Privacy`.

        A block is the ciphertext, xored with the block of ciphertext before it encrypted (NIST SP 800-38A section 6.3).
        All of these are there at once, so one cipher that is keyed for good does it: to make one for each message
        takes three times as long.
        """
        if len(salt) != SALT_OCTETS:
            raise ValueError("the salt is not 8 octets long")
        size = len(data)
        before = (_instant(boots, time) + salt + data)[: (size + _AES_BLOCK - 1) // _AES_BLOCK * _AES_BLOCK]
        stream = self._blocks.update(before)[:size]
        return (int.from_bytes(data, "big") ^ int.from_bytes(stream, "big")).to_bytes(size, "big")

    def encrypt(self, data: bytes, *, boots: int, time: int, salt: int) -> tuple[bytes, bytes]:
        """See `Privacy`."""
        parameters = (salt % (1 << 64)).to_bytes(SALT_OCTETS, "big")
        encryptor = Cipher(self._algorithm, CFB(_instant(boots, time) + parameters)).encryptor()
        return encryptor.update(data) + encryptor.finalize(), parameters


class DesCbc:
    """DES (RFC 3414 section 8) with a key of 16 octets, or 3DES (draft-reeder) with 32, in CBC mode."""

    def __init__(self, key: bytes) -> None:
        cipher_key, self._pre_iv = key[:-_BLOCK], int.from_bytes(key[-_BLOCK:], "big")
        self._algorithm = TripleDES(cipher_key * 3 if len(cipher_key) == _BLOCK else cipher_key)

    def decrypt(self, data: bytes, *, boots: int, time: int, salt: bytes) -> bytes:
        """See `Privacy`."""
        del boots, time  # they are in the salt already
        if len(salt) != SALT_OCTETS or not data or len(data) % _BLOCK:
            raise ValueError("the salt or the ciphertext is not a multiple of 8 octets")
        decryptor = Cipher(self._algorithm, CBC(self._iv(salt))).decryptor()
        return decryptor.update(data) + decryptor.finalize()

    def encrypt(self, data: bytes, *, boots: int, time: int, salt: int) -> tuple[bytes, bytes]:
        """See `Privacy`."""
        del time
        # RFC 3414 section 8.1.1.1: engine boots, then a counter of our own.
        parameters = boots.to_bytes(4, "big") + (salt % (1 << 32)).to_bytes(4, "big")
        encryptor = Cipher(self._algorithm, CBC(self._iv(parameters))).encryptor()
        padded = data + bytes(-len(data) % _BLOCK)
        return encryptor.update(padded) + encryptor.finalize(), parameters

    def _iv(self, salt: bytes) -> bytes:
        return (int.from_bytes(salt, "big") ^ self._pre_iv).to_bytes(_BLOCK, "big")


def privacy(priv: Priv, key: bytes) -> Privacy:
    """Make the cipher for a localised key of the length that `keys.PRIV_OCTETS` demands.

    Raises:
        ValueError: ``priv`` is none.
    """
    match priv:
        case Priv.DES | Priv.TDES:
            return DesCbc(key)
        case Priv.AES128 | Priv.AES192 | Priv.AES256:
            return AesCfb(key)
        case _:
            raise ValueError("this user has no privacy protocol")


def _instant(boots: int, time: int) -> bytes:
    return boots.to_bytes(4, "big") + time.to_bytes(4, "big")
