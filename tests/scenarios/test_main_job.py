"""The main job: a trap, a beat and a mail become incidents with an impact, and tickets."""

import pytest

pytestmark = pytest.mark.tools
PORT = "1.3.6.1.2.1.2.2.1.1.3"


async def test_a_trap_a_beat_and_a_mail_become_three_incidents_and_three_tickets(build) -> None:
    async with build() as house:
        await house.link("down")
        await house.beat('{"status":"fault"}')
        await house.mail("The till is dead")

        await house.sees(condition="link_down", source="127.0.0.1", object="3", impact="high", ticket_state="open")
        await house.sees(condition="station_fault", source="s1", ticket_state="open")
        await house.sees(condition="mail", source="alice@customer.example", ticket_state="open")
        assert len(await house.incidents()) == 3


async def test_a_thousand_repeats_are_one_incident_and_one_ticket_and_its_clear_resolves_it(build) -> None:
    async with build() as house:
        await house.link("down")
        raw = await house.sees(condition="link_down", ticket_state="open")
        for _ in range(999):
            house.app.engine.offer(_again(house, raw))
        seen = await house.sees(condition="link_down", occurrences=1000)
        assert len(await house.incidents()) == 1

        await house.link("up")
        await house.sees(id=seen["id"], state="resolved", ticket_state="resolved")
        assert len((await house.get("/api/v1/tickets"))["items"]) == 1


def _again(house, item):
    from gateway.core.event import Event, EventKind

    return Event(
        collector="snmp", source=item["source"], condition="linkDown", kind=EventKind.RAISE,
        at_ms=house.clock.now_ms(), labels=item["labels"],
    )  # fmt: skip


@pytest.mark.parametrize("version", ["1", "2c"])
async def test_link_traps_of_every_version_pair_up(build, version: str) -> None:
    async with build() as house:
        assert await house.link("down", version=version) == 0
        seen = await house.sees(condition="link_down", object="3", state="open")
        assert await house.link("up", version=version) == 0
        await house.sees(id=seen["id"], state="resolved")


async def test_an_inform_is_answered_when_its_incident_is_on_disk(build) -> None:
    async with build() as house:
        assert await house.link("down", inform=True) == 0
        assert (await house.incident())["occurrences"] == 1


async def test_a_trap_and_an_inform_of_version_3_are_verified_and_decrypted(build, monkeypatch) -> None:
    monkeypatch.setenv("V3_AUTH", "auth-password")
    monkeypatch.setenv("V3_PRIV", "priv-password")
    user = """
[[collectors.snmp.users]]
name = "station"
auth = "sha1"
auth_password = "env:V3_AUTH"
priv = "aes128"
priv_password = "env:V3_PRIV"
"""
    words = ["-u", "station", "-l", "authPriv", "-a", "SHA", "-A", "auth-password", "-x", "AES", "-X", "priv-password"]
    async with build(more=user) as house:
        assert await house.trap_v3("-e", "0x80001f8880aabbccdd00112233", *words) == 0
        await house.sees(condition="link_down", occurrences=1)
        assert await house.trap_v3(*words, inform=True) == 0
        await house.sees(condition="link_down", occurrences=2)
        wrong = [word.replace("auth-password", "not-the-password") for word in words]
        assert await house.trap_v3(*wrong, inform=True) != 0
        assert (await house.incident())["occurrences"] == 2
        assert await house.trap_v3("-e", "0x80001f8880aabbccdd00112233", *wrong) == 0
        assert await house.trap_v3("-e", "0x80001f8880aabbccdd00112233", "-u", "nobody", "-l", "noAuthNoPriv") == 0

        async def told() -> list[dict[str, object]]:
            items = (await house.get("/api/v1/drops?reason=auth_failed,unknown_user"))["items"]
            return items if len(items) == 2 else []

        by_reason = {item["reason"]: item for item in await house.eventually(told, what="both are told")}
        assert by_reason["auth_failed"]["count"] == 2
        assert by_reason["auth_failed"]["source"] == "127.0.0.1"
        assert "wrong digest for user 'station'" in by_reason["auth_failed"]["detail"]
        assert "user 'nobody' is not configured" in by_reason["unknown_user"]["detail"]
        assert "password" not in by_reason["unknown_user"]["detail"]


async def test_metrics_add_up(build) -> None:
    async with build() as house:
        before = await _balance(house)
        await house.link("down")
        await house.link("down")
        await house.run(
            "snmptrap", "-v2c", "-c", "wrong", f"127.0.0.1:{house.ports['trap']}", "", "1.3.6.1.6.3.1.1.5.3"
        )
        await house.beat("ok")
        await house.mail("Printer on fire")
        await house.sees(condition="mail")
        await house.sees(condition="link_down", occurrences=2)
        await house.quiet()
        received, kept, folded, dropped = (a - b for a, b in zip(await _balance(house), before, strict=True))
        assert (received, received - kept - folded - dropped) == (5, 0)
        assert dropped == 1


async def _balance(house) -> tuple[float, float, float, float]:
    text = (await house.http.get("/metrics")).text
    sums = dict.fromkeys(("received", "kept", "folded", "dropped"), 0.0)
    for line in text.splitlines():
        for name in sums:
            if line.startswith(f"tocsin_inputs_{name}_total{{"):
                sums[name] += float(line.rsplit(" ", 1)[1])
    return tuple(sums.values())
