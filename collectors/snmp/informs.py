"""What became of each inform, so that a repeat is answered but never counted as a second occurrence.

Pure. Agents repeat what is not answered in time, v2c ones under a new request id and v3 ones under a new message id.
What stays is where it came from, whose name it bears, and the varbinds with their sysUpTime. A proxy forwards v3 ones of many
engines and contexts from one port under one user (RFC 3413 section 3.5), so these stay, too.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Answer = TypeVar("Answer", bound=Callable[[], object])


Who = tuple[bytes, ...]
"""Whose an inform is: of v2c its community, of v3 the user, the engine whose context it is, and the context."""


def identity(host: str, port: int, who: Who, varbinds: bytes) -> str:
    """The upstream identity of an inform; ``varbinds`` are as received."""
    digest = hashlib.blake2b(digest_size=20)
    for part in (host.encode(), port.to_bytes(2, "big"), *who, varbinds):
        digest.update(len(part).to_bytes(4, "big") + part)
    return "snmp:" + digest.hexdigest()


class Informs(Generic[Answer]):
    """Informs that wait for their commit, with their answers, and those that were answered."""

    def __init__(self, *, most: int, memory_s: float) -> None:
        """Remember answered informs for ``memory_s`` seconds; ``most`` of them, and as many that wait."""
        self._most, self._memory_s = most, memory_s
        self._waiting: dict[str, list[Answer]] = {}
        self._answered: OrderedDict[str, float] = OrderedDict()

    def waits(self, key: str, answer: Answer) -> bool:
        """Whether the first of its kind still waits for its commit; if so, ``answer`` waits with it."""
        answers = self._waiting.get(key)
        if answers is None:
            return False
        answers[1:] = [answer]  # bounded: what the sender listens for is the newest, or all under one request id
        return True

    def answered(self, key: str, now_s: float) -> bool:
        """Whether it was answered a short while ago."""
        while self._answered and next(iter(self._answered.values())) <= now_s - self._memory_s:
            self._answered.popitem(last=False)
        return key in self._answered

    def begin(self, key: str, answer: Answer) -> bool:
        """It is on its way to the store; False if too many are."""
        if len(self._waiting) >= self._most:
            return False
        self._waiting[key] = [answer]
        return True

    def end(self, key: str, now_s: float, *, kept: bool) -> list[Answer]:
        """It has arrived there, or failed to; returns what to answer now, which is nothing if it was not kept."""
        answers = self._waiting.pop(key, [])
        if not kept:
            return []
        self._answered[key] = now_s
        if len(self._answered) > self._most:
            self._answered.popitem(last=False)
        return answers
