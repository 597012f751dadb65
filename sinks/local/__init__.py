"""The local sink: a small ticket desk in its own SQLite file, shown on the status page; needs no foreign tracker.

What belongs here: the desk's file (`schema`), its values (`ticket`), the desk as a library that the sink, pages and
tests share (`desk`), and the sink on top of it (`sink`). Nothing else in Tocsin opens this file.

On failure: a locked, full or unreadable file is `gateway.plugin.Retry`: each call is one transaction and harmless when
repeated. A ticket that a person deleted is `gateway.plugin.Reject`. A file that cannot be opened refuses the start.

By hand::

    sqlite3 /var/lib/tocsin/tickets.db 'SELECT number, state, impact, title FROM ticket'
"""

from gateway.plugin import SinkPlugin
from sinks.local.config import LocalConfig
from sinks.local.sink import build

plugin = SinkPlugin(
    name="local", config=LocalConfig, build=build, unique_key=True, search_lag_s=(0.1, 1.0), calls_per_s=200.0
)
