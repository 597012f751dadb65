"""The real process in a time that jumps, and suspended."""

import os
import signal
import time
from pathlib import Path

import pytest

LIBRARY = "libfaketimeMT.so.1"


@pytest.mark.tools
@pytest.mark.parametrize("step", ["+1d", "-1d"])
def test_a_wall_clock_set_by_a_day_is_followed_once(daemon, step) -> None:
    library = next(Path("/usr/lib").glob(f"*/faketime/{LIBRARY}"), None)
    if library is None:
        pytest.skip("libfaketime is not installed (Debian package faketime)")
    hand = daemon.folder / "hand"
    hand.write_text("+0d\n")
    daemon.configure('[defaults]\nhold = "1h"\n[sinks.local]\n')
    daemon.start(
        LD_PRELOAD=str(library),
        FAKETIME_TIMESTAMP_FILE=str(hand),
        FAKETIME_NO_CACHE="1",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
    )
    daemon.trap(1)
    daemon.eventually(lambda: daemon.incidents(object="1", state="pending"), what="an incident that is held")
    hand.write_text(f"{step}\n")
    daemon.trap(2)  # wakes the timers
    daemon.eventually(lambda: daemon.said("clock.stepped"), what="that the clock was stepped")
    daemon.trap(3)
    daemon.eventually(lambda: len(daemon.incidents(state="pending")) == 3, what="the third")
    (stepped,) = daemon.said("clock.stepped")
    assert abs(abs(stepped["by_s"]) - 86_400) < 60
    assert daemon.incidents(condition="blind") == []
    assert daemon.stop() == 0


def test_a_suspended_process_says_that_it_was_blind(daemon) -> None:
    daemon.configure('[daemon]\nblind_after = "5s"\n[sinks.local]\n')
    daemon.start()
    os.kill(daemon.process.pid, signal.SIGSTOP)
    time.sleep(7)
    daemon.trap(4)
    os.kill(daemon.process.pid, signal.SIGCONT)
    (blind,) = daemon.eventually(lambda: daemon.incidents(condition="blind"), what="the incident")
    assert "the process stood still" in blind["summary"]
    daemon.eventually(lambda: daemon.incidents(condition="link_down"), what="what came meanwhile")
    daemon.eventually(lambda: daemon.incidents(condition="blind", state="resolved"), what="its end")
