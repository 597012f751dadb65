"""The server's certificate: loaded at start, and again when its files change, as certificates do every few weeks."""

import ssl
from pathlib import Path

import structlog

from gateway.plugin import Clock

log = structlog.get_logger()
_LOOK_EVERY_S = 60.0


class Certificate:
    """A TLS context that follows its files; handshakes after a change use the new ones."""

    def __init__(self, chain: Path, key: Path) -> None:
        """Load the files.

        Raises:
            ValueError: they cannot be read, or do not belong together.
        """
        self._chain, self._key = chain, key
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._seen = self._stamp()
        try:
            self.context.load_cert_chain(chain, key)
        except (OSError, ssl.SSLError) as error:
            raise ValueError(f"smtp cannot load tls_certificate {chain} with tls_key {key}: {error}") from error

    async def follow(self, clock: Clock) -> None:
        """Look at the files each minute, for ever."""
        while True:
            await clock.sleep(_LOOK_EVERY_S)
            self.refresh()

    def refresh(self) -> None:
        """Load the files again if they have changed; what cannot be loaded changes nothing."""
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            # Into a fresh context first: a failed load would leave a certificate without its key in ours.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self._chain, self._key)
            self.context.load_cert_chain(self._chain, self._key)
        except (OSError, ssl.SSLError) as error:
            log.warning("certificate.reload_failed", certificate=str(self._chain), error=str(error))
        else:
            log.info("certificate.reloaded", certificate=str(self._chain))

    def _stamp(self) -> tuple[int, ...]:
        try:
            return tuple(
                part for path in (self._chain, self._key) for part in (path.stat().st_mtime_ns, path.stat().st_ino)
            )
        except OSError:
            return ()
