"""A disk that is full, read-only, failing, slow or damaged: nothing acknowledged is lost, and it is said in a sentence."""

import resource
import signal
import socket
import sqlite3
import time

import httpx
import pytest

from tests.broker import Mosquitto
from tests.daemon import tool
from tests.faults.disk.conftest import FAST

PAGE = 4096


def wait_until_refused(house) -> None:
    house.eventually(house.refuses, what="that the store refuses")


def wait_until_ready(house) -> None:
    house.eventually(house.ready, what="ready again")
    assert "tocsin_store_ok 1.0" in house.metrics()


def assert_nothing_is_lost_even_by_a_kill(house) -> None:
    assert house.acknowledged
    assert house.lost() == set()
    house.ends(signal.SIGKILL)
    house.start()
    assert house.lost() == set()


def test_a_full_disk_stops_acknowledgements_and_room_resumes_them(house, disk) -> None:
    house.start()
    assert house.inform(1)
    assert house.mail("before") == 250
    process, ballast = house.process, house.state / "ballast"
    assert ballast.stat().st_blocks * 512 >= 4 << 20
    disk.fill()
    unheard = house.inform_until_refused(2)
    wait_until_refused(house)
    assert house.trouble().endswith("make room there")
    assert house.mail("meanwhile") == 452
    assert not house.inform(unheard, wait_s=1.5)
    assert not ballast.exists()
    house.trap(9000)  # nobody repeats it: it waits
    assert len(house.said("store.refused")) == len(house.said("store.ballast_released")) == 1
    disk.empty()
    wait_until_ready(house)
    assert house.process is process
    assert house.inform(unheard)
    assert house.mail("meanwhile") == 250
    house.eventually(lambda: "9000" in house.kept(), what="the trap that waited")
    assert ballast.exists()
    assert len(house.said("store.recovered")) == len(house.said("store.ballast_restored")) == 1
    assert_nothing_is_lost_even_by_a_kill(house)


