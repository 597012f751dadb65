"""The engine: takes a batch of inputs, asks the core what each means, writes all answers in one transaction.

`engine` takes what is heard and releases who waits, `commits` gathers and writes batches; `meaning` says inside a transaction what
a run or an observation comes to.

Failure semantics: a future that `Engine.emit` gave is done only after the commit, and always gets an answer, even if
the task that commits is cancelled meanwhile. If the disk refuses, those who wait are told to try again (`Overloaded`),
what nobody can repeat stays in memory and is tried again, and its health falls until a write succeeds. An input that the
core itself cannot bear is set aside in the quarantine, alone, and acknowledged.
"""

from gateway.engine.engine import Engine
from gateway.engine.limits import EngineLimits

__all__ = ["Engine", "EngineLimits"]
