"""The ClickUp sink: tickets are tasks of one list.

What belongs here: drafts to bodies and tasks to observations (`codec`), what answers say (`task`), text as Markdown
that is never markup (`markdown`), ClickUp's clock, rate limit and refusals (`manners`), the calls (`sink`), the set-up
check (`setup`).

On failure: `sinks._http` says how a call ended, and `manners` what ClickUp means by it. ClickUp has neither a unique
key nor a search, so after an unknown outcome `sinks.clickup.sink.ClickupSink.find` reads what the list got since then
and looks for our mark at the end of the names (or in a custom field). A task that was deleted, or that our token does
not reach any more, is `gateway.plugin.Reject`.

By hand::

    curl -H "Authorization: $CLICKUP_TOKEN" https://api.clickup.com/api/v2/list/$LIST/task?include_closed=true
"""

from gateway.plugin import SinkPlugin
from sinks.clickup.config import ClickupConfig
from sinks.clickup.sink import build

plugin = SinkPlugin(
    name="clickup",
    config=ClickupConfig,
    build=build,
    search_lag_s=(2, 10, 30, 60),
    calls_per_s=1.5,  # of the 100 calls a minute that most plans give a token, for all who use it
)
