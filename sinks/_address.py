"""Addresses of trackers, as people configure them. Pure."""

from urllib.parse import urlsplit

__all__ = ["base_url"]

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def base_url(text: str) -> str:
    """The address of a tracker as configured, without a trailing slash: for validators of configuration models.

    Raises:
        ValueError: it is no https address (http is taken on loopback only), or it holds more than an address.
    """
    parts = urlsplit(text.strip())
    secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    if not secure or not parts.hostname:
        raise ValueError("write an address that begins with https://, since credentials travel to it")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("write the address alone, without user, password, ? or #: credentials have their own fields")
    return text.strip().rstrip("/")
