"""Traps and informs of SNMP v1, v2c and v3, over IPv4 and IPv6.

What belongs here: everything that speaks SNMP. `ber`, `pdu`, `codec`, `names`, `render` and `translate` read notifications,
`again` knows those that only repeat; `v3`, `keys`, `privacy`, `timeliness` and `usm` judge SNMPv3; `informs` and `peers`
remember; all of these are pure. `sockets`, `start` and `collector` do the I/O; `send` and `command` send;
`mib_scan`, `mib_resolve`, `mib_files` and `catalogue` make names of MIB files; `reading` says what one datagram means.

On failure: a datagram that is not kept is counted by reason and never stops the others. A trap cannot be acknowledged:
if the intake is full it is counted as dropped. An inform is answered after its commit; if the store cannot take it there
is no answer, and its sender repeats. What the kernel drops for want of buffer is counted too. A broken socket ends
`run`, and the host starts the collector anew. SNMPv3 needs two values in the store: our engine id, and how often we
started; without the store there is no start. The boots and times of other engines are kept every five minutes and at a
stop: after a kill, what came in the minutes before it may be replayed once.

SNMPv3 adds two labels to those of `translate`: ``context`` if there is one, and ``time_window`` (``outside``) if a lenient
user's message came late.

By hand, with ``communities = ["public"]``::

    snmptrap -v 2c -c public 127.0.0.1:1162 '' 1.3.6.1.6.3.1.1.5.3 1.3.6.1.2.1.2.2.1.1.7 i 7
    snmpinform -v 2c -c public 127.0.0.1:1162 '' 1.3.6.1.6.3.1.1.5.4 1.3.6.1.2.1.2.2.1.1.7 i 7

and with a user ``ops``, ``auth = "sha256"``, ``priv = "aes128"``::

    snmpinform -v 3 -l authPriv -u ops -a SHA-256 -A "$AUTH" -x AES -X "$PRIV" 127.0.0.1:1162 '' 1.3.6.1.6.3.1.1.5.3
"""

from collectors.snmp.config import SnmpConfig
from collectors.snmp.drill import drill
from collectors.snmp.reading import reader
from collectors.snmp.start import build
from gateway.plugin import CollectorPlugin

plugin = CollectorPlugin(name="snmp", config=SnmpConfig, build=build, reader=reader, drill=drill, beats=False)
