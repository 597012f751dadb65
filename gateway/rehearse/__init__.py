"""Rehearsals: the product's own engine, watch, store and delivery on virtual time, with sinks that only record.

What belongs here: virtual time (`loop`), the daemon on it (`stage`), and what is played there: the tests of a configuration
(`trial`), and what came of it (`outcome`).

Nothing here decides anything: what a rehearsal shows is what the daemon would do, since it is the same code. It opens no
socket, starts no thread, writes no file and reads no clock; the same input always leads to the same end.
"""

from gateway.rehearse.loop import rehearse
from gateway.rehearse.stage import Stage, staged
from gateway.rehearse.trial import Result, try_out

__all__ = ["Result", "Stage", "rehearse", "staged", "try_out"]
