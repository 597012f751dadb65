"""Addresses of trackers, as people configure them. Pure."""

from ipaddress import ip_address
from urllib.parse import urlsplit

__all__ = ["base_url"]

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_METADATA = frozenset({"metadata.google.internal", "instance-data.ec2.internal", "fd00:ec2::254", "100.100.100.200"})
"""Where clouds answer with the machine's own credentials, beside the link-local addresses."""


def base_url(text: str) -> str:
    """The address of a tracker as configured, without a trailing slash: for validators of configuration models.

    Raises:
        ValueError: it is no https address (http is taken on loopback only), it holds more than an address, or it is
            where a cloud keeps a machine's credentials.
    """
    parts = urlsplit(text.strip())
    secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    if not secure or not parts.hostname:
        raise ValueError("write an address that begins with https://, since credentials travel to it")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("write the address alone, without user, password, ? or #: credentials have their own fields")
    if parts.hostname in _METADATA or _link_local(parts.hostname):
        raise ValueError("write the tracker's address: this one is the machine's own cloud, which holds credentials")
    return text.strip().rstrip("/")


def _link_local(host: str) -> bool:
    try:
        return ip_address(host).is_link_local
    except ValueError:
        return False  # a name
