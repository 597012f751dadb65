"""Losses, storms and idle clients as stories: told once, over when calm, and nobody else is kept waiting."""

import asyncio
import contextlib
import socket
import stat

import httpx
import pytest
from prometheus_client import REGISTRY

from collectors.snmp import codec

pytestmark = pytest.mark.tools
FEW = """
[engine]
source_new_per_min = 5
[daemon]
loss_per_min = 50
"""


def shout(port: int, count: int, *, community: bytes = b"public", first: int = 1) -> None:
    """Traps about different ports of a device."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for number in range(first, first + count):
            varbinds = [
                codec.VarBind("1.3.6.1.2.1.1.3.0", 0x43, number),
                codec.VarBind("1.3.6.1.6.3.1.1.4.1.0", 6, f"1.3.6.1.4.1.99999.0.{number}"),
            ]
            pdu = codec.encode_pdu(codec.PduType.TRAP_V2, varbinds, request_id=number)
            sock.sendto(codec.encode_message(codec.V2C, community, pdu), ("127.0.0.1", port))


def balance(*collectors: str) -> float:
    """Received less what became of it."""
    total = 0.0
    for metric in REGISTRY.collect():
        for sample in metric.samples:
            if sample.labels.get("collector") in collectors and sample.name.startswith("tocsin_inputs_"):
                if sample.name.endswith("_received_total"):
                    total += sample.value
                elif sample.name.endswith("_total"):
                    total -= sample.value
    return total


async def test_a_loss_above_the_threshold_is_an_incident_until_a_minute_was_calm(build) -> None:
    async with build(more=FEW) as house:
        before = balance("snmp", "tocsin")
        await house.passes(seconds=61)
        shout(house.ports["trap"], 80, community=b"guess")
        await asyncio.sleep(0.2)
        await house.passes(seconds=61)
        lost = await house.sees(condition="input_loss", state="open", ticket_state="open")
        assert (lost["object"], lost["labels"]) == ("snmp", {"lost.unknown_community": "80"})
        assert lost["summary"] == "snmp lost 80 inputs in a minute: unknown_community 80"
        await house.passes(seconds=61)
        await house.sees(condition="input_loss", state="resolved", ticket_state="resolved")
        await house.quiet()
        assert balance("snmp", "tocsin") == before
        assert (await house.get("/api/v1/unknown"))["items"] == [], "what we say of ourselves is known"


async def test_a_device_gone_mad_costs_its_budget_and_one_ticket(build) -> None:
    async with build(more=FEW) as house:
        before = balance("snmp")
        shout(house.ports["trap"], 40)
        storm = await house.sees(condition="source_storm", occurrences=35, ticket_state="open")
        assert storm["priority"] == "P2"
        assert len(await house.incidents()) == 6
        await house.link("down", inform=True)
        await house.sees(condition="source_storm", occurrences=36)
        await house.passes(minutes=3)
        await house.sees(condition="source_storm", state="resolved", ticket_state="resolved")
        await house.quiet()
        assert balance("snmp") == before


async def test_beyond_the_cap_over_all_sources_troubles_are_a_number_until_there_is_room(build) -> None:
    async with build(more="[engine]\nopen_max = 3") as house:
        before = balance("snmp")
        for port in (1, 2, 3):
            await house.link("down", port=port, inform=True)
        shout(house.ports["trap"], 9)
        overflow = await house.sees(condition="overflow", occurrences=9, ticket_state="open")
        assert overflow["priority"] == "P2"
        assert len(await house.incidents()) == 4, "and nothing else has begun"
        await house.quiet()
        ticket = await house.desk.show(overflow["tickets"][0]["id"])
        assert "By source: 127.0.0.1 9" in ticket.description
        for port in (1, 2, 3):
            await house.link("up", port=port, inform=True)
        await house.passes(minutes=3)
        await house.sees(condition="overflow", state="resolved", ticket_state="resolved")
        shout(house.ports["trap"], 1)
        await house.sees(condition="1.3.6.1.4.1.99999.0.1", state="open", ticket_state="open")
        await house.quiet()
        assert balance("snmp") == before


async def test_the_books_hold_for_stations_that_go_and_come_back(build) -> None:
    async with build() as house:
        before = balance("mqtt", "watch", "tocsin")
        await house.beat('{"status": "fault"}')
        await house.sees(condition="station_fault", state="open")
        for _ in range(2):
            await house.beat('{"status": "ok"}')
        await house.sees(condition="station_fault", state="resolved")
        await house.quiet()
        assert balance("mqtt", "watch", "tocsin") == before


async def test_idle_clients_do_not_keep_the_pages_from_others(build) -> None:
    async with build() as house:
        idle = [await asyncio.open_connection("127.0.0.1", house.ports["http"]) for _ in range(150)]
        async with httpx.AsyncClient(
            trust_env=False, transport=httpx.AsyncHTTPTransport(local_address="127.0.0.7")
        ) as other:
            answer = await other.get(f"http://127.0.0.1:{house.ports['http']}/healthz")
        assert answer.status_code == 200
        closed = 0
        for reader, writer in idle:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.01):
                    closed += await reader.read() == b""
            writer.close()
        assert 50 <= closed < 150


async def test_a_request_that_never_ends_is_hung_up_on(build) -> None:
    async with build(web="keep_alive_s = 1") as house:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.ports["http"])
        began_s = asyncio.get_running_loop().time()
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b"G")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.3):
                        await reader.read(1)
                assert asyncio.get_running_loop().time() - began_s < 10
        writer.close()


async def test_what_changes_something_needs_the_token_or_the_socket(build, monkeypatch) -> None:
    async with build() as house:
        await house.link("down")
        seen = await house.sees(condition="link_down")
        paths = [
            f"/api/v1/incidents/{seen['id']}/close",
            f"/api/v1/incidents/{seen['id']}/unmute",
            "/api/v1/outbox/1/drop",
        ]
        for path in paths:
            assert (await house.http.post(path)).status_code == 403, "no token is configured: the socket only"
            assert (await house.http.get(path)).status_code == 405
        admin = house.app.state_dir / "admin.sock"
        assert stat.S_IMODE(admin.stat().st_mode) == 0o600
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(admin))) as operator:
            assert (await operator.post(f"http://tocsin{paths[0]}")).status_code == 200
        await house.sees(id=seen["id"], state="closed")


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ("", 401),
        ("Bearer", 401),
        ("Bearer wrong-token-of-16", 401),
        ("Basic dG9rZW4=", 401),
        ("Bearer the-right-token-1", 200),
    ],
)
async def test_a_token_is_checked(build, monkeypatch, given: str, status: int) -> None:
    monkeypatch.setenv("HTTP_TOKEN", "the-right-token-1")
    async with build(web='token = "env:HTTP_TOKEN"') as house:
        await house.link("down")
        seen = await house.sees(condition="link_down")
        answer = await house.http.post(f"/api/v1/incidents/{seen['id']}/unmute", headers={"Authorization": given})
        assert answer.status_code == status
        everywhere = await house.http.post(f"/api/v1/incidents/{seen['id']}/unmute?token=the-right-token-1")
        assert everywhere.status_code == 401