@pytest.mark.tools
def test_what_the_broker_delivers_to_a_full_disk_is_not_acknowledged_and_comes_again(house, disk, tmp_path) -> None:
    if missing := [name for name in ("mosquitto", "mosquitto_pub") if tool(name) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    with Mosquitto(tmp_path) as broker:
        house.configure(FAST + f'[collectors.mqtt]\nbroker = "{broker.url}"\n[sinks.local]\n')
        house.start()
        beat(broker, "s1", "fault")
        house.eventually(lambda: house.incidents(source="s1"), what="the fault")
        disk.fill()
        house.inform_until_refused(1)
        wait_until_refused(house)
        beat(broker, "s2", "fault")
        house.eventually(lambda: house.said("broker.lost"), what="that what it sends cannot be kept")
        house.ends(signal.SIGKILL)
        disk.empty()
        house.start()  # this process was told of s2 by nobody but the broker
        house.eventually(lambda: house.incidents(source="s2"), what="the fault that was not acknowledged")
        assert house.lost() == set()


def beat(broker: Mosquitto, station: str, status: str) -> None:
    broker.publish(f"fleet/lyon/{station}/heartbeat", f'{{"status": "{status}"}}')


def test_a_limit_of_file_size_stops_acknowledgements_until_it_is_lifted(house) -> None:
    house.start()
    assert house.inform(1)
    log = house.state / "tocsin.db-wal"
    resource.prlimit(house.process.pid, resource.RLIMIT_FSIZE, (log.stat().st_size, resource.RLIM_INFINITY))
    unheard = house.inform_until_refused(2)
    wait_until_refused(house)
    assert "disk I/O error" in house.trouble()
    assert house.mail("meanwhile") == 452
    assert len(house.said("store.refused")) == 1
    resource.prlimit(house.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    wait_until_ready(house)
    assert house.inform(unheard)
    assert_nothing_is_lost_even_by_a_kill(house)


@pytest.mark.parametrize("mood", ["readonly", "failing"])
def test_a_disk_that_refuses_writes_stops_acknowledgements_until_it_is_well(house, moods, mood) -> None:
    house.start()
    assert house.inform(1)
    with moods.be(mood):
        assert not house.inform(2, wait_s=1.5)
        wait_until_refused(house)
        assert "disk I/O error" in house.trouble()
        assert house.mail("meanwhile") == 452
    wait_until_ready(house)
    assert len(house.said("store.refused")) == len(house.said("store.recovered")) == 1
    assert house.inform(2)
    assert_nothing_is_lost_even_by_a_kill(house)


def test_a_slow_disk_lets_informs_wait_and_nothing_else(house, moods) -> None:
    house.start()
    assert house.inform(1)
    with moods.be("slow"):
        for number in range(10, 20):
            house.trap(number)
        with socket.create_connection(("127.0.0.1", house.ports["mail"]), timeout=5) as client:
            began_s = time.monotonic()
            assert client.recv(100).startswith(b"220")
            assert httpx.get(house.url + "/healthz", trust_env=False).status_code == 200
            assert time.monotonic() - began_s < 0.25
        began_s = time.monotonic()
        assert house.inform(2)
        assert 0.25 < time.monotonic() - began_s < 3
        assert house.ready()
    house.eventually(lambda: {str(number) for number in range(10, 20)} <= house.kept(), what="the traps")
    assert house.lost() == set()


@pytest.mark.parametrize(("at", "name"), [(0, "header"), (3 * PAGE, "page")])
def test_a_damaged_store_is_refused_at_the_start_and_left_alone(house, at, name) -> None:
    house.start()
    assert house.inform(1)
    assert house.stop() == 0
    damage(house, at)
    before = house.store.read_bytes()
    done = house.run()
    assert done.returncode == 78
    (said,) = [line for line in (done.stdout + done.stderr).splitlines() if "not_started" in line]
    assert "is damaged" in said
    assert "restore a backup" in said
    assert house.store.read_bytes()[100:] == before[100:]


def damage(house, at: int) -> None:
    with house.store.open("r+b") as file:
        file.seek(at)
        file.write(b"\xa5" * PAGE)


def test_a_log_that_is_removed_costs_nothing_that_was_acknowledged(house) -> None:
    house.start()
    for number in range(1, 6):
        assert house.inform(number)
    (house.state / "tocsin.db-wal").unlink()
    assert not house.inform(6, wait_s=1.5)
    wait_until_refused(house)
    assert "tocsin.db-wal was removed" in house.trouble()
    assert "restart the daemon" in house.trouble()
    assert len(house.said("store.refused")) == 1
    house.ends(signal.SIGKILL)
    house.start()
    assert house.lost() == set()
    assert house.inform(6)


def test_a_store_that_is_replaced_is_told(house) -> None:
    house.start()
    assert house.inform(1)
    other = house.folder / "other.db"
    sqlite3.connect(other).close()
    other.touch()
    other.replace(house.store)
    assert not house.inform(2, wait_s=1.5)
    wait_until_refused(house)
    assert "tocsin.db was replaced" in house.trouble()


def test_damage_in_service_is_found_told_and_stops_acknowledgements(house) -> None:
    house.start()
    assert house.inform(1)
    assert house.stop() == 0  # the log is in the file
    house.configure('[retention]\ncheck_every = "1s"\n[sinks.local]\n')
    house.start()
    with sqlite3.connect(house.store) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'quarantine'").fetchone()
    damage(house, (page - 1) * PAGE)
    house.eventually(lambda: house.said("store.damaged"), what="the damage")
    assert house.trouble().startswith("the store is damaged")
    assert not house.inform(4, wait_s=1.5)
    assert house.mail("meanwhile") == 452
    house.eventually(lambda: house.incidents(condition="store_damaged"), what="the incident")
    assert "tocsin_store_ok 0.0" in house.metrics()
    assert len(house.said("store.damaged")) == 1
