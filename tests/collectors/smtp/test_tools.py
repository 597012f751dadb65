"""Other people's clients: the command line's own sender, and swaks."""

import asyncio
import os
import shutil
import ssl

import pytest

from collectors.smtp.send import Encryption, NotSentError, Outgoing, send
from collectors.smtp.tls import Certificate
from gateway.plugin import Secret


def outgoing(port: int, **changes) -> Outgoing:
    return Outgoing(
        **{
            "to": "support@example.com",
            "sender": "alice@example.org",
            "subject": "Défaut",
            "text": "La station 7 ne répond plus.",
            "port": port,
        }
        | changes
    )


async def test_a_mail_is_sent_and_answered(serve) -> None:
    async with serve() as station:
        first = await send(outgoing(station.port))
        await send(outgoing(station.port, in_reply_to=first, text="Encore."))
    one, two = station.intake.events
    assert (one.summary, one.description) == ("Défaut", "La station 7 ne répond plus.")
    assert one.known_as[0] == f"mid:{first}" == two.references[0].key


async def test_a_mail_is_sent_with_login_over_both_kinds_of_tls(serve, tls) -> None:
    users = {"ups": Secret("correct horse")}
    async with serve(users=users, require_auth=True, listen_tls=["127.0.0.1:0"], **tls.settings) as station:
        login = {"user": "ups", "password": Secret("correct horse"), "verify": False}
        await send(outgoing(station.port, encryption=Encryption.STARTTLS, **login))
        await send(outgoing(station.tls_port, encryption=Encryption.TLS, **login))
        with pytest.raises(NotSentError, match="535"):
            await send(outgoing(station.tls_port, encryption=Encryption.TLS, **login | {"password": Secret("wrong")}))
        with pytest.raises(NotSentError, match="certificate"):
            await send(outgoing(station.tls_port, encryption=Encryption.TLS))
    assert len(station.intake.events) == 2


async def test_a_refusal_is_told_in_the_servers_words(serve) -> None:
    async with serve() as station:
        with pytest.raises(NotSentError, match=r"550 5\.1\.1 No such address here"):
            await send(outgoing(station.port, to="nobody@example.net"))
        port = station.port
    with pytest.raises(NotSentError, match=r"cannot send to 127\.0\.0\.1"):
        await send(outgoing(port, timeout_s=2))


async def run(*command: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


@pytest.fixture
def swaks() -> str:
    found = shutil.which("swaks")
    if found is None:
        pytest.skip("swaks is not installed")
    return found


@pytest.mark.tools
async def test_swaks_sends_an_attachment(serve, swaks: str) -> None:
    async with serve() as station:
        where = ("--server", "127.0.0.1", "--port", str(station.port), "--from", "a@example.org")
        code, said = await run(
            swaks, *where, "--to", "support@example.com", "--attach", "@/etc/hostname", "--body", "hello"
        )
        assert code == 0, said
        code, said = await run(swaks, *where, "--to", "nobody@example.org")
        assert "550 5.1.1" in said
    [event] = station.intake.events
    assert event.description == "hello"
    assert len(event.attachments) == 1


@pytest.mark.tools
async def test_swaks_speaks_starttls_and_logs_in(serve, tls, swaks: str) -> None:
    async with serve(users={"ups": Secret("right")}, require_auth=True, require_tls=True, **tls.settings) as station:
        code, said = await run(
            swaks,
            *(
                "--server",
                "127.0.0.1",
                "--port",
                str(station.port),
                "--from",
                "a@example.org",
                "--to",
                "support@example.com",
            ),
            *("-tls", "--auth", "PLAIN", "--auth-user", "ups", "--auth-password", "right"),
        )
        if "TLS not available" in said:
            pytest.skip("swaks lacks its TLS library")
        assert code == 0, said
    assert len(station.intake.events) == 1


def test_a_renewed_certificate_is_used_and_a_broken_one_is_not(tls, tmp_path) -> None:
    import trustme

    chain, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def issue(name: str) -> None:
        issued = trustme.CA().issue_cert(name)
        issued.cert_chain_pems[0].write_to_path(chain)
        issued.private_key_pem.write_to_path(key)

    def shown() -> bytes | None:
        client = ssl.create_default_context()
        client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = certificate.context.wrap_bio(to_server, to_client, server_side=True)
        peer = client.wrap_bio(to_client, to_server, server_hostname="x")
        for _ in range(4):
            for side in (peer, server):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    continue
        return peer.getpeercert(binary_form=True)

    issue("old.example.com")
    certificate = Certificate(chain, key)
    old = shown()
    issue("new.example.com")
    os.utime(chain, ns=(1, 1))
    certificate.refresh()
    new = shown()
    assert new != old
    mine = key.read_bytes()
    issue("half.example.com")
    key.write_bytes(mine)  # the certificate is there already, its key is not
    certificate.refresh()
    assert shown() == new
    chain.write_text("broken")
    certificate.refresh()
    assert shown() == new
    with pytest.raises(ValueError, match="smtp cannot load tls_certificate"):
        Certificate(chain, key)
