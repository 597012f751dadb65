"""Whether what is heard can be kept: the disk takes writes, and the store's file is trusted."""

import structlog

from gateway import metrics
from gateway.store.api import StoreError

log = structlog.get_logger()


class Health:
    """One per engine; it falls with a write that is refused, and is good again with one that is not."""

    def __init__(self) -> None:
        self.good = True
        self.refusal = ""
        """Why the disk refuses, in one sentence, while it does."""
        self._trusts_store = True

    def refused(self, error: StoreError) -> None:
        """The disk refused."""
        if self.good:
            log.error("store.refused", detail=str(error))
        self.good, self.refusal = False, str(error)
        metrics.STORE_OK.set(0)

    def recovered(self) -> None:
        """The disk took a write."""
        if not self.good:
            log.info("store.recovered")
        self.good, self.refusal = True, ""
        metrics.STORE_OK.set(self._trusts_store)

    def distrust(self) -> None:
        """The store's file is known to be damaged, whatever it takes."""
        self._trusts_store = False
        metrics.STORE_OK.set(0)
