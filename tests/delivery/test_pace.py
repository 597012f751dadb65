"""What becomes of an operation, and how fast a sink is called: pure, the time is an argument."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.decision import OperationKind, Rank
from gateway.core.impact import Impact
from gateway.core.operation import (
    BACKOFF_CAP_MS,
    MAX_AGE_MS,
    PATIENCE_MS,
    RETRY_AFTER_CAP_MS,
    Operation,
    OperationState,
    backoff_ms,
    failed,
    look_failed,
    not_found,
    resent,
    unknown,
)  # fmt: skip
from gateway.core.pace import LONGEST_SPARED_S, SPARED_S, Breaker, Budget
from gateway.core.reason import Failed

NOW = 1_795_305_600_000
LAGS = (2.0, 5.0, 15.0)


def operation(**more) -> Operation:
    given = {
        "id": 1, "incident": "i", "sink": "desk", "kind": OperationKind.SYNC, "rank": Rank.CREATE,
        "impact": Impact.HIGH, "reason": "first_raised", "created_ms": NOW, "next_ms": NOW, "attempts": 1,
        "state": OperationState.INFLIGHT, **more,
    }  # fmt: skip
    return Operation(**given)


@given(st.integers(0, 100), st.floats(0, 1))
def test_back_off_is_jittered_within_bounds(attempts: int, chance: float) -> None:
    wait = backoff_ms(attempts, chance=chance)
    longest = min(BACKOFF_CAP_MS, 1000 * 2 ** min(attempts, 20))
    assert longest / 10 - 1 <= wait <= longest


def test_a_tracker_that_says_when_is_obeyed_within_reason() -> None:
    for said, obeyed in ((7_000, 7_000), (10**9, RETRY_AFTER_CAP_MS)):
        after = failed(operation(), Failed.RATE_LIMITED, "slow", now_ms=NOW, after_ms=said, chance=0)
        assert (after.state, after.next_ms) == (OperationState.PENDING, NOW + obeyed)


def test_what_grows_too_old_is_dead_whatever_it_waits_for() -> None:
    old = {"now_ms": NOW + MAX_AGE_MS + 1}
    lost = operation(state=OperationState.UNKNOWN, unknown_ms=NOW)
    assert failed(operation(), Failed.SERVER_ERROR, "x", after_ms=None, chance=0, **old).state is OperationState.DEAD
    assert resent(lost, chance=0, **old).state is OperationState.DEAD
    still_unknown = look_failed(lost, "x", lags_s=LAGS, **old)
    assert (still_unknown.state, still_unknown.unknown_ms) == (
        OperationState.DEAD,
        NOW,
    )  # a person's requeue looks first


@pytest.mark.parametrize("impact", Impact)
def test_it_is_looked_for_until_patience_ends_and_not_longer(impact: Impact) -> None:
    looked = unknown(operation(impact=impact), "timeout", now_ms=NOW, lags_s=LAGS)
    instants = []
    while looked.state is OperationState.UNKNOWN:
        instants.append(looked.next_ms - NOW)
        looked = not_found(looked, impact=impact, now_ms=looked.next_ms, unique_key=False, lags_s=LAGS)
    assert instants[:3] == [2000, 5000, 15000]
    assert instants[-1] == PATIENCE_MS[impact]
    assert (looked.state, looked.next_ms, looked.unknown_ms) == (OperationState.PENDING, NOW + instants[-1], None)


def test_with_a_unique_key_it_is_sent_again_at_once_and_then_with_back_off() -> None:
    for attempts, wait in ((1, 0), (2, 2000), (5, 16000)):
        lost = unknown(operation(attempts=attempts), "?", now_ms=NOW, lags_s=LAGS)
        again = not_found(lost, impact=Impact.LOW, now_ms=NOW, unique_key=True, lags_s=LAGS, chance=1)
        assert (again.state, again.next_ms) == (OperationState.PENDING, NOW + wait)


def test_a_failed_search_is_unknown_and_never_not_there() -> None:
    lost = unknown(operation(impact=Impact.CRITICAL), "?", now_ms=NOW, lags_s=LAGS)
    for turn in range(50):
        lost = look_failed(lost, "no answer", now_ms=lost.next_ms, lags_s=LAGS)
        assert (lost.state, lost.looks, lost.error) == (OperationState.UNKNOWN, turn + 1, "no answer")


def test_a_budget_gives_its_burst_then_its_rate() -> None:
    budget = Budget(per_s=2, burst=4)
    for _ in range(4):
        assert budget.wait_s(now_s=0) == 0
        budget.spend(now_s=0)
    assert budget.wait_s(now_s=0) == 0.5
    assert budget.wait_s(now_s=0.5) == 0
    budget.pause(10, now_s=0.5)
    assert budget.wait_s(now_s=0.5) == pytest.approx(10)
    assert budget.wait_s(now_s=10.5) == pytest.approx(0)


def test_failures_in_a_row_open_the_breaker_and_a_success_closes_it() -> None:
    breaker = Breaker()
    for _ in range(4):
        breaker.failed(now_s=0)
    breaker.succeeded()
    for _ in range(4):
        breaker.failed(now_s=0)
    assert breaker.closed
    breaker.failed(now_s=0)
    assert (breaker.closed, breaker.wait_s(now_s=0), breaker.wait_s(now_s=30)) == (False, 30, 0)
    breaker.failed(now_s=31)
    assert breaker.wait_s(now_s=31) == 60
    breaker.succeeded()
    assert (breaker.closed, breaker.wait_s(now_s=31)) == (True, 0)


def test_calls_that_were_under_way_when_the_breaker_opened_do_not_open_it_longer() -> None:
    breaker = Breaker()
    for _ in range(12):
        breaker.failed(now_s=0)
    assert breaker.wait_s(now_s=0) == 30
    paused = Breaker()
    for _ in range(4):
        paused.pause(60, now_s=0)
    assert paused.wait_s(now_s=0) == 60


def test_a_tracker_that_takes_no_more_calls_is_spared_and_has_not_failed() -> None:
    breaker = Breaker()
    assert (breaker.spare(60, now_s=10), breaker.closed) == (60, True)
    assert breaker.spare(None, now_s=11) == SPARED_S
    breaker.succeeded()  # a call that was under way
    assert (breaker.spares(now_s=69), breaker.wait_s(now_s=69)) == (True, 1)
    assert (breaker.spares(now_s=70), breaker.wait_s(now_s=70)) == (False, 0)
    assert breaker.spare(1e9, now_s=70) == LONGEST_SPARED_S
    failing = Breaker(threshold=1)
    failing.failed(now_s=0)
    assert failing.spares(now_s=31), "an open breaker lets nothing but probes through"


def test_the_breaker_opens_no_longer_than_it_may() -> None:
    breaker, now_s = Breaker(), 0.0
    for _ in range(30):
        breaker.failed(now_s=now_s)
        assert breaker.wait_s(now_s=now_s) <= breaker.longest_s
        now_s += breaker.wait_s(now_s=now_s)


@given(st.floats(0.01, 2000), st.floats(0, 1e7), st.integers(0, 50))
def test_after_waiting_as_long_as_it_said_a_call_may_be_made(per_s: float, now_s: float, spent: int) -> None:
    budget = Budget(per_s=per_s, burst=2)
    for _ in range(spent):
        budget.spend(now_s=now_s)
    for _ in range(3):  # the clock's own rounding may ask for a second, tiny wait
        now_s += budget.wait_s(now_s=now_s)
    assert budget.wait_s(now_s=now_s) == 0
