"""A vendor's MIB files, as an operator adds them to a daemon that runs."""

import asyncio

import pytest
from click.testing import CliRunner

from collectors.snmp.mibs_command import mibs

pytestmark = pytest.mark.tools
FAN = """ACME-MIB DEFINITIONS ::= BEGIN
IMPORTS enterprises FROM SNMPv2-SMI;
acme OBJECT IDENTIFIER ::= { enterprises 99999 }
acmeTraps OBJECT IDENTIFIER ::= { acme 0 }
acmeFanFailed NOTIFICATION-TYPE STATUS current DESCRIPTION "" ::= { acmeTraps 1 }
END"""


async def test_mib_files_that_are_added_name_traps_after_a_reload(build, tmp_path) -> None:
    (tmp_path / "acme.mib").write_text(FAN)
    async with build() as house:
        await house.trap("1.3.6.1.4.1.99999.0.1")
        await house.sees(condition="1.3.6.1.4.1.99999.0.1", state="open")
        words = ["add", str(tmp_path / "acme.mib"), "--state-dir", str(house.app.state_dir)]
        ran = await asyncio.to_thread(CliRunner().invoke, mibs, words)
        assert "reload the daemon to use them" in ran.stdout
        await house.app.reload(house.app.config)
        await house.trap("1.3.6.1.4.1.99999.0.1")
        await house.sees(condition="acmeFanFailed", state="open")
