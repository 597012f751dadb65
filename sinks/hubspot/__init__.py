"""The HubSpot sink: tickets in HubSpot's Service Hub, by its dated API.

What belongs here: HubSpot's JSON (`codec`, pure), options (`config`), the calls (`sink`) and the verification of the
portal (`setup`). The manners of calling are `sinks._http`'s.

On failure: a unique property (``tocsin_incident_id``) makes HubSpot refuse a second ticket for one key, so a create
whose outcome is unknown may be repeated: the refusal leads to the ticket that is there, and it is adopted. A comment or
attachment in doubt is looked for by its mark. A refused token pauses the sink. An owner who cannot be found never
stops a ticket: it is made without one, and the log says so once.

By hand::

    tocsin setup hubspot --check          # token, scopes, pipeline, stages, priorities, properties, owners
    curl -H "Authorization: Bearer $TOKEN" \
        "https://api.hubapi.com/crm/objects/2026-09/tickets/KEY?idProperty=tocsin_incident_id"
"""

from gateway.plugin import SinkPlugin
from sinks.hubspot.config import HubspotConfig
from sinks.hubspot.sink import build

plugin = SinkPlugin(name="hubspot", config=HubspotConfig, build=build, unique_key=True, search_lag_s=(1, 3, 10, 30))
