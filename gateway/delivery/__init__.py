"""Delivery: takes operations from the outbox to the sinks, and writes down how each attempt ended.

`delivery` paces and judges; `booking` writes into the outbox what has ended and takes what is next; `calls` says what one
attempt does at the tracker.

Failure semantics: an operation's intent is on disk before its call. A call that surely changed nothing is tried again
with back-off; one whose outcome nobody knows is looked for before it is sent again; one that the tracker refuses for
good is dead, visible, and repeatable by a person. One sink's trouble never delays another's.
"""

from gateway.delivery.delivery import SinkDelivery

__all__ = ["SinkDelivery"]
