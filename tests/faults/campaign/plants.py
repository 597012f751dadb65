"""The daemon with a bug planted in it: ``python -m tests.faults.campaign.plants BUG run --config ...``.

The campaign must find each of them; one that it does not find shows that the campaign sees nothing.
"""

import sys
from collections.abc import Callable
from dataclasses import replace

from gateway.core import operation
from gateway.core.operation import Operation, OperationState


def lazy_sync() -> None:
    """Commits are not synced: nothing is lost by a kill, much by a power cut."""
    from gateway.store import place

    place.PRAGMAS = tuple(
        "synchronous = NORMAL" if pragma.startswith("synchronous") else pragma for pragma in place.PRAGMAS
    )


def forgets_doubt() -> None:
    """What was under way when the process died is sent again at once: tickets come in pairs."""
    from gateway.store import outbox

    def crashed(doubtful: Operation, *, now_ms: int) -> Operation:
        return replace(doubtful, state=OperationState.PENDING, next_ms=now_ms)

    operation.crashed = outbox.crashed = crashed


def hasty() -> None:
    """Acknowledges before the commit: the future that a collector waits for is done at once."""
    from gateway.core.reason import Reason
    from gateway.engine import Engine
    from gateway.plugin import Receipt

    def at_once(slow):
        def emit(self, *what, **how):
            committed = slow(self, *what, **how)
            if committed is None:
                return None
            committed.add_done_callback(lambda done: done.exception())
            told = committed.get_loop().create_future()
            told.set_result(Receipt(incident="", reason=Reason.UNCHANGED))
            return told

        return emit

    Engine.emit_judged = at_once(Engine.emit_judged)
    Engine.emit_joined = at_once(Engine.emit_joined)


PLANTS: dict[str, Callable[[], None]] = {
    "lazy-sync": lazy_sync,
    "forgets-doubt": forgets_doubt,
    "hasty": hasty,
}

if __name__ == "__main__":
    from gateway.cli import main

    PLANTS[sys.argv.pop(1)]()
    main()
